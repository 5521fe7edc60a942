"""Which rule serves a request: a look-up in the index of its virtual host, never a scan.

Hostnames decide first, then the number of labels (the tiers); in each tier the model's exact name,
its longest prefix, its longest suffix, the few patterns, matches that name no model, and at last
rules without matches. How the index is ordered is the controller's affair.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from crds.plan import Candidate, MatchTier
from ext_proc.call import Reject
from ext_proc.plans import Host, Patterns, Route, Rule, Snapshot

LONGEST_MODEL = 256
"""No match is longer, and no pattern is tried on a longer name."""
Kind = Literal["Exact", "Prefix", "Suffix", "Regex", "any model", "no matches"]


@dataclass(frozen=True, slots=True)
class Traits:
    """What a request is matched by."""

    model: str
    headers: Mapping[str, str]
    labels: frozenset[tuple[str, str]] = frozenset()


class Fit(NamedTuple):
    """A match that a request meets: where it stands in the index, and its row."""

    tier: int
    kind: Kind
    value: str
    """The name, its beginning or end, or the pattern."""
    candidate: Candidate


@dataclass(frozen=True, slots=True)
class Match:
    """The rule that serves, and the AIRoute it belongs to."""

    route: Route
    rule: Rule


def find(host: Host, snapshot: Snapshot, traits: Traits) -> Match | Reject:
    """Find the rule for a request, or say why there is none."""
    fit = next(fits(host, traits), None)
    if fit is None:
        return Reject(404, "model_not_found", "No rule serves this model.")
    return _loaded(snapshot, fit.candidate)


def find_generic(host: Host, snapshot: Snapshot, traits: Traits) -> Match | Reject | None:
    """Find the rule that passes on a request in no format; None if there is none."""
    candidate = next(generic(host, traits), None)
    return None if candidate is None else _loaded(snapshot, candidate)


def generic(host: Host, traits: Traits) -> Iterator[Candidate]:
    """Every match of such rules that the request meets; the first serves it."""
    return (each for each in host.plan.generic if _takes(each, traits))


def _loaded(snapshot: Snapshot, candidate: Candidate) -> Match | Reject:
    route = snapshot.routes.get(candidate.route)
    rule = route.rules.get(candidate.rule) if route else None
    if route is None or rule is None:
        return Reject(
            503, "guard_unavailable", "The rule that serves this request is not loaded yet."
        )
    return Match(route, rule)


def fits(host: Host, traits: Traits) -> Iterator[Fit]:
    """Every match the request meets; the first serves it, and rules without matches come last."""
    for index, tier in enumerate(host.plan.tiers):
        if tier.labels <= len(traits.labels):
            for kind, value, candidate in _rows(tier, traits.model, host.patterns):
                if _takes(candidate, traits):
                    yield Fit(index, kind, value, candidate)
    for index, tier in enumerate(host.plan.tiers):
        for candidate in tier.rest:
            yield Fit(index, "no matches", "", candidate)


def names(host: Host, model: str) -> bool:
    """Whether the plan itself names this model; other names are the caller's own words."""
    listed = any(model == each.id for each in host.plan.models)
    return listed or any(model in tier.exact for tier in host.plan.tiers)


def _rows(tier: MatchTier, model: str, patterns: Patterns) -> Iterator[tuple[Kind, str, Candidate]]:
    """The rows of one tier that the model leads to, most specific first."""
    for candidate in tier.exact.get(model, ()):
        yield "Exact", model, candidate
    longest = min(len(model), LONGEST_MODEL)
    for length in range(longest, 0, -1) if tier.prefix else ():
        for candidate in tier.prefix.get(model[:length], ()):
            yield "Prefix", model[:length], candidate
    for length in range(longest, 0, -1) if tier.suffix else ():
        for candidate in tier.suffix.get(model[-length:], ()):
            yield "Suffix", model[-length:], candidate
    for pattern, candidate in tier.regex if len(model) <= LONGEST_MODEL else ():
        if patterns[pattern].fullmatch(model):
            yield "Regex", pattern, candidate
    for candidate in tier.headers:
        yield "any model", "", candidate


def _takes(candidate: Candidate, traits: Traits) -> bool:
    if candidate.path is not None:
        path = traits.headers.get(":path", "").partition("?")[0].partition("#")[0]
        exact = candidate.path.type == "Exact"
        if path != candidate.path.value if exact else not path.startswith(candidate.path.value):
            return False
    headers = traits.headers
    return all(headers.get(name) == value for name, value in candidate.headers) and (
        traits.labels.issuperset(candidate.labels)
    )
