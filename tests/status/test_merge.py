"""Merge: our words are replaced, others' stay, and saying the same again changes nothing."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.sources.merge import CONTROLLER_NAME, TYPES, judged, merge
from tests.status import worlds

NOW, LATER = worlds.NOW, worlds.LATER
OTHER = "other.example/controller"


def condition(type_: str, status: str, reason: str, generation: int = 1) -> dict[str, Any]:
    return {
        "type": type_,
        "status": status,
        "observedGeneration": generation,
        "reason": reason,
        "message": "",
    }


def dated(found: dict[str, Any], time: str = NOW) -> dict[str, Any]:
    return {**found, "lastTransitionTime": time}


LIVE = [condition("Ready", "True", "Programmed"), condition("Programmed", "True", "Programmed")]
PENDING = [
    condition("Ready", "Unknown", "Pending"),
    condition("Programmed", "Unknown", "Pending"),
    condition("Reconciling", "True", "Pending"),
]
BROKEN = [
    condition("Ready", "False", "Invalid"),
    condition("Programmed", "False", "Invalid"),
    condition("Stalled", "True", "Invalid"),
]


def stated(conditions: list[dict[str, Any]], generation: int = 1) -> dict[str, Any]:
    found = [{**each, "observedGeneration": generation} for each in conditions]
    return {"observedGeneration": generation, "conditions": found}


def route(current: dict[str, Any], wanted: dict[str, Any], now: str = LATER) -> dict[str, Any]:
    return merge("AIRoute", current, wanted, now)


def test_every_golden_status_said_twice_is_said_once() -> None:
    for where, key, wanted in worlds.everything():
        once = merge(key.kind, {}, wanted, NOW)
        assert merge(key.kind, once, wanted, LATER) == once, (where, key)
        assert {each["lastTransitionTime"] for each in once["conditions"]} == {NOW}


def test_a_transition_has_a_new_time_and_another_message_has_not() -> None:
    once = route({}, stated(LIVE), NOW)
    renamed = [{**each, "message": "new"} for each in LIVE]
    assert {each["lastTransitionTime"] for each in route(once, stated(renamed))["conditions"]} == {
        NOW
    }
    broken = route(once, stated(BROKEN))
    assert {each["lastTransitionTime"] for each in broken["conditions"]} == {LATER}


def test_what_was_told_is_taken_back() -> None:
    broken = route({}, stated(BROKEN), NOW)
    types = [each["type"] for each in route(broken, stated(LIVE))["conditions"]]
    assert types == ["Ready", "Programmed"]


def test_conditions_of_others_stay_where_they_are() -> None:
    theirs = dated(condition("example.com/Audited", "True", "Audited"))
    current = {
        "conditions": [
            dated(condition("Ready", "Unknown", "Pending")),
            theirs,
            dated(condition("Stalled", "True", "Invalid")),
        ]
    }
    found = route(current, stated(LIVE))["conditions"]
    assert [each["type"] for each in found] == ["Ready", "example.com/Audited", "Programmed"]
    assert found[1] == theirs


@pytest.mark.parametrize("reason", ["Pending", "WaitingForProxies"])
def test_what_is_under_way_never_takes_back_ready_of_its_generation(reason: str) -> None:
    once = route({}, stated(LIVE), NOW)
    waiting = [{**each, "reason": reason} for each in PENDING]
    assert route(once, stated(waiting)) == once
    newer = route(once, stated(waiting, 2))
    assert newer["conditions"][0]["reason"] == reason
    assert newer["conditions"][2]["type"] == "Reconciling"


def test_what_was_ready_only_because_nothing_referred_to_it_has_to_go_live() -> None:
    unreferenced = [{**each, "reason": "NotReferenced"} for each in LIVE]
    once = merge("AIBackend", {}, stated(unreferenced), NOW)
    found = merge("AIBackend", once, stated(PENDING), LATER)
    assert found["conditions"][0]["status"] == "Unknown"


def test_a_failure_takes_back_ready_at_once() -> None:
    once = route({}, stated(LIVE), NOW)
    assert route(once, stated(BROKEN))["conditions"][0]["status"] == "False"


def entry(name: str, controller: str, conditions: list[dict[str, Any]]) -> dict[str, Any]:
    return {"parentRef": {"name": name}, "controllerName": controller, "conditions": conditions}


def test_entries_of_others_survive_in_their_places() -> None:
    theirs = [
        entry("a", OTHER, [dated(condition("Accepted", "True", "Mine"))]),
        entry("z", OTHER, [dated(condition("Accepted", "False", "NotMine"))]),
    ]
    old = entry("old", CONTROLLER_NAME, [dated(condition("Accepted", "True", "Accepted"))])
    wanted = {
        **stated(LIVE),
        "parents": [entry("ai", CONTROLLER_NAME, [condition("Accepted", "True", "Accepted")])],
    }
    found = route({"parents": [theirs[0], old, theirs[1]]}, wanted)["parents"]
    assert [found[0], found[2]] == theirs
    assert found[1]["parentRef"] == {"name": "ai"}
    assert route({"parents": found}, {**wanted, "parents": []})["parents"] == theirs


def test_no_more_entries_than_the_schema_takes() -> None:
    theirs = [
        {"ancestorRef": {"name": f"a{n}"}, "controllerName": OTHER, "conditions": []}
        for n in range(15)
    ]
    ours = [
        {"ancestorRef": {"name": f"b{n}"}, "controllerName": CONTROLLER_NAME, "conditions": []}
        for n in range(16)
    ]
    found = merge("AIPolicy", {"ancestors": theirs}, {**stated(LIVE), "ancestors": ours}, NOW)
    assert found["ancestors"] == [*theirs, ours[0]]


def test_a_gateway_keeps_what_others_say_and_loses_listeners_that_are_gone() -> None:
    theirs = dated(condition("example.com/Billed", "True", "Billed"))
    listener = {
        "name": "http",
        "attachedRoutes": 0,
        "supportedKinds": [],
        "conditions": [theirs, dated(condition("Accepted", "False", "Old"))],
    }
    current = {
        "conditions": [theirs, dated(condition("Ready", "True", "Theirs"))],
        "addresses": [{"type": "IPAddress", "value": "10.0.0.1"}],
        "listeners": [listener, {**listener, "name": "gone"}],
    }
    wanted = {
        "conditions": [condition("Accepted", "True", "Accepted")],
        "listeners": [
            {
                "name": "http",
                "attachedRoutes": 3,
                "supportedKinds": [],
                "conditions": [condition("Accepted", "True", "Accepted")],
            }
        ],
    }
    found = merge("Gateway", current, wanted, LATER)
    assert found["conditions"] == [
        *current["conditions"],
        dated(condition("Accepted", "True", "Accepted"), LATER),
    ]
    assert found["addresses"] == current["addresses"]
    assert [each["name"] for each in found["listeners"]] == ["http"]
    assert found["listeners"][0]["attachedRoutes"] == 3
    assert found["listeners"][0]["conditions"][0] == theirs
    gone = merge("Gateway", found, {**wanted, "addresses": []}, LATER)
    assert gone["addresses"] == []


def test_the_generation_that_was_judged_is_that_of_our_own_words() -> None:
    theirs = condition("example.com/Audited", "True", "Audited", 9)
    assert judged("AIRoute", {"conditions": [theirs, condition("Ready", "True", "X", 3)]}) == 3
    assert judged("Gateway", {"conditions": [condition("Programmed", "True", "X", 4)]}) == 4
    assert judged("AIRoute", {"conditions": []}) == -1


TYPE = st.sampled_from([*TYPES["AIRoute"], "example.com/A", "example.com/B"])
CONDITION = st.builds(
    condition,
    st.sampled_from(TYPES["AIRoute"]),
    st.sampled_from(["True", "False", "Unknown"]),
    st.sampled_from(["Programmed", "Pending", "WaitingForProxies", "Invalid", "NotReferenced"]),
    st.integers(1, 3),
)


def unique(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return list({each["type"]: each for each in found}.values())


WANTED_CONDITIONS = st.lists(CONDITION, max_size=5).map(unique)
CURRENT_CONDITIONS = st.lists(st.tuples(CONDITION, TYPE), max_size=6).map(
    lambda found: unique([dated({**each, "type": type_}) for each, type_ in found])
)
NAMES = st.sampled_from(["a", "b", "c", "d"])


def entries(
    controllers: st.SearchStrategy[str], conditions: st.SearchStrategy[list[dict[str, Any]]]
) -> st.SearchStrategy[list[dict[str, Any]]]:
    return st.lists(
        st.builds(entry, NAMES, controllers, conditions),
        max_size=5,
        unique_by=lambda each: (each["parentRef"]["name"], each["controllerName"]),
    )


CURRENT = st.fixed_dictionaries(
    {"conditions": CURRENT_CONDITIONS},
    optional={
        "observedGeneration": st.integers(1, 3),
        "parents": entries(st.sampled_from([CONTROLLER_NAME, OTHER]), CURRENT_CONDITIONS),
    },
)
WANTED = st.fixed_dictionaries(
    {
        "observedGeneration": st.integers(1, 3),
        "conditions": WANTED_CONDITIONS,
        "parents": entries(st.just(CONTROLLER_NAME), WANTED_CONDITIONS),
    }
)


@given(CURRENT, WANTED)
def test_merging_twice_is_merging_once(current: dict[str, Any], wanted: dict[str, Any]) -> None:
    once = merge("AIRoute", current, wanted, NOW)
    assert merge("AIRoute", once, wanted, LATER) == once


@given(CURRENT, WANTED)
def test_what_others_said_is_untouched(current: dict[str, Any], wanted: dict[str, Any]) -> None:
    def theirs(status: dict[str, Any]) -> tuple[list[Any], list[Any]]:
        return (
            [each for each in status["conditions"] if each["type"] not in TYPES["AIRoute"]],
            [each for each in status.get("parents", []) if each["controllerName"] == OTHER],
        )

    assert theirs(merge("AIRoute", current, wanted, NOW)) == theirs(current)


@given(CURRENT, WANTED)
def test_what_we_said_is_what_we_want_or_ready_that_stays(
    current: dict[str, Any], wanted: dict[str, Any]
) -> None:
    found = merge("AIRoute", current, wanted, NOW)
    before = {each["type"]: each for each in current["conditions"]}
    by_type = {each["type"]: each for each in wanted["conditions"]}
    ours = {each["type"]: each for each in found["conditions"] if each["type"] in TYPES["AIRoute"]}
    assert by_type.keys() - ours.keys() <= {"Reconciling"}
    assert ours.keys() <= by_type.keys()
    for type_, each in ours.items():
        time = each["lastTransitionTime"]
        if each == before.get(type_):
            continue
        assert {**by_type[type_], "lastTransitionTime": time} == each
        same = type_ in before and before[type_]["status"] == each["status"]
        assert time == (before[type_]["lastTransitionTime"] if same else NOW)
