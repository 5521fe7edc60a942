"""JSON Schemas of AIPolicies: read from ConfigMaps, and found fit to judge what strangers send.

What judging costs must follow from the schema: no reference leaves it or comes back to itself, its
parts are few with all references written out, patterns are of linear time, and keywords that
compare everything with everything are refused. `ext_proc.schemas` compiles what passes here.
"""

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple, NoReturn
from urllib.parse import unquote

import jsonschema_rs

from controller.resources import Resources
from controller.translate import config_maps
from controller.translate.conditions import Fault
from crds.json_schemas import RequestSchema, ResponseSchema
from crds.meta import Key
from crds.plan import SchemaPlan

LONGEST_BYTES = 64 * 1024
MOST_PARTS = 2000
"""Schemas in a schema, each counted wherever a reference puts it."""
MOST_LEVELS = 64
MOST_PATTERNS = 64
"""One may take 256 KiB of memory in every guard."""
_TOO_DEEP = f"is deeper than {MOST_LEVELS} levels; make it flatter"
_OPTIONS = jsonschema_rs.RegexOptions(size_limit=1 << 18, dfa_size_limit=1 << 18)
_COSTLY = (
    *("uniqueItems", "unevaluatedItems", "unevaluatedProperties"),
    *("$dynamicRef", "$recursiveRef"),
)
_APPLIED = frozenset({"properties", "patternProperties", "dependentSchemas", "dependencies"})
"""Keywords that hold schemas by name."""
_DEFINED = ("$defs", "definitions")
_VALUES = frozenset({"enum", "const", "default", "examples"})
"""Keywords that hold no schemas."""


class _UnfitError(ValueError):
    """Why a schema is refused, and the fix."""


def faults(
    policy: Key, place: str, schema: ResponseSchema, resources: Resources
) -> Iterator[Fault]:
    """Find what is wrong with one schema of an AIPolicy."""
    ref, where = schema.config_map_ref, f"{place}.configMapRef"
    text = config_maps.content(policy, ref, resources)
    if text is None:
        yield config_maps.missing(policy, where, ref, resources)
    elif problem := _problem(text):
        told = f"{ref.key} of {config_maps.key(policy, ref)} {problem}"
        yield Fault(policy, "ResolvedRefs", "UnsupportedValue", where, told)


def plan(
    policy: Key, schema: ResponseSchema, resources: Resources, *, enforced: bool
) -> SchemaPlan:
    """Make the plan of a schema that has no faults; its text does not depend on its layout."""
    text = config_maps.content(policy, schema.config_map_ref, resources) or ""
    return SchemaPlan(
        name=schema.name,
        policy=f"{policy.namespace}/{policy.name}",
        text=json.dumps(json.loads(text), separators=(",", ":"), ensure_ascii=False),
        enforced=enforced,
        formats=schema.applies_to if isinstance(schema, RequestSchema) else (),
    )


@lru_cache(maxsize=256)
def _problem(text: str) -> str:
    """Say why a text is no schema to judge by; empty if it is one."""
    try:
        _compile(_read(text))
    except _UnfitError as unfit:
        return str(unfit)
    return ""


def _read(text: str) -> dict[str, Any]:
    if len(text.encode()) > LONGEST_BYTES:
        raise _UnfitError(f"is larger than {LONGEST_BYTES // 1024} KiB; shorten it")
    try:
        document = json.loads(text, object_pairs_hook=_object, parse_constant=_constant)
    except _UnfitError:
        raise
    except (ValueError, RecursionError):
        raise _UnfitError("is not JSON; write the schema as JSON, not YAML") from None
    if not isinstance(document, dict):
        raise _UnfitError('is not a JSON object; write a schema such as {"type": "object"}')
    if "draft-04" in str(document.get("$schema")):
        raise _UnfitError("is of draft 4; write it for draft 6 or newer")
    return document


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise _UnfitError("has an object in which a key stands twice; remove one")
    return document


def _constant(_: str) -> NoReturn:
    raise _UnfitError("has NaN or Infinity, which JSON does not know; use a number")


