"""A token endpoint over TLS, with an authority of its own, that remembers what it was asked."""

import asyncio
import base64
import ssl
import threading
from urllib.parse import unquote

from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from controller.tokens import endpoint
from tests.xds import configs


async def minted(ask, way):
    """What is minted, once its connections have ended too: that takes the loop a few turns."""
    found = await endpoint.mint(ask, way)
    await asyncio.to_thread(lambda: None)
    return found


def rsa_key(bits=2048):
    """A private key, and it in PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return key, pem.decode()


def unsound(pem):
    """The same key with one number that does not fit."""
    numbers = serialization.load_pem_private_key(pem.encode(), None).private_numbers()
    wrong = rsa.RSAPrivateNumbers(
        numbers.p,
        numbers.q,
        numbers.d + 2,
        numbers.dmp1,
        numbers.dmq1,
        numbers.iqmp,
        numbers.public_numbers,
    )
    return (
        wrong.private_key(unsafe_skip_rsa_key_validation=True)
        .private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
        .decode()
    )


class Idp:
    """Serves on loopback in a thread of its own; `answer` is what it says next."""

    def __init__(self, directory, lasts_s=3600):
        made = configs.certificate("idp", "127.0.0.1")
        self.authority = made.chain.decode()
        chain, key = directory / "idp.crt", directory / "idp.key"
        chain.write_bytes(made.chain)
        key.write_bytes(made.private_key.reveal())
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(chain, key)
        context.sni_callback = self._greeted
        self.greetings = 0
        """How many TLS connections were begun."""
        self.asked = []
        self.lasts_s = lasts_s
        self.answer = None
        """Status and body; None: a token that was never given before."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._runner = asyncio.run_coroutine_threadsafe(self._start(context), self._loop).result(10)
        self.port = self._runner.addresses[0][1]
        self.url = f"https://127.0.0.1:{self.port}/token"

    async def _start(self, context):
        app = web.Application()
        app.router.add_post("/token", self._token)
        app.router.add_post("/acting", self._acting)
        app.router.add_post("/sts", self._lent)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        return runner

    def _greeted(self, *_):
        self.greetings += 1

    async def _token(self, request):
        form = dict(await request.post())
        self.asked.append({"form": form, "client": basic(request.headers.get("authorization"))})
        if self.answer is not None:
            status, body = self.answer
            headers = {"location": self.url} if status == 302 else {}
            if isinstance(body, bytes):
                return web.Response(status=status, body=body, headers={"content-encoding": "gzip"})
            return web.Response(status=status, text=body, headers=headers)
        token = f"planted-token-{len(self.asked)}"
        return web.json_response(
            {"access_token": token, "token_type": "Bearer", "expires_in": self.lasts_s}
        )

    async def _acting(self, request):
        """As Google answers who acts as a service account."""
        bearer = request.headers.get("authorization")
        self.asked.append({"document": await request.json(), "bearer": bearer})
        if self.answer is not None:
            return web.Response(status=self.answer[0], text=self.answer[1])
        answer = {"accessToken": f"planted-acting-{len(self.asked)}", "expireTime": "…"}
        return web.json_response(answer)

    async def _lent(self, request):
        """As AWS answers who assumes a role and accepts JSON."""
        form = dict(await request.post())
        self.asked.append({"form": form, "accept": request.headers.get("accept")})
        if self.answer is not None:
            return web.Response(status=self.answer[0], text=self.answer[1])
        names = {"AccessKeyId": "id", "SecretAccessKey": "planted-key", "SessionToken": "planted-t"}
        credentials = {**names, "Expiration": 1.7e9}
        result = {"AssumeRoleWithWebIdentityResult": {"Credentials": credentials}}
        return web.json_response({"AssumeRoleWithWebIdentityResponse": result})

    def at(self, path):
        """The URL of another of its endpoints."""
        return f"https://127.0.0.1:{self.port}/{path}"

    def close(self):
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()


def basic(header):
    """Id and secret of a client, as RFC 6749 has them in a header."""
    if header is None:
        return None
    name, _, secret = base64.b64decode(header.removeprefix("Basic ")).decode().partition(":")
    return unquote(name), unquote(secret)
