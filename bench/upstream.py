"""The provider of the benchmarks: one fixed answer, as cheap as Python can give it.

A request that says `"stream": true` gets K events, one every T ms; each carries the time it was
sent in `created` (CLOCK_MONOTONIC in ns, which all processes of a machine share), so that
`loadgen` can say how long each event was on its way. Everything else gets one JSON answer.
"""

import argparse
import asyncio
import json
import re
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import uvloop

STREAM = re.compile(rb'"stream"\s*:\s*true')
LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)
CHUNKED = re.compile(rb"\r\ntransfer-encoding:\s*chunked", re.IGNORECASE)
STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
)
WORD = "lorem ipsum "


@dataclass(frozen=True, slots=True)
class Script:
    """What is answered."""

    whole: bytes
    """The JSON answer with its head."""
    event: bytes
    """One event of a stream, with a place for the time."""
    last: bytes
    events: int
    every_s: float


def script(*, events: int = 20, every_s: float = 0.0, text_bytes: int = 200) -> Script:
    """Answers in the shape of OpenAI chat completions."""
    usage = {"prompt_tokens": 500, "completion_tokens": 100, "total_tokens": 600}
    message = {"role": "assistant", "content": (WORD * (text_bytes // len(WORD) + 1))[:text_bytes]}
    body = _chat("chat.completion", {"message": message, "finish_reason": "stop"}, usage)
    head = (
        f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    delta = {"delta": {"content": WORD}, "finish_reason": None}
    piece = _chat("chat.completion.chunk", delta, None).replace(b"%", b"%%")
    end = _chat("chat.completion.chunk", {"delta": {}, "finish_reason": "stop"}, usage)
    return Script(
        whole=head.encode() + body,
        event=b"data: " + piece.replace(b'"created":0', b'"created":%d') + b"\n\n",
        last=_frame(b"data: " + end + b"\n\n") + _frame(b"data: [DONE]\n\n") + b"0\r\n\r\n",
        events=events,
        every_s=every_s,
    )


def _chat(kind: str, choice: Mapping[str, object], usage: dict[str, int] | None) -> bytes:
    answer = {"id": "chatcmpl-bench", "object": kind, "created": 0, "model": "bench"}
    full = answer | {"choices": [{"index": 0, **choice}]} | ({"usage": usage} if usage else {})
    return json.dumps(full, separators=(",", ":")).encode()


def _frame(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


class Upstream(asyncio.Protocol):
    """One connection."""

    def __init__(self, answers: Script) -> None:
        self._answers = answers
        self._loop = asyncio.get_running_loop()
        self._buffer = b""
        self._streaming = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's has another base

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._next()

    def _next(self) -> None:
        while not self._streaming and (size := request_size(self._buffer)):
            request, self._buffer = self._buffer[:size], self._buffer[size:]
            if STREAM.search(request):
                self._streaming = True
                self._transport.write(STREAM_HEAD)
                self._stream(self._answers.events)
            else:
                self._transport.write(self._answers.whole)

    def _stream(self, left: int) -> None:
        while left:
            if self._transport.is_closing():
                return
            self._transport.write(_frame(self._answers.event % time.monotonic_ns()))
            left -= 1
            if self._answers.every_s:
                self._loop.call_later(self._answers.every_s, self._stream, left)
                return
        self._transport.write(self._answers.last)
        self._streaming = False
        self._loop.call_soon(self._next)


def request_size(buffer: bytes) -> int:
    """How many bytes the first request takes; 0 while it is not all here."""
    end = buffer.find(b"\r\n\r\n")
    if end < 0:
        return 0
    if CHUNKED.search(buffer, 0, end + 2):
        last = buffer.find(b"\r\n0\r\n\r\n", end)
        return last + 7 if last >= 0 else 0
    length = LENGTH.search(buffer, 0, end + 2)
    size = end + 4 + (int(length[1]) if length else 0)
    return size if len(buffer) >= size else 0


async def serve(host: str, port: int, answers: Script) -> asyncio.Server:
    """Listen; port 0 is any free one."""
    loop = asyncio.get_running_loop()
    return await loop.create_server(lambda: Upstream(answers), host, port, backlog=4096)


async def _run(given: argparse.Namespace) -> None:
    answers = script(events=given.events, every_s=given.every / 1000, text_bytes=given.bytes)
    server = await serve(given.host, given.port, answers)
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    print("ready http://{}:{}".format(*server.sockets[0].getsockname()[:2]), flush=True)
    await ended.wait()
    server.close()


def main() -> None:
    parser = argparse.ArgumentParser(description="The provider of the benchmarks.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 is any free one")
    parser.add_argument("--events", type=int, default=20, help="events in a stream")
    parser.add_argument("--every", type=float, default=0, metavar="MS", help="between two events")
    parser.add_argument(
        "--bytes", type=int, default=200, help="length of the text of a JSON answer"
    )
    uvloop.run(_run(parser.parse_args()))


if __name__ == "__main__":
    main()
