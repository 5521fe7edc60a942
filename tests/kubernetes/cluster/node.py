"""A real node: containerd, kubelet and kube-proxy in the machine, CoreDNS beside the control plane."""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import yaml

from tests.kubernetes.cluster import archive, machine, programs
from tests.kubernetes.cluster.archive import Image
from tests.kubernetes.cluster.machine import Network
from tests.kubernetes.cluster.parts import ClusterError, Parts
from tests.kubernetes.cluster.pki import NODE

PAUSE = "dragoman-test/pause:1"
PARTS = ("coredns", "containerd", "kubelet", "kube-proxy")
CONTAINERD = """
version = 2
root = "/run/cluster/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs"]

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "docker.io/{pause}"
  restrict_oom_score_adj = true  # a container's root may not lower it
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "{debian}/usr/lib/cni"
  conf_dir = "/run/cluster/node/cni"
"""
COREFILE = """
.:53 {{
    bind {host}
    errors
    kubernetes cluster.local in-addr.arpa {{
        kubeconfig {pki}/admin.kubeconfig
        pods insecure
        fallthrough in-addr.arpa
    }}
    cache 5
}}
"""


def start(parts: Parts, network: Network, kubectl: Callable[..., str]) -> None:
    """Start what is not running, and wait for the node to be Ready."""
    pid = parts.pid("machine")
    if pid is None:
        raise ClusterError(parts.last_words("machine"))
    folder = parts.folder / "node"
    _write(folder, parts.folder / "pki", network)
    machine.make_cgroups(network)
    kubelet = ("--config", folder / "kubelet.yaml", "--root-dir", "/run/kubelet", "--hostname-override", NODE,
               "--node-ip", network.node, "--kubeconfig", parts.folder / "pki/kubelet.kubeconfig")  # fmt: skip
    commands: dict[str, tuple[str | Path, ...]] = {
        "containerd": ("containerd", "--config", folder / "containerd.toml"),
        "kubelet": (programs.program("kube-node"), "kubelet", *kubelet),
        "kube-proxy": (programs.program("kube-node"), "kube-proxy", "--config", folder / "proxy.yaml"),
    }  # fmt: skip
    if parts.pid("coredns") is None:
        parts.start("coredns", programs.program("coredns"), "-conf", folder / "Corefile")
    for name, command in commands.items():
        if parts.pid(name) is None:
            parts.start_in(pid, name, *command, **environment())
        if name == "containerd":
            parts.ready(name, lambda: _answers(parts, "ctr", "version"))
            _load_pause(parts)
    ready = "jsonpath={.status.conditions[?(@.type=='Ready')].status}"
    parts.ready("kubelet", lambda: kubectl("get", "node", NODE, "--ignore-not-found", "-o", ready) == "True")  # fmt: skip


def inside(parts: Parts, *command: str | Path) -> list[str]:
    """The command as run in the machine, with containerd's `ctr` on its path."""
    pid = parts.pid("machine")
    if pid is None:
        raise ClusterError("this cluster has no running node")
    enter = ["nsenter", "--target", str(pid), "--mount", "--net", "--pid", "--uts", "--ipc", "--"]
    return [*enter, "env", *(f"{k}={v}" for k, v in environment().items()), *map(str, command)]


def environment() -> dict[str, str]:
    """Debian's programs and their libraries, which are not installed but only unpacked."""
    root = programs.debian()
    here = [path.parent for path in root.glob("**/libseccomp.so.2")] + [path.parent for path in root.glob("**/libmnl.so.0")]  # fmt: skip
    return {
        "PATH": f"{root}/usr/bin:{root}/usr/sbin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LD_LIBRARY_PATH": ":".join(map(str, here)),
    }


def load(parts: Parts, images: Iterable[Image]) -> None:
    """Give them to containerd, in one stream."""
    ctr = ("ctr", "--namespace", "k8s.io")
    present = programs.run(*inside(parts, *ctr, "content", "ls", "--quiet")).split()
    command = inside(parts, *ctr, "images", "import", "-")
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT) as importer:
        assert importer.stdin
        assert importer.stdout
        try:
            archive.write(images, importer.stdin, present)
            importer.stdin.close()
        except BrokenPipeError:
            pass  # it has ended early, and says why
        told = importer.stdout.read().decode()
    if importer.returncode:
        raise ClusterError(f"containerd did not take the images: {told}")


def _load_pause(parts: Parts) -> None:
    """The image that holds a pod's namespaces; any program that waits will do."""
    layer = parts.folder / "node" / "pause.tar"
    if layer.exists():
        return
    with tempfile.TemporaryDirectory() as scratch:
        shutil.copy(programs.debian() / "bin" / "busybox", scratch)
        archive.pack(Path(scratch), layer)
    load(parts, [Image(PAUSE, (layer,), ("/busybox", "sleep", "infinity"))])


def _answers(parts: Parts, *command: str) -> bool:
    try:
        programs.run(*inside(parts, *command))
    except ClusterError:
        return False
    return True


def _write(folder: Path, pki: Path, network: Network) -> None:
    (folder / "cni").mkdir(parents=True, exist_ok=True)
    debian = programs.debian()
    (folder / "containerd.toml").write_text(CONTAINERD.format(pause=PAUSE, debian=debian))
    (folder / "Corefile").write_text(COREFILE.format(host=network.host, pki=pki))
    (folder / "resolv.conf").write_text(f"nameserver {network.host}\n")
    (folder / "cni" / "10-pods.conflist").write_text(json.dumps(_pod_network(network)))
    (folder / "kubelet.yaml").write_text(yaml.safe_dump(_kubelet(folder, pki, network)))
    (folder / "proxy.yaml").write_text(yaml.safe_dump(_proxy(pki, network)))


def _pod_network(network: Network) -> dict[str, object]:
    addresses = {
        "type": "host-local",
        "dataDir": "/run/addresses",
        "ranges": [[{"subnet": network.pods}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    return {"cniVersion": "1.0.0", "name": "pods", "plugins": [{"type": "ptp", "ipam": addresses}]}


def _kubelet(folder: Path, pki: Path, network: Network) -> dict[str, object]:
    # A disk that is nearly full, or a busy machine, must not evict a test's pods.
    never = dict.fromkeys(("nodefs.available", "nodefs.inodesFree", "imagefs.available"), "0%")
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": network.node,
        "authentication": {"anonymous": {"enabled": False}, "webhook": {"enabled": True}, "x509": {"clientCAFile": f"{pki}/ca.crt"}},
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": f"{pki}/server.crt",
        "tlsPrivateKeyFile": f"{pki}/server.key",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{network.cgroup}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "enforceNodeAllocatable": [],
        "evictionHard": {"memory.available": "100Mi", **never},
        "imageGCHighThresholdPercent": 100,
        "clusterDNS": [network.host],
        "clusterDomain": "cluster.local",
        "resolvConf": f"{folder}/resolv.conf",
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        "volumePluginDir": "/run/volume-plugins",
        "nodeStatusUpdateFrequency": "5s",
    }  # fmt: skip


def _proxy(pki: Path, network: Network) -> dict[str, object]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "hostnameOverride": NODE,
        "clientConnection": {"kubeconfig": f"{pki}/kube-proxy.kubeconfig"},
        "clusterCIDR": network.pods,
        "metricsBindAddress": "127.0.0.1:10249",
        "healthzBindAddress": "127.0.0.1:10256",
        "conntrack": {"maxPerCore": 0, "min": 0},  # that table is the whole host's
    }
