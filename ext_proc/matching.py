"""Which rule serves a request: a look-up in the index of its virtual host, never a scan.

Hostnames decide first (the tiers), then in each tier the model's exact name, its longest prefix,
headers alone, and rules without matches. How the index is ordered is the controller's affair.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from crds.plan import Candidate, MatchTier
from ext_proc.call import Reject
from ext_proc.plans import Host, Route, Rule, Snapshot

_LONGEST_PREFIX = 256


@dataclass(frozen=True, slots=True)
class Match:
    """The rule that serves, and the AIRoute it belongs to."""

    route: Route
    rule: Rule


def find(host: Host, snapshot: Snapshot, model: str, headers: Mapping[str, str]) -> Match | Reject:
    """Find the rule for a request, or say why there is none."""
    candidate = next((c for c in _candidates(host.plan.tiers, model) if _fits(c, headers)), None)
    if candidate is None:
        return Reject(404, "model_not_found", "No rule serves this model.")
    route = snapshot.routes.get(candidate.route)
    rule = route.rules.get(candidate.rule) if route else None
    if route is None or rule is None:
        return Reject(
            503, "guard_unavailable", "The rule that serves this model is not loaded yet."
        )
    return Match(route, rule)


def names(host: Host, model: str) -> bool:
    """Whether the plan itself names this model; other names are the caller's own words."""
    listed = any(model == each.id for each in host.plan.models)
    return listed or any(model in tier.exact for tier in host.plan.tiers)


def _candidates(tiers: Sequence[MatchTier], model: str) -> Iterator[Candidate]:
    """Most specific first; a rule without matches yields to every rule that has some."""
    for tier in tiers:
        yield from tier.exact.get(model, ())
        if tier.prefix:
            for length in range(min(len(model), _LONGEST_PREFIX), -1, -1):
                yield from tier.prefix.get(model[:length], ())
        yield from tier.headers
    for tier in tiers:
        yield from tier.rest


def _fits(candidate: Candidate, headers: Mapping[str, str]) -> bool:
    return all(headers.get(name) == value for name, value in candidate.headers)
