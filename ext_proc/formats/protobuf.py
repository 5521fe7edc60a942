"""Rules for JSON of protocol buffers, where a field has two names: camelCase and snake_case.

Google's parser takes either, and what it does with both at once is its own affair: so that no text
hides behind the other spelling, a request may say each field once.
"""

# ruff: noqa: D102 -- what `read` and `fields` do is said once, in Rule

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from crds.plan import Origin
from ext_proc.formats.rules import Path, Rule
from ext_proc.formats.shapes import AmbiguousKeyError
from ext_proc.formats.texts import Found


def camel(name: str) -> str:
    """`inline_data` → `inlineData`; what is written neither way stays as it is."""
    if "_" not in name or not name.islower():
        return name
    first, *rest = name.split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in rest)


def _folded(name: str) -> str:
    return name.replace("_", "").casefold()


@dataclass(frozen=True, slots=True)
class Message:
    """An object by its fields, named in camelCase; fields that have no rule are read whole."""

    rules: Mapping[str, Rule]
    origin: Origin | None = None
    roles: Mapping[str, Origin] | None = None
    """Whose text it is, by the field `role`."""
    strict: bool = True
    """Refuse a field twice, and names that differ from a known one only in case."""

    def read(self, found: Found, owner: Any, key: Any, origin: Origin) -> None:
        value = owner[key]
        if isinstance(value, dict):
            self.read_object(found, value, origin)
        elif value is not None:
            found.anything(owner, key, self.origin or origin)

    def read_object(self, found: Found, value: dict[str, Any], origin: Origin) -> None:
        """Read an object that has no owner. Raise AmbiguousKeyError."""
        origin = self.origin or origin
        if self.roles is not None:
            role = value.get("role")
            origin = self.roles.get(role, origin) if isinstance(role, str) else origin
        if self.strict:
            self._check(value)
        unknown = []
        for name in value:
            rule = self.rules.get(camel(name))
            if rule is not None:
                rule.read(found, value, name, origin)
            else:
                unknown.append(name)
        if unknown:
            found.rest(value, unknown, origin)

    def _check(self, value: dict[str, Any]) -> None:
        named = {camel(name): name for name in value}
        if len(named) != len(value):
            raise AmbiguousKeyError
        folded = {_folded(name) for name in self.rules}
        if any(_folded(name) in folded for name in named if name not in self.rules):
            raise AmbiguousKeyError

    def fields(self, path: Path) -> Iterator[tuple[Path, str]]:
        for name, rule in self.rules.items():
            yield from rule.fields((*path, name))
        yield (*path, "*"), "text, with its key"
