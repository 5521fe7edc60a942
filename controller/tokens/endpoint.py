"""Endpoint: one request to a token endpoint. Its certificate is verified and no redirect followed.

What comes back beyond the status is read by `grants` and `federation`, and told to nobody.
"""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from controller.tokens import federation, grants, turns
from controller.tokens.asking import Ask, Assertion, ClientCredentials, Identity
from controller.tokens.grants import Post, Token
from crds.gateway import SecretValue

TIMEOUT_S = 10.0
LARGEST = 256 * 1024
_HEADERS = {
    "accept": "application/json",
    "accept-encoding": "identity",  # what is unpacked could be of any size
    "user-agent": "dragoman",
}
Identify = Callable[[Identity], Awaitable[SecretValue | str]]
"""Asks for a ServiceAccount's token; text says why there is none."""


class RefusedError(Exception):
    """An address that no AIBackend may lead to."""


async def nobody(_: Identity) -> str:
    """Outside of a cluster there are no ServiceAccounts."""
    return "workloadIdentity needs a cluster: nobody vouches for a ServiceAccount here"


def _threads() -> ThreadPoolExecutor:
    """Threads of their own: a name that resolves slowly must hold up nothing but tokens."""
    return ThreadPoolExecutor(turns.AT_ONCE, "tokens")


@dataclass(frozen=True, slots=True)
class Way:
    """What of the way to token endpoints depends on the place."""

    ca_bundle: str | None = None
    """The system's authorities as a file; None: where OpenSSL has them."""
    refused: tuple[str, ...] = ()
    """Networks no endpoint may be in, as CIDR."""
    identify: Identify = nobody
    threads: ThreadPoolExecutor = field(default_factory=_threads, compare=False)


_UNRESOLVED = "has a name that cannot be resolved"
_UNVERIFIED = "has a certificate that cannot be verified"
_FAILURES: tuple[tuple[type[Exception], str], ...] = (
    (RefusedError, "is at an address where no endpoint may be"),
    (aiohttp.ClientConnectorDNSError, _UNRESOLVED),
    (UnicodeError, _UNRESOLVED),
    (aiohttp.ClientConnectorCertificateError, _UNVERIFIED),
    (aiohttp.ClientSSLError, _UNVERIFIED),
    (ssl.SSLError, _UNVERIFIED),
    (TimeoutError, f"did not answer within {TIMEOUT_S:g} s"),
    (Exception, "cannot be reached"),
)
"""What is told of a failure; the first that fits."""


async def mint(ask: Ask, way: Way) -> Token | str:
    """Ask once; what is returned in place of a token says who gave none and why.

    It quotes nothing that was sent.
    """
    posted = await _worded(ask, way)
    found = await _answer(posted, ask, way) if isinstance(posted, Post) else posted
    if isinstance(found, Token) and (further := federation.act_as(ask, found)) is not None:
        return await _answer(further, ask, way)
    return found


async def _worded(ask: Ask, way: Way) -> Post | str:
    """The first request, or why there is none."""
    grant = ask.grant
    if isinstance(grant, ClientCredentials | Assertion):
        try:
            posted: Post = await _on_thread(way, grants.post, ask, grant, datetime.now(UTC))
        except ValueError:
            return f"{ask.host} was not asked: the private key is not sound"
        return posted
    statement = await way.identify(grant.identity)
    if isinstance(statement, str):
        return statement
    return federation.post(ask, grant, statement)


async def _answer(posted: Post, ask: Ask, way: Way) -> Token | str:
    host = urlsplit(posted.url).netloc
    try:
        status, body = await _exchange(posted, ask.authorities, way)
    except (RefusedError, aiohttp.ClientError, OSError, UnicodeError) as error:
        return f"{host} {next(text for kind, text in _FAILURES if isinstance(error, kind))}"
    found = posted.read(status, body)
    return found if isinstance(found, Token) else f"{host} {found}"


async def _exchange(posted: Post, authorities: str, way: Way) -> tuple[int, bytes]:
    guard = _Guard(way)
    guard.check(urlsplit(posted.url).hostname or "")
    context = await _on_thread(way, _context, authorities, way.ca_bundle)
    connector = aiohttp.TCPConnector(ssl=context, resolver=guard, force_close=True)
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    headers = {**_HEADERS, **posted.headers}
    try:
        async with (
            aiohttp.ClientSession(
                connector=connector, timeout=timeout, auto_decompress=False
            ) as session,
            session.post(
                posted.url,
                data=posted.form,
                json=posted.document,
                headers=headers,
                allow_redirects=False,
            ) as response,
        ):
            body = b""
            while len(body) <= LARGEST and (chunk := await response.content.readany()):
                body += chunk
            return response.status, body
    except (aiohttp.ClientError, OSError, UnicodeError):
        await guard.ended()
        raise


async def _on_thread(way: Way, call: Callable[..., Any], *given: object) -> Any:
    return await asyncio.get_running_loop().run_in_executor(way.threads, call, *given)


def _context(authorities: str, ca_bundle: str | None) -> ssl.SSLContext:
    """Reading the system's authorities takes tens of milliseconds: not for the event loop."""
    if authorities:
        plain = authorities.encode("ascii", "ignore").decode()  # comments need not be ASCII
        return ssl.create_default_context(cadata=plain)
    return ssl.create_default_context(cafile=ca_bundle)


class _Guard(AbstractResolver):
    """Resolves names, and refuses what leads into a refused network."""

    def __init__(self, way: Way) -> None:
        self._refused: Sequence[Any] = [ipaddress.ip_network(each) for each in way.refused]
        self._threads = way.threads
        self._asked: list[Future[Any]] = []

    def check(self, address: str) -> None:
        """Raise RefusedError for a refused address; names pass."""
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return
        if any(parsed in each for each in self._refused if each.version == parsed.version):
            raise RefusedError

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[ResolveResult]:
        kind, flags = socket.SOCK_STREAM, socket.AI_ADDRCONFIG
        asked = self._threads.submit(socket.getaddrinfo, host, port, family, kind, 0, flags)
        self._asked.append(asked)
        rows = await asyncio.wrap_future(asked)
        found = [_result(host, port, *row) for row in rows]
        for each in found:
            self.check(each["host"])
        return found

    async def ended(self) -> None:
        """Wait for look-ups that were given up: they hold their threads until they end."""
        left = [asyncio.wrap_future(each) for each in self._asked if not each.done()]
        await asyncio.gather(*left, return_exceptions=True)

    async def close(self) -> None:
        """Nothing is held."""
        await asyncio.sleep(0)


def _result(
    host: str, port: int, family: int, _type: int, proto: int, _name: str, address: Any
) -> ResolveResult:
    numeric = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    return ResolveResult(
        hostname=host, host=address[0], port=port, family=family, proto=proto, flags=numeric
    )
