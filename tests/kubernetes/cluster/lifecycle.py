"""`Cluster`: one Kubernetes in one folder, from nothing to ready and back, part by part if need be."""

import json
import random
import shutil
import signal
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.kubernetes.cluster import archive, control_plane, machine, node, pki, programs
from tests.kubernetes.cluster.client import Client
from tests.kubernetes.cluster.machine import Network
from tests.kubernetes.cluster.parts import ClusterError, Parts


class Cluster(Client):
    """What runs in a folder; a second object for the same folder speaks for the same cluster."""

    ours = True

    def __init__(self, folder: Path, *, node: bool = False, gateway_api: bool = False) -> None:
        self.folder = folder.resolve()
        self.kubeconfig = self.folder / "pki" / "admin.kubeconfig"
        self.parts = Parts(self.folder)
        self._wants_node = node
        self._wants_gateway_api = gateway_api

    @property
    def network(self) -> Network | None:
        """The node's; None for a control plane alone."""
        number = self._facts().get("number")
        return None if number is None else Network(number)

    def up(self) -> None:
        """Start what is not running; data, ports and keys of an earlier `down(keep=True)` go on."""
        with programs.locked(self.folder / ".lock"):
            facts = self._facts()
            if facts and facts["node"] != self._wants_node:
                raise ClusterError(f"{self.folder} was made {'with' if facts['node'] else 'without'} a node: `down` first")  # fmt: skip
            number = facts.get("number")
            if self._wants_node and self.parts.pid("machine") is None:
                number = machine.start(self.parts, number).number
            if not facts:
                facts = {"node": self._wants_node, "number": number, "ports": _free_ports()}
                self._write_facts(facts)
            self._write_keys()
            for part in control_plane.ORDER:
                self.start(part)
            if network := self.network:
                node.start(self.parts, network, self.kubectl)
            if self._wants_gateway_api:
                self.apply_crds(programs.gateway_api())

    def down(self, *, keep: bool = False) -> None:
        """End it all; with `keep`, data, keys and logs stay for the next `up`."""
        if not self.folder.exists():
            return
        with programs.locked(self.folder / ".lock"):
            machine.remove(self.parts, self.network)
            for part in ("coredns", *reversed(control_plane.ORDER)):
                gently = keep and part == "etcd"
                self.parts.stop(part, how=signal.SIGTERM if gently else signal.SIGKILL)
            for name in node.PARTS[1:]:
                (self.folder / "pids" / name).unlink(missing_ok=True)
            if not keep:
                for name in (*CONTENT, *control_plane.ORDER):
                    shutil.rmtree(self.folder / name, ignore_errors=True)
                for name in ("cluster.json", ".lock"):
                    (self.folder / name).unlink(missing_ok=True)
        if not keep and not any(self.folder.iterdir()):
            self.folder.rmdir()

    def start(self, part: str) -> None:
        """Start one part of the control plane, if it is not running, and wait until it answers."""
        if self.parts.pid(part) is not None:
            return
        ports = self._facts()["ports"]
        self.parts.start(part, *control_plane.command(part, self.folder, ports, self.network))
        if part == "kube-apiserver":
            self.parts.ready(part, lambda: self.answers("get", "--raw", "/readyz"))
        if part == "kube-controller-manager":
            self.parts.ready(part, lambda: self.answers("get", "sa", "default", "-n", "default"))

    def stop(self, part: str, how: signal.Signals = signal.SIGTERM) -> None:
        """End one part, such as kube-apiserver."""
        self.parts.stop(part, how=how)

    def pause(self, part: str) -> None:
        """Stop it in its tracks: its connections stay open, and nothing is answered."""
        self.parts.send(part, signal.SIGSTOP)

    def resume(self, part: str) -> None:
        """The end of `pause`."""
        self.parts.send(part, signal.SIGCONT)

    def load(self, images: Iterable[archive.Image]) -> None:
        """Give the node images; pods use them with imagePullPolicy IfNotPresent or Never."""
        node.load(self.parts, images)

    def inside(self, *command: str | Path) -> str:
        """The output of a command run on the node."""
        return programs.run(*node.inside(self.parts, *command))

    def _facts(self) -> dict[str, Any]:
        path = self.folder / "cluster.json"
        return json.loads(path.read_text()) if path.exists() else {}

    def _write_facts(self, facts: dict[str, Any]) -> None:
        (self.folder / "cluster.json").write_text(json.dumps(facts))

    def _write_keys(self) -> None:
        if not self.kubeconfig.exists():
            network, port = self.network, self._facts()["ports"]["kube-apiserver"]
            host = network.host if network else "127.0.0.1"
            pki.write(self.folder / "pki", f"https://{host}:{port}", [network.host, network.node] if network else [])  # fmt: skip


CONTENT = ("pki", "pids", "logs", "node", "kubelet", "containerd")


def _free_ports() -> dict[str, int]:
    """Ports outside the range that the kernel hands out, so that they are free for the next `up` as well."""
    ports: dict[str, int] = {}
    while len(ports) < len(control_plane.PORTS):
        port = random.randrange(20000, 30000)
        with socket.socket() as probe:
            if port not in ports.values() and probe.connect_ex(("127.0.0.1", port)):
                ports[control_plane.PORTS[len(ports)]] = port
    return ports
