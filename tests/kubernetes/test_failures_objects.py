"""Objects come, go and lie still; other controllers write beside us; two replicas agree."""

import json
import os
import socket
import subprocess
import sys
import time
import uuid

import httpx2
import pytest

from crds.meta import CONTROLLER_NAME
from tests.kubernetes import images
from tests.kubernetes.cluster import programs
from tests.kubernetes.faults import OURS, Traffic
from tests.kubernetes.installed import SYSTEM, Installed, ask, backend, eventually, gateway, route

pytestmark = pytest.mark.timeout(1800)

IDLE_S = float(os.environ.get("DRAGOMAN_IDLE_S", "60"))
WRITTEN = (*OURS, "serviceaccount", "secret", "configmap", "service", "pdb", "hpa", "endpointslice")
OTHER = "example.org/other"
NOW = "2026-01-01T00:00:00Z"


def applied(faults, namespace) -> str:
    faults.installed.apply(namespace, gateway(), backend(), route())
    faults.installed.wait(namespace, "air/assistant", "aib/mock", patience_s=240)
    return faults.installed.url(namespace)


def test_a_namespace_goes_with_its_gateway_and_nobody_else_notices(faults, served):
    name = f"f-{uuid.uuid4().hex[:8]}"
    faults.installed.kubectl("create", "namespace", name)
    applied(faults, name)
    with Traffic(served.places()) as traffic:
        faults.installed.kubectl("delete", "namespace", name, "--timeout=300s")
        assert served.changes()
    assert traffic.failed == []
    eventually(lambda: faults.fed()[0] == served.fed)


def owners(faults, namespace) -> dict[str, set[str]]:
    """The owners of all that was made for a Gateway, by kind."""
    kinds = "deployment,service,serviceaccount,configmap,secret,pdb"
    mine = ("-l", "gateway.networking.k8s.io/gateway-name=ai")
    text = faults.installed.kubectl("get", kinds, "-n", namespace, *mine, "-o", "json")
    return {
        each["kind"]: {ref["uid"] for ref in each["metadata"]["ownerReferences"]}
        for each in json.loads(text)["items"]
    }


def test_a_gateway_made_again_serves_again(faults, team):
    applied(faults, team)
    old = faults.installed.get(team, "gateway", "ai")["metadata"]["uid"]
    kinds = owners(faults, team).keys()
    faults.installed.kubectl("delete", "gateway", "ai", "-n", team)
    faults.installed.apply(team, gateway())
    new = faults.installed.get(team, "gateway", "ai")["metadata"]["uid"]
    assert new != old
    eventually(lambda: owners(faults, team) == {kind: {new} for kind in kinds}, 120)
    eventually(lambda: len(faults.installed.pods(team)) == 2, 240)
    faults.installed.apply(team, route(model="again"))
    faults.installed.wait(team, "air/assistant", patience_s=240)
    url = faults.installed.url(team)
    assert {ask(url).json()["model"] for _ in range(10)} == {"again"}
    assert owners(faults, team) == {kind: {new} for kind in kinds}


def patched(faults, namespace, what, path, value) -> None:
    patch = json.dumps([{"op": "add", "path": path, "value": value}])
    command = ("patch", what, "-n", namespace, "--subresource=status", "--type=json", "-p", patch)
    faults.installed.kubectl(*command)


def test_what_other_controllers_say_survives_edits_and_leaders(faults, served):
    condition = {"type": OTHER, "status": "True", "reason": "Seen", "message": "", "lastTransitionTime": NOW}  # fmt: skip
    entry = {"parentRef": {"name": "elsewhere"}, "controllerName": OTHER, "conditions": [condition]}
    patched(faults, served.namespace, "air/assistant", "/status/parents/-", entry)
    patched(faults, served.namespace, "gateway/ai", "/status/conditions/-", condition)

    def kept() -> bool:
        found = faults.installed.get(served.namespace, "air", "assistant")["status"]["parents"]
        others = [each for each in found if each["controllerName"] == OTHER]
        same = [entry["conditions"][0].items() <= o["conditions"][0].items() for o in others]
        seen = faults.installed.condition(served.namespace, "gateway", "ai", OTHER)
        return len(found) == 2 and same == [True] and condition.items() <= seen.items()

    assert kept()
    assert served.changes()
    assert kept()
    leader = faults.installed.leader()
    faults.installed.kubectl("delete", "pod", leader, "-n", SYSTEM, "--wait=false")
    eventually(lambda: faults.installed.leader() not in ("", leader), 120)
    assert served.changes()
    assert kept()


def test_nothing_is_written_while_nothing_happens(faults, served):
    """Two replicas: neither corrects the other, and neither corrects itself."""
    versions, writes = faults.versions(*WRITTEN), faults.writes()
    assert min(writes.values()) >= 0
    assert len(writes) == 2
    time.sleep(IDLE_S)
    assert faults.versions(*WRITTEN) == versions
    assert faults.writes() == writes


def test_kinds_that_appear_later_are_served_without_a_restart(make_cluster, tmp_path):
    cluster = make_cluster()
    ads, health = _free(), _free()
    command = [sys.executable, "-m", "controller", "kubernetes", "--namespace=default", "--pod-name=a", "--pod-ip=192.0.2.1",
               f"--ads-port={ads}", f"--health-port={health}", f"--kubeconfig={cluster.kubeconfig}"]  # fmt: skip
    with (tmp_path / "log").open("w") as log, subprocess.Popen(command, stderr=log) as controller:
        try:
            cluster.kubectl("create", "service", "clusterip", "dragoman-xds", "--tcp=18000")
            eventually(lambda: _ready(health))
            cluster.apply_crds(programs.gateway_api())
            cluster.apply_crds(images.ROOT / "crds")
            installed = Installed(cluster)
            class_ = {
                "apiVersion": "gateway.networking.k8s.io/v1",
                "kind": "GatewayClass",
                "metadata": {"name": "dragoman"},
                "spec": {"controllerName": CONTROLLER_NAME},
            }
            installed.apply("default", class_, gateway(), backend(), route())
            accepted = "--for=condition=Accepted"
            cluster.kubectl(
                "wait", "gatewayclass/dragoman", "gateway/ai", accepted, "--timeout=180s"
            )
            waiting = eventually(
                lambda: installed.condition("default", "air", "assistant", "Ready")
            )
            assert waiting["reason"] == "WaitingForProxies"
            assert controller.poll() is None
            assert _ready(health)
        finally:
            controller.terminate()
    assert controller.returncode == 0, (tmp_path / "log").read_text()


def _ready(port: int) -> bool:
    try:
        return httpx2.get(f"http://127.0.0.1:{port}/readyz", timeout=10).status_code == 200
    except httpx2.HTTPError:
        return False


def _free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
