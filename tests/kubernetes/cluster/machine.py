"""The machine of a node: namespaces of its own for mounts, network, processes and names.

Mounts, routes, packet filters, containers: all ends with the machine's first process. On the host
there are one link `dkubeN`, two routes and a cgroup, and `remove` takes them away.
"""

import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.kubernetes.cluster import programs
from tests.kubernetes.cluster.parts import ClusterError, Parts
from tests.kubernetes.cluster.pki import NODE

# The first process of a machine: it hides what the host has in /run and /var/log, and then waits.
# Its ended children vanish by themselves, because it ignores their signal.
FIRST = """
set -e
hostname "$2"
mount --make-rprivate / && mount --make-rshared /
mount --bind "$1/logs" /var/log
mount -t tmpfs tmpfs /var/lib/cni
mount -t tmpfs tmpfs /run
mkdir /run/kubelet /run/cluster
mount --bind "$1/kubelet" /run/kubelet
mount --bind "$1" /run/cluster
trap '' CHLD
touch /run/ready
exec sleep infinity
"""
NUMBERS = range(63)
CGROUPS = Path("/sys/fs/cgroup")
SHARE = {"cpu.shares": "10240", "cpu.weight": "1000"}
"""All pods together count as ten of the host's processes, not as one."""


@dataclass(frozen=True)
class Network:
    """The addresses of cluster N: the host and the machine, pods, Services."""

    number: int

    @property
    def _prefix(self) -> str:
        return f"10.210.{4 * self.number}"

    @property
    def link(self) -> str:
        return f"dkube{self.number}"

    @property
    def cgroup(self) -> str:
        return f"dragoman-kube-{self.number}"

    @property
    def host(self) -> str:
        return f"{self._prefix}.1"

    @property
    def node(self) -> str:
        return f"{self._prefix}.2"

    @property
    def pods(self) -> str:
        return f"10.210.{4 * self.number + 1}.0/24"

    @property
    def services(self) -> str:
        return f"10.210.{4 * self.number + 2}.0/24"


def start(parts: Parts, wanted: int | None) -> Network:
    """The machine's namespaces and its link to the host."""
    if os.geteuid() != 0:
        raise ClusterError("a node needs root; the control plane alone does not")
    for tool, package in {"ip": "iproute2", "unshare": "util-linux", "mount": "mount"}.items():
        programs.need(tool, package)
    for name in ("logs", "kubelet", "containerd"):
        (parts.folder / name).mkdir(parents=True, exist_ok=True)
    Path("/var/lib/cni").mkdir(parents=True, exist_ok=True)
    unshare = ("unshare", "--mount", "--net", "--pid", "--uts", "--ipc", "--fork", "--kill-child")
    first = ("--mount-proc", "--", "sh", "-c", FIRST, "sh", parts.folder, NODE)
    parts.start("machine", *unshare, *first)
    parts.keep_child("machine")
    pid = parts.pid("machine")
    parts.ready("machine", lambda: Path("/proc", str(pid), "root", "run", "ready").exists())
    return _linked(parts, pid or 0, NUMBERS if wanted is None else range(wanted, wanted + 1))


def _linked(parts: Parts, pid: int, numbers: range) -> Network:
    """The first free number; to make the link is to take the number."""
    for network in map(Network, numbers):
        made = subprocess.run(
            f"ip link add {network.link} type veth peer name eth0 netns {pid}".split(),
            capture_output=True, check=False,
        )  # fmt: skip
        if made.returncode == 0:
            _addressed(network, pid)
            return network
    parts.stop("machine", how=signal.SIGKILL)
    raise ClusterError(f"no free network for a node: {made.stderr.decode().strip()}")


def _addressed(network: Network, pid: int) -> None:
    """Addresses and routes. Without a default route nothing inside reaches beyond this host."""
    programs.run("ip", "addr", "add", f"{network.host}/30", "dev", network.link)
    programs.run("ip", "link", "set", network.link, "up")
    inside = f"""
        ip link set lo up
        ip addr add {network.node}/30 dev eth0
        ip link set eth0 up
        echo 1 >/proc/sys/net/ipv4/ip_forward"""
    programs.run("nsenter", "-t", str(pid), "-m", "-n", "-p", "sh", "-ec", inside)
    for cidr in (network.pods, network.services):
        programs.run("ip", "route", "add", cidr, "via", network.node, "dev", network.link)


def make_cgroups(network: Network) -> None:
    """One for the node; in version 1 each controller has a tree of its own."""
    for tree in [CGROUPS, *CGROUPS.iterdir()]:
        if not (tree / "cgroup.procs").exists():
            continue
        (tree / network.cgroup).mkdir(exist_ok=True)
        for name in ("cpuset.cpus", "cpuset.mems"):
            file = tree / network.cgroup / name
            if (tree / name).exists() and file.exists() and not file.read_text().strip():
                file.write_text((tree / name).read_text())
        for name, much in SHARE.items():
            if (file := tree / network.cgroup / name).exists():
                file.write_text(much)


def remove(parts: Parts, network: Network | None) -> None:
    """End the first process, and so all; then take away what was on the host."""
    parts.stop("machine", how=signal.SIGKILL)
    if not network:
        return
    subprocess.run(["ip", "link", "delete", network.link], capture_output=True, check=False)
    for tree in (CGROUPS, *CGROUPS.glob("*")):
        folder = tree / network.cgroup
        if folder.is_dir():
            subprocess.run(["find", folder, "-depth", "-type", "d", "-exec", "rmdir", "{}", ";"], capture_output=True, check=False)  # fmt: skip
