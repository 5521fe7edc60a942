"""The order in which a request's targets are tried.

Healthy ones first, then lower priority numbers; among equals the rule's selection decides, and
where it sees no difference the caller's key or lots by weight do. A full AIBackend is left out, and
so is a model too small for the request while another of the rule is not.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from crds.plan import TargetPlan
from ext_proc import catalogue, selection, stickiness
from ext_proc.selection import Chance, Choice

Reason = Literal["NotAble", "NoWeight", "TooSmall", "Full"]
"""A target cannot be told what the request says, gets none, could not hold it, or has enough."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """A target that may be tried, and what gave it its place."""

    target: TargetPlan
    ejected: bool
    """It failed of late, and so stands behind its peers."""
    score: float
    """What the rule's selection goes by: US dollars, seconds, requests in flight; else 0."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A target that is not tried."""

    target: TargetPlan
    reason: Reason


@dataclass(frozen=True, slots=True)
class Order:
    """Who is tried, first to last, and who is not."""

    ranked: tuple[Ranked, ...]
    left_out: tuple[LeftOut, ...]

    @property
    def targets(self) -> tuple[TargetPlan, ...]:
        """The targets in the order of attempts."""
        return tuple(each.target for each in self.ranked)


def order(choice: Choice) -> Order:
    """Put a request's targets in the order of attempts."""
    small = _too_small(choice)
    left_out = tuple(
        LeftOut(target, reason)
        for target in choice.rule.targets
        if (reason := _reason(target, choice, small))
    )
    out = {each.target.cluster for each in left_out}
    usable = [target for target in choice.able if target.cluster not in out]
    score = selection.score(choice)
    ranked = (
        Ranked(target, choice.learned.health.ejected(target.cluster, choice.now_s), score(target))
        for target in _lots(usable, choice)
    )
    by_rank = sorted(ranked, key=lambda each: (each.ejected, each.target.priority, each.score))
    return Order(tuple(by_rank), left_out)


def _reason(target: TargetPlan, choice: Choice, small: frozenset[str]) -> Reason | None:
    if all(target.cluster != each.cluster for each in choice.able):
        return "NotAble"
    if target.weight == 0:
        return "NoWeight"
    if target.cluster in small:
        return "TooSmall"
    return None if choice.slots.free(target) else "Full"


def _too_small(choice: Choice) -> frozenset[str]:
    """Those that cannot hold the request; where none can, a provider may say so in its words."""
    usable = [target for target in choice.able if target.weight]
    small = frozenset(each.cluster for each in usable if not _holds(each, choice))
    return small if len(small) < len(usable) else frozenset()


def _holds(target: TargetPlan, choice: Choice) -> bool:
    room = catalogue.context_tokens(target, choice.model)
    return room is None or choice.held_tokens + (choice.output_limit or 0) <= room


def _lots(targets: Sequence[TargetPlan], choice: Choice) -> Sequence[TargetPlan]:
    bound = choice.bound
    if bound is None:
        return tuple(_drawn(targets, choice.chance))
    return sorted(targets, key=lambda target: stickiness.lot(bound, target))


def _drawn(targets: Sequence[TargetPlan], chance: Chance) -> Iterator[TargetPlan]:
    """Draw them one by one, each with the probability its weight has among those left."""
    left = list(targets)
    while len(left) > 1:
        lot = chance() * sum(target.weight for target in left)
        index = 0
        while index < len(left) - 1 and lot >= left[index].weight:
            lot -= left[index].weight
            index += 1
        yield left.pop(index)
    yield from left
