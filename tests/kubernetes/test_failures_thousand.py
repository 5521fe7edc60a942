"""A thousand AIRoutes: a leader that ends while it tells them all, and one object that Envoy refuses."""

import base64
import json
import time
import uuid

import pytest

from tests.kubernetes.installed import SYSTEM, ask, backend, eventually, gateway, route
from tests.kubernetes.tls import self_signed

pytestmark = pytest.mark.timeout(1800)

COUNT = 1000
PATIENCE_S = 600
BROKEN = base64.b64encode(b"no certificate, but PEM as far as base64 goes").decode()


def routes(model, *, first="mock"):
    made = []
    for number in range(COUNT):
        made.append(route(f"r{number}", model=model))
        made[-1]["spec"]["hostnames"] = [f"r{number}.example"]
    made[0]["spec"]["rules"][0]["backendRefs"][0]["name"] = first
    return made


@pytest.fixture(scope="module")
def crowd(all_faults):
    """The namespace they live in; one pod serves them."""
    name = f"f-{uuid.uuid4().hex[:8]}"
    one = {"group": "", "kind": "ConfigMap", "name": "one"}
    parameters = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "one"},
        "data": {"dataPlane.yaml": "replicas: 1"},
    }
    all_faults.installed.kubectl("create", "namespace", name)
    all_faults.installed.apply(name, parameters, gateway(infrastructure={"parametersRef": one}))
    all_faults.installed.apply(name, backend(), *routes("first"))
    eventually(lambda: len(settled(all_faults, name)) == COUNT, PATIENCE_S, 2)
    yield name
    all_faults.installed.kubectl("delete", "namespace", name, "--wait=false")


def listed(faults, namespace):
    text = faults.installed.kubectl("get", "air", "-n", namespace, "-o", "json")
    return json.loads(text)["items"]


def settled(faults, namespace):
    """The AIRoutes that are Ready as they stand now."""
    return [each for each in listed(faults, namespace) if ready(each) == "True"]


def ready(each):
    found = [c for c in each.get("status", {}).get("conditions", ()) if c["type"] == "Ready"]
    current = found and found[0].get("observedGeneration") == each["metadata"]["generation"]
    return found[0]["status"] if current else ""


def versions(faults, namespace):
    return [each["metadata"]["resourceVersion"] for each in listed(faults, namespace)]


def test_a_leader_may_end_among_a_thousand_status_writes(faults, crowd):
    faults.installed.apply(crowd, *routes("second"))
    told = eventually(lambda: len(settled(faults, crowd)), PATIENCE_S)
    assert told < COUNT, "all was written before the leader could end"
    leader = faults.installed.leader()
    end = ("delete", "pod", leader, "-n", SYSTEM, "--grace-period=0", "--force")
    faults.installed.kubectl(*end)
    eventually(lambda: len(settled(faults, crowd)) == COUNT, PATIENCE_S, 2)
    assert faults.installed.leader() not in ("", leader)
    for each in listed(faults, crowd):
        assert len(each["status"]["parents"]) == 1, each["metadata"]["name"]
        types = [c["type"] for c in each["status"]["conditions"]]
        assert len(types) == len(set(types))
    faults.calm()
    before = versions(faults, crowd)
    time.sleep(10)
    assert versions(faults, crowd) == before


def test_one_object_that_envoy_refuses_is_named_and_the_others_go_live(faults, crowd):
    authority = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "authority"},
        "data": {"ca.crt": f"-----BEGIN CERTIFICATE-----\n{BROKEN}\n-----END CERTIFICATE-----\n"},
    }
    tls = {"mode": "Verify", "caCertificateRefs": [{"name": "authority"}]}
    bad = backend("bad", tls=tls)
    faults.installed.apply(crowd, authority, bad, *routes("third", first="bad"))
    eventually(lambda: len(settled(faults, crowd)) == COUNT - 1, PATIENCE_S, 2)
    refused = eventually(
        lambda: (
            (c := faults.installed.condition(crowd, "aib", "bad", "Ready")).get("reason")
            == "EnvoyRejected"
            and c
        )
    )
    assert refused["status"] == "False"
    assert "refused by Envoy" in refused["message"]
    print(refused["message"])
    for each in listed(faults, crowd):
        expected = "False" if each["metadata"]["name"] == "r0" else "True"
        assert ready(each) == expected, each["status"]
        assert "EnvoyRejected" not in json.dumps(each["status"])
    assert faults.installed.condition(crowd, "aib", "mock", "Ready")["status"] == "True"
    url = faults.installed.url(crowd)
    for number in (1, COUNT // 2, COUNT - 1):
        assert ask(url, host=f"r{number}.example").json()["model"] == "third"
    assert ask(url, host="r0.example").status_code >= 500
    authority["data"]["ca.crt"] = self_signed("ca.example")[0]
    faults.installed.apply(crowd, authority)
    eventually(lambda: len(settled(faults, crowd)) == COUNT, PATIENCE_S, 2)
    faults.installed.wait(crowd, "aib/bad")
