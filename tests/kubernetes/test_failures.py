"""What failed, and what nobody noticed: controllers and the API server end, hang and come back.

`failures.yaml` says for every row of the failure matrix which tests show it, or why none does yet.
"""

import ast
import time
from pathlib import Path

import httpx2
import pytest
import yaml

from tests.kubernetes.faults import DRAIN_S, OURS, PROXIES, Traffic, places
from tests.kubernetes.installed import SYSTEM, ask, eventually, route

pytestmark = pytest.mark.timeout(1800)

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
OUTAGE_S = 20
"""Longer than a Lease lasts; shorter than nodes are given up for lost."""
MATRIX = """
API server down · controller SIGKILL · controller restart with equal state · restart while API is down · half-synced
start · 410 + missed delete · watch ERROR 500/429 · slow Envoy/stuck stream · Envoy restart storm · NACK of one object
among 1,000 · processor down/slow/OOM · processor rolling update with live SSE streams · cert rotation mid-stream ·
clock skew ±5 min · Redis/limit store down · leader change during 1,000 status writes · Secret rotated ·
etcd compaction/continue-token expiry during LIST · namespace deletion · Gateway recreated · Gateway API CRDs late ·
idle · foreign status entries · two replicas
"""


def test_every_row_of_the_failure_matrix_has_its_tests_or_says_why_not():
    rows = yaml.safe_load((HERE / "failures.yaml").read_text())
    assert list(rows) == [" ".join(row.split()) for row in MATRIX.split("·")]
    named = [name for row in rows.values() for name in row.get("tests", ())]
    for name in named:
        file, _, function = name.partition("::")
        tree = ast.parse((ROOT / file).read_text())
        found = (ast.FunctionDef, ast.AsyncFunctionDef)
        assert function in {n.name for n in ast.walk(tree) if isinstance(n, found)}, name
    assert all(row.get("tests") or row["not_yet"] for row in rows.values())


@pytest.mark.parametrize("how", ["stopped", "silent"])
def test_without_the_api_server_proxies_are_served_on(faults, served, how):
    first, second = served.pods()
    other = second["metadata"]["name"]
    controllers, proxies = faults.restarts(), faults.restarts(served.namespace, PROXIES)
    began = time.monotonic()
    with Traffic(places([first])) as traffic:
        with faults.no_api_server(how):
            time.sleep(OUTAGE_S / 2)
            faults.kill(f"envoy/{other}")
            eventually(lambda: answers(places([second])[0]), 120)
            time.sleep(max(0, began + OUTAGE_S - time.monotonic()))
        assert served.changes()
    assert traffic.failed == []
    assert faults.restarts() == controllers
    proxies[f"{other}/envoy"] += 1
    assert faults.restarts(served.namespace, PROXIES) == proxies


def test_a_killed_leader_sends_nothing_again(faults, served):
    before, sent = faults.restarts(), faults.sent()
    leader = faults.installed.leader()
    with Traffic(served.places()) as traffic:
        faults.kill(f"--pod-name={leader}")
        assert eventually(lambda: (f := faults.fed_since(sent))[0] == served.fed and f, 180)[1] == 0
        assert served.changes()
    assert traffic.failed == []
    restarted = {name for name, count in faults.restarts().items() if count != before[name]}
    assert restarted == {f"{leader}/controller"}


def test_another_leader_sends_nothing_again(faults, served):
    """What two processes made of one cluster is equal to the byte, or something would be sent."""
    leader = faults.installed.leader()
    shown, sent = faults.versions(*OURS), faults.sent()
    with Traffic(served.places()) as traffic:
        faults.installed.kubectl("delete", "pod", leader, "-n", SYSTEM, "--wait=false")
        eventually(lambda: faults.installed.leader() not in ("", leader), 120)
        assert eventually(lambda: (f := faults.fed_since(sent))[0] == served.fed and f, 180)[1] == 0
        assert faults.versions(*OURS) == shown
        assert served.changes()
    assert traffic.failed == []


def test_an_edit_that_no_controller_saw_fails_no_request(faults, served):
    """The new leader finds proxies that hold what it never made, and takes nothing away too soon."""
    names = [f"--pod-name={pod['metadata']['name']}" for pod in faults.controllers()]
    with Traffic(served.places()) as traffic:
        with faults.paused(*names):
            faults.installed.apply(served.namespace, route(model="unseen"))
            faults.kill(*names)
        faults.installed.wait(served.namespace, "air/assistant")
        assert {ask(place).json()["model"] for place in served.places()} == {"unseen"}
        time.sleep(DRAIN_S)
    assert traffic.failed == []


def test_controllers_that_start_without_the_api_server_wait_for_it(faults, served):
    faults.renew()
    before = faults.restarts()
    names = [pod["metadata"]["name"] for pod in faults.controllers()]
    healths = [faults.health(name) for name in names]
    with Traffic(served.places()) as traffic:
        with faults.no_api_server():
            faults.kill(*(f"--pod-name={name}" for name in names))
            for health in healths:
                said = eventually(lambda h=health: unready(h), 120)
                assert said.startswith("reading the cluster")
                assert httpx2.get(f"{health}/livez", timeout=10).status_code == 200
        eventually(lambda: [unready(health) for health in healths] == ["", ""], 120)
        eventually(lambda: faults.fed()[0] == served.fed, 120)
        assert served.changes()
    assert traffic.failed == []
    assert faults.restarts() == {name: count + 1 for name, count in before.items()}


def test_a_deletion_is_found_though_its_event_is_gone_for_good(faults, served):
    """The controllers hear nothing while an object goes and the API server forgets that it did."""
    extra = route("extra", model="other")
    extra["spec"]["hostnames"] = ["extra.example"]
    faults.installed.apply(served.namespace, extra)
    faults.installed.wait(served.namespace, "air/extra")
    assert ask(served.url, host="extra.example").json()["model"] == "other"
    names = [f"--pod-name={pod['metadata']['name']}" for pod in faults.controllers()]
    with Traffic(served.places()) as traffic:
        with faults.cut_off(*names):
            for delete in (True, False):
                with faults.no_api_server():
                    pass
                if delete:
                    faults.installed.kubectl("delete", "air", "extra", "-n", served.namespace)
            assert ask(served.url, host="extra.example").json()["model"] == "other"
        eventually(lambda: ask(served.url, host="extra.example").json()["model"] != "other", 120)
        assert served.changes()
    assert traffic.failed == []


def answers(place: str) -> bool:
    try:
        return ask(place).status_code == 200
    except httpx2.HTTPError:
        return False


def unready(health: str) -> str | None:
    """What keeps a controller from being ready; None if it does not answer."""
    try:
        answer = httpx2.get(f"{health}/readyz", timeout=10)
    except httpx2.HTTPError:
        return None
    return "" if answer.status_code == 200 else answer.text
