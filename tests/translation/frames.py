"""Recorded event streams: files of one message a line, and the bytes they were, framed by hand."""

import struct
import zlib
from pathlib import Path

STREAMS = sorted((Path(__file__).parent / "recorded" / "bedrock").glob("*.stream"))
_NAMING = {"event": ":event-type", "exception": ":exception-type", "error": ":error-code"}


def frame(kind: str, name: str, payload: bytes) -> bytes:
    """One message, its headers in the order in which Bedrock sends them."""
    headers = {
        _NAMING[kind]: name,
        ":content-type": "application/json",
        ":message-type": kind,
    }
    block = b"".join(
        bytes([len(key)]) + key.encode() + struct.pack("!BH", 7, len(value)) + value.encode()
        for key, value in headers.items()
    )
    prelude = struct.pack("!II", len(block) + len(payload) + 16, len(block))
    prelude += struct.pack("!I", zlib.crc32(prelude))
    return prelude + block + payload + struct.pack("!I", zlib.crc32(prelude + block + payload))


def read(path: Path) -> bytes:
    """The bytes of a recorded stream."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return b"".join(
        frame(kind, name, payload.encode())
        for kind, name, payload in (line.split(" ", 2) for line in lines)
    )
