"""What the guard learns: who failed, who is slow, what is written; and that it forgets again."""

import random
from collections import Counter
from datetime import timedelta
from email.utils import format_datetime

import pytest

from ext_proc import decayed, health, targets
from ext_proc.attempts import Answered, Attempts
from ext_proc.call import Usage
from ext_proc.decayed import Means, Recent
from ext_proc.health import Health
from ext_proc.latency import HALF_LIFE_S
from ext_proc.learned import OUTPUT_TOKENS, Learned
from ext_proc.record import Record
from tests.exchange.choosing import NOW, choice, target


def answered(target, status=200, attempts=1, **waits):
    return Answered(target, status, attempts, waits)


def record(status=200, output=0, duration_s=1.0, first_token_s=None):
    usage = Usage(output_tokens=output) if status == 200 else None
    return Record(
        time=NOW,
        request_id="r",
        status=status,
        duration_s=duration_s,
        overhead_s=0.0,
        route="ns/assistant",
        rule="default",
        first_token_s=first_token_s,
        usage=usage,
    )


class TestHealth:
    def test_failures_in_a_row_eject_for_a_while(self):
        learned, a = Health(), target("a", eject_after=3, eject_s=10)
        for second in (0.0, 1.0):
            learned.failed(a, second, second)
        assert not learned.ejected("a", 1.5)
        learned.failed(a, 2.0, 2.0)
        assert learned.ejected("a", 11.9)
        assert not learned.ejected("a", 12.0)

    def test_a_success_between_breaks_the_row(self):
        learned, a = Health(), target("a", eject_after=2)
        for second in range(10):
            learned.failed(a, second, second)
            learned.succeeded("a", second)
        assert not learned.ejected("a", 9.5)

    def test_each_ejection_is_twice_as_long_up_to_a_cap(self):
        learned, a, now_s, spans = Health(), target("a", eject_after=1, eject_s=5), 0.0, []
        for _ in range(6):
            learned.failed(a, now_s, now_s)
            began = now_s
            while learned.ejected("a", now_s):
                now_s += 1
            spans.append(now_s - began)
        assert spans == [5, 10, 20, 40, 60, 60]
        learned.succeeded("a", now_s)
        learned.failed(a, now_s, now_s)
        assert not learned.ejected("a", now_s + 5)

    def test_many_that_were_under_way_count_as_one_ejection(self):
        learned, a = Health(), target("a", eject_after=5, eject_s=5)
        for _ in range(200):
            learned.failed(a, 0.0, 1.0)
        assert not learned.ejected("a", 6.0)
        learned.succeeded("a", 0.5)  # began before: says nothing of now
        assert learned.ejected("a", 5.9)
        learned.succeeded("a", 1.5)  # it was tried as the last one left, and answered
        assert not learned.ejected("a", 1.6)

    @pytest.mark.parametrize("status", sorted(health.BUSY))
    def test_one_plea_to_be_left_alone_is_enough(self, status):
        learned, a, b = Learned(), target("a"), target("b")
        attempts = Attempts(learned, [a, b], 0.0, stream=False)
        attempts.answered(answered(a, status, a=None), 0.0)
        assert learned.health.ejected("a", 4.9)
        assert not learned.health.ejected("a", 5.0)

    @pytest.mark.parametrize(
        ("stated", "seconds"),
        [
            ("7", 7),
            ("0", 0),
            ("86400", health.LONGEST_WAIT_S),
            (format_datetime(NOW + timedelta(seconds=30), usegmt=True), 30),
            (format_datetime(NOW - timedelta(days=1), usegmt=True), 0),
            (format_datetime(NOW + timedelta(days=1), usegmt=True), health.LONGEST_WAIT_S),
        ],
    )
    def test_what_the_provider_says_about_waiting_holds(self, stated, seconds):
        learned, a = Learned(), target("a")
        attempts = Attempts(learned, [a], 100.0, stream=False)
        wait_s = health.retry_after(stated, NOW)
        attempts.answered(answered(a, 429, a=wait_s), 100.0)
        assert learned.health.ejected("a", 100.0 + seconds * 0.99) == (seconds > 0)
        assert not learned.health.ejected("a", 100.0 + seconds)

    @pytest.mark.parametrize(
        "stated",
        ["", "soon", "-1", "1.5", "x" * 50, "Mon, 99 Foo 2026 x", "²", f"1 Jan {10**20} 00:00:00"],
    )
    def test_words_that_are_no_time_are_not_believed(self, stated):
        assert health.retry_after(stated, NOW) is None

    def test_the_only_one_is_tried_although_ejected(self):
        learned, a, b = Learned(), target("a"), target("b", priority=1)
        learned.health.busy(a, None, 0.0)
        assert targets.order(choice([a], learned=learned, now_s=1.0)).targets == (a,)
        order = targets.order(choice([a, b], learned=learned, now_s=1.0))
        assert [(r.target, r.ejected) for r in order.ranked] == [(b, False), (a, True)]


