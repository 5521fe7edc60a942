"""Values: reading documents that may hold anything, and JSON that travels as text.

A request's value that is not what its field needs is `UnspeakableError`, an answer's is
`UnreadableError`; which one is the caller's to choose by the class it is given.
"""

import base64
import binascii
from collections.abc import Iterator
from typing import Any

import orjson

from ext_proc.formats import strict
from ext_proc.translation.codec import Json, UnspeakableError

GEMINI_SIGNED = "gemini_"
"""Begins the signatures of Gemini's thoughts: no other provider takes them."""
MARKED = base64.b64encode(b"dragoman:").decode()
"""Begins what was written here where a provider has bytes of its own."""


def objects(value: Any, where: str) -> Iterator[tuple[str, Json]]:
    """The objects of a list, each with its place; nothing where there is no list."""
    if value is None:
        return
    if not isinstance(value, list):
        raise UnspeakableError(where, "must be a list")
    for index, each in enumerate(value):
        if not isinstance(each, dict):
            raise UnspeakableError(f"{where}[{index}]", "must be an object")
        yield f"{where}[{index}]", each


def text(value: Any, where: str) -> str:
    """A string; empty where there is none."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise UnspeakableError(where, "must be a string")
    return value


def whole(value: Any, where: str) -> int | None:
    """A whole number."""
    if value is None:
        return None
    if type(value) is not int:
        raise UnspeakableError(where, "must be a whole number")
    return value


def number(value: Any, where: str) -> Any:
    """Any number, in its own spelling."""
    if isinstance(value, bool) or not isinstance(value, int | orjson.Fragment | None):
        raise UnspeakableError(where, "must be a number")
    return value


def texts(value: Any, where: str) -> tuple[str, ...]:
    """A list of strings, or a single one in its place."""
    if value is None:
        return ()
    listed = value if isinstance(value, list) else [value]
    return tuple(text(each, where) for each in listed)


def flag(value: Any) -> bool | None:
    """True, false, or not said."""
    return value if isinstance(value, bool) else None


def mapping(value: Any) -> Json:
    """An object; an empty one where there is something else."""
    return value if isinstance(value, dict) else {}


def string(value: Any) -> str:
    """A string; empty where there is something else."""
    return value if isinstance(value, str) else ""


def listed(value: Any) -> list[Json]:
    """The objects of a list; none where there is something else."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def as_object(arguments: str) -> Json:
    """A tool's arguments as an object; what is no object stands whole under `arguments`."""
    if not arguments.strip():
        return {}
    try:
        parsed = strict.parse_inner(arguments)
    except ValueError:
        return {"arguments": arguments}
    return parsed if isinstance(parsed, dict) else {"arguments": arguments}


def as_text(value: Any) -> str:
    """A JSON value as text."""
    return strict.dumps(value).decode()


def data_url(url: str) -> tuple[str, str] | None:
    """The media type and base64 of a data: URL; None for any other URL."""
    head, comma, data = url.partition(";base64,")
    if not comma or head[:5].lower() != "data:":
        return None
    return head[5:].partition(";")[0].lower() or "application/octet-stream", data


def decoded(data: str) -> str | None:
    """The text that base64 holds; None if it holds none."""
    try:
        return base64.b64decode(data, validate=True).decode()
    except (binascii.Error, ValueError):
        return None
