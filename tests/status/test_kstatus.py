"""What Flux and every other kstatus tool make of our statuses, by kstatus's generic rules.

The rules, as sigs.k8s.io/cli-utils has them: deletionTimestamp; a stale observedGeneration; the
condition Reconciling, then Stalled; then Ready, whose absence means Current.
"""

from typing import Any

import pytest

from controller.sources.merge import merge
from tests.status import worlds


def kstatus(obj: dict[str, Any]) -> str:
    if obj["metadata"].get("deletionTimestamp"):
        return "Terminating"
    status = obj.get("status", {})
    observed = status.get("observedGeneration")
    if observed is not None and observed != obj["metadata"]["generation"]:
        return "InProgress"
    conditions = status.get("conditions", [])
    for condition in conditions:
        if condition["type"] == "Reconciling" and condition["status"] == "True":
            return "InProgress"
        if condition["type"] == "Stalled" and condition["status"] == "True":
            return "Failed"
    for condition in conditions:
        if condition["type"] == "Ready":
            return "Current" if condition["status"] == "True" else "InProgress"
    return "Current"


def seen(stage: str) -> dict[str, set[str]]:
    """What kstatus says of the objects of each Ready reason, over all golden cases."""
    found: dict[str, set[str]] = {}
    for case in worlds.CASES:
        for key, wanted in worlds.shown(case, stage).items():
            if key.kind.startswith("AI"):
                status = merge(key.kind, {}, wanted, worlds.NOW)
                generation = status["observedGeneration"]
                result = kstatus({"metadata": {"generation": generation}, "status": status})
                reason = worlds.of_type(status, "Ready")["reason"]
                found.setdefault(reason, set()).add(result)
    return found


NEEDS_EDIT = {"Invalid", "Duplicate"}
CONVERGES = {"BackendNotFound", "SecretNotFound", "ConfigMapNotFound", "RefNotPermitted"} | {
    "NoMatchingParent",
    "NotAllowedByListeners",
    "TargetNotFound",
    "InvalidBackend",
    "Conflicted",
}


def test_what_is_live_is_current() -> None:
    found = seen("live")
    for reason in ("Programmed", "PartiallyProgrammed", "NotReferenced"):
        assert found[reason] == {"Current"}
    assert not found.keys() & {"Pending", "WaitingForProxies"}


@pytest.mark.parametrize(
    ("stage", "reason"), [("nothing is known", "Pending"), ("no proxy", "WaitingForProxies")]
)
def test_what_waits_for_proxies_is_in_progress(stage: str, reason: str) -> None:
    found = seen(stage)
    assert found[reason] == {"InProgress"}
    assert not found.keys() & {"Programmed", "PartiallyProgrammed"}


@pytest.mark.parametrize("stage", worlds.STAGES)
def test_only_what_needs_an_edit_of_the_object_has_failed(stage: str) -> None:
    found = seen(stage)
    for reason in NEEDS_EDIT & found.keys():
        assert found[reason] == {"Failed"}
    for reason in CONVERGES & found.keys():
        assert found[reason] == {"InProgress"}, reason
    assert len(CONVERGES & found.keys()) >= 5


def test_a_status_of_an_earlier_generation_is_in_progress() -> None:
    status = {"observedGeneration": 1, "conditions": [{"type": "Ready", "status": "True"}]}
    assert kstatus({"metadata": {"generation": 2}, "status": status}) == "InProgress"


def test_the_status_before_the_controller_spoke_is_in_progress() -> None:
    status = {"conditions": [{"type": "Ready", "status": "Unknown"}]}
    assert kstatus({"metadata": {"generation": 1}, "status": status}) == "InProgress"
