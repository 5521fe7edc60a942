"""Slots: how many requests each AIBackend and each target has right now."""

from collections import Counter

from crds.plan import TargetPlan


class Slots:
    """Requests in flight, by AIBackend and by target."""

    def __init__(self) -> None:
        self._taken: Counter[str] = Counter()
        self._busy: Counter[str] = Counter()

    def free(self, target: TargetPlan) -> bool:
        """Whether the target's AIBackend takes another request."""
        return target.max_concurrent is None or self._taken[target.backend] < target.max_concurrent

    def busy(self, target: TargetPlan) -> int:
        """How many requests the target has."""
        return self._busy[target.cluster]

    def take(self, target: TargetPlan) -> None:
        """Count a request in."""
        self._taken[target.backend] += 1
        self._busy[target.cluster] += 1

    def give_back(self, target: TargetPlan) -> None:
        """Count a request out."""
        for counted, name in ((self._taken, target.backend), (self._busy, target.cluster)):
            counted[name] -= 1
            if not counted[name]:
                del counted[name]
