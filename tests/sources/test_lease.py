"""Whether to take, renew or wait for a Lease: a pure question."""

import pytest

from controller.sources.lease import Action, Times, decide, next_spec

HELD = {"holderIdentity": "a", "leaseDurationSeconds": 15}


@pytest.mark.parametrize(
    ("spec", "me", "unchanged_s", "action"),
    [
        ({}, "b", 0, Action.ACQUIRE),
        ({"holderIdentity": ""}, "b", 0, Action.ACQUIRE),
        (HELD, "a", 0, Action.RENEW),
        (HELD, "a", 1000, Action.RENEW),
        (HELD, "b", 14.9, Action.WAIT),
        (HELD, "b", 15.1, Action.ACQUIRE),
        ({"holderIdentity": "a"}, "b", 14.9, Action.WAIT),
        ({"holderIdentity": "a", "leaseDurationSeconds": 60}, "b", 59, Action.WAIT),
        ({**HELD, "renewTime": "2099-01-01T00:00:00.000000Z"}, "b", 16, Action.ACQUIRE),
        ({**HELD, "renewTime": "2000-01-01T00:00:00.000000Z"}, "b", 1, Action.WAIT),
    ],
)
def test_only_a_lease_that_was_seen_unchanged_for_its_time_is_taken(
    spec, me, unchanged_s, action
) -> None:
    assert decide(spec, me, unchanged_s) is action


def test_a_renewal_keeps_since_when_and_a_takeover_counts() -> None:
    first = next_spec({}, "a", Times(), "t1")
    assert (first["acquireTime"], first["leaseTransitions"]) == ("t1", 0)
    renewed = next_spec(first, "a", Times(), "t2")
    assert (renewed["acquireTime"], renewed["renewTime"]) == ("t1", "t2")
    taken = next_spec(renewed, "b", Times(), "t3")
    assert (taken["holderIdentity"], taken["acquireTime"]) == ("b", "t3")
    assert (taken["leaseTransitions"], taken["leaseDurationSeconds"]) == (1, 15)


def test_a_holder_gives_up_before_another_may_take_over() -> None:
    times = Times()
    assert times.between < times.renewing < times.lasting
