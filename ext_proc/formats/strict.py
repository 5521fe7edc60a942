"""The JSON door: bytes become a document only if every parser would read them alike.

What two parsers could read differently (a key twice, a lone surrogate, a number no double holds,
another encoding than UTF-8) is refused here, so that no text hides between the guard and a
provider. Numbers keep their spelling: those that a double or 64 bits would change are carried
as fragments. No format and no text is known here.
"""

import json
from typing import Any, NoReturn

import orjson

MAX_DEPTH = 64
_MAX_NUMBER = 128
_EXACT_DIGITS = 18


class InvalidJsonError(ValueError):
    """The bytes are refused; the message never holds any of them."""


def loads(body: bytes) -> dict[str, Any]:
    """Decode an object, or raise `InvalidJsonError`."""
    try:
        text = body.decode()
        if b"\\ud" in body or b"\\uD" in body:
            orjson.loads(body)  # refuses lone surrogates
        document = _DECODER.decode(text)
    except InvalidJsonError:
        raise
    except (ValueError, RecursionError):
        raise InvalidJsonError("The body is not valid JSON in UTF-8.") from None
    if not isinstance(document, dict):
        raise InvalidJsonError("The body must be a JSON object.")
    if body.count(b"{") + body.count(b"[") > MAX_DEPTH and _depth(document) > MAX_DEPTH:
        raise InvalidJsonError(f"The body is nested deeper than {MAX_DEPTH} levels.")
    return document


def dumps(document: Any) -> bytes:
    """Encode what `loads` decoded."""
    return orjson.dumps(document)


def parse_inner(text: str) -> Any:
    """Decode JSON that stood in a string; repeated keys are told apart. Raise ValueError."""
    try:
        return _INNER.decode(text)
    except RecursionError:
        raise ValueError("nested too deep") from None


def is_json(text: str) -> bool:
    """Tell whether a string is a JSON object or array, however sloppy or deep."""
    if text.lstrip()[:1] not in ("{", "["):
        return False
    try:
        _PROBE.decode(text)
    except RecursionError:
        return True
    except ValueError:
        return False
    return True


def _depth(document: Any) -> int:
    """Count levels of containers, one level at a time."""
    depth = 0
    level = [document]
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            break
        level = [child for node in level for child in _children(node)]
    return depth


def _children(node: Any) -> list[Any]:
    values = node.values() if isinstance(node, dict) else node
    return [value for value in values if isinstance(value, dict | list)]


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise InvalidJsonError("The body has an object in which a key stands twice.")
    return document


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Keep every value of a repeated key: the second under `key_2` and so on."""
    document = dict(pairs)
    if len(document) == len(pairs):
        return document
    document = {}
    for count, (key, value) in enumerate(pairs, 1):
        name = f"{key}_{count}" if key in document else key
        while name in document:
            name += "_"
        document[name] = value
    return document


def _integer(literal: str) -> Any:
    if len(literal) <= _EXACT_DIGITS and literal != "-0":
        return int(literal)
    if len(literal) > _MAX_NUMBER:
        raise InvalidJsonError("The body has a number that is too long.")
    return orjson.Fragment(literal)


def _float(literal: str) -> Any:
    if len(literal) > _MAX_NUMBER:
        raise InvalidJsonError("The body has a number that is too long.")
    if float(literal) in _INFINITE:
        raise InvalidJsonError("The body has a number that is too large.")
    return orjson.Fragment(literal)


def _constant(_: str) -> NoReturn:
    raise InvalidJsonError("The body has NaN or Infinity, which JSON does not know.")


_INFINITE = (float("inf"), float("-inf"))
_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=_float, parse_int=_integer, parse_constant=_constant
)
_INNER = json.JSONDecoder(
    object_pairs_hook=_distinct,
    parse_float=_float,
    parse_int=_integer,
    parse_constant=_constant,
    strict=False,
)
_PROBE = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=str, strict=False)
