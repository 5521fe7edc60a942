"""Precedence in words: why a match serves a request, and why others that fit it too do not."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from crds.plan import Candidate, MatchTier, PathMatchPlan, VirtualHostPlan
from ext_proc.matching import Fit

_KINDS = ("Exact", "Prefix", "Suffix", "Regex", "any model", "no matches")
_PATHS = {"Exact": 0, "Prefix": 1}
_STEPS = (
    "it yields to every match",
    "its hostname is less specific",
    "it asks for fewer labels",
    "{kind} comes after {winner}",
    "its {kind} is shorter",
    "its path is less specific",
    "it asks for fewer headers",
)
"""Which step of the order decided; the last one, age and place, has words of its own."""
_LATER = "its hostname, path or headers are less specific, or it comes later by age, name or place"
_LAST = "it is equal otherwise, and comes later by age, name or place in the list"


@dataclass(frozen=True, slots=True)
class Other:
    """A rule that the request fits as well, and why it does not serve."""

    route: str
    rule: str
    because: str
    lost: str


def because(fit: Fit) -> str:
    """All that a match asked for and found."""
    return "; ".join(_found(fit)) or "no matches"


def asked(candidate: Candidate) -> str:
    """All that a match of a rule for requests in no format asked for and found."""
    return "; ".join(_outside(candidate)) or "no matches"


def later(winner: Candidate, rest: Iterable[Candidate]) -> tuple[Other, ...]:
    """The other such rules that a request fits, each by its best match."""
    found: dict[tuple[str, str], Other] = {}
    for each in rest:
        name = (each.route, each.rule)
        if name != (winner.route, winner.rule) and name not in found:
            found[name] = Other(*name, asked(each), _LATER)
    return tuple(found.values())


def _found(fit: Fit) -> Iterator[str]:
    yield from (f"label {name}={value}" for name, value in fit.candidate.labels)
    if fit.kind not in ("any model", "no matches"):
        yield f"model {fit.kind} {fit.value}"
    yield from _outside(fit.candidate)


def _outside(candidate: Candidate) -> Iterator[str]:
    """What a match asks for outside the body."""
    if candidate.path is not None:
        yield f"path {candidate.path.type} {candidate.path.value}"
    yield from (f"header {name}: {value}" for name, value in candidate.headers)


def others(plan: VirtualHostPlan, winner: Fit, rest: Iterable[Fit]) -> tuple[Other, ...]:
    """The other rules that the request fits, each by its best match."""
    found: dict[tuple[str, str], Other] = {}
    own = (winner.candidate.route, winner.candidate.rule)
    for fit in rest:
        name = (fit.candidate.route, fit.candidate.rule)
        if name != own and name not in found:
            found[name] = Other(*name, because(fit), _lost(plan.tiers, winner, fit))
    return tuple(found.values())


def _lost(tiers: tuple[MatchTier, ...], winner: Fit, loser: Fit) -> str:
    steps = zip(_rank(tiers, winner), _rank(tiers, loser), _STEPS, strict=True)
    decided = next((step for best, other, step in steps if best != other), _LAST)
    return decided.format(kind=loser.kind, winner=winner.kind)


def _rank(tiers: tuple[MatchTier, ...], fit: Fit) -> tuple[int | tuple[int, int], ...]:
    """Where a match stands in each step of the order."""
    hostname = sum(tier.labels == 0 for tier in tiers[: fit.tier])
    measured = fit.kind in ("Prefix", "Suffix")
    return (
        fit.kind == "no matches",
        hostname,
        -len(fit.candidate.labels),
        _KINDS.index(fit.kind),
        -len(fit.value) if measured else 0,
        _path(fit.candidate.path),
        -len(fit.candidate.headers),
    )


def _path(path: PathMatchPlan | None) -> tuple[int, int]:
    if path is None:
        return len(_PATHS), 0
    return _PATHS[path.type], -len(path.value) if path.type == "Prefix" else 0
