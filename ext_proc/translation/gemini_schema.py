"""Gemini's own schemas (a subset of OpenAPI 3.0) as JSON Schema.

Source: `Schema` of the Gemini API reference. Types are written in capitals there, `nullable`
stands beside the type, and `propertyOrdering` says what JSON Schema has no word for.
"""

from typing import Any

from ext_proc.formats.protobuf import camel
from ext_proc.translation.codec import UnspeakableError

Json = dict[str, Any]
_TYPES = ("string", "number", "integer", "boolean", "array", "object", "null")
_DROPPED = frozenset({"propertyOrdering", "nullable", "type"})
_LONGEST_KEY = 64
"""Of a key, in the place an error names: every schema below repeats it."""
_COUNTS = frozenset(
    {"minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"}
)


def read(schema: Any, where: str) -> Json:
    """Return the schema as JSON Schema. Raise UnspeakableError."""
    if not isinstance(schema, dict):
        raise UnspeakableError(where, "must be a schema")
    named = {camel(name): value for name, value in schema.items() if value is not None}
    kept = {name: value for name, value in named.items() if name not in _DROPPED}
    written: Json = {**_type(named, where)}
    for name, value in kept.items():
        written[name] = _keyword(name, value, f"{where}.{name}")
    return written


def _keyword(name: str, value: Any, where: str) -> Any:
    if name == "properties":
        if not isinstance(value, dict):
            raise UnspeakableError(where, "must be an object of schemas")
        return {key: read(inside, f"{where}.{key[:_LONGEST_KEY]}") for key, inside in value.items()}
    if name in ("items", "additionalProperties") and isinstance(value, dict):
        return read(value, where)
    if name in ("anyOf", "prefixItems"):
        if not isinstance(value, list):
            raise UnspeakableError(where, "must be a list of schemas")
        return [read(inside, f"{where}[{n}]") for n, inside in enumerate(value)]
    if name in _COUNTS and isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value[:18])
    return value


def _type(named: Json, where: str) -> Json:
    kind, nullable = named.get("type"), named.get("nullable") is True
    if isinstance(kind, list):
        lowered = [each.lower() for each in kind if isinstance(each, str)]
        if len(lowered) != len(kind) or not set(lowered) <= set(_TYPES):
            raise UnspeakableError(f"{where}.type", "is no type")
        return {"type": lowered}
    if kind is None or kind == "TYPE_UNSPECIFIED":
        return {}
    if not isinstance(kind, str) or kind.lower() not in _TYPES:
        raise UnspeakableError(f"{where}.type", "is no type")
    lower = kind.lower()
    return {"type": [lower, "null"] if nullable and lower != "null" else lower}
