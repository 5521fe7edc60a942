"""Endpoint: one request to a token endpoint. Its certificate is verified and no redirect followed.

What comes back beyond the status is read by `grants` and told to nobody.
"""

import asyncio
import ipaddress
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from controller.tokens import grants
from controller.tokens.asking import Ask
from controller.tokens.grants import Post, Token

TIMEOUT_S = 10.0
LARGEST = 256 * 1024
_HEADERS = {
    "accept": "application/json",
    "accept-encoding": "identity",  # what is unpacked could be of any size
    "user-agent": "dragoman",
}


class RefusedError(Exception):
    """An address that no AIBackend may lead to."""


@dataclass(frozen=True, slots=True)
class Way:
    """What of the way to token endpoints depends on the place."""

    ca_bundle: str | None = None
    """The system's authorities as a file; None: where OpenSSL has them."""
    refused: tuple[str, ...] = ()
    """Networks no endpoint may be in, as CIDR."""


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
    """Ask once; what is returned in place of a token says why, and quotes nothing that was sent."""
    try:
        posted = await asyncio.to_thread(grants.post, ask, datetime.now(UTC))
    except ValueError:
        return "was not asked: the private key is not sound"
    try:
        status, body = await _exchange(ask, posted, way)
    except (RefusedError, aiohttp.ClientError, OSError, UnicodeError) as error:
        return next(text for kind, text in _FAILURES if isinstance(error, kind))
    return grants.read(status, body)


async def _exchange(ask: Ask, posted: Post, way: Way) -> tuple[int, bytes]:
    host = urlsplit(ask.url).hostname or ""
    guard = _Guard(way.refused)
    guard.check(host)
    context = await asyncio.to_thread(_context, ask.authorities, way.ca_bundle)
    connector = aiohttp.TCPConnector(ssl=context, resolver=guard, force_close=True)
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    headers = {**_HEADERS, **posted.headers}
    async with (
        aiohttp.ClientSession(
            connector=connector, timeout=timeout, auto_decompress=False
        ) as session,
        session.post(ask.url, data=posted.form, headers=headers, allow_redirects=False) as response,
    ):
        body = b""
        while len(body) <= LARGEST and (chunk := await response.content.readany()):
            body += chunk
        return response.status, body


def _context(authorities: str, ca_bundle: str | None) -> ssl.SSLContext:
    """Reading the system's authorities takes tens of milliseconds: not for the event loop."""
    if authorities:
        plain = authorities.encode("ascii", "ignore").decode()  # comments need not be ASCII
        return ssl.create_default_context(cadata=plain)
    return ssl.create_default_context(cafile=ca_bundle)


class _Guard(AbstractResolver):
    """Resolves names, and refuses what leads into a refused network."""

    def __init__(self, refused: Sequence[str]) -> None:
        self._refused = [ipaddress.ip_network(each) for each in refused]

    def check(self, address: str) -> None:
        """Raise RefusedError for a refused address; names pass."""
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return
        if any(parsed in each for each in self._refused if each.version == parsed.version):
            raise RefusedError

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[ResolveResult]:
        found = await aiohttp.ThreadedResolver().resolve(host, port, family)
        for each in found:
            self.check(each["host"])
        return found

    async def close(self) -> None:
        """Nothing is held."""
        await asyncio.sleep(0)
