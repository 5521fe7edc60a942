"""HTTP/1.1 requests off a connection: heads, lengths, chunks, and what came of one cut short."""

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass

HEAD_LIMIT = 256 * 1024
BODY_LIMIT = 64 * 1024 * 1024
READ_BYTES = 256 * 1024

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it reached the provider."""

    method: str
    path: str
    """With its query."""
    headers: Headers
    """In the order received, names in lower case."""
    body: bytes
    """Decoded from its chunks; all bytes received where the head itself is incomplete."""
    complete: bool
    """False when the connection ended first or the framing was wrong."""

    def header(self, name: str) -> str:
        """The first value of a header, or nothing."""
        return next((value for key, value in self.headers if key == name), "")


class Cut(Exception):  # noqa: N818 - an end of the connection, not an error of ours
    """The client went away."""


class Malformed(Exception):  # noqa: N818 - bad input, answered with 400
    """The bytes are not an HTTP/1.1 request."""


class Inbox:
    """What the client sent and nobody has taken yet."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self._buffer = bytearray()

    async def more(self) -> None:
        """Wait for more bytes."""
        try:
            piece = await self._reader.read(READ_BYTES)
        except OSError as error:
            raise Cut from error
        if not piece:
            raise Cut
        self._buffer += piece

    async def pause(self, seconds: float) -> None:
        """Let time pass (`inf`: for ever), unless the client goes away first."""
        try:
            async with asyncio.timeout(None if math.isinf(seconds) else seconds):
                while True:
                    await self.more()
        except TimeoutError:
            return

    async def until(self, mark: bytes) -> bytes:
        """The bytes before `mark`, which is dropped."""
        start = 0
        while (end := self._buffer.find(mark, start)) < 0:
            if len(self._buffer) > HEAD_LIMIT:
                raise Malformed
            start = max(0, len(self._buffer) - len(mark))
            await self.more()
        taken = bytes(self._buffer[:end])
        del self._buffer[: end + len(mark)]
        return taken

    async def take(self, count: int, into: bytearray) -> None:
        """`count` bytes appended to `into`, piece by piece, so that a cut leaves what came."""
        while count:
            if not self._buffer:
                await self.more()
            piece = self._buffer[:count]
            into += piece
            del self._buffer[: len(piece)]
            count -= len(piece)

    def rest(self) -> bytes:
        """All that is left."""
        left = bytes(self._buffer)
        self._buffer.clear()
        return left


async def receive(inbox: Inbox, go_on: Callable[[], None]) -> Received | None:
    """The next request; None when the client ended the connection between two.

    `go_on` is called when the client waits for "100 Continue".
    """
    try:
        head = await inbox.until(b"\r\n\r\n")
        method, path, headers = _head(head)
    except Cut:
        left = inbox.rest()
        return Received("", "", (), left, complete=False) if left else None
    except Malformed:
        return Received("", "", (), inbox.rest(), complete=False)
    body = bytearray()
    try:
        await _body(inbox, headers, body, go_on)
    except (Cut, Malformed):
        return Received(method, path, headers, bytes(body), complete=False)
    return Received(method, path, headers, bytes(body), complete=True)


def _head(head: bytes) -> tuple[str, str, Headers]:
    lines = head.decode("latin-1").lstrip("\r\n").split("\r\n")
    words = lines[0].split(" ")
    if len(words) != 3 or words[2] not in ("HTTP/1.1", "HTTP/1.0"):
        raise Malformed
    headers = []
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise Malformed
        headers.append((name.lower(), value.strip()))
    if words[2] == "HTTP/1.0":
        headers.append(("connection", "close"))
    return words[0], words[1], tuple(headers)


async def _body(inbox: Inbox, headers: Headers, into: bytearray, go_on: Callable[[], None]) -> None:
    lengths = {value for name, value in headers if name == "content-length"}
    codings = [value.lower() for name, value in headers if name == "transfer-encoding"]
    if (codings and (lengths or codings != ["chunked"])) or len(lengths) > 1:
        raise Malformed
    if ("expect", "100-continue") in [(name, value.lower()) for name, value in headers]:
        go_on()
    if codings:
        await _chunks(inbox, into)
    elif lengths:
        await inbox.take(_size(lengths.pop(), 10, 0), into)


async def _chunks(inbox: Inbox, into: bytearray) -> None:
    while True:
        line = (await inbox.until(b"\r\n")).decode("latin-1")
        if not (size := _size(line.partition(";")[0].strip(), 16, len(into))):
            break
        await inbox.take(size, into)
        if await inbox.until(b"\r\n"):
            raise Malformed
    while await inbox.until(b"\r\n"):
        pass  # trailers


def _size(digits: str, base: int, already: int) -> int:
    if not digits.isalnum() or not digits.isascii():
        raise Malformed
    try:
        size = int(digits, base)
    except ValueError as error:
        raise Malformed from error
    if size + already > BODY_LIMIT:
        raise Malformed
    return size