def _compile(document: dict[str, Any]) -> None:
    _Bounds(document).check()
    try:
        jsonschema_rs.validator_for(
            document, validate_formats=False, pattern_options=_OPTIONS, offline=True
        )
    except jsonschema_rs.ValidationError as error:
        pointer = "".join(f"/{part}" for part in error.instance_path)
        where = f"at {pointer}" if pointer else "in its references or at its top"
        raise _UnfitError(
            f"is no JSON Schema {where}; mend it there (patterns take no lookaround, no"
            " backreferences and no huge repetitions)"
        ) from None
    except ValueError:
        raise _UnfitError("is no JSON Schema that can be compiled; simplify it") from None


class _Size(NamedTuple):
    """How large a schema is with every reference written out."""

    parts: int
    levels: int


class _Bounds:
    """Judges the size of a schema from within."""

    def __init__(self, root: dict[str, Any]) -> None:
        self._root = root
        self._known: dict[int, _Size] = {}
        self._open: set[int] = set()
        self._patterns = 0

    def check(self) -> None:
        """Raise _UnfitError."""
        self._measure(self._root, 0)

    def _measure(self, node: Any, level: int) -> _Size:
        if not isinstance(node, dict):
            return _Size(0, 0)
        place = id(node)
        if place in self._open:
            raise _UnfitError("has a $ref that leads back to itself; write the levels out")
        if place not in self._known:
            _check_keywords(node, is_root=node is self._root)
            self._count_patterns(node)
            self._open.add(place)
            self._known[place] = self._sum(node, level + 1)
            self._open.remove(place)
        return self._known[place]

    def _count_patterns(self, node: dict[str, Any]) -> None:
        by_name = node.get("patternProperties")
        self._patterns += ("pattern" in node) + (len(by_name) if isinstance(by_name, dict) else 0)
        if self._patterns > MOST_PATTERNS:
            raise _UnfitError(f"has more than {MOST_PATTERNS} patterns; make do with fewer")

    def _sum(self, node: dict[str, Any], level: int) -> _Size:
        if level > MOST_LEVELS:
            raise _UnfitError(_TOO_DEEP)
        inner = list(_applied(node))
        if "$ref" in node:
            inner.append(self._target(node["$ref"]))
        sizes = [self._measure(each, level) for each in inner]
        for definition in _defined(node):
            self._measure(definition, level)
        levels = 1 + max((each.levels for each in sizes), default=0)
        parts = 1 + sum(each.parts for each in sizes)
        if levels > MOST_LEVELS:
            raise _UnfitError(_TOO_DEEP)
        if parts > MOST_PARTS:
            raise _UnfitError(
                f"has more than {MOST_PARTS} parts, its references written out; make it smaller"
            )
        return _Size(parts, levels)

    def _target(self, ref: Any) -> Any:
        _, keyword, name, *more = unquote(ref).split("/") if _is_local(ref) else ("", "", "", "")
        if more or keyword not in _DEFINED:
            raise _UnfitError(
                "has a $ref out of itself or into another part; a $ref must be #/$defs/NAME"
            )
        definitions = self._root.get(keyword)
        name = name.replace("~1", "/").replace("~0", "~")
        if not isinstance(definitions, dict) or name not in definitions:
            raise _UnfitError(f"has a $ref to what is not there; define it in {keyword}")
        return definitions[name]


def _is_local(ref: Any) -> bool:
    return isinstance(ref, str) and ref.startswith("#/") and ref.count("/") >= 2


def _check_keywords(node: dict[str, Any], *, is_root: bool) -> None:
    for keyword in _COSTLY:
        if keyword in node and (keyword, node[keyword]) != ("uniqueItems", False):
            raise _UnfitError(f"has {keyword}, whose cost has no bound; remove it")
    if not is_root and "$id" in node:
        raise _UnfitError("has an $id below its top; refer to parts by #/$defs/… instead")


def _applied(node: dict[str, Any]) -> Iterator[Any]:
    """What may be a schema that judges where this one does, or below."""
    for keyword, value in node.items():
        if keyword in _APPLIED and isinstance(value, dict):
            yield from value.values()
        elif keyword not in _VALUES and keyword not in _DEFINED:
            yield from value if isinstance(value, list) else (value,)


def _defined(node: dict[str, Any]) -> Iterator[Any]:
    """Schemas that judge only where a reference puts them."""
    for keyword in _DEFINED:
        if isinstance(node.get(keyword), dict):
            yield from node[keyword].values()