class TestAttempts:
    def test_those_before_the_one_that_answered_have_failed(self):
        learned = Learned()
        a, b, c = target("a", eject_after=1), target("b", eject_after=1), target("c")
        attempts = Attempts(learned, [a, b, c], 0.0, stream=False)
        assert attempts.answered(answered(c, attempts=3), 0.0) == (a, b)
        assert [learned.health.ejected(name, 1.0) for name in "abc"] == [True, True, False]

    def test_one_that_was_passed_over_is_left_alone_for_as_long_as_it_said(self):
        learned, a, b = Learned(), target("a"), target("b")
        attempts = Attempts(learned, [a, b], 0.0, stream=False)
        attempts.answered(answered(b, attempts=2, a=30.0), 1.0)
        assert learned.health.ejected("a", 30.9)
        assert not learned.health.ejected("a", 31.0)

    def test_when_nobody_answers_all_that_were_tried_have_failed(self):
        learned, a, b = Learned(), target("a", eject_after=1), target("b", eject_after=1)
        attempts = Attempts(learned, [a, b], 0.0, stream=False)
        assert attempts.answered(answered(None, 503, attempts=1), 0.0) == (a,)
        assert not learned.health.ejected("b", 1.0)

    def test_a_body_too_large_for_envoy_is_nobodys_failure(self):
        learned, a = Learned(), target("a", eject_after=1)
        assert Attempts(learned, [a], 0.0, stream=False).answered(answered(None, 413), 0.0) == ()
        assert not learned.health.ejected("a", 0.1)

    @pytest.mark.parametrize(("status", "ejected"), [(500, True), (400, False), (404, False)])
    def test_only_the_providers_own_errors_count(self, status, ejected):
        learned, a = Learned(), target("a", eject_after=1)
        Attempts(learned, [a], 0.0, stream=False).answered(answered(a, status), 0.0)
        assert learned.health.ejected("a", 0.1) == ejected

    def test_time_is_learned_of_answers_at_the_first_attempt(self):
        learned, a, b = Learned(), target("a"), target("b")
        Attempts(learned, [a, b], 0.0, stream=False).answered(answered(b, attempts=2), 9.0)
        Attempts(learned, [a, b], 0.0, stream=False).answered(answered(a, 400), 0.1)
        assert learned.latency.expected("a", 0, 9.0, stream=False) is None
        assert learned.latency.expected("b", 0, 9.0, stream=False) is None
        Attempts(learned, [a, b], 0.0, stream=False).answered(answered(a), 2.0)
        assert learned.latency.expected("a", 0, 9.0, stream=False) == 2.0

    def test_streams_are_measured_to_their_first_token_and_by_token(self):
        learned, a = Learned(), target("a")
        attempts = Attempts(learned, [a], 10.0, stream=True)
        attempts.answered(answered(a), 10.1)
        attempts.begun(10.5)
        attempts.over(record(output=100, duration_s=2.5, first_token_s=0.5), 12.5)
        assert learned.latency.expected("a", 0, 12.5, stream=True) == pytest.approx(0.5)
        assert learned.latency.expected("a", 50, 12.5, stream=True) == pytest.approx(1.5)
        assert learned.latency.expected("a", 50, 12.5, stream=False) is None

    @pytest.mark.parametrize("stream", [False, True])
    def test_nobody_waits_after_the_end(self, stream):
        learned, a = Learned(), target("a")
        gone, served = (Attempts(learned, [a], 0.0, stream=stream) for _ in range(2))
        served.answered(answered(a), 0.5)
        served.over(record(), 1.0)
        assert learned.latency.has_waiting("a", stream=stream)
        gone.over(record(499), 1.0)
        assert not learned.latency.has_waiting("a", stream=stream)


class TestOutputs:
    def test_the_default_then_the_mean_never_beyond_the_requests_own_limit(self):
        learned = Learned()
        assert learned.output_tokens("ns/assistant", "default", None, 0.0) == OUTPUT_TOKENS
        for second in range(20):
            learned.spent(record(output=900), second)
        assert learned.output_tokens("ns/assistant", "default", None, 20.0) == 900
        assert learned.output_tokens("ns/assistant", "default", 40, 20.0) == 40
        assert learned.output_tokens("ns/assistant", "other", None, 20.0) == OUTPUT_TOKENS

    def test_the_mean_follows_what_changed(self):
        learned = Learned()
        for second in range(100):
            learned.spent(record(output=100), second)
        for second in range(100, 4000):
            learned.spent(record(output=700), second)
        assert learned.output_tokens("ns/assistant", "default", None, 4000.0) > 650


class TestMeans:
    def test_a_measurement_counts_half_after_a_half_life(self):
        means = Means(10.0)
        means.add("a", 1.0, 0.0)
        means.add("a", 4.0, 10.0)
        assert means.of("a", 10.0) == pytest.approx((1.0 * 0.5 + 4.0) / 1.5)

    def test_what_is_old_is_unknown(self):
        means = Means(10.0)
        means.add("a", 1.0, 0.0)
        assert means.of("a", 33.0) == 1.0
        assert means.of("a", 34.0) is None

    def test_memory_is_bounded_and_the_longest_unwritten_goes(self, monkeypatch):
        monkeypatch.setattr(decayed, "LIMIT", 2)
        recent = Recent()
        for key in ("a", "b", "a", "c"):
            recent[key] = 1
        assert list(recent) == ["a", "c"]


