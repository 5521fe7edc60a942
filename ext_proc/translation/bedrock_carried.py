"""What a caller keeps for another provider, in the one opaque field that Bedrock's format has.

`redactedContent` is bytes that a caller sends back as they came. Bedrock's own are left alone; what
another provider wants to see again stands there behind a mark.
"""

from base64 import b64decode, b64encode
from binascii import Error
from typing import Literal

from ext_proc.translation.anthropic_blocks import FOREIGN_SIGNED

Kind = Literal["redacted", "call"]
"""Reasoning that its provider encrypted, or the signature of the tool call that comes next."""
_MARKS: dict[Kind, bytes] = {"redacted": b"dragoman:redacted:", "call": b"dragoman:call:"}


def carry(kind: Kind, value: str) -> str:
    """Write `redactedContent`."""
    if kind == "redacted" and is_blob(value):
        return value
    return b64encode(_MARKS[kind] + value.encode()).decode()


def carried(content: str) -> tuple[Kind, str]:
    """Read `redactedContent`: what it is for, and its value."""
    raw = _bytes(content)
    for kind, mark in _MARKS.items():
        if raw.startswith(mark):
            return kind, raw.removeprefix(mark).decode(errors="replace")
    return "redacted", content


def is_native(signature: str) -> bool:
    """Tell whether Bedrock's models may have signed it: Claude's signatures are good everywhere."""
    return bool(signature) and not signature.startswith(FOREIGN_SIGNED)


def is_blob(content: str) -> bool:
    """Tell whether `redactedContent` can hold it as it is."""
    return is_native(content) and bool(_bytes(content))


def _bytes(content: str) -> bytes:
    try:
        return b64decode(content, validate=True)
    except (Error, ValueError):
        return b""
