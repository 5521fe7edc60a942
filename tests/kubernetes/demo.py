"""`make demo-kubernetes`: the quickstart on a real Kubernetes; `make demo-kubernetes-down` ends it.

In a cluster of its own, or in that of KUBECONFIG. The last line is `ready URL KUBECONFIG=PATH`.
"""

import argparse
import json
import os
import shutil
import socket
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.kubernetes import images
from tests.kubernetes.cluster import Client, Cluster, ClusterError, Given, programs
from tests.kubernetes.cluster.parts import Parts

ROOT = images.ROOT
EXAMPLE, NAMESPACE, SYSTEM = ROOT / "examples/07-kubernetes", "quickstart", "dragoman-system"
SMALL = {"requests": {"cpu": "20m", "memory": "64Mi"}, "limits": {"memory": "1Gi"}}
TRY = '{"model": "echo", "messages": [{"role": "user", "content": "write to jane@example.org"}]}'
GATEWAYS = "gateways.gateway.networking.k8s.io"
THEIRS = (
    ("namespace", NAMESPACE),
    ("namespace", SYSTEM),
    ("crd", "aibackends.dragoman.dev"),
)
"""What `up` makes in a cluster and `down` deletes."""
VALUES = {
    "resources": SMALL,
    "dataPlane": {
        "autoscaling": {"enabled": False},  # there is no metrics API
        "drainSeconds": 5,
        "envoy": {"resources": SMALL},
        "guard": {"resources": SMALL},
        "service": {"type": "ClusterIP"},
    },
}


def main() -> int:
    """Start or end it."""
    parser = argparse.ArgumentParser(prog="python -m tests.kubernetes.demo", description=__doc__)
    parser.add_argument("action", choices=["up", "down"])
    parser.add_argument("--dir", type=Path, default=programs.cache_root() / "demo")
    options = parser.parse_args()
    try:
        _up(options.dir) if options.action == "up" else _down(options.dir)
    except ClusterError as error:
        sys.stderr.write(f"demo: {error}\n")
        return 1
    return 0


def _client(folder: Path) -> Client:
    """The cluster of an earlier `up` (whatever KUBECONFIG says now), that of KUBECONFIG, or ours."""
    path = _noted(folder).get("kubeconfig") or os.environ.get("KUBECONFIG")
    if path and not (folder / "cluster.json").exists():
        return Given(Path(path).resolve())
    return Cluster(folder, node=True)


def _noted(folder: Path) -> dict[str, Any]:
    """What an earlier `up` noted of a cluster that is not ours."""
    path = folder / "given.json"
    return json.loads(path.read_text()) if path.exists() else {}


def _borrow(client: Client, folder: Path) -> None:
    """Use a cluster that is not ours, unless something there has our names already."""
    for kind, name in THEIRS:
        if client.answers("get", kind, name):
            what = f"{kind} {name} is in this cluster already, and `down` would delete it"
            raise ClusterError(f"{what}; use a cluster for trying things out")
    brought = not client.answers("get", "crd", GATEWAYS)
    folder.mkdir(parents=True, exist_ok=True)
    noted = {"kubeconfig": str(client.kubeconfig), "gateway_api": brought}
    (folder / "given.json").write_text(json.dumps(noted))


def _up(folder: Path) -> None:
    client = _client(folder)
    if isinstance(client, Cluster):
        _say("starting a cluster (half a minute)")
        client.up()
    elif not _noted(folder):
        _borrow(client, folder)
    if not client.answers("get", "crd", GATEWAYS):
        client.apply_crds(programs.gateway_api())
    _say("making and loading the images (minutes, the first time)")
    client.load(images.images())
    _say("installing the charts")
    install(client, VALUES)
    _say("applying examples/07-kubernetes")
    client.kubectl("apply", "--server-side", "--kustomize", EXAMPLE)
    in_it = ("--namespace", NAMESPACE, "wait", "--timeout=5m")
    client.kubectl(*in_it, "gateway/ai", "--for=condition=Programmed")
    client.kubectl(*in_it, "air/assistant", "aip/baseline", "aib/mock", "--for=condition=Ready")
    url = _url(client, folder)
    _say(f"kubectl and helm are in {programs.clients()}; end it with: make demo-kubernetes-down")
    _say(f"try: curl {url}/v1/chat/completions -H 'content-type: application/json' -d '{TRY}'")
    print(f"ready {url} KUBECONFIG={client.kubeconfig}")


def install(client: Client, values: dict[str, Any]) -> None:
    """Both charts, as they are in the tree."""
    helm = ("upgrade", "--install", "--namespace", SYSTEM, "--create-namespace", "--wait")
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        json.dump(values, file)
        file.flush()
        owned = ("--take-ownership", "--force-conflicts")  # they may be there without the chart
        client.helm(*helm, *owned, "dragoman-crds", ROOT / "helm/dragoman-crds")
        client.helm(*helm, "dragoman", ROOT / "helm/dragoman", "--values", file.name)


def _url(client: Client, folder: Path) -> str:
    """The Service's address; from a cluster that is elsewhere, a port that kubectl forwards."""
    if client.ours:
        address = client.kubectl(
            *("--namespace", NAMESPACE, "get", "gateway/ai"),
            *("--output", "jsonpath={.status.addresses[0].value}"),
        )
        return f"http://{address}"
    parts = Parts(folder)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    forward = ("--namespace", NAMESPACE, "port-forward", "service/ai-dragoman", f"{port}:80")
    parts.stop("port-forward")
    kubectl = programs.clients() / "kubectl"
    parts.start("port-forward", kubectl, *forward, env=client.environment)
    parts.ready("port-forward", lambda: "Forwarding" in parts.log("port-forward").read_text())
    return f"http://127.0.0.1:{port}"


def _down(folder: Path) -> None:
    client, noted = _client(folder), _noted(folder)
    if isinstance(client, Cluster):
        client.down()
    elif noted:
        _give_back(client, folder, noted)
    else:
        _say("nothing to end: no demo was started")
        return
    if folder.exists():
        shutil.rmtree(folder)


def _give_back(client: Client, folder: Path, noted: dict[str, Any]) -> None:
    """Delete what `up` made in a cluster that is not ours."""
    Parts(folder).stop("port-forward")
    gone = ("delete", "--ignore-not-found", "--wait")
    client.kubectl(*gone, "namespace", NAMESPACE)
    for release in ("dragoman", "dragoman-crds"):
        client.helm("uninstall", release, "--namespace", SYSTEM, "--ignore-not-found", "--wait")
    client.kubectl(*gone, "namespace", SYSTEM)
    client.kubectl(*gone, "--filename", ROOT / "crds")
    if noted["gateway_api"]:
        client.kubectl(*gone, "--filename", programs.gateway_api())


def _say(what: str) -> None:
    sys.stderr.write(f"demo: {what}\n")


if __name__ == "__main__":
    sys.exit(main())
