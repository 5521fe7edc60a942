"""The way to a token endpoint: verified, without redirects, and never into a refused network."""

import asyncio
import base64
import gzip
import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

from controller.settings import refused_networks
from controller.tokens import endpoint
from controller.tokens.asking import Ask, Assertion, ClientCredentials
from controller.tokens.endpoint import Way
from controller.tokens.grants import Token
from crds.gateway import SecretValue
from tests.tokens.idp import minted, rsa_key, unsound

GRANT = ClientCredentials("c", SecretValue(b"planted-secret"))


def says(idp, text, host="127.0.0.1"):
    return f"{host}:{idp.port} {text}"


def ask(idp, **more):
    return Ask(more.pop("url", idp.url), GRANT, ("s",), more.pop("authorities", idp.authority))


async def test_a_token_is_minted(idp) -> None:
    found = await minted(ask(idp), Way())
    assert isinstance(found, Token)
    assert found.value == SecretValue(b"planted-token-1")
    assert idp.greetings == 1
    assert idp.asked == [
        {
            "form": {"grant_type": "client_credentials", "scope": "s"},
            "client": ("c", "planted-secret"),
        }
    ]


async def test_a_service_accounts_statement_is_exchanged_for_a_token(idp) -> None:
    key, pem = rsa_key()
    grant = Assertion("a@corp", "k1", SecretValue(pem.encode()))
    found = await minted(Ask(idp.url, grant, ("s",), idp.authority), Way())
    assert isinstance(found, Token)
    [asked] = idp.asked
    signed, _, signature = asked["form"]["assertion"].rpartition(".")
    raw = base64.urlsafe_b64decode(signature + "==")
    key.public_key().verify(raw, signed.encode(), PKCS1v15(), hashes.SHA256())
    assert asked["client"] is None


async def test_a_key_that_is_not_sound_signs_nothing(idp) -> None:
    grant = Assertion("a@corp", "k1", SecretValue(unsound(rsa_key()[1]).encode()))
    found = await minted(Ask(idp.url, grant, ("s",), idp.authority), Way())
    assert found == says(idp, "was not asked: the private key is not sound")
    assert idp.asked == []


async def test_a_certificate_of_another_authority_gets_no_secret(idp) -> None:
    found = await minted(ask(idp, authorities=""), Way())
    assert found == says(idp, "has a certificate that cannot be verified")
    assert idp.asked == []


async def test_a_certificate_for_another_name_gets_no_secret(idp) -> None:
    found = await minted(ask(idp, url=idp.url.replace("127.0.0.1", "localhost")), Way())
    assert found == says(idp, "has a certificate that cannot be verified", "localhost")
    assert idp.asked == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_refused_network_gets_no_secret_whatever_leads_there(idp, host) -> None:
    url = idp.url.replace("127.0.0.1", host)
    found = await minted(ask(idp, url=url), Way(refused=refused_networks(())))
    assert found == says(idp, "is at an address where no endpoint may be", host)
    assert idp.asked == []


async def test_a_redirect_is_not_followed(idp) -> None:
    idp.answer = 302, ""
    assert await minted(ask(idp), Way()) == says(idp, "answered 302")
    assert len(idp.asked) == 1


async def test_an_answer_without_end_is_given_up(idp) -> None:
    idp.answer = 200, "x" * (endpoint.LARGEST * 4)
    assert await minted(ask(idp), Way()) == says(idp, "answered with what is not JSON")


async def test_an_answer_is_not_unpacked(idp) -> None:
    idp.answer = 200, gzip.compress(json.dumps({"access_token": "t"}).encode())
    assert await minted(ask(idp), Way()) == says(idp, "answered with what is not JSON")


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0177.0.0.1", "0x7f.1", "[::ffff:7f00:1]"])
async def test_no_spelling_of_a_refused_address_leads_there(idp, host) -> None:
    url = idp.url.replace("127.0.0.1", host)
    found = await minted(ask(idp, url=url), Way(refused=refused_networks(())))
    told = ("is at an address where no endpoint may be", "cannot be reached")
    assert found in [says(idp, each, host) for each in told]
    assert idp.asked == []
    assert idp.greetings == 0


async def test_authorities_may_have_comments_in_any_language(idp) -> None:
    found = await minted(ask(idp, authorities=f"# für alle\n{idp.authority}"), Way())
    assert isinstance(found, Token)


async def test_reading_authorities_holds_nobody_up(idp, monkeypatch) -> None:
    """The system's are many: they are read on a thread."""
    where = []
    made = endpoint.ssl.create_default_context

    def noted(**given):
        where.append(threading.current_thread())
        return made(**given)

    monkeypatch.setattr(endpoint.ssl, "create_default_context", noted)
    assert isinstance(await minted(ask(idp), Way()), Token)
    assert len(where) == 1
    assert where[0] is not threading.current_thread()


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://a..b/token", "has a name that cannot be resolved"),
        (f"https://{'a' * 64}.example/token", "has a name that cannot be resolved"),
        ("https://nowhere.invalid/token", "has a name that cannot be resolved"),
        ("https://127.0.0.1:1/token", "cannot be reached"),
    ],
)
async def test_an_endpoint_that_is_not_there_is_told(idp, url, told) -> None:
    host = url.removeprefix("https://").partition("/")[0]
    assert await minted(ask(idp, url=url), Way()) == f"{host} {told}"


async def test_authorities_that_cannot_be_read_are_told(idp) -> None:
    found = await minted(ask(idp, authorities=""), Way(ca_bundle="/nowhere/ca.pem"))
    assert found == says(idp, "cannot be reached")


async def test_a_name_that_resolves_slowly_holds_up_nobodys_threads(idp, monkeypatch) -> None:
    """Look-ups have threads of their own, and an ask that is given up ends with its thread."""
    looked, go = threading.Event(), threading.Event()

    def slow(*_):
        looked.set()
        go.wait()
        raise socket.gaierror

    monkeypatch.setattr(endpoint.socket, "getaddrinfo", slow)
    monkeypatch.setattr(endpoint, "TIMEOUT_S", 0.01)
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    asked = asyncio.create_task(minted(ask(idp, url="https://slow.example/t"), Way()))
    assert await asyncio.to_thread(looked.wait, 30)
    await asyncio.wait({asked}, timeout=0.1)
    assert not asked.done()
    go.set()
    assert (await asked).startswith("slow.example ")
