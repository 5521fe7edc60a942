"""Each part killed on its node comes back by itself, and what it did not inspect goes nowhere."""

import itertools
import json

import pytest

from tests.kubernetes.installed import PROVIDERS, SYSTEM, ask, backend, eventually, gateway, route
from tests.kubernetes.load import Call, Load
from tests.kubernetes.recorder import pod, recorded

REDACTED = "Write to [REDACTED:Email]."
CUT = ("Connection", "BrokenPipe", "RemoteDisconnected", "IncompleteRead")
KILL = """
import os, pathlib, signal, sys
found = [
    int(path.parent.name)
    for path in pathlib.Path("/proc").glob("[0-9]*/cgroup")
    if sys.argv[1] in path.read_text() and int(path.parent.name) != os.getpid()
]
for each in found:
    os.kill(each, signal.SIGKILL)
print(len(found))
"""
POLICY = {
    "apiVersion": "dragoman.dev/v1alpha1",
    "kind": "AIPolicy",
    "metadata": {"name": "no-addresses"},
    "spec": {
        "targetRefs": [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "ai"}],
        "request": {"guards": [{"name": "pii", "type": "PII", "action": "Redact"}]},
    },
}


@pytest.fixture(scope="module")
def killer(dragoman):
    """A pod that sees the node's processes, as its root."""
    root = {"runAsUser": 0, "runAsNonRoot": False}
    wait = "import time; time.sleep(1e6)"
    dragoman.apply(PROVIDERS, pod("killer", wait, hostPID=True, securityContext=root))
    dragoman.wait(PROVIDERS, "pod/killer")
    yield
    dragoman.kubectl("delete", "-n", PROVIDERS, "pod/killer")


@pytest.fixture
def guarded(dragoman, team, killer, recorder):
    """A Gateway that masks addresses before the recorder sees them; its URL."""
    dragoman.apply(team, gateway(), backend(endpoint=recorder), route(), POLICY)
    dragoman.wait(team, "air/assistant", "aib/mock", "aip/no-addresses")
    eventually(lambda: len(dragoman.pods(team)) == 2)
    return dragoman.url(team)


@pytest.fixture
def under(dragoman, guarded, team):
    """Load through the Service and to every pod by itself; each request has an address in it."""
    numbers = itertools.count()

    def planted():
        text = f"Write to planted-{next(numbers)}-{team}@example.org."
        return Call(text, REDACTED, stream=next(numbers) % 3 == 0)

    under = Load()
    places = {p["metadata"]["name"]: p["status"]["podIP"] for p in dragoman.pods(team)}
    for name, address in places.items():
        under.start(name, f"http://{address}:10080", planted)
    under.start("kept", guarded, planted, keep=True)
    under.start("new", guarded, planted)
    eventually(lambda: len(under.good) == 4)
    yield under
    under.end()


def kill(dragoman, namespace, name, container):
    """SIGKILL for all processes of a container, from outside of it; return when a new one runs."""
    before = _status(dragoman, namespace, name, container)
    identity = before["containerID"].partition("://")[2]
    exec_ = ("exec", "-n", PROVIDERS, "killer", "--", "python", "-c", KILL, identity)
    assert int(dragoman.kubectl(*exec_)) > 0

    def back():
        now = _status(dragoman, namespace, name, container)
        return now["restartCount"] > before["restartCount"] and now["ready"]

    eventually(back, 180)


def _status(dragoman, namespace, name, container):
    status = dragoman.get(namespace, "pod", name)["status"]
    every = [*status["containerStatuses"], *status.get("initContainerStatuses", ())]
    return next(each for each in every if each["name"] == container)


def all_masked(dragoman, at_least):
    """The provider was sent all that was answered, and no address."""
    sent = recorded(dragoman)
    assert len(sent) >= at_least
    assert [each for each in sent if "planted" in json.dumps(each)] == []


@pytest.mark.parametrize("container", ["envoy", "guard"])
def test_what_serves_requests_comes_back_and_lets_nothing_pass_meanwhile(
    dragoman, team, under, container
):
    victim, other = (p["metadata"]["name"] for p in dragoman.pods(team))
    for _ in range(2):
        kill(dragoman, team, victim, container)
        under.go_on()
    ended = len(under.bad)
    under.go_on(20)
    assert len(under.bad) == ended
    under.end()
    said = [each.partition(" s: ")[2] for each in under.bad]
    assert [each for each in said if not each.startswith(("503 ", *CUT))] == []
    assert [each for each in under.bad if other in each] == []
    assert [each for each in under.bad if victim in each] != []
    all_masked(dragoman, under.good.total())


def test_a_killed_controller_is_missed_by_no_request_and_changes_go_on(dragoman, team, under):
    for _ in range(2):
        leader = dragoman.leader()
        kill(dragoman, SYSTEM, leader, "controller")
        under.go_on()
    dragoman.apply(team, route(model="echo-2"))
    dragoman.wait(team, "air/assistant")
    answers = [ask(f"http://{p['status']['podIP']}:10080") for p in dragoman.pods(team)]
    assert [each.json()["model"] for each in answers] == ["echo-2"] * 2
    under.end()
    assert under.bad == []
    all_masked(dragoman, under.good.total())
