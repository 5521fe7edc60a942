"""What one guard process learned of targets and rules from the requests it saw.

In memory, bounded, and lost with the process; other processes learn for themselves.
"""

from ext_proc.budgets import Budgets
from ext_proc.decayed import Means
from ext_proc.health import Health
from ext_proc.latency import Latencies
from ext_proc.record import Record

OUTPUT_TOKENS = 256
"""Expected of a rule nothing is known of yet."""
OUTPUT_HALF_LIFE_S = 600.0


class Learned:
    """All that one process learned."""

    def __init__(self) -> None:
        self.health = Health()
        self.latency = Latencies()
        self.budgets = Budgets()
        self._outputs: Means[tuple[str, str]] = Means(OUTPUT_HALF_LIFE_S)

    def output_tokens(self, route: str, rule: str, limit: int | None, now_s: float) -> int:
        """Output tokens a request of this rule may use, never more than it allows itself."""
        mean = self._outputs.of((route, rule), now_s)
        expected = OUTPUT_TOKENS if mean is None else round(mean)
        return expected if limit is None else min(expected, limit)

    def spent(self, record: Record, now_s: float) -> None:
        """A request is over."""
        if record.usage is not None and record.route is not None and record.rule is not None:
            key = record.route, record.rule
            self._outputs.add(key, record.usage.output_tokens, now_s)
