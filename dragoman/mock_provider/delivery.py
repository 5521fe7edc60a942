"""An answer as bytes on a connection: framing, pace, and the places where it may break off."""

import asyncio
import json
import struct
import zlib
from collections.abc import Iterator, Mapping
from http import HTTPStatus

from dragoman.mock_provider.answer import EVENT_STREAM, FOREVER, Answer, Delivery, Event, Json
from dragoman.mock_provider.wire import Inbox

SERVER = "dragoman-mock-provider"
GZIP_WINDOW = 16 + zlib.MAX_WBITS
UNSIZED_PIECES = 4


async def deliver(
    answer: Answer, inbox: Inbox, writer: asyncio.StreamWriter, headers: Mapping[str, str]
) -> bool:
    """Send the answer; False when it broke off and the connection must end."""
    manner = answer.delivery
    if manner.wait_s:
        await inbox.pause(manner.wait_s)
    pieces = _pieces(answer)
    chunked = isinstance(answer.content, tuple) or not manner.length
    framing = {"transfer-encoding": "chunked"} if chunked else _length(pieces)
    writer.write(_head(answer, {**headers, **answer.headers, **framing}))
    end = len(pieces) if manner.stop_after is None else min(manner.stop_after, len(pieces) - 1)
    for number, piece in enumerate(pieces[: max(0, end)]):
        if number and manner.pause_s:
            await inbox.pause(manner.pause_s)
        await _write(piece, writer, manner.write_bytes, chunked=chunked)
    if end < len(pieces):
        await writer.drain()
        if manner.stall:
            await inbox.pause(FOREVER)
        return False
    if chunked:
        writer.write(b"0\r\n\r\n")
    await writer.drain()
    return True


def _length(pieces: list[bytes]) -> dict[str, str]:
    return {"content-length": str(sum(map(len, pieces)))}


def _head(answer: Answer, headers: Mapping[str, str]) -> bytes:
    try:
        reason = HTTPStatus(answer.status).phrase
    except ValueError:
        reason = "Mock"
    encoding = {"content-encoding": "gzip"} if answer.delivery.compress else {}
    lines = {"server": SERVER, "content-type": answer.kind, **encoding, **headers}
    text = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {answer.status} {reason}\r\n{text}\r\n".encode("latin-1")


async def _write(
    piece: bytes, writer: asyncio.StreamWriter, size: int | None, *, chunked: bool
) -> None:
    for start in range(0, len(piece), size or len(piece)):
        part = piece[start : start + (size or len(piece))]
        writer.write(b"%x\r\n%b\r\n" % (len(part), part) if chunked else part)
        await writer.drain()
        if size:
            await asyncio.sleep(0)


def _pieces(answer: Answer) -> list[bytes]:
    """One for each event; a body is one, or as many as its manner needs to be broken off."""
    manner = answer.delivery
    match answer.content:
        case tuple() as events:
            aws = answer.kind == EVENT_STREAM
            pieces = [_frame(event) if aws else _sse(event, manner) for event in events]
        case dict() as body:
            pieces = _divide(_dump(body), manner)
        case bytes() as body:
            pieces = [body] if body else []
    return list(_compress(pieces)) if manner.compress else pieces


def _divide(body: bytes, manner: Delivery) -> list[bytes]:
    count = 1 if manner.length else UNSIZED_PIECES
    if manner.stop_after is not None:
        count = max(count, manner.stop_after + 1)
    size = max(1, -(-len(body) // count))
    return [body[start : start + size] for start in range(0, len(body), size)]


def _compress(pieces: list[bytes]) -> Iterator[bytes]:
    compressor = zlib.compressobj(wbits=GZIP_WINDOW)
    for piece in pieces:
        yield compressor.compress(piece) + compressor.flush(zlib.Z_SYNC_FLUSH)
    yield compressor.flush()


def _dump(value: Json | str) -> bytes:
    if isinstance(value, str):
        return value.encode()
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _frame(event: Event) -> bytes:
    """A message of an AWS event stream: lengths, checksum, headers, payload, checksum."""
    kind = "exception" if event.name.endswith("Exception") else "event"
    named = {f":{kind}-type": event.name, ":content-type": "application/json"}
    headers = b"".join(
        struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", 7, len(value))
        + value.encode()
        for name, value in {**named, ":message-type": kind}.items()
    )  # fmt: skip
    payload = _dump(event.data)
    prelude = struct.pack("!II", 16 + len(headers) + len(payload), len(headers))
    checked = prelude + struct.pack("!I", zlib.crc32(prelude)) + headers + payload
    return checked + struct.pack("!I", zlib.crc32(checked))


def _sse(event: Event, manner: Delivery) -> bytes:
    lines = [f"event: {event.name}".encode()] if event.name else []
    if manner.split_data and isinstance(event.data, dict):
        text = json.dumps(event.data, ensure_ascii=False, indent=1).encode("utf-8", "replace")
        lines += [b"data: " + line for line in text.split(b"\n")]
    else:
        lines.append(b"data: " + _dump(event.data))
    if manner.crlf:
        lines = [b": a comment", b"id: 1", b"retry: 1000", *lines]
    return (b"\r\n" if manner.crlf else b"\n").join([*lines, b"", b""])
