"""Rules for what is made of other fields: objects, lists, parts whose `type` says what they are.

What no rule names is read whole, with its key. Rules for single fields are in `rules`.
"""

# ruff: noqa: D102 -- what `read` and `fields` do is said once, in Rule

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from crds.plan import Origin
from ext_proc.formats.rules import Path, Rule
from ext_proc.formats.texts import Found


class AmbiguousKeyError(ValueError):
    """A key differs from one of the format's only in case: parsers disagree about it."""


def tell_apart(unknown: Iterable[str], known: Iterable[str]) -> None:
    """Raise AmbiguousKeyError where a key is another spelling of a known one."""
    folded = {name.casefold() for name in known}
    if any(name.casefold() in folded for name in unknown):
        raise AmbiguousKeyError


@dataclass(frozen=True, slots=True)
class Pieces:
    """An object whose texts come in pieces: for the stream's machine to read."""

    def read(self, found: Found, owner: Any, key: Any, origin: Origin) -> None:
        if not isinstance(owner[key], dict | None):
            found.anything(owner, key, origin)

    def fields(self, path: Path) -> Iterator[tuple[Path, str]]:
        yield path, "see the stream's own rows"


@dataclass(frozen=True, slots=True)
class Object:
    """An object by its fields; fields that have no rule are read whole."""

    rules: Mapping[str, Rule]
    origin: Origin | None = None
    roles: Mapping[str, Origin] | None = None
    """Whose text it is, by the field `role`."""
    strict: bool = False
    """Refuse keys that differ from a known one only in case."""

    def read(self, found: Found, owner: Any, key: Any, origin: Origin) -> None:
        value = owner[key]
        if isinstance(value, dict):
            self.read_object(found, value, origin)
        elif value is not None:
            found.anything(owner, key, self.origin or origin)

    def read_object(self, found: Found, value: dict[str, Any], origin: Origin) -> None:
        """Read an object that has no owner."""
        origin = self.origin or origin
        if self.roles is not None:
            role = value.get("role")
            origin = self.roles.get(role, origin) if isinstance(role, str) else origin
        unknown = []
        for name in value:
            rule = self.rules.get(name)
            if rule is not None:
                rule.read(found, value, name, origin)
            else:
                unknown.append(name)
        if unknown:
            if self.strict:
                tell_apart(unknown, self.rules)
            found.rest(value, unknown, origin)

    def fields(self, path: Path) -> Iterator[tuple[Path, str]]:
        for name, rule in self.rules.items():
            yield from rule.fields((*path, name))
        yield (*path, "*"), "text, with its key"


@dataclass(frozen=True, slots=True)
class Each:
    """A list of one thing; a single one in its place is read the same way."""

    rule: Rule

    def read(self, found: Found, owner: Any, key: Any, origin: Origin) -> None:
        value = owner[key]
        if isinstance(value, list):
            for position in range(len(value)):
                self.rule.read(found, value, position, origin)
        elif value is not None:
            self.rule.read(found, owner, key, origin)

    def fields(self, path: Path) -> Iterator[tuple[Path, str]]:
        yield from self.rule.fields((*path, "[]"))


@dataclass(frozen=True, slots=True)
class Parts:
    """A string, or an object whose `type` says how it is read; unknown types are recorded."""

    types: Mapping[str, Object]
    origin: Origin | None = None

    def read(self, found: Found, owner: Any, key: Any, origin: Origin) -> None:
        value = owner[key]
        origin = self.origin or origin
        if isinstance(value, str):
            found.prose(owner, key, value, origin)
            return
        if not isinstance(value, dict):
            if value is not None:
                found.anything(owner, key, origin)
            return
        kind = value.get("type")
        part = self.types.get(kind) if isinstance(kind, str) else None
        if part is not None:
            part.read_object(found, value, origin)
        else:
            found.unscanned["unknown"] += 1
            found.anything(owner, key, origin)

    def fields(self, path: Path) -> Iterator[tuple[Path, str]]:
        yield path, "text"
        for kind, part in self.types.items():
            step = f"type={kind}"
            if step not in path and sum(each.startswith("type=") for each in path) < 2:
                yield from part.fields((*path, step))
        yield (*path, "type=*"), "text; recorded as unscanned (unknown)"


@dataclass(frozen=True, slots=True)
class Union:
    """An object whose one key says what it is and how it is read; unknown kinds are recorded."""

    kinds: Mapping[str, Rule]
    origin: Origin | None = None

    def read(self, found: Found, owner: Any, key: Any, origin: Origin) -> None:
        value = owner[key]
        origin = self.origin or origin
        if not isinstance(value, dict):
            if value is not None:
                found.anything(owner, key, origin)
            return
        unknown = []
        for name in value:
            rule = self.kinds.get(name)
            if rule is not None:
                rule.read(found, value, name, origin)
            else:
                unknown.append(name)
        if unknown:
            tell_apart(unknown, self.kinds)
            found.unscanned["unknown"] += 1
            found.rest(value, unknown, origin)

    def fields(self, path: Path) -> Iterator[tuple[Path, str]]:
        for name, rule in self.kinds.items():
            yield from rule.fields((*path, name))
        yield (*path, "*"), "text, with its key; recorded as unscanned (unknown)"
