"""Retry budgets: what a rule has left, and how requests travel once it is spent."""

import json

import pytest

from crds.plan import BudgetPlan, MirrorPlan
from ext_proc import record
from ext_proc.budgets import WINDOW_S, Budgets, RuleName
from ext_proc.decayed import LIMIT
from ext_proc.metrics import Metrics
from tests.exchange.choosing import target
from tests.exchange.test_serving import A, B, answer, ask, bench

RULE = RuleName("ns/r", "only")


def plan(percent=20, per_second=0):
    return BudgetPlan(
        percent=percent,
        per_second=per_second,
        unary_class="call,retries=0",
        stream_class="stream,retries=0",
        mirrored_unary_class="call,retries=0,mirrored",
        mirrored_stream_class="stream,retries=0,mirrored",
    )


def granted(budgets, times, limit, now_s=0.0, *, tries=1, rule=RULE):
    """How many of so many requests may be tried again, each that may taking so many tries."""
    count = 0
    for _ in range(times):
        if budgets.ask(rule, limit, now_s):
            budgets.spend(rule, tries, now_s)
            count += 1
    return count


@pytest.mark.parametrize("percent", [1, 20, 50, 100])
def test_further_tries_are_a_share_of_the_requests(percent):
    assert granted(Budgets(), 1000, plan(percent)) == 10 * percent


def test_a_rule_with_few_requests_has_some_each_second():
    assert granted(Budgets(), 100, plan(0, 1)) == WINDOW_S
    assert granted(Budgets(), 100, plan(20, 1)) == WINDOW_S + 20


def test_what_was_spent_comes_back_when_it_is_old_and_so_does_what_was_earned():
    budgets = Budgets()
    assert granted(budgets, 10, plan(0, 1), now_s=100.9) == 10
    assert granted(budgets, 5, plan(0, 1), now_s=100.9 + WINDOW_S - 1) == 0
    assert granted(budgets, 20, plan(0, 1), now_s=101.0 + WINDOW_S) == 10
    assert granted(budgets, 4, plan(20), now_s=1000.0) == 0
    assert granted(budgets, 1, plan(20), now_s=1001.0) == 1
    assert granted(budgets, 4, plan(20), now_s=1002.0 + WINDOW_S) == 0


def test_what_is_overdrawn_is_earned_before_there_is_more():
    """Ten under way together were tried again: fifty requests must earn that."""
    budgets = Budgets()
    for _ in range(10):
        budgets.ask(RULE, plan(), 0.0)
    budgets.spend(RULE, 10, 0.0)
    assert granted(budgets, 44, plan()) == 0
    assert granted(budgets, 1, plan()) == 1


def test_rules_have_budgets_of_their_own():
    budgets = Budgets()
    assert granted(budgets, 50, plan()) == 10
    assert granted(budgets, 50, plan(), rule=RuleName("ns/r", "other")) == 10


def test_memory_is_bounded():
    budgets = Budgets()
    for number in range(LIMIT + 100):
        budgets.ask(RuleName("ns/r", str(number)), plan(), 0.0)
    for second in range(1000):
        budgets.ask(RULE, plan(), float(second))
    assert len(budgets._windows) == LIMIT
    assert len(budgets._windows[RULE].seconds) == WINDOW_S


def test_without_a_budget_all_targets_are_named():
    world = bench(A, B)
    for _ in range(50):
        exchange, asked = ask(world)
        assert (asked["verdict"]["class"], len(asked["targets"])) == ("call", 2)
        answer(exchange, "ns/b/m", attempts=2)


def test_once_it_is_spent_one_target_is_named_and_the_class_without_retries():
    world = bench(A, B, budget=plan(20))
    for number in range(1, 5):  # the fifth earns the first try
        exchange, asked = ask(world, stream=number % 2 == 0)
        kind = "stream" if number % 2 == 0 else "call"
        assert asked["verdict"]["class"] == f"{kind},retries=0"
        assert asked["targets"] == ["ns/a/m"]
        assert list(asked["verdict"]["targets"]) == ["ns/a/m"]
        answer(exchange, "ns/a/m", 200)
    exchange, asked = ask(world)
    assert (asked["verdict"]["class"], asked["targets"]) == ("call", ["ns/a/m", "ns/b/m"])
    answer(exchange, "ns/b/m", attempts=2)
    assert ask(world)[1]["targets"] == ["ns/a/m"]
    world.now_s += WINDOW_S + 1
    for _ in range(4):
        ask(world)
    assert ask(world)[1]["targets"] == ["ns/a/m", "ns/b/m"]


def test_copies_go_on_when_it_is_spent():
    world = bench(
        A,
        B,
        budget=plan(),
        mirrors=(MirrorPlan(target=target("mirror:ns/c/m"), percent=100),),
        mirrored_unary_class="call,mirrored",
        mirrored_stream_class="stream,mirrored",
    )
    for _ in range(4):
        _, asked = ask(world)
        assert asked["verdict"]["class"] == "call,retries=0,mirrored"
        assert asked["targets"] == ["ns/a/m"]
    assert ask(world)[1]["verdict"]["class"] == "call,mirrored"


def test_ejection_goes_on_when_the_budget_is_spent():
    """The first target fails without a retry; then the other stands first and needs none."""
    world = bench(A, B, budget=plan(1))
    for _ in range(5):
        exchange, asked = ask(world)
        assert asked["targets"] == ["ns/a/m"]
        answer(exchange, "ns/a/m", 500)
    assert ask(world)[1]["targets"] == ["ns/b/m"]


def test_it_is_told_in_the_record_and_counted():
    world = bench(A, B, budget=plan(20))
    for status in (200, 500, 429):  # the first needed no further try, and had none
        answer(ask(world)[0], "ns/a/m", status)
    world.now_s += WINDOW_S + 1
    told = [json.loads(record.line(each))["retry_budget_spent"] for each in world.records]
    assert told == [False, True, True]
    metrics = Metrics()
    for each in world.records:
        metrics.observe(each)
    found = metrics.registry.get_sample_value(
        "dragoman_retry_budget_spent_total", {"route": "ns/r", "rule": "only"}
    )
    assert found == 2
