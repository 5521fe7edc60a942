"""How soon each target answers, as this process measured it.

Streams: seconds to the first token, and for each output token after it. Other calls: seconds to the
answer. A target that became slow shows before it answers: whoever waits there much longer than
usual counts as what it will say.
"""

from dataclasses import dataclass

from ext_proc.decayed import Means

HALF_LIFE_S = 60.0
_LONG_WAIT = 4.0
"""As many times the mean a wait must last before it counts in its place."""


@dataclass(frozen=True, slots=True, eq=False)
class Wait:
    """A request that has no answer yet."""

    cluster: str
    stream: bool
    since_s: float


class Latencies:
    """Latencies by target."""

    def __init__(self) -> None:
        self._first: Means[tuple[str, bool]] = Means(HALF_LIFE_S)
        self._token: Means[str] = Means(HALF_LIFE_S)
        self._waits: dict[tuple[str, bool], dict[Wait, None]] = {}

    def begin(self, cluster: str, now_s: float, *, stream: bool) -> Wait:
        """A request goes to a target."""
        wait = Wait(cluster, stream, now_s)
        self._waits.setdefault((cluster, stream), {})[wait] = None
        return wait

    def end(self, wait: Wait) -> None:
        """It has an answer, or never will."""
        waits = self._waits[wait.cluster, wait.stream]
        del waits[wait]
        if not waits:
            del self._waits[wait.cluster, wait.stream]

    def first(self, cluster: str, seconds: float, now_s: float, *, stream: bool) -> None:
        """A target answered, or wrote its first token."""
        self._first.add((cluster, stream), seconds, now_s)

    def token(self, cluster: str, seconds: float, now_s: float) -> None:
        """A stream took so long for each output token."""
        self._token.add(cluster, seconds, now_s)

    def expected(
        self, cluster: str, output_tokens: float, now_s: float, *, stream: bool
    ) -> float | None:
        """Seconds a request may take there; None where that is unknown."""
        first = self._first.of((cluster, stream), now_s)
        if first is None:
            return None
        oldest = next(iter(self._waits.get((cluster, stream), ())), None)
        waited = now_s - oldest.since_s if oldest else 0.0
        soonest = waited if waited > _LONG_WAIT * first else first
        return soonest + (self._token.of(cluster, now_s) or 0.0) * output_tokens * stream

    def has_waiting(self, cluster: str, *, stream: bool) -> bool:
        """Whether a request waits there."""
        return (cluster, stream) in self._waits
