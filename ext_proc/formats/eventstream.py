"""AWS event streams, both ways: bytes cut anywhere become messages, and messages become bytes.

A message is a prelude (its length, the length of its headers, a checksum of both), headers, a
payload, and a checksum of all; numbers are big-endian (Smithy's Amazon Event Stream specification).
Nothing is kept beyond one message of bounded length, and no length is believed before its checksum
was. What a payload means is not known here.
"""

import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NoReturn

MAX_MESSAGE = 8 * 1024 * 1024
MAX_HEADERS = 128 * 1024
CONTENT_TYPE = "application/vnd.amazon.eventstream"
_PRELUDE = struct.Struct("!III")
_CHECKSUM = struct.Struct("!I")
_NAMED = struct.Struct("!BH")
_SMALLEST = _PRELUDE.size + _CHECKSUM.size
_STRING = 7
_BYTES = 6
_WIDTHS = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
"""Bytes of a header's value, by its type: true, false, numbers, a time, a UUID."""


class BrokenFrameError(ValueError):
    """The bytes are no event stream; the message never holds any of them."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message: its bytes, what its headers say it is, and its payload."""

    raw: bytes
    kind: str
    """`event`, `exception` or `error`; empty where it is not said."""
    name: str
    """Of the event or exception, or an error's code."""
    payload: bytes


class Messages:
    """Cuts a byte stream into messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def cut(self) -> bool:
        """A message has begun and is not complete."""
        return bool(self._buffer)

    def push(self, data: bytes) -> Iterator[Message]:
        """Yield the messages that are complete now. Raise BrokenFrameError."""
        buffer = self._buffer
        buffer += data
        start = 0
        while (size := _size(buffer, start)) and len(buffer) - start >= size:
            message = _read(bytes(buffer[start : start + size]))
            start += size
            yield message
        del buffer[:start]


def _size(buffer: bytearray, start: int) -> int:
    """Return the length of the message that starts there; 0 if its prelude has not come."""
    if len(buffer) - start < _PRELUDE.size:
        return 0
    size, headers, checksum = _PRELUDE.unpack_from(buffer, start)
    if zlib.crc32(buffer[start : start + 8]) != checksum:
        _broken("A message's prelude has a wrong checksum.")
    if size > MAX_MESSAGE or headers > MAX_HEADERS:
        _broken("A message is too large.")
    if headers + _SMALLEST > size:
        _broken("A message's lengths contradict each other.")
    return int(size)


def _read(raw: bytes) -> Message:
    if zlib.crc32(raw[: -_CHECKSUM.size]) != _CHECKSUM.unpack(raw[-_CHECKSUM.size :])[0]:
        _broken("A message has a wrong checksum.")
    end = _PRELUDE.size + _PRELUDE.unpack_from(raw)[1]
    headers = _headers(raw[_PRELUDE.size : end])
    kind = headers.get(":message-type", "")
    named = {"event": ":event-type", "exception": ":exception-type", "error": ":error-code"}
    name = headers.get(named.get(kind, ""), "")
    return Message(raw, kind, name, raw[end : -_CHECKSUM.size])


def _headers(block: bytes) -> dict[str, str]:
    """Read the headers that are strings; the others are only skipped."""
    headers: dict[str, str] = {}
    names: set[bytes] = set()
    at = 0
    while at < len(block):
        name, value, at = _header(block, at)
        if name in names:
            _broken("A message names a header twice.")
        names.add(name)
        try:
            told = name.decode()
            if value is not None:
                headers[told] = value.decode()
        except UnicodeDecodeError:
            _broken("A message has a header that is not UTF-8.")
    return headers


def _header(block: bytes, at: int) -> tuple[bytes, bytes | None, int]:
    """Return a header's name, its value if that is a string, and where the next one starts."""
    named = at + 1 + block[at]
    name = block[at + 1 : named]
    if named >= len(block) or not name:
        _broken("A message has a header that is cut.")
    kind = block[named]
    if kind not in (_STRING, _BYTES):
        end = named + 1 + _WIDTHS.get(kind, len(block))
        value = b""
    else:
        start = named + _NAMED.size
        if start > len(block):
            _broken("A message has a header that is cut.")
        end = start + _NAMED.unpack_from(block, named)[1]
        value = block[start:end]
    if end > len(block):
        _broken("A message has a header that is cut or of an unknown type.")
    return name, value if kind == _STRING else None, end


def encode(headers: Mapping[str, str], payload: bytes) -> bytes:
    """Write one message whose headers are strings; names and values are ours or were checked."""
    block = b"".join(
        bytes((len(name.encode()),)) + name.encode() + _NAMED.pack(_STRING, len(value.encode()))
        + value.encode()
        for name, value in headers.items()
    )  # fmt: skip
    lengths = struct.pack("!II", _SMALLEST + len(block) + len(payload), len(block))
    checked = lengths + _CHECKSUM.pack(zlib.crc32(lengths)) + block + payload
    return checked + _CHECKSUM.pack(zlib.crc32(checked))


def event(name: str, payload: bytes) -> bytes:
    """Write an event of JSON."""
    return encode(_as_json(":event-type", name, "event"), payload)


def exception(name: str, payload: bytes) -> bytes:
    """Write an exception of JSON, which ends a stream."""
    return encode(_as_json(":exception-type", name, "exception"), payload)


def _as_json(naming: str, name: str, kind: str) -> dict[str, str]:
    return {naming: name, ":content-type": "application/json", ":message-type": kind}


def _broken(why: str) -> NoReturn:
    raise BrokenFrameError(why)