class Street:
    """Requests one after another on a clock of its own, to targets that take as long as told."""

    def __init__(self, names="ab", seed=1, stream=False):
        self.targets = [target(name) for name in names]
        self.learned = Learned()
        self.chance = random.Random(seed).random
        self.stream = stream
        self.now_s = 0.0

    def send(self, count, **seconds):
        """Who served; None as a target's time: it is dead, which takes a tenth of a second."""
        served = Counter()
        for _ in range(count):
            order = targets.order(
                choice(
                    self.targets,
                    "LowestLatency",
                    learned=self.learned,
                    chance=self.chance,
                    stream=self.stream,
                    now_s=self.now_s,
                )
            ).targets
            attempts = Attempts(self.learned, order, self.now_s, stream=self.stream)
            alive = next(n for n, each in enumerate(order) if seconds[each.cluster] is not None)
            took = 0.1 * alive + seconds[order[alive].cluster]
            self.now_s += took
            attempts.answered(answered(order[alive], attempts=alive + 1), self.now_s)
            attempts.begun(self.now_s)
            attempts.over(record(duration_s=took), self.now_s)
            served[order[0].cluster] += 1
        return served


class TestLowestLatency:
    @pytest.mark.parametrize("seed", range(5))
    @pytest.mark.parametrize("stream", [False, True])
    def test_the_fastest_serves_and_unknown_ones_are_tried(self, seed, stream):
        street = Street("abc", seed, stream)
        assert set(street.send(3, a=0.5, b=0.2, c=0.9)) >= {"a", "b"}
        served = street.send(2000, a=0.5, b=0.2, c=0.9)
        assert served["b"] > 1900
        assert served["a"] > 0
        assert served["c"] > 0

    @pytest.mark.parametrize("seed", range(5))
    def test_one_that_becomes_slow_is_left_and_found_again(self, seed):
        street = Street(seed=seed)
        street.send(1000, a=0.5, b=0.2)
        slow = street.send(200, a=0.5, b=3.0)
        assert slow["a"] > 150
        street.send(1000, a=0.5, b=0.2)
        assert street.send(500, a=0.5, b=0.2)["b"] > 450

    @pytest.mark.parametrize("seed", range(5))
    def test_one_that_dies_is_left_and_found_again(self, seed):
        street = Street(seed=seed)
        street.send(1000, a=0.5, b=0.2)
        dead = street.send(400, a=0.5, b=None)
        assert dead["a"] > 340
        street.send(500, a=0.5, b=0.2)
        assert street.send(500, a=0.5, b=0.2)["b"] > 450

    def test_an_unknown_target_is_tried_by_one_request_at_a_time(self):
        learned, a, b = Learned(), target("a"), target("b")
        learned.latency.first("a", 1.0, 0.0, stream=False)
        lots = {"learned": learned, "chance": lambda: 0.5, "now_s": 1.0}
        first = targets.order(choice([a, b], "LowestLatency", **lots)).targets
        assert first == (b, a)
        Attempts(learned, first, 1.0, stream=False)
        assert targets.order(choice([a, b], "LowestLatency", **lots)).targets == (a, b)

    def test_a_long_wait_shows_before_the_answer_does(self):
        learned, a, b = Learned(), target("a"), target("b")
        for name, seconds in (("a", 0.2), ("b", 1.0)):
            learned.latency.first(name, seconds, 0.0, stream=False)
        Attempts(learned, [a, b], 0.0, stream=False)
        lots = {"learned": learned, "chance": lambda: 0.5}
        soon, late = (
            targets.order(choice([a, b], "LowestLatency", now_s=now_s, **lots)).targets
            for now_s in (0.7, 1.1)
        )
        assert (soon[0], late[0]) == (a, b)

    def test_output_that_takes_long_counts_against_a_quick_start(self):
        learned, a, b = Learned(), target("a"), target("b")
        for name, first, token in (("a", 0.1, 0.05), ("b", 1.0, 0.001)):
            learned.latency.first(name, first, 0.0, stream=True)
            learned.latency.token(name, token, 0.0)
        lots = {"learned": learned, "chance": lambda: 0.5, "stream": True}
        short, long = (
            targets.order(choice([a, b], "LowestLatency", output_limit=limit, **lots)).targets
            for limit in (5, 1000)
        )
        assert (short[0], long[0]) == (a, b)

    def test_what_is_long_past_is_unknown(self):
        learned, a, b = Learned(), target("a"), target("b")
        for name, seconds, at_s in (("a", 5.0, 0.0), ("b", 1.0, 4 * HALF_LIFE_S)):
            learned.latency.first(name, seconds, at_s, stream=False)
        lots = {"learned": learned, "chance": lambda: 0.5, "now_s": 4 * HALF_LIFE_S}
        assert targets.order(choice([a, b], "LowestLatency", **lots)).targets == (a, b)
