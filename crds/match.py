"""Matches: what a rule of an AIRoute asks of a request."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from crds.meta import (
    HEADER,
    HEADER_VALUE,
    REQUEST_PATH,
    Model,
    ModelName,
    RequestLabel,
    Rule,
    UniqueNames,
)


class ModelMatch(Model):
    """The model a caller asks for."""

    type: Literal["Exact", "Prefix", "Suffix", "Regex"] = "Exact"
    """`Exact` is the whole name, `Prefix` its beginning, `Suffix` its end.

    `Regex` is an RE2 expression for the whole name.
    """
    value: ModelName
    """The name, its beginning or end, or the expression."""


class PathMatch(Model):
    """The path of a request as the caller sent it, without query."""

    type: Literal["Exact", "Prefix"] = "Exact"
    """`Exact` is the whole path, `Prefix` its beginning."""
    value: Annotated[str, StringConstraints(max_length=256, pattern=REQUEST_PATH)]
    """The path, or its beginning."""


class HeaderMatch(Model):
    """A request header with exactly this value."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=HEADER)]
    """In lower case."""
    value: Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=HEADER_VALUE)]
    """The whole value."""


class Match(Model):
    """Conditions that must all hold."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.model) || has(self.path) || (has(self.headers) && size(self.headers) > 0)"
            " || (has(self.labels) && size(self.labels) > 0)",
            "a match needs model, path, headers or labels; leave matches out to match all requests",
            lambda self: bool(self.model or self.path or self.headers or self.labels),
        ),
        Rule(
            "!has(self.headers) || self.headers.all(h, !h.name.startsWith('x-dragoman-'))",
            "headers named x-dragoman-* are Dragoman's own and never reach a match",
            lambda self: not any(h.name.startswith("x-dragoman-") for h in self.headers),
            "headers",
        ),
    )

    model: ModelMatch | None = None
    """The model in the request's body."""
    headers: Annotated[tuple[HeaderMatch, ...], Field(max_length=8), UniqueNames] = ()
    """Request headers."""
    path: PathMatch | None = None
    """The request's path."""
    labels: Annotated[tuple[RequestLabel, ...], Field(max_length=8), UniqueNames] = ()
    """What guards with action Label found; of Gateway and listener policies only."""
