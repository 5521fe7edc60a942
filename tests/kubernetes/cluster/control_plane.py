"""How the four parts of the control plane are called. Everything listens on one address of this host."""

from pathlib import Path

from tests.kubernetes.cluster import programs
from tests.kubernetes.cluster.machine import Network

ORDER = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
PORTS = ("etcd", "peer", "kube-apiserver", "kube-controller-manager", "kube-scheduler")

Flags = dict[str, object]


def command(part: str, folder: Path, ports: dict[str, int], network: Network | None) -> list[str]:
    """The program and its flags."""
    if part == "etcd":
        flags = _etcd(folder, ports)
    elif part == "kube-apiserver":
        flags = _apiserver(folder, ports, network)
    else:
        flags = _client(part, folder, ports)
        if part == "kube-controller-manager":
            flags |= _controllers(folder / "pki", network)
    program = [str(programs.program("kube")), part]
    return program + [f"--{name}={_text(value)}" for name, value in flags.items()]


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _etcd(folder: Path, ports: dict[str, int]) -> Flags:
    client, peer = f"http://127.0.0.1:{ports['etcd']}", f"http://127.0.0.1:{ports['peer']}"
    return {
        "name": "test",
        "data-dir": folder / "etcd",
        "unsafe-no-fsync": True,  # a test's data may be lost with the machine
        "log-level": "warn",
        "listen-client-urls": client,
        "advertise-client-urls": client,
        "listen-peer-urls": peer,
        "initial-advertise-peer-urls": peer,
        "initial-cluster": f"test={peer}",
    }


def _apiserver(folder: Path, ports: dict[str, int], network: Network | None) -> Flags:
    pki = folder / "pki"
    flags: Flags = {
        "etcd-servers": f"http://127.0.0.1:{ports['etcd']}",
        "bind-address": network.host if network else "127.0.0.1",
        "secure-port": ports["kube-apiserver"],
        "tls-cert-file": pki / "server.crt",
        "tls-private-key-file": pki / "server.key",
        "client-ca-file": pki / "ca.crt",
        "authorization-mode": "Node,RBAC",
        "service-account-issuer": "https://kubernetes.default.svc.cluster.local",
        "service-account-key-file": pki / "service-accounts.pub",
        "service-account-signing-key-file": pki / "service-accounts.key",
        "profiling": False,
    }
    if not network:  # nothing reaches 127.0.0.1 from elsewhere, so no address is published
        return flags | {
            "advertise-address": "198.51.100.1",
            "endpoint-reconciler-type": "none",
            "service-cluster-ip-range": "10.96.0.0/16",
        }
    return flags | {
        "advertise-address": network.host,
        "service-cluster-ip-range": network.services,
        "kubelet-preferred-address-types": "InternalIP",
        "kubelet-client-certificate": pki / "apiserver-kubelet.crt",
        "kubelet-client-key": pki / "apiserver-kubelet.key",
        "kubelet-certificate-authority": pki / "ca.crt",
    }


def _client(part: str, folder: Path, ports: dict[str, int]) -> Flags:
    """What the controllers and the scheduler have in common."""
    config = folder / "pki" / f"{part}.kubeconfig"
    return {
        "kubeconfig": config,
        "authentication-kubeconfig": config,
        "authorization-kubeconfig": config,
        "bind-address": "127.0.0.1",
        "secure-port": ports[part],
        "cert-dir": folder / part,
        "leader-elect": False,
        "profiling": False,
    }


def _controllers(pki: Path, network: Network | None) -> Flags:
    flags: Flags = {
        "service-account-private-key-file": pki / "service-accounts.key",
        "root-ca-file": pki / "ca.crt",
        "cluster-signing-cert-file": pki / "ca.crt",
        "cluster-signing-key-file": pki / "ca.key",
        "use-service-account-credentials": True,
    }
    if not network:
        return flags
    return flags | {
        "allocate-node-cidrs": True,
        "cluster-cidr": network.pods,
        "node-cidr-mask-size": 24,
        "service-cluster-ip-range": network.services,
    }
