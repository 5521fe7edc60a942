"""The attempts of one request, and what they teach: who failed, who answered, how soon.

Envoy makes them and tells only who answered in the end and how many there were, so those tried
before have failed. Times are known of a request that needed one attempt.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from crds.plan import TargetPlan
from ext_proc import health
from ext_proc.latency import Wait
from ext_proc.learned import Learned
from ext_proc.record import Record

_NOT_THEIRS = frozenset({413})
"""Answers of Envoy itself that say nothing about a target."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The beginning of an answer."""

    target: TargetPlan | None
    """None: Envoy itself, because no target did."""
    status: int
    attempts: int
    headers: Mapping[str, str]
    now: datetime
    now_s: float


class Attempts:
    """What became of a request after its verdict."""

    def __init__(
        self, learned: Learned, order: Sequence[TargetPlan], sent_s: float, *, stream: bool
    ) -> None:
        self._learned = learned
        self._order = order
        self._sent_s = sent_s
        self._stream = stream
        self._timed: TargetPlan | None = None
        """Who answered at the first attempt, and so as soon as it could."""
        self._wait: Wait | None = learned.latency.begin(order[0].cluster, sent_s, stream=stream)

    def answered(self, answer: Answered) -> tuple[TargetPlan, ...]:
        """Learn from it; return the targets that were tried before and failed."""
        target, now_s = answer.target, answer.now_s
        failed = self._failed(answer)
        for each in failed:
            self._learned.health.failed(each, self._sent_s, now_s)
        if target is not None:
            self._judge(target, answer)
            if answer.status < 300 and not failed:
                self._timed = target
        if not self._stream:
            self.begun(now_s)
        return failed

    def _failed(self, answer: Answered) -> tuple[TargetPlan, ...]:
        if answer.target is None:
            return () if answer.status in _NOT_THEIRS else tuple(self._order[: answer.attempts])
        tried = self._order[: answer.attempts]
        return tuple(each for each in tried if each.cluster != answer.target.cluster)

    def _judge(self, target: TargetPlan, answer: Answered) -> None:
        learned = self._learned.health
        if answer.status in health.BUSY:
            wait_s = health.retry_after(answer.headers, answer.now)
            learned.busy(target, wait_s, answer.now_s)
        elif answer.status >= 500:
            learned.failed(target, self._sent_s, answer.now_s)
        else:
            learned.succeeded(target.cluster, self._sent_s)

    def begun(self, now_s: float) -> None:
        """The answer is there, or the first token of it."""
        if self._wait is not None and self._timed is not None:
            seconds, cluster = now_s - self._sent_s, self._timed.cluster
            self._learned.latency.first(cluster, seconds, now_s, stream=self._stream)
        self._stop_waiting()

    def over(self, record: Record, now_s: float) -> None:
        """The request is over, in whatever way."""
        self._stop_waiting()
        self._learned.spent(record, now_s)
        tokens = record.usage.output_tokens if record.usage else 0
        began_s = record.first_token_s
        if self._timed is not None and record.status < 300 and tokens and began_s is not None:
            seconds = (record.duration_s - began_s) / tokens
            self._learned.latency.token(self._timed.cluster, seconds, now_s)

    def _stop_waiting(self) -> None:
        if self._wait is not None:
            self._learned.latency.end(self._wait)
            self._wait = None
