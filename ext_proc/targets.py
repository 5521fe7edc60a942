"""The order in which a request's targets are tried, and how many requests each AIBackend has.

Lower priority numbers first; among equals the weights draw lots. A full AIBackend is left out.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from operator import attrgetter

from crds.plan import TargetPlan

Chance = Callable[[], float]
"""Uniform in [0, 1)."""


class Slots:
    """Requests in flight, by AIBackend."""

    def __init__(self) -> None:
        self._taken: Counter[str] = Counter()

    def free(self, target: TargetPlan) -> bool:
        """Whether the target's AIBackend takes another request."""
        return target.max_concurrent is None or self._taken[target.backend] < target.max_concurrent

    def take(self, backend: str) -> None:
        """Count a request in."""
        self._taken[backend] += 1

    def give_back(self, backend: str) -> None:
        """Count a request out."""
        self._taken[backend] -= 1
        if not self._taken[backend]:
            del self._taken[backend]


def order(targets: Iterable[TargetPlan], slots: Slots, chance: Chance) -> tuple[TargetPlan, ...]:
    """Return the targets in the order of attempts, leaving out those without weight or slot."""
    priority = attrgetter("priority")
    usable = sorted((t for t in targets if t.weight > 0 and slots.free(t)), key=priority)
    return tuple(t for _, same in groupby(usable, priority) for t in _drawn(list(same), chance))


def _drawn(targets: Sequence[TargetPlan], chance: Chance) -> Iterator[TargetPlan]:
    """Draw them one by one, each with the probability its weight has among those left."""
    left = list(targets)
    while left:
        lot = chance() * sum(target.weight for target in left)
        index = 0
        while index < len(left) - 1 and lot >= left[index].weight:
            lot -= left[index].weight
            index += 1
        yield left.pop(index)
