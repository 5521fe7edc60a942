"""Who serves: priorities, weights, stickiness, cost, load, health; what was left out, and why."""

import random
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crds.plan import StickinessPlan
from ext_proc import stickiness, targets
from ext_proc.learned import Learned
from ext_proc.slots import Slots
from tests.exchange.choosing import choice, priced, target

REQUESTS = 10_000
CHI_SQUARE = {1: 10.83, 2: 13.82, 3: 16.27}
"""Values one sample in a thousand exceeds, by degrees of freedom."""


class Said:
    """A call whose user field says this."""

    format = "OpenAIChat"

    def __init__(self, user):
        self.document = {"user": user}


def names(given_targets, selection="Weighted", **more):
    return [t.cluster for t in targets.order(choice(given_targets, selection, **more)).targets]


def bound(user, rule="ns/assistant/default"):
    return stickiness.key(StickinessPlan(by="User"), rule, {}, Said(user))


def chi_square(counted, weights):
    total = sum(counted.values())
    shares = {name: total * weight / sum(weights.values()) for name, weight in weights.items()}
    return sum((counted[name] - share) ** 2 / share for name, share in shares.items())


def test_priorities_come_before_weights():
    assert names([target("c", 100, 2), target("a", 1, 0), target("b", 9, 1)]) == ["a", "b", "c"]


def test_no_weight_is_no_traffic_not_even_as_a_last_resort():
    order = targets.order(choice([target("a", 0), target("b", 0, 1), target("c")]))
    assert [t.cluster for t in order.targets] == ["c"]
    assert [(o.target.cluster, o.reason) for o in order.left_out] == [
        ("a", "NoWeight"),
        ("b", "NoWeight"),
    ]


def test_what_is_full_or_cannot_be_told_is_left_out_and_said():
    full, mute, open_ = target("full", max_concurrent=1), target("mute"), target("open")
    slots = Slots()
    slots.take(full)
    order = targets.order(choice([full, mute, open_], able=(full, open_), slots=slots))
    assert order.targets == (open_,)
    assert {o.target.cluster: o.reason for o in order.left_out} == {
        "full": "Full",
        "mute": "NotAble",
    }


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ({"held_tokens": 8_000}, ["small", "large"]),
        ({"held_tokens": 8_001}, ["large"]),
        ({"held_tokens": 7_000, "output_limit": 1_001}, ["large"]),
        ({"held_tokens": 200_000}, ["small", "large"]),  # its provider may say so
    ],
)
def test_a_request_goes_to_who_can_hold_it(said, left):
    small, large = target("small", contexts={"m": 8_000}), target("large", contexts={"m": 100_000})
    order = targets.order(choice([small, large], **said))
    assert sorted(each.cluster for each in order.targets) == sorted(left)
    assert [each.reason for each in order.left_out] == ["TooSmall"] * (2 - len(left))


def test_who_can_hold_it_is_waited_for_when_it_is_full():
    small = target("small", contexts={"m": 8_000})
    large, slots = target("large", max_concurrent=1), Slots()
    slots.take(large)
    order = targets.order(choice([small, large], held_tokens=9_000, slots=slots))
    assert not order.targets
    assert [each.reason for each in order.left_out] == ["TooSmall", "Full"]


def test_the_catalogue_knows_what_packaged_models_hold_and_the_backend_knows_better():
    old = target("old", model="gpt-4", priority=0)
    new = target("new", model="gpt-4.1", priority=1)
    told = target("told", model="gpt-4", contexts={"gpt-4": 50_000}, priority=2)
    order = targets.order(choice([old, new, told], held_tokens=20_000))
    assert [each.cluster for each in order.targets] == ["new", "told"]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("weights", [{"a": 95, "b": 5}, {"a": 1, "b": 2, "c": 3, "d": 4}])
def test_weights_are_shares_of_the_first_place(seed, weights):
    chance = random.Random(seed).random
    arms = [target(name, weight) for name, weight in weights.items()]
    first = Counter(names(arms, chance=chance)[0] for _ in range(REQUESTS))
    assert chi_square(first, weights) < CHI_SQUARE[len(weights) - 1]


