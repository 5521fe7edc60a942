"""The attempts of one request, and what they teach: who failed, who answered, how soon.

Envoy makes them and tells who answered in the end and how many there were, so those tried before
have failed; whether they asked to be left alone, their own filters tell. Times are known of a
request that needed one attempt.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crds.plan import TargetPlan
from ext_proc.latency import Wait
from ext_proc.learned import Learned
from ext_proc.record import Record

_NOT_THEIRS = frozenset({408, 413})
"""Answers of Envoy itself that say nothing about a target."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The beginning of an answer."""

    target: TargetPlan | None
    """None: Envoy itself, because no target did."""
    status: int
    attempts: int
    waits: Mapping[str, float | None]
    """Seconds that targets asked to be left alone, by cluster; None where one did not say."""


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

    def answered(self, answer: Answered, now_s: float) -> tuple[TargetPlan, ...]:
        """Learn from it; return the targets that were tried before and failed."""
        target = answer.target
        failed = self._failed(answer)
        for each in failed:
            self._judge(each, answer, now_s)
        if target is not None and is_failure(answer.status):
            self._judge(target, answer, now_s)
        elif target is not None:
            self._learned.health.succeeded(target.cluster, self._sent_s)
        if answer.status < 300 and not failed:
            self._timed = target
        if not self._stream:
            self.begun(now_s)
        return failed

    def _failed(self, answer: Answered) -> tuple[TargetPlan, ...]:
        if answer.target is None and answer.status in _NOT_THEIRS:
            return ()
        answering = answer.target.cluster if answer.target else None
        tried = self._order[: answer.attempts]
        return tuple(each for each in tried if each.cluster != answering)

    def _judge(self, target: TargetPlan, answer: Answered, now_s: float) -> None:
        if target.cluster in answer.waits:
            self._learned.health.busy(target, answer.waits[target.cluster], now_s)
        else:
            self._learned.health.failed(target, self._sent_s, now_s)

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


def is_failure(status: int) -> bool:
    """Whether the next target is asked after such an answer."""
    return status == 429 or status >= 500
