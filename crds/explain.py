"""What pydantic found wrong becomes a field path and a fix in plain words.

A table from error types to sentences. No sentence quotes a value: what stands in the wrong field
may be a secret. Names of unknown fields and numbers that should be text are the exceptions.
"""

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from crds import aibackend, auth, meta, providers
from crds.documents import Number

Location = tuple[str | int, ...]

PATTERNS: Mapping[str, str] = {
    meta.DNS_LABEL: "must be lower-case letters, digits and '-', such as team-a",
    meta.DNS_NAME: "must be lower-case letters, digits, '-' and '.', such as openai-key",
    meta.HOSTNAME: "must be a DNS name, such as ai.corp.example or *.corp.example",
    meta.DURATION: "must be a duration, such as 30s, 1m30s or 250ms",
    meta.QUANTITY: "must be a size, such as 512Ki or 10Mi",
    meta.REQUEST_PATH: "must be a path without query, such as /v1/chat/completions",
    meta.PRICE: 'must be a decimal number in quotes, such as "2.50"',
    meta.MODEL_NAME: "must not hold spaces or characters beyond ASCII",
    meta.HOST: "must be a DNS name or an IP address, without scheme, port or path",
    meta.KEY: "must be letters, digits, '-', '_' and '.', such as apiKey",
    meta.HEADER: "must be a header's name in lower case, such as x-team",
    meta.HEADER_VALUE: "must be printable ASCII",
    meta.SCORE: 'must be a number from "0.0" to "1.0" in quotes, such as "0.5"',
    meta.ENTITY: "must be letters only, such as Email",
    aibackend.PATH_PREFIX: "must be a path without query, such as /v1 or /api/openai",
    auth.ENDPOINT_URL: "must be an https URL without query, such as https://idp.example/token",
    auth.SCOPE: "must be one scope, without spaces, quotes or backslashes",
    providers.PROJECT: "must be a project's id, such as my-project-42",
    providers.API_VERSION: "must be v1 or a date, such as 2024-10-21 or 2025-04-01-preview",
}


_SHORTEST = 3
"""A known word of more letters than this is meant where another begins with it."""


def explain(error: ValidationError, model: type[BaseModel]) -> list[tuple[Location, str]]:
    """Each thing wrong: where, and the fix."""
    every = error.errors(include_url=False)
    places = [details["loc"] for details in every]
    return [
        (location, text)
        for details in every
        if not (details["type"] == "too_short" and _inside(details["loc"], places))
        for location, text in _each(details, model)
    ]


def closest(word: str, known: Iterable[str]) -> str:
    """`; did you mean …?` if a known word is near, else nothing."""
    by_lower = {name.lower(): name for name in known}
    asked = word.lower()[:100]
    near = [name for name in by_lower if len(name) > _SHORTEST and asked.startswith(name)]
    near = near or difflib.get_close_matches(asked, by_lower, n=1, cutoff=0.6)
    return f"; did you mean {by_lower[max(near, key=len)]}?" if near else ""


def unknown_field(name: str, known: Iterable[str]) -> str:
    """The sentence about a field that does not exist."""
    fields = list(known)
    return f"unknown field {shown(name)}" + (
        closest(name, fields) or f"; known here: {', '.join(fields)}"
    )


def shown(name: str) -> str:
    """The name of an unknown field, unless it looks like anything but a name."""
    return name if name.isidentifier() and name.isascii() and len(name) <= 32 else "(not a name)"


def _inside(location: Location, places: list[Location]) -> bool:
    """Whether an item of this list is wrong: pydantic then counts the list as shorter."""
    return any(len(p) > len(location) and p[: len(location)] == location for p in places)


def _each(details: Any, model: type[BaseModel]) -> Iterable[tuple[Location, str]]:
    location: Location = details["loc"]
    kind: str = details["type"]
    if kind == "rules":
        for rule in details["ctx"]["broken"]:
            yield (*location, *([rule.field] if rule.field else [])), rule.message
    elif kind == "extra_forbidden":
        *parents, name = location
        known = _fields_at(model, tuple(parents))
        yield (*parents, shown(str(name))), unknown_field(str(name), known)
    else:
        yield location, _SENTENCES.get(kind, _other)(details)


def _fields_at(model: type[BaseModel], location: Location) -> list[str]:
    for part in location:
        if isinstance(part, str):
            model = _inner(model, part)
    return [field.alias or name for name, field in model.model_fields.items()]


def _inner(model: type[BaseModel], alias: str) -> type[BaseModel]:
    field = next(f for name, f in model.model_fields.items() if alias in (f.alias, name))
    return next(each for each in models_in(field.annotation))


def models_in(annotation: Any) -> Iterable[type[BaseModel]]:
    """The models a field's type is made of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from models_in(part)


def _text(details: Any) -> str:
    match details["input"]:
        case None:
            return "has no value; give it one or remove the field"
        case bool():
            return "must be text; write it in quotes"
        case Number() as number:
            return f'must be text; write it in quotes: "{number.text[:40]}"'
        case int() as number:
            return f'must be text; write it in quotes: "{number}"'
        case _:
            return "must be text, not a list or mapping"


def _whole_number(details: Any) -> str:
    match details["input"]:
        case None:
            return "has no value; give it one or remove the field"
        case str() as text if text.isdecimal():
            return "must be a whole number; remove the quotes"
        case _:
            return "must be a whole number"


def _container(expected: str) -> Callable[[Any], str]:
    def sentence(details: Any) -> str:
        if details["input"] is None:
            return "has no value; give it one or remove the field"
        return f"must be {expected}"

    return sentence


def _choice(details: Any) -> str:
    if details["input"] is None:
        return "has no value; give it one or remove the field"
    known = _choices(details["ctx"]["expected"])
    given = details["input"]
    options = known[0] if len(known) == 1 else f"one of {', '.join(known)}"
    return f"must be {options}" + (closest(given, known) if isinstance(given, str) else "")


def _choices(expected: str) -> list[str]:
    """Pydantic words a Literal as `'A', 'B' or 'C'`."""
    return [part or '""' for part in expected.split("'")[1::2]]


def _pattern(details: Any) -> str:
    pattern = details["ctx"]["pattern"]
    return PATTERNS.get(pattern, f"must match {pattern}")


def _too_short(details: Any) -> str:
    count = details["ctx"]["min_length"]
    return f"needs at least {count} item" + ("s" if count > 1 else "")


_MAPPING = _container("a mapping (name: value)")
_LIST = _container("a list; begin each item with '- '")
_SENTENCES: Mapping[str, Callable[[Any], str]] = {
    "missing": lambda _: "is required",
    "string_type": _text,
    "int_type": _whole_number,
    "int_from_float": _whole_number,
    "none_required": lambda _: "is not supported; remove it",
    "model_type": _MAPPING,
    "model_attributes_type": _MAPPING,
    "dict_type": _MAPPING,
    "tuple_type": _LIST,
    "literal_error": _choice,
    "string_pattern_mismatch": _pattern,
    "string_too_short": lambda _: "must not be empty",
    "string_too_long": lambda d: f"must have at most {d['ctx']['max_length']} characters",
    "too_short": _too_short,
    "too_long": lambda d: f"must have at most {d['ctx']['max_length']} items",
    "greater_than_equal": lambda d: f"must be at least {d['ctx']['ge']}",
    "less_than_equal": lambda d: f"must be at most {d['ctx']['le']}",
    "value_error": lambda d: str(d["ctx"]["error"]),
}


def _other(details: Any) -> str:
    return str(details["msg"])
