"""Decayed means: what was measured last counts most, and what is old counts as never seen.

Time comes in as seconds of a monotonic clock. Of too many keys the ones longest not added to go.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

LIMIT = 10_000
"""Keys remembered at most."""
_FAINT = 0.1
"""Less evidence than this, in measurements, is none: 200 s after one with a half-life of 60 s."""


class Recent(OrderedDict[K, V], Generic[K, V]):
    """A dictionary that drops what was longest not written."""

    def __setitem__(self, key: K, value: V) -> None:
        """Keep a value; at the limit the oldest goes."""
        super().__setitem__(key, value)
        self.move_to_end(key)
        if len(self) > LIMIT:
            self.popitem(last=False)


@dataclass(frozen=True, slots=True)
class _Mean:
    value: float
    weight: float
    """Measurements it stands for, each halved once a half-life."""
    at_s: float


class Means(Generic[K]):
    """One decayed mean a key."""

    def __init__(self, half_life_s: float) -> None:
        self._half_life_s = half_life_s
        self._known: Recent[K, _Mean] = Recent()

    def add(self, key: K, value: float, now_s: float) -> None:
        """Take a measurement."""
        old = self._known.get(key)
        kept = self._left(old, now_s) if old else 0.0
        mean = (old.value * kept + value) / (kept + 1) if old else value
        self._known[key] = _Mean(mean, kept + 1, now_s)

    def of(self, key: K, now_s: float) -> float | None:
        """The mean, or None where too little is known."""
        mean = self._known.get(key)
        return mean.value if mean and self._left(mean, now_s) >= _FAINT else None

    def _left(self, mean: _Mean, now_s: float) -> float:
        halvings = max(now_s - mean.at_s, 0.0) / self._half_life_s
        return float(mean.weight * 0.5**halvings)
