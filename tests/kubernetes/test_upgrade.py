"""The chart goes to another version and back, and neither requests nor stored objects notice."""

import json
from dataclasses import replace

import pytest

from tests.kubernetes import images
from tests.kubernetes.demo import ROOT
from tests.kubernetes.installed import SYSTEM, eventually, route
from tests.kubernetes.load import load
from tests.kubernetes.planes import serve, settled

NEXT = f"{images.VERSION}-next"
KINDS = {
    "airoutes": "dragoman.dev/v1alpha1",
    "aibackends": "dragoman.dev/v1alpha1",
    "aipolicies": "dragoman.dev/v1alpha1",
    "gateways": "gateway.networking.k8s.io/v1",
}
POLICY = {
    "apiVersion": "dragoman.dev/v1alpha1",
    "kind": "AIPolicy",
    "metadata": {"name": "no-cards"},
    "spec": {
        "targetRefs": [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "ai"}],
        "request": {"guards": [{"name": "pii", "type": "PII", "action": "Redact"}]},
    },
}


@pytest.fixture
def release(dragoman):
    """Both versions' images are on the node; in the end the release is as it was."""
    made = [replace(each, name=each.name.replace(images.VERSION, NEXT)) for each in images.images()]
    dragoman.client.load([each for each in made if each.name.endswith(NEXT)])
    status = json.loads(helm(dragoman, "status", "--output", "json"))
    yield str(status["version"])
    helm(dragoman, "rollback", str(status["version"]), "--wait")


def helm(dragoman, verb, *arguments):
    return dragoman.client.helm(verb, "dragoman", "--namespace", SYSTEM, *arguments)


def upgrade(dragoman, *values):
    changes = [f"--set={each}" for each in values]
    helm(dragoman, "upgrade", ROOT / "helm/dragoman", "--reuse-values", "--wait", *changes)


def listed(dragoman, team, plural):
    return json.loads(dragoman.kubectl("get", "--raw", _path(team, plural)))


def _path(team, plural):
    return f"/apis/{KINDS[plural]}/namespaces/{team}/{plural}"


def stored(dragoman, team):
    """What users wrote."""
    return {
        (plural, each["metadata"]["name"]): (each["metadata"]["uid"], each["spec"])
        for plural in KINDS
        for each in listed(dragoman, team, plural)["items"]
    }


def versions(dragoman, team):
    return {p: listed(dragoman, team, p)["metadata"]["resourceVersion"] for p in KINDS}


def writes(dragoman, team, since):
    """Every change of our objects since then, as the API server remembers them."""
    found = []
    for plural, version in since.items():
        query = f"?watch=true&resourceVersion={version}&timeoutSeconds=1"
        lines = dragoman.kubectl("get", "--raw", _path(team, plural) + query).splitlines()
        found += [(plural, json.loads(line)) for line in lines]
    assert [each for _, each in found if each["type"] == "ERROR"] == []
    return [(plural, each["object"]["status"]) for plural, each in found]


def used(dragoman, namespace, label):
    """The images of the pods that stay, but for Envoy's."""
    command = ("get", "pods", "-n", namespace, "-l", label, "-o", "json")
    pods = json.loads(dragoman.kubectl(*command))["items"]
    containers = [
        each
        for pod in pods
        if "deletionTimestamp" not in pod["metadata"]
        for each in (*pod["spec"]["containers"], *pod["spec"].get("initContainers", ()))
    ]
    return {each["image"].rpartition(":")[2] for each in containers if each["name"] != "envoy"}


def controllers(dragoman):
    return used(dragoman, SYSTEM, "app.kubernetes.io/component=controller")


def planes(dragoman, team):
    return used(dragoman, team, "app.kubernetes.io/name=dragoman-gateway")


def generation(dragoman, team):
    return dragoman.get(team, "deployment", "ai-dragoman")["metadata"]["generation"]


def test_upgrade_and_rollback_keep_traffic_and_objects(dragoman, team, release):
    dragoman.apply(team, POLICY)
    url = serve(dragoman, team)
    dragoman.wait(team, "aip/no-cards")
    before, since = stored(dragoman, team), versions(dragoman, team)
    made = generation(dragoman, team)
    with load(url) as under:
        upgrade(dragoman, f"image.tag={NEXT}", f"dataPlane.guard.image={images.GUARD}")
        eventually(lambda: controllers(dragoman) == {NEXT}, 180)
        under.go_on()
        assert planes(dragoman, team) == {images.VERSION}
        assert generation(dragoman, team) == made
        assert writes(dragoman, team, since) == []

        # The new controller serves the old data plane.
        dragoman.apply(team, route(model="echo-2"))
        dragoman.wait(team, "air/assistant")
        dragoman.apply(team, route())
        dragoman.wait(team, "air/assistant")
        since = versions(dragoman, team)

        upgrade(dragoman, f"dataPlane.guard.image=dragoman/ext-proc:{NEXT}")
        eventually(lambda: generation(dragoman, team) > made, 180)
        settled(dragoman, team)
        assert planes(dragoman, team) == {NEXT}
        under.go_on()

        helm(dragoman, "rollback", release, "--wait")
        eventually(lambda: controllers(dragoman) == {images.VERSION}, 180)
        eventually(lambda: generation(dragoman, team) > made + 1, 180)
        settled(dragoman, team)
        assert planes(dragoman, team) == {images.VERSION}
        under.go_on()
    assert under.bad == []
    assert stored(dragoman, team) == before
    assert generation(dragoman, team) == made + 2
    assert writes(dragoman, team, since) == []
