"""Fields of Gemini's JSON, whose names may be written in camelCase or in snake_case.

Both are the same field to Google's parser of protocol buffers; null is a field that is not there.
Names are read into camelCase here; what users name themselves (arguments, schemas) stays as it is.
"""

from typing import Any

from ext_proc.formats.protobuf import camel
from ext_proc.translation.codec import UnspeakableError

Json = dict[str, Any]


def known(value: Any) -> Json | None:
    """The fields of an object that are there, by their camelCase names; None: it is none."""
    if not isinstance(value, dict):
        return None
    return {camel(name): inside for name, inside in value.items() if inside is not None}


def fields(value: Any, where: str) -> Json:
    """As `known`, of a request. Raise UnspeakableError."""
    found = known(value)
    if found is None:
        raise UnspeakableError(where, "must be an object")
    return found


def items(value: Any, where: str) -> list[Any]:
    """A list of a request; nothing is an empty one. Raise UnspeakableError."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise UnspeakableError(where, "must be a list")
    return value


def whole(value: Any, where: str) -> int | None:
    """A whole number of a request, which may be written as a string. Raise UnspeakableError."""
    if value is None or type(value) is int:
        return value
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 16:
        return int(value)
    raise UnspeakableError(where, "must be a whole number")
