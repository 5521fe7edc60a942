"""Ownership: whose rule serves a request where several AIRoutes share a hostname of a listener.

A more specific hostname comes first, as in Gateway API. On one hostname, an AIRoute that names it
is no better than one that has it through its wildcard or through none. There: number of labels,
Exact model, longest Prefix, longest Suffix, Regex, no model; Exact path, longest Prefix, no path;
number of headers; then older AIRoute, then namespace/name, then list order. A rule without matches
yields to all that have some. Across namespaces, a match that would take requests from an older
AIRoute's match is `Conflicted`: it is left out there and its owner is told. So is a match that can
never be reached because another one is equal and comes first.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from controller.translate.claims import Claim, Path
from controller.translate.conditions import Fault
from controller.translate.overlaps import Standing
from crds.plan import Candidate, MatchTier

PATTERN_LIMIT = 64
"""Regex matches of one hostname: they are tried one after the other."""
PATH_LIMIT = 64
"""Different paths of one hostname: each is compared with all others."""


@dataclass(frozen=True, slots=True)
class Owned:
    """What one hostname of a listener serves."""

    tiers: tuple[MatchTier, ...]
    """Most labels first; the last asks for none."""
    generic: tuple[Candidate, ...]
    """The matches of rules that pass on unread what is in no format, in their precedence."""
    generic_rest: tuple[Candidate, ...]
    """Such rules without matches."""
    claims: tuple[Claim, ...]
    """Those that stand, in order of age."""
    faults: tuple[Fault, ...]


def settle(claimed: Sequence[Sequence[Claim]], host: str) -> Owned:
    """Decide who owns what on a hostname; the claims of older AIRoutes come first."""
    grounds = {False: (Standing(), _Room()), True: (Standing(), _Room())}
    claims: list[Claim] = []
    faults: list[Fault] = []
    for claim in (claim for of_route in claimed for claim in of_route):
        standing, room = grounds[claim.generic]
        if winner := standing.equal(claim):
            faults.append(_conflicted(claim, winner, host))
        elif full := room.refuses(claim):
            faults.append(_crowded(claim, full, host))
        elif winner := standing.robbed(claim):
            faults.append(_conflicted(claim, winner, host))
        else:
            standing.add(claim)
            claims.append(claim)
    generic = sorted((each for each in claims if each.generic), key=lambda each: each.specificity)
    return Owned(
        tuple(_tiers([claim for claim in claims if not claim.generic])),
        tuple(claim.candidate for claim in generic if claim.match_index is not None),
        tuple(claim.candidate for claim in generic if claim.match_index is None),
        tuple(claims),
        tuple(faults),
    )


@dataclass(slots=True)
class _Room:
    """What was asked of a hostname so far, served or not."""

    patterns: int = 0
    paths: set[Path] = field(default_factory=set)

    def refuses(self, claim: Claim) -> tuple[str, str] | None:
        """The field that finds no room, and what there is room for; else count the claim in."""
        pattern = claim.model is not None and claim.model.type == "Regex"
        if pattern and self.patterns == PATTERN_LIMIT:
            return "model", f"{PATTERN_LIMIT} Regex matches; use Exact, Prefix or Suffix"
        new = claim.path is not None and claim.path not in self.paths
        if new and len(self.paths) == PATH_LIMIT:
            return "path", f"{PATH_LIMIT} different paths; use those that formats have"
        self.patterns += pattern
        self.paths |= {claim.path} if claim.path is not None else set()
        return None


def _tiers(claims: Sequence[Claim]) -> Iterator[MatchTier]:
    by_labels: dict[int, list[Claim]] = {0: []}
    for claim in sorted(claims, key=lambda each: each.specificity):
        by_labels.setdefault(len(claim.labels), []).append(claim)
    for count in sorted(by_labels, reverse=True):
        yield _tier(count, by_labels[count])


def _tier(labels: int, claims: Sequence[Claim]) -> MatchTier:
    """The index of claims that come in order of precedence."""
    tables: dict[str, dict[str, list[Candidate]]] = {"Exact": {}, "Prefix": {}, "Suffix": {}}
    regex: list[tuple[str, Candidate]] = []
    unnamed: list[Candidate] = []
    rest: list[Candidate] = []
    for claim in claims:
        if claim.model is None:
            (rest if claim.match_index is None else unnamed).append(claim.candidate)
        elif claim.model.type == "Regex":
            regex.append((claim.model.value, claim.candidate))
        else:
            table = tables[claim.model.type]
            table.setdefault(claim.model.value, []).append(claim.candidate)
    return MatchTier(
        labels=labels,
        exact={value: tuple(rows) for value, rows in sorted(tables["Exact"].items())},
        prefix={value: tuple(rows) for value, rows in tables["Prefix"].items()},
        suffix={value: tuple(rows) for value, rows in tables["Suffix"].items()},
        regex=tuple(regex),
        headers=tuple(unnamed),
        rest=tuple(rest),
    )


def _conflicted(loser: Claim, winner: Claim, host: str) -> Fault:
    fix = "give it matches" if loser.match_index is None else "change or remove this match"
    text = (
        f"on hostname {host}, {winner.place} (rule {winner.rule}) of {winner.route} comes first; "
        f"rule {loser.rule} gets none of these requests; {fix}"
    )
    return Fault(loser.route, "Conflicted", "Conflicted", loser.place, text)


def _crowded(claim: Claim, full: tuple[str, str], host: str) -> Fault:
    part, most = full
    text = f"this match is left out: hostname {host} has no room for more than {most}"
    return Fault(claim.route, "PartiallyInvalid", "TooManyPatterns", f"{claim.place}.{part}", text)
