import random
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from crds.plan import TargetPlan
from ext_proc.targets import Slots, order


def target(name, weight=1, priority=0, **more):
    return TargetPlan(
        cluster=name,
        backend=name,
        provider="OpenAI",
        model=None,
        weight=weight,
        priority=priority,
        **more,
    )


def names(targets, chance=lambda: 0.0):
    return [t.cluster for t in order(targets, Slots(), chance)]


def test_priorities_come_before_weights():
    assert names([target("c", 100, 2), target("a", 1, 0), target("b", 9, 1)]) == ["a", "b", "c"]


def test_no_weight_is_no_traffic_not_even_as_a_last_resort():
    assert names([target("a", 0), target("b", 0, 1), target("c")]) == ["c"]


def test_weights_are_shares_of_the_first_place():
    chance = random.Random(7).random
    first = Counter(names([target("a", 95), target("b", 5)], chance)[0] for _ in range(20_000))
    assert abs(first["a"] / 20_000 - 0.95) < 0.01


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), max_size=8),
    st.floats(0, 1, exclude_max=True),
)
def test_every_weighty_target_is_tried_once_in_order_of_priority(given_targets, lot):
    targets = [
        target(str(i), weight, priority) for i, (weight, priority) in enumerate(given_targets)
    ]
    ordered = order(targets, Slots(), lambda: lot)
    assert sorted(t.cluster for t in ordered) == sorted(t.cluster for t in targets if t.weight)
    assert [t.priority for t in ordered] == sorted(t.priority for t in ordered)


def test_slots_are_counted_by_backend():
    slots, capped = Slots(), target("a", max_concurrent=2)
    for _ in range(2):
        assert slots.free(capped)
        slots.take("a")
    assert not slots.free(capped)
    slots.give_back("a")
    assert slots.free(capped)