def test_weights_are_shares_of_what_is_left_when_the_first_fails():
    chance = random.Random(1).random
    arms = [target("a", 50), target("b", 30), target("c", 20)]
    orders = [names(arms, chance=chance) for _ in range(REQUESTS)]
    second = Counter(order[1] for order in orders if order[0] == "a")
    assert chi_square(second, {"b": 30, "c": 20}) < CHI_SQUARE[1]


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), max_size=8),
    st.floats(0, 1, exclude_max=True),
    st.sampled_from(["Weighted", "LowestCost", "LowestLatency", "LeastBusy"]),
    st.one_of(st.none(), st.text(min_size=1)),
)
def test_every_weighty_target_is_tried_once_in_order_of_priority(arms, lot, selection, user):
    all_ = [target(str(i), weight, priority) for i, (weight, priority) in enumerate(arms)]
    key = bound(user) if user else None
    order = targets.order(choice(all_, selection, chance=lambda: lot, bound=key))
    assert sorted(t.cluster for t in order.targets) == sorted(t.cluster for t in all_ if t.weight)
    assert [t.priority for t in order.targets] == sorted(t.priority for t in order.targets)
    assert len(order.targets) + len(order.left_out) == len(all_)


def test_slots_are_counted_by_backend_and_by_target():
    slots, capped = Slots(), target("a", max_concurrent=2, backend="b")
    sister = target("sister", max_concurrent=2, backend="b")
    slots.take(capped)
    slots.take(sister)
    assert not slots.free(capped)
    assert (slots.busy(capped), slots.busy(sister)) == (1, 1)
    slots.give_back(sister)
    assert slots.free(capped)
    assert (slots.busy(capped), slots.busy(sister)) == (1, 0)


class TestStickiness:
    def test_shares_follow_the_weights_and_keys_never_switch(self):
        arms = [target("a", 95), target("b", 5)]
        users = [f"user-{n}" for n in range(REQUESTS)]
        served = {user: names(arms, bound=bound(user))[0] for user in users}
        assert chi_square(Counter(served.values()), {"a": 95, "b": 5}) < CHI_SQUARE[1]
        chance = random.Random(3).random
        for user in random.Random(4).choices(users, k=REQUESTS):
            assert names(arms, bound=bound(user), chance=chance)[0] == served[user]

    def test_a_changed_weight_moves_its_share_and_only_in_its_direction(self):
        before = [target("a", 95), target("b", 5)]
        after = [target("a", 90), target("b", 10)]
        moved = Counter()
        for number in range(REQUESTS):
            key = bound(f"user-{number}")
            moved[names(before, bound=key)[0], names(after, bound=key)[0]] += 1
        assert moved["b", "a"] == 0
        still = {"moved": moved["a", "b"], "stayed": REQUESTS - moved["a", "b"]}
        assert chi_square(still, {"moved": 5, "stayed": 95}) < CHI_SQUARE[1]

    def test_a_target_that_goes_leaves_all_other_keys_where_they_are(self):
        arms = [target("a", 50), target("b", 30), target("c", 20)]
        for number in range(1000):
            key = bound(f"user-{number}")
            order = names(arms, bound=key)
            assert names([a for a in arms if a.cluster != order[0]], bound=key) == order[1:]

    def test_two_rules_divide_the_same_users_differently(self):
        arms = [target("a"), target("b")]
        sides = Counter()
        for number in range(1000):
            user = f"user-{number}"
            sides[
                names(arms, bound=bound(user, "one"))[0], names(arms, bound=bound(user, "two"))[0]
            ] += 1
        assert all(count > 150 for count in sides.values())
        assert len(sides) == 4

    @pytest.mark.parametrize(
        ("plan", "headers"),
        [
            (StickinessPlan(by="Header", name="x-tenant"), {"x-tenant": "t"}),
            (StickinessPlan(by="Cookie", name="session"), {"cookie": "a=b; session = t ;c=d"}),
            (StickinessPlan(by="User"), {}),
        ],
    )
    def test_the_key_is_read_where_the_rule_says(self, plan, headers):
        found = stickiness.key(plan, "rule", headers, Said("t"))
        assert found == bound("t", "rule")
        assert found != b"t"
        assert stickiness.key(plan, "rule", {"cookie": "mysession=t"}, Said(None)) is None

    def test_failing_targets_give_their_keys_to_others_meanwhile(self):
        arms = [target("a"), target("b")]
        learned = Learned()
        key = next(bound(str(n)) for n in range(99) if names(arms, bound=bound(str(n)))[0] == "a")
        learned.health.busy(arms[0], None, 0.0)
        assert names(arms, bound=key, learned=learned, now_s=1.0) == ["b", "a"]
        assert names(arms, bound=key, learned=learned, now_s=6.0) == ["a", "b"]


