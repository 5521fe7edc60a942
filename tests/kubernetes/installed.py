"""Dragoman as its charts install it, on a real node, and what a test does with it."""

import json
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
import yaml

from tests.kubernetes import demo
from tests.kubernetes.cluster import Client

SYSTEM = "dragoman-system"
PROVIDERS = "providers"
EXAMPLE = demo.EXAMPLE
SMALL = {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": "1Gi"}}
VALUES = {
    "resources": SMALL,
    "dataPlane": {
        "autoscaling": {"enabled": False},
        "replicas": 2,
        "drainSeconds": 20,
        "envoy": {"concurrency": 1, "resources": SMALL},
        "guard": {"resources": SMALL},
        "service": {"type": "ClusterIP"},
    },
}


@dataclass(frozen=True)
class Installed:
    """A cluster with Dragoman in it and a mock provider as `mock.providers`."""

    client: Client

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        return self.client.kubectl(*arguments, stdin=stdin)

    def apply(self, namespace: str, *objects: dict[str, Any] | str) -> None:
        """Server-side apply of objects, or of YAML."""
        texts = [each if isinstance(each, str) else yaml.safe_dump(each) for each in objects]
        command = ("apply", "--server-side", "--force-conflicts", "--namespace", namespace)
        self.kubectl(*command, "--filename", "-", stdin="\n---\n".join(texts))

    def get(self, namespace: str, kind: str, name: str) -> dict[str, Any]:
        return json.loads(self.kubectl("get", kind, name, "-n", namespace, "-o", "json"))

    def condition(self, namespace: str, kind: str, name: str, type_: str) -> dict[str, Any]:
        """One condition of an object; empty if it is not there."""
        status = self.get(namespace, kind, name).get("status", {})
        found = [each for each in status.get("conditions", []) if each["type"] == type_]
        return found[0] if found else {}

    def wait(
        self, namespace: str, *names: str, type_: str = "Ready", patience_s: int = 120
    ) -> None:
        """`kubectl wait`, as a user does; names as `air/assistant`."""
        command = ("wait", "--namespace", namespace, f"--timeout={patience_s}s")
        self.kubectl(*command, f"--for=condition={type_}", *names)

    def url(self, namespace: str, gateway: str = "ai", port: int = 80) -> str:
        """Where a Gateway is reached from this machine: its Service, once kube-proxy knows of it."""
        self.wait(namespace, f"gateway/{gateway}", type_="Programmed")
        address = self.get(namespace, "gateway", gateway)["status"]["addresses"][0]["value"]
        eventually(lambda: _listens(address, port))
        return f"http://{address}:{port}"

    def pods(self, namespace: str, gateway: str = "ai") -> list[dict[str, Any]]:
        """The data-plane pods that are Ready."""
        label = f"gateway.networking.k8s.io/gateway-name={gateway}"
        listed = json.loads(self.kubectl("get", "pods", "-n", namespace, "-l", label, "-o", "json"))
        return [pod for pod in listed["items"] if is_ready(pod)]

    def leader(self) -> str:
        """The controller's pod that holds the Lease."""
        lease = self.get(SYSTEM, "lease", "dragoman-controller")
        return str(lease["spec"].get("holderIdentity", ""))


def _listens(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=1).close()
    except OSError:
        return False
    return True


def is_ready(pod: dict[str, Any]) -> bool:
    """Whether a pod is Ready and stays."""
    conditions = pod["status"].get("conditions", [])
    ready = any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
    return ready and "deletionTimestamp" not in pod["metadata"]


def gateway(name: str = "ai", *, port: int = 80, **spec: Any) -> dict[str, Any]:
    """A Gateway of ours that every namespace may attach to."""
    listener = {
        "name": "http",
        "port": port,
        "protocol": "HTTP",
        "allowedRoutes": {"namespaces": {"from": "All"}},
    }
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": name},
        "spec": {"gatewayClassName": "dragoman", "listeners": [listener], **spec},
    }


def backend(name: str = "mock", **spec: Any) -> dict[str, Any]:
    """An AIBackend that leads to the mock provider, by DNS."""
    return {
        "apiVersion": "dragoman.dev/v1alpha1",
        "kind": "AIBackend",
        "metadata": {"name": name},
        "spec": {
            "provider": "OpenAICompatible",
            "endpoint": {"hostname": f"mock.{PROVIDERS}.svc.cluster.local", "port": 80},
            "tls": {"mode": "None"},
            "auth": {"type": "None"},
            **spec,
        },
    }


def route(name: str = "assistant", *, parent: str = "ai", **ref: Any) -> dict[str, Any]:
    """An AIRoute that serves every model; `ref` fills its one backendRef."""
    return {
        "apiVersion": "dragoman.dev/v1alpha1",
        "kind": "AIRoute",
        "metadata": {"name": name},
        "spec": {
            "parentRefs": [{"name": parent}],
            "rules": [{"name": "all", "backendRefs": [{"name": "mock", **ref}]}],
        },
    }


def ask(url: str, text: str = "hello", model: str = "echo", **headers: str) -> httpx2.Response:
    """One chat request on a connection of its own, so that any pod may answer."""
    body = {"model": model, "messages": [{"role": "user", "content": text}]}
    return httpx2.post(f"{url}/v1/chat/completions", json=body, headers=headers, timeout=30)


def eventually(check: Callable[[], Any], patience_s: float = 60, pause_s: float = 0.2) -> Any:
    """The first true result; what was last seen if none comes."""
    until = time.monotonic() + patience_s
    while not (found := check()):
        if time.monotonic() > until:
            raise AssertionError(f"not within {patience_s} s; last: {found!r}")
        time.sleep(pause_s)
    return found


def mock(installed: Installed) -> None:
    """The mock provider as `mock.providers`, which takes any key."""
    text = (EXAMPLE / "mock-provider.yaml").read_text().replace(", --require-key=mock-key", "")
    text = text.replace("name: mock-provider}", "name: mock}")
    text = text.replace("image: dragoman/controller\n", f"image: {demo.images.CONTROLLER}\n")
    if not installed.client.answers("get", "namespace", PROVIDERS):
        installed.kubectl("create", "namespace", PROVIDERS)
    installed.apply(PROVIDERS, text)
    installed.wait(PROVIDERS, "deployment/mock", type_="Available", patience_s=300)


@pytest.fixture(scope="session")
def dragoman(node_cluster: Client) -> Installed:
    """Charts installed, mock provider running."""
    demo.install(node_cluster, VALUES)
    installed = Installed(node_cluster)
    mock(installed)
    return installed


@pytest.fixture
def team(dragoman: Installed) -> Iterator[str]:
    """A namespace for one test."""
    name = f"team-{uuid.uuid4().hex[:8]}"
    dragoman.kubectl("create", "namespace", name)
    yield name
    dragoman.kubectl("delete", "namespace", name, "--wait=false")
