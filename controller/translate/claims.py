"""Claims: what each match of an AIRoute asks for, and how specific it is.

A pattern that RE2 does not take is told and claims nothing; the rule's other matches stand.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from controller.resources import Object
from controller.translate import patterns
from controller.translate.conditions import Fault
from crds.airoute import AIRouteSpec, RouteRule
from crds.match import Match
from crds.meta import Key
from crds.plan import Candidate, Labels, PathMatchPlan

Headers = tuple[tuple[str, str], ...]
Rank = tuple[int, int]
"""Smaller is more specific."""

_MODELS = {"Exact": 0, "Prefix": 1, "Suffix": 2, "Regex": 3}
_PATHS = {"Exact": 0, "Prefix": 1}
_MEASURED = {"Prefix", "Suffix"}


class Model(NamedTuple):
    """What a match says of the model: a type of `ModelMatch`, and the text."""

    type: str
    value: str


class Path(NamedTuple):
    """What a match says of the path: `Exact` or `Prefix`, and the text."""

    type: str
    value: str


@dataclass(frozen=True, slots=True)
class Claim:
    """One match of one rule on one hostname; a rule without matches claims what is left."""

    route: Key
    rule: str
    rule_index: int
    match_index: int | None
    model: Model | None
    path: Path | None
    headers: Headers
    labels: Labels
    generic: bool
    """It claims only what is in no format, and the others none of that."""
    candidate: Candidate = field(compare=False)
    """Its row in the index."""

    @property
    def place(self) -> str:
        """Its field path."""
        match = "" if self.match_index is None else f".matches[{self.match_index}]"
        return f"spec.rules[{self.rule_index}]{match}"

    @property
    def specificity(self) -> tuple[int, Rank, Rank, int]:
        """More labels first, then the model, then the path, then more headers."""
        return -len(self.labels), model_rank(self.model), path_rank(self.path), -len(self.headers)


@dataclass(frozen=True, slots=True)
class Claims:
    """All that an AIRoute claims, wherever it is served."""

    claims: tuple[Claim, ...]
    faults: tuple[Fault, ...]


def model_rank(model: Model | None) -> Rank:
    """Exact, then the longest Prefix, then the longest Suffix, then Regex, then no model."""
    return _rank(_MODELS, model)


def path_rank(path: Path | None) -> Rank:
    """Exact, then the longest Prefix, then no path."""
    return _rank(_PATHS, path)


def _rank(types: dict[str, int], text: tuple[str, str] | None) -> Rank:
    if text is None:
        return len(types), 0
    type_, value = text
    return types[type_], -len(value) if type_ in _MEASURED else 0


def find(route: Object[AIRouteSpec]) -> Claims:
    """What an AIRoute claims, and what it cannot."""
    faults = tuple(_faults(route))
    wrong = {fault.field for fault in faults}
    claims = (claim for claim in _claims(route) if f"{claim.place}.model.value" not in wrong)
    return Claims(tuple(claims), faults)


def _faults(route: Object[AIRouteSpec]) -> Iterator[Fault]:
    for index, rule in enumerate(route.spec.rules):
        for number, match in enumerate(rule.matches):
            if match.model is not None and match.model.type == "Regex":
                place = f"spec.rules[{index}].matches[{number}].model.value"
                if text := patterns.fault(match.model.value):
                    yield Fault(route.key, "PartiallyInvalid", "UnsupportedValue", place, text)


def _claims(route: Object[AIRouteSpec]) -> Iterator[Claim]:
    for index, rule in enumerate(route.spec.rules):
        if not rule.matches:
            yield _claim(route.key, rule, (index, None), Match.model_construct())
        for number, match in enumerate(rule.matches):
            yield _claim(route.key, rule, (index, number), match)


def _claim(route: Key, rule: RouteRule, place: tuple[int, int | None], match: Match) -> Claim:
    model = Model(match.model.type, match.model.value) if match.model else None
    path = Path(match.path.type, match.path.value) if match.path else None
    headers = tuple(sorted((header.name, header.value) for header in match.headers))
    labels = tuple(sorted((label.name, label.value) for label in match.labels))
    row = Candidate(
        route=f"{route.namespace}/{route.name}",
        rule=rule.name,
        headers=headers,
        path=PathMatchPlan(type=match.path.type, value=match.path.value) if match.path else None,
        labels=labels,
    )
    generic = rule.format is not None
    return Claim(route, rule.name, *place, model, path, headers, labels, generic, row)