class TestLowestCost:
    def test_the_cheapest_serves_and_the_unpriced_come_last(self):
        arms = [target("unpriced"), priced("dear", "3"), priced("cheap", "1"), priced("mid", "2")]
        assert names(arms, "LowestCost") == ["cheap", "mid", "dear", "unpriced"]

    def test_priority_comes_first(self):
        arms = [priced("dear", "3"), priced("cheap", "1", priority=1)]
        assert names(arms, "LowestCost") == ["dear", "cheap"]

    def test_equal_prices_share_by_weight(self):
        arms = [priced("a", "1", weight=3), priced("b", "1", weight=1)]
        chance = random.Random(2).random
        first = Counter(names(arms, "LowestCost", chance=chance)[0] for _ in range(REQUESTS))
        assert chi_square(first, {"a": 3, "b": 1}) < CHI_SQUARE[1]

    def test_packaged_prices_count_where_the_backend_has_none(self):
        arms = [target("big", model="gpt-4o"), target("mini", model="gpt-4o-mini")]
        order = targets.order(choice(arms, "LowestCost", output_limit=100))
        assert [r.target.cluster for r in order.ranked] == ["mini", "big"]
        mini = order.ranked[0].score
        assert mini == pytest.approx((1000 * 0.15 + 100 * 0.60) / 1e6)

    @pytest.mark.parametrize(
        ("input_tokens", "output_limit", "first"),
        [(1_000, 10, "writes-dear"), (10, 1_000, "reads-dear")],
    )
    def test_what_is_read_and_what_is_written_decide(self, input_tokens, output_limit, first):
        reads, writes = priced("reads-dear", "1"), priced("writes-dear", "1")
        reads.prices["m"] = reads.prices["m"].model_copy(update={"input": "9"})
        writes.prices["m"] = writes.prices["m"].model_copy(update={"output": "9"})
        more = {"input_tokens": input_tokens, "output_limit": output_limit}
        assert names([reads, writes], "LowestCost", **more)[0] == first

    def test_a_dead_target_is_passed_over_and_found_again(self):
        arms = [priced("cheap", "1"), priced("dear", "3")]
        learned, first = Learned(), []
        for second in range(120):
            now_s = float(second)
            order = names(arms, "LowestCost", learned=learned, now_s=now_s)
            first.append(order[0])
            if second < 60:  # it is dead for a minute: whoever is sent there goes on to the other
                if order[0] == "cheap":
                    learned.health.failed(arms[0], now_s, now_s)
            elif order[0] == "cheap":
                learned.health.succeeded("cheap", now_s)
        assert first[:5] == ["cheap"] * 5
        assert first[5:60].count("cheap") < 30
        assert first[100:] == ["cheap"] * 20


class TestLeastBusy:
    def test_the_one_with_fewest_requests_for_its_weight_serves(self):
        small, large = target("small"), target("large", 3)
        slots, served = Slots(), []
        for _ in range(8):
            first = targets.order(choice([small, large], "LeastBusy", slots=slots)).targets[0]
            slots.take(first)
            served.append(first.cluster)
        assert Counter(served) == {"large": 6, "small": 2}

    def test_who_finishes_sooner_gets_more(self):
        """Fast takes one tick, slow takes four: of a steady stream fast gets about four fifths."""
        fast, slow = target("fast"), target("slow")
        slots, under_way, served = Slots(), [], Counter()
        chance = random.Random(5).random
        for tick in range(2000):
            for end, done in [each for each in under_way if each[0] <= tick]:
                under_way.remove((end, done))
                slots.give_back(done)
            for _ in range(2):
                options = choice([fast, slow], "LeastBusy", slots=slots, chance=chance)
                first = targets.order(options).targets[0]
                slots.take(first)
                served[first.cluster] += 1
                under_way.append((tick + (1 if first is fast else 4), first))
        assert 0.6 < served["fast"] / served.total() < 0.9


def test_ranks_tell_what_they_went_by():
    order = targets.order(choice([priced("a", "1"), priced("b", "2")], "LowestCost"))
    costs = [ranked.score for ranked in order.ranked]
    assert all(one < other for one, other in pairwise(costs))
    assert costs[0] == pytest.approx((1000 + 256) / 1e6)
