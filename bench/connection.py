"""One target of the load generator: its request, its keep-alive connections, and what they see."""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlsplit

PATIENCE_S = 10.0
REST_S = 0.05
CREATED = b'"created":'


@dataclass(frozen=True, slots=True)
class Target:
    """Where requests go, and the request, ready to be written."""

    name: str
    host: str
    port: int
    request: bytes


@dataclass(slots=True)
class Slice:
    """What one slice saw; times in seconds."""

    latency: list[float] = field(default_factory=list)
    first_byte: list[float] = field(default_factory=list)
    gap: list[float] = field(default_factory=list)
    """Between two events of a stream."""
    transit: list[float] = field(default_factory=list)
    """From an event's `created` to its arrival, where that is a time of this machine's clock."""
    errors: Counter[str] = field(default_factory=Counter)
    elapsed_s: float = 0.0
    cpu_s: dict[str, float] = field(default_factory=dict)


def target(name: str, url: str, body: bytes, headers: Mapping[str, str] | None = None) -> Target:
    """A POST of JSON to a URL."""
    parts = urlsplit(url)
    host, port = parts.hostname or "127.0.0.1", parts.port or 80
    lines = {"host": f"{host}:{port}", "content-type": "application/json", **(headers or {})}
    head = "".join(f"{k}: {v}\r\n" for k, v in lines.items())
    first = f"POST {parts.path or '/'} HTTP/1.1\r\n{head}content-length: {len(body)}\r\n\r\n"
    return Target(name, host, port, first.encode() + body)


class Connection(asyncio.Protocol):
    """One connection: writes a request, and completes `done` at the end of its answer."""

    def __init__(self, into: Slice) -> None:
        self.into = into
        self.lost = False
        self._buffer = bytearray()
        self._event = bytearray()
        self._left: int | None = None
        self._chunked = self._stream = False
        self._status = 0
        self._sent = self._last = 0.0
        self._done: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's has another base

    def connection_lost(self, _: Exception | None) -> None:
        self.lost = True
        if self._done and not self._done.done():
            self.into.errors["connection lost"] += 1
            self._done.set_result(None)

    def ask(self, request: bytes) -> "asyncio.Future[None]":
        self._done = asyncio.get_running_loop().create_future()
        self._status, self._left, self._chunked = 0, None, False
        self._sent = self._last = time.monotonic()
        self._transport.write(request)
        return self._done

    def close(self) -> None:
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._status and not self._head():
            return
        if self._chunked:
            self._chunks()
        elif self._left is not None and len(self._buffer) >= self._left:
            del self._buffer[: self._left]
            self._end()

    def _head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        head = bytes(self._buffer[:end]).lower()
        del self._buffer[: end + 4]
        self.into.first_byte.append(time.monotonic() - self._sent)
        self._status = int(head[9:12])
        self._chunked = b"\r\ntransfer-encoding: chunked" in head
        self._stream = b"\r\ncontent-type: text/event-stream" in head
        self._event.clear()
        if not self._chunked:
            self._left = int(head.partition(b"\r\ncontent-length:")[2].split(b"\r", 1)[0] or 0)
        return True

    def _chunks(self) -> None:
        while True:
            if self._left is None:
                line = self._buffer.find(b"\r\n")
                if line < 0:
                    return
                self._left = int(self._buffer[:line].partition(b";")[0], 16) + 2
                del self._buffer[: line + 2]
            if len(self._buffer) < self._left:
                return
            chunk = bytes(self._buffer[: self._left - 2])
            del self._buffer[: self._left]
            self._left = None
            if not chunk:
                self._end()
                return
            if self._stream:
                self._events(chunk)

    def _events(self, chunk: bytes) -> None:
        now = time.monotonic()
        self._event += chunk
        while (end := self._event.find(b"\n\n")) >= 0:
            event = bytes(self._event[:end])
            del self._event[: end + 2]
            self.into.gap.append(now - self._last)
            self._last = now
            digits = event.partition(CREATED)[2].lstrip().partition(b",")[0]
            if digits.isdigit() and 0 <= (way := now - int(digits) / 1e9) < PATIENCE_S:
                self.into.transit.append(way)

    def _end(self) -> None:
        if self._status == 200:
            self.into.latency.append(time.monotonic() - self._sent)
        else:
            self.into.errors[f"status {self._status}"] += 1
        if self._done and not self._done.done():
            self._done.set_result(None)


class Pool:
    """The connections to one target, kept open from round to round."""

    def __init__(self, target: Target, size: int) -> None:
        self._target = target
        self._open: list[Connection | None] = [None] * size

    async def load(self, seconds: float) -> Slice:
        """One slice; it ends when the last answer is whole."""
        into = Slice()
        start = time.monotonic()
        await asyncio.gather(
            *(self._loop(place, into, start + seconds) for place in range(len(self._open)))
        )
        into.elapsed_s = time.monotonic() - start
        return into

    async def _loop(self, place: int, into: Slice, until: float) -> None:
        while time.monotonic() < until:
            connection = self._open[place]
            if connection is None or connection.lost:
                connection = await self._connect(into)
                self._open[place] = connection
            if connection is None:
                await asyncio.sleep(REST_S)
                continue
            connection.into = into
            try:
                async with asyncio.timeout(PATIENCE_S):
                    await connection.ask(self._target.request)
            except TimeoutError:
                into.errors["timeout"] += 1
                connection.close()
                self._open[place] = None

    async def _connect(self, into: Slice) -> Connection | None:
        loop = asyncio.get_running_loop()
        try:
            _, connection = await loop.create_connection(
                lambda: Connection(into), self._target.host, self._target.port
            )
        except OSError:
            into.errors["no connection"] += 1
            return None
        return connection

    def close(self) -> None:
        for connection in self._open:
            if connection is not None:
                connection.close()
