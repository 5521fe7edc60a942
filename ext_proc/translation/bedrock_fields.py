"""Fields of Bedrock's JSON in a request: each is of its type, or the request is refused.

Null is a field that is not there; a union is an object of which one field is there.
"""

from typing import Any

from ext_proc.translation import values
from ext_proc.translation.codec import Json, UnspeakableError


def fields(value: Any, where: str) -> Json:
    """The fields of an object that are there; nothing is an object without any."""
    if not isinstance(value, dict | None):
        raise UnspeakableError(where, "must be an object")
    return {name: inside for name, inside in (value or {}).items() if inside is not None}


def items(value: Any, where: str) -> list[Any]:
    """A list; nothing is an empty one."""
    if not isinstance(value, list | None):
        raise UnspeakableError(where, "must be a list")
    return value or []


def union(value: Any, where: str) -> tuple[str, Any]:
    """The one field of a union, and what it holds."""
    stated = fields(value, where)
    if len(stated) != 1:
        raise UnspeakableError(where, "must have one field, which says what it is")
    return next(iter(stated.items()))


def text(stated: Json, name: str, where: str) -> str:
    """A string; nothing is an empty one."""
    return values.text(stated.get(name), f"{where}.{name}")


def needed(stated: Json, name: str, where: str) -> str:
    """A string that is not empty."""
    value = text(stated, name, where)
    if not value:
        raise UnspeakableError(f"{where}.{name}", "is missing")
    return value


def count(stated: Json, name: str, where: str) -> int | None:
    """A whole number."""
    return values.whole(stated.get(name), f"{where}.{name}")


def number(stated: Json, name: str, where: str) -> Any:
    """Any number, in its own spelling."""
    return values.number(stated.get(name), f"{where}.{name}")
