"""Envoys and guards that hang, or all end at once: the others are served, and nothing passes unjudged."""

import time

import httpx2
import pytest

from tests.kubernetes.faults import PROXIES, Traffic, places
from tests.kubernetes.installed import SYSTEM, ask, eventually, route

pytestmark = pytest.mark.timeout(1800)

MANY = 5
CHAT = {"model": "echo", "messages": [{"role": "user", "content": "hello"}]}


def message(faults, namespace) -> str:
    return faults.installed.condition(namespace, "gateway", "ai", "Programmed").get("message", "")


def edit(faults, namespace, place, model) -> None:
    """Live at this place, and Ready."""
    faults.installed.apply(namespace, route(model=model))
    eventually(lambda: ask(place).json().get("model") == model)
    faults.installed.wait(namespace, "air/assistant")


def test_a_stuck_envoy_holds_up_nobody(faults, served):
    first, second = served.pods()
    (quick,) = places([first])
    with Traffic((quick,)) as traffic:
        with faults.paused(f"envoy/{second['metadata']['name']}"):
            edit(faults, served.namespace, quick, "while-stuck")
            eventually(lambda: len(faults.installed.pods(served.namespace)) == 1)
            edit(faults, served.namespace, quick, "still-stuck")
            assert {ask(served.url).json()["model"] for _ in range(10)} == {"still-stuck"}
        assert served.changes()
    assert traffic.failed == []


def test_an_envoy_that_the_controller_does_not_hear_is_named_and_not_waited_for(faults, served):
    """It serves requests, so its pod stays ready, but its answers go nowhere."""
    first, second = served.pods()
    lost, (quick,) = f"envoy/{second['metadata']['name']}", places([first])
    leader = faults.health(faults.installed.leader()).removeprefix("http://").partition(":")[0]
    xds = faults.installed.get(SYSTEM, "service", "dragoman-xds")["spec"]["clusterIP"]
    with Traffic(served.places()) as traffic:
        with faults.cut_off(lost, addresses=tuple({leader, xds} - {"None"})):
            edit(faults, served.namespace, quick, "while-lost")
            eventually(lambda: lost in message(faults, served.namespace), 180)
            edit(faults, served.namespace, quick, "still-lost")
            assert lost in message(faults, served.namespace)
            programmed = faults.installed.condition(served.namespace, "gateway", "ai", "Programmed")
            assert programmed["status"] == "True"
        eventually(lambda: message(faults, served.namespace) == "", 180)
        assert served.changes()
    assert traffic.failed == []


def test_a_stuck_guard_lets_nothing_pass_and_holds_up_nobody(faults, served):
    first, second = served.pods()
    (quick,), (slow,) = places([first]), places([second])
    with Traffic((quick,)) as traffic:
        with faults.paused(second["metadata"]["name"]):
            answer = httpx2.post(f"{slow}/v1/chat/completions", json=CHAT, timeout=120)
            assert answer.status_code == 503
            assert "choices" not in answer.json()
            edit(faults, served.namespace, quick, "guard-stuck")
            eventually(lambda: len(faults.installed.pods(served.namespace)) == 1)
            assert {ask(served.url).status_code for _ in range(10)} == {200}
        assert served.changes()
    assert traffic.failed == []


def test_all_envoys_may_start_again_at_once(faults, served):
    before = faults.restarts()
    scale = ("scale", "deployment/ai-dragoman", "-n", served.namespace)
    try:
        faults.installed.kubectl(*scale, f"--replicas={MANY}")
        eventually(lambda: len(faults.installed.pods(served.namespace)) == MANY, 300)
        pods = faults.installed.pods(served.namespace)
        faults.kill(*(f"envoy/{pod['metadata']['name']}" for pod in pods))
        for place in places(pods):
            eventually(lambda p=place: answers(p), 180)
        eventually(lambda: faults.fed()[0] == 2 * MANY, 120)
        restarts = faults.restarts(served.namespace, PROXIES)
        assert {f"{p['metadata']['name']}/envoy" for p in pods} <= {
            n for n, c in restarts.items() if c
        }
        edit(faults, served.namespace, served.url, "after-the-storm")
        assert {ask(place).json()["model"] for place in places(pods)} == {"after-the-storm"}
        assert faults.restarts() == before
    finally:
        faults.installed.kubectl(*scale, "--replicas=2")
        eventually(lambda: faults.fed()[0] == served.fed, 240)
        time.sleep(1)


def answers(place: str) -> bool:
    try:
        return ask(place).status_code == 200
    except httpx2.HTTPError:
        return False
