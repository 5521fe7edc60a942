"""What each target of a rule did: answers, failures, seconds, tokens and cost, side by side.

So the arms of a canary can be compared. Label values are names from plans and price lists.
"""

from collections.abc import Sequence
from decimal import Decimal

from prometheus_client import CollectorRegistry, Counter, Histogram

from ext_proc.record import Record

_ARM = ("route", "rule", "backend", "model", "prompt")


class Arms:
    """Metrics by rule and target."""

    def __init__(self, registry: CollectorRegistry, duration_buckets: Sequence[float]) -> None:
        self.answers = Counter(
            "dragoman_target_answers", "Answers by target.", [*_ARM, "status"], registry=registry
        )
        self.failures = Counter(
            "dragoman_target_failures",
            "Attempts that led to the next target.",
            _ARM,
            registry=registry,
        )
        self.copies = Counter(
            "dragoman_mirror_copies", "Requests copied to a mirror.", _ARM, registry=registry
        )
        self.duration = Histogram(
            "dragoman_target_duration_seconds",
            "Seconds from a request's headers to the end of its response, by target.",
            _ARM,
            buckets=duration_buckets,
            registry=registry,
        )
        self.tokens = Counter(
            "dragoman_target_tokens", "Tokens used, by target.", [*_ARM, "type"], registry=registry
        )
        self.cost = Counter(
            "dragoman_target_cost_usd", "US dollars, by target.", _ARM, registry=registry
        )

    def observe(self, record: Record) -> None:
        """Count one request."""
        rule = record.route or "", record.rule or ""
        for failed in record.failed:
            self.failures.labels(*rule, failed.backend, failed.model, failed.prompt).inc()
        for mirror in record.mirrors:
            self.copies.labels(*rule, mirror.backend, mirror.model, mirror.prompt).inc()
        if record.backend is None:
            return
        arm = *rule, record.backend, record.served_model or "", record.prompt
        self.answers.labels(*arm, str(record.status)).inc()
        self.duration.labels(*arm).observe(record.duration_s)
        if record.usage is not None:
            self.tokens.labels(*arm, "input").inc(record.usage.input_tokens)
            self.tokens.labels(*arm, "output").inc(record.usage.output_tokens)
        if isinstance(record.cost, Decimal):
            self.cost.labels(*arm).inc(float(record.cost))
