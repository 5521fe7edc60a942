"""What reading yields: an object of a kind, or what is wrong with it, in one line per problem.

Shared by `load` (files) and every later reader; holds values only. How YAML becomes these values
is in `documents` and `load`.
"""

from dataclasses import dataclass
from typing import Generic, TypeVar

from crds.aipolicy import TargetRef
from crds.meta import Key, ObjectMeta

SpecT_co = TypeVar("SpecT_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Object(Generic[SpecT_co]):
    """One object of a kind; `origin` says where it stands (file:line)."""

    key: Key
    meta: ObjectMeta
    spec: SpecT_co
    origin: str = ""


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with an object as written: the field path and the fix."""

    field: str
    message: str
    origin: str = ""
    """Where the field stands (file:line), if that is known better than the object's origin."""


@dataclass(frozen=True, slots=True)
class Broken:
    """An object that could not be read."""

    key: Key
    origin: str
    problems: tuple[Problem, ...]
    generation: int = 1
    target_refs: tuple[TargetRef, ...] | None = None
    """An AIPolicy's targets, if at least those were readable."""
    gateway_class: str = ""
    """Of a Gateway, if at least that was readable."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to tell the user, at its place; as text it is one line."""

    origin: str
    message: str
    key: Key | None = None
    field: str = ""

    def __str__(self) -> str:
        return line(self.message, origin=self.origin, subject=str(self.key or ""), field=self.field)


def findings(broken: Broken) -> tuple[Finding, ...]:
    """The problems of a broken object, each at its own place."""
    return tuple(
        Finding(problem.origin or broken.origin, problem.message, broken.key, problem.field)
        for problem in broken.problems
    )


def line(message: str, *, origin: str = "", subject: str = "", field: str = "") -> str:
    """The one line a user reads: place, object, field path, and what to do; for conditions too."""
    parts = (part for part in (origin, subject, field, message) if part)
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in ": ".join(parts))


def path(location: tuple[str | int, ...]) -> str:
    """A field path as users write it: `spec.rules[0].backendRefs`."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")
