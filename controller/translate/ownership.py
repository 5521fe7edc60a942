"""Ownership: whose rule serves a request where several AIRoutes share a hostname of a listener.

A more specific hostname comes first, as in Gateway API. On one hostname, an AIRoute that names it
is no better than one that has it through its wildcard or through none. There: Exact model, longest
Prefix, number of headers, then older AIRoute, then namespace/name, then list order; a rule without
matches yields to all that have some. Across namespaces, a match that would take requests from an
older AIRoute's match is `Conflicted`: it is left out there and its owner is told. So is a match
that can never be reached because another one is equal and comes first.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from controller.resources import Object
from controller.translate.conditions import Fault
from crds.airoute import AIRouteSpec
from crds.meta import Key
from crds.plan import Candidate, MatchTier

Headers = tuple[tuple[str, str], ...]
Names = tuple[str, ...]


class Model(NamedTuple):
    """What a match says of the model: `Exact` or `Prefix`, and the text."""

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
    headers: Headers
    candidate: Candidate = field(compare=False)
    """Its row in the index."""

    @property
    def place(self) -> str:
        """Its field path."""
        match = "" if self.match_index is None else f".matches[{self.match_index}]"
        return f"spec.rules[{self.rule_index}]{match}"


@dataclass(frozen=True, slots=True)
class Owned:
    """What one hostname of a listener serves."""

    tier: MatchTier
    claims: tuple[Claim, ...]
    """Those that stand, in order of age."""
    faults: tuple[Fault, ...]


def claims(route: Object[AIRouteSpec]) -> tuple[Claim, ...]:
    """All that an AIRoute claims, wherever it is served."""
    return tuple(_claims(route))


def settle(claimed: Sequence[Sequence[Claim]], host: str) -> Owned:
    """Decide who owns what on a hostname; the claims of older AIRoutes come first."""
    standing = _Standing()
    claims: list[Claim] = []
    faults: list[Fault] = []
    for claim in (claim for of_route in claimed for claim in of_route):
        winner = standing.equal(claim) or standing.robbed(claim)
        if winner is None:
            standing.add(claim)
            claims.append(claim)
        else:
            faults.append(_conflicted(claim, winner, host))
    return Owned(_tier(claims), tuple(claims), tuple(faults))


def _claims(route: Object[AIRouteSpec]) -> Iterator[Claim]:
    for index, rule in enumerate(route.spec.rules):
        if not rule.matches:
            yield _claim(route.key, rule.name, (index, None), None, ())
        for number, match in enumerate(rule.matches):
            headers = tuple(sorted((header.name, header.value) for header in match.headers))
            model = Model(match.model.type, match.model.value) if match.model else None
            yield _claim(route.key, rule.name, (index, number), model, headers)


def _claim(
    route: Key, rule: str, place: tuple[int, int | None], model: Model | None, headers: Headers
) -> Claim:
    row = Candidate(route=f"{route.namespace}/{route.name}", rule=rule, headers=headers)
    return Claim(route, rule, *place, model, headers, row)


def _tier(claims: Sequence[Claim]) -> MatchTier:
    """The index: more headers first, then in the order given."""
    exact: dict[str, list[Claim]] = {}
    prefix: dict[str, list[Claim]] = {}
    headers: list[Claim] = []
    rest: list[Claim] = []
    for claim in sorted(claims, key=lambda each: -len(each.headers)):
        if claim.match_index is None:
            rest.append(claim)
        elif claim.model is None:
            headers.append(claim)
        else:
            table = exact if claim.model.type == "Exact" else prefix
            table.setdefault(claim.model.value, []).append(claim)
    return MatchTier(
        exact={value: _rows(exact[value]) for value in sorted(exact)},
        prefix={
            value: _rows(prefix[value]) for value in sorted(prefix, key=lambda p: (-len(p), p))
        },
        headers=_rows(headers),
        rest=_rows(rest),
    )


def _rows(claims: Sequence[Claim]) -> tuple[Candidate, ...]:
    return tuple(claim.candidate for claim in claims)


def _conflicted(loser: Claim, winner: Claim, host: str) -> Fault:
    fix = "give it matches" if loser.match_index is None else "change or remove this match"
    text = (
        f"on hostname {host}, {winner.place} (rule {winner.rule}) of {winner.route} comes first; "
        f"rule {loser.rule} gets none of these requests; {fix}"
    )
    return Fault(loser.route, "Conflicted", "Conflicted", loser.place, text)


@dataclass(slots=True)
class _Group:
    """Claims on the same model, found by the headers they ask for.

    A view answers "which claims that ask for these names agree on the shared ones"; of each value
    two claims of different namespaces are enough.
    """

    by_names: dict[Names, list[Claim]] = field(default_factory=dict)
    views: dict[tuple[Names, Names], dict[Headers, list[Claim]]] = field(default_factory=dict)

    def add(self, claim: Claim) -> None:
        names = tuple(name for name, _ in claim.headers)
        self.by_names.setdefault(names, []).append(claim)
        for (of, shared), view in self.views.items():
            if of == names:
                _note(view, shared, claim)

    def foreign(self, claim: Claim, fewer_than: int | None = None) -> Claim | None:
        """A claim of another namespace that some request meets together with this one."""
        own = dict(claim.headers)
        for names in self.by_names:
            if fewer_than is not None and len(names) >= fewer_than:
                continue
            shared = tuple(name for name in names if name in own)
            values = tuple((name, own[name]) for name in shared)
            for other in self._view(names, shared).get(values, ()):
                if other.route.namespace != claim.route.namespace:
                    return other
        return None

    def _view(self, names: Names, shared: Names) -> dict[Headers, list[Claim]]:
        view = self.views.get((names, shared))
        if view is None:
            view = self.views[names, shared] = {}
            for claim in self.by_names[names]:
                _note(view, shared, claim)
        return view


def _note(view: dict[Headers, list[Claim]], shared: Names, claim: Claim) -> None:
    values = tuple((name, value) for name, value in claim.headers if name in shared)
    known = view.setdefault(values, [])
    if len(known) < 2 and claim.route.namespace not in [each.route.namespace for each in known]:
        known.append(claim)


@dataclass(slots=True)
class _Standing:
    """The claims that stand so far, all older than the one that is asked about."""

    exact: dict[str, _Group] = field(default_factory=dict)
    prefix: dict[str, _Group] = field(default_factory=dict)
    headers: _Group = field(default_factory=_Group)
    known: dict[tuple[bool, Model | None, Headers], Claim] = field(default_factory=dict)

    def add(self, claim: Claim) -> None:
        self.known[_identity(claim)] = claim
        if claim.match_index is None:
            return
        if claim.model is None:
            self.headers.add(claim)
        else:
            table = self.exact if claim.model.type == "Exact" else self.prefix
            table.setdefault(claim.model.value, _Group()).add(claim)

    def equal(self, claim: Claim) -> Claim | None:
        """An older claim to exactly the same requests."""
        return self.known.get(_identity(claim))

    def robbed(self, claim: Claim) -> Claim | None:
        """An older claim of another namespace that this one would take requests from."""
        if claim.match_index is None:
            return None
        if claim.model is None:
            return self.headers.foreign(claim, fewer_than=len(claim.headers))
        value = claim.model.value
        same = (self.exact if claim.model.type == "Exact" else self.prefix).get(value)
        shorter = len(value) + (claim.model.type == "Exact")
        lengths = range(1, shorter) if self.prefix else ()
        groups = [self.prefix.get(value[:length]) for length in lengths]
        found = same and same.foreign(claim, fewer_than=len(claim.headers))
        found = found or next(
            (other for group in groups if group and (other := group.foreign(claim))), None
        )
        return found or self.headers.foreign(claim)


def _identity(claim: Claim) -> tuple[bool, Model | None, Headers]:
    return claim.match_index is None, claim.model, claim.headers
