"""The tests' own cluster keeps its word: parts stop and come back, data stays, pods run our images."""

import pytest
import yaml

from tests.kubernetes import images
from tests.kubernetes.cluster import ClusterError
from tests.kubernetes.cluster.parts import Parts, wait_for

LOCKED = {"readOnlyRootFilesystem": True, "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}  # fmt: skip
SAYS = {
    images.CONTROLLER: (["python", "-m", "controller", "kubernetes", "--help"], "--pod-name"),
    images.GUARD: (["python", "-m", "ext_proc", "--help"], "--ads"),
    images.ENVOY: (["envoy", "--version"], "1.40.0"),
}


def test_the_api_server_comes_back_with_its_data(own_cluster, namespace) -> None:
    own_cluster.kubectl("create", "configmap", "kept", "-n", namespace)
    own_cluster.stop("kube-apiserver")
    assert not own_cluster.answers("get", "--raw", "/readyz")
    own_cluster.start("kube-apiserver")
    assert own_cluster.answers("get", "configmap", "kept", "-n", namespace)


def test_a_paused_part_is_silent_until_it_is_resumed(own_cluster) -> None:
    own_cluster.pause("kube-apiserver")
    try:
        assert not own_cluster.answers("get", "--raw", "/readyz", "--request-timeout=1s")
    finally:
        own_cluster.resume("kube-apiserver")
    wait_for("it answers", lambda: own_cluster.answers("get", "--raw", "/readyz"))


def test_a_second_cluster_is_another_and_goes_on_where_it_ended(own_cluster, make_cluster) -> None:
    second = make_cluster()
    second.kubectl("create", "namespace", "only-here")
    assert not own_cluster.answers("get", "namespace", "only-here")
    second.down(keep=True)
    assert not second.answers("get", "--raw", "/readyz")
    second.up()
    assert second.answers("get", "namespace", "only-here")
    second.down()
    assert not second.folder.exists()


def test_what_does_not_start_says_why(tmp_path) -> None:
    parts = Parts(tmp_path)
    parts.start("part", "sh", "-c", "echo no key; exit 1")
    with pytest.raises(ClusterError, match="part has ended:\nno key"):
        parts.ready("part", lambda: False)
    assert parts.pid("part") is None


def test_a_process_that_got_an_old_id_is_left_alone(tmp_path) -> None:
    parts = Parts(tmp_path)
    parts.start("part", "sleep", "60")
    pid = parts.pid("part")
    (tmp_path / "pids" / "other").write_text(f"{pid} 1")
    parts.stop("other")
    assert parts.pid("part") == pid
    parts.stop("part")
    assert parts.pid("part") is None


def test_images_run_without_root_and_write_nothing(node_cluster) -> None:
    containers = [
        {"name": f"c{number}", "image": image, "command": command, "securityContext": LOCKED}
        for number, (image, (command, _)) in enumerate(SAYS.items())
    ]
    spec = {"restartPolicy": "Never", "securityContext": {"runAsNonRoot": True, "runAsUser": 65532}, "containers": containers}  # fmt: skip
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "images"}, "spec": spec}
    node_cluster.kubectl("create", "-f", "-", stdin=yaml.safe_dump(pod))
    done = ("get", "pod", "images", "-o", "jsonpath={.status.phase}")
    try:
        wait_for("all end well", lambda: node_cluster.kubectl(*done) == "Succeeded")
        for number, (_, words) in enumerate(SAYS.values()):
            assert words in node_cluster.kubectl("logs", "images", "-c", f"c{number}")
    finally:
        node_cluster.kubectl("delete", "pod", "images", "--grace-period=1", "--wait=false")
