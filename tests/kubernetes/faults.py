"""Faults: what tests do to Dragoman's processes on our own node, and the traffic that goes on.

Processes are found by an argument of their command line and by the node's cgroup, so that only what
runs in this cluster is ever sent a signal. Counts are read from the controllers' own metrics.
"""

import json
import os
import signal
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Self

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.kubernetes.cluster import Cluster, programs
from tests.kubernetes.installed import (
    SYSTEM,
    Installed,
    ask,
    backend,
    eventually,
    gateway,
    is_ready,
    route,
)

CONTROLLERS = "app.kubernetes.io/component=controller"
PROXIES = "gateway.networking.k8s.io/gateway-name"
OURS = ("air", "aip", "aib", "gateway", "gatewayclass")
API = "kube-apiserver"
DRAIN_S = 12  # nothing is left of an earlier configuration after so long without news


@dataclass
class Traffic:
    """Requests to some places, each on a connection of its own, for as long as the block lasts."""

    places: tuple[str, ...]
    statuses: Counter[int] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(p,)) for p in self.places]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        eventually(lambda: self.statuses.total() >= len(self.places))
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, place: str) -> None:
        body = {"model": "echo", "messages": [{"role": "user", "content": "hello"}]}
        limits = httpx2.Limits(max_keepalive_connections=0)
        with httpx2.Client(limits=limits, timeout=60) as client:
            while not self._over.wait(0.05):
                try:
                    answer = client.post(f"{place}/v1/chat/completions", json=body)
                except httpx2.HTTPError as error:
                    self._note(0, f"{place}: {error!r}")
                else:
                    wrong = answer.status_code != 200 and answer.text[:200]
                    self._note(answer.status_code, f"{place}: {wrong}" if wrong else "")

    def _note(self, status: int, wrong: str) -> None:
        self.statuses[status] += 1
        if wrong:
            self.failed.append(f"{time.strftime('%X')} {wrong}")


@dataclass(frozen=True)
class Faults:
    """The cluster's parts and Dragoman's processes, to be stopped and started."""

    installed: Installed
    cluster: Cluster

    def processes(self, argument: str) -> list[int]:
        """The processes on the node with this argument, such as `envoy/POD` or `--pod-name=POD`."""
        mine = f"/{self.cluster.network.cgroup}/"
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                words = (folder / "cmdline").read_bytes().split(b"\0")
                if argument.encode() in words and mine in (folder / "cgroup").read_text():
                    found.append(int(folder.name))
            except OSError:
                continue  # it has ended
        return found

    def kill(self, *arguments: str) -> None:
        """End processes as the kernel does when memory is short, and see them begin anew."""
        before = [eventually(lambda a=a: self.processes(a)) for a in arguments]
        for pid in (pid for each in before for pid in each):
            os.kill(pid, signal.SIGKILL)
        for argument, pids in zip(arguments, before, strict=True):
            eventually(lambda a=argument, p=pids: set(self.processes(a)) - set(p), 120)

    @contextmanager
    def paused(self, *arguments: str) -> Iterator[None]:
        """They stand still: their connections stay open, and nothing is answered."""
        pids = [pid for each in arguments for pid in self.processes(each)]
        assert len(pids) >= len(arguments)
        try:
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            yield
        finally:
            for pid in pids:
                if Path(f"/proc/{pid}").exists():
                    os.kill(pid, signal.SIGCONT)

    @contextmanager
    def cut_off(self, *arguments: str, addresses: tuple[str, ...] = ()) -> Iterator[None]:
        """No packet passes between their pods and these addresses, by default the API server's."""
        api = ("get", "service", "kubernetes", "-n", "default", "-o", "jsonpath={.spec.clusterIP}")
        there = addresses or (self.installed.kubectl(*api),)
        pids = [str(self.processes(each)[0]) for each in arguments]

        def routes(verb: str, strict: int) -> None:
            """What comes from where nothing can be sent is dropped if paths back are looked at."""
            lines = [f"ip route {verb} unreachable {each}" for each in there]
            lines.append(f"echo {strict} >/proc/sys/net/ipv4/conf/all/rp_filter")
            for pid in pids:
                programs.run("nsenter", "--net", "--target", pid, "sh", "-ec", "\n".join(lines))

        routes("add", 1)
        try:
            yield
        finally:
            routes("del", 0)

    @contextmanager
    def no_api_server(self, how: str = "stopped") -> Iterator[None]:
        """`stopped`: it has ended; `silent`: it answers nothing."""
        cluster = self.cluster
        cluster.pause(API) if how == "silent" else cluster.stop(API)
        try:
            yield
        finally:
            cluster.resume(API) if how == "silent" else cluster.start(API)
            eventually(lambda: cluster.answers("get", "--raw", "/readyz", "--request-timeout=5s"))

    def controllers(self) -> list[dict[str, Any]]:
        return self._pods(SYSTEM, CONTROLLERS)

    def calm(self) -> None:
        """Nothing of other tests is under way, and two controllers are ready, one of them leads."""
        every = ("get", "namespaces", "--output=name")
        eventually(lambda: "/t-" not in self.installed.kubectl(*every), 300)
        eventually(lambda: [is_ready(pod) for pod in self.controllers()] == [True, True], 180)
        eventually(lambda: self.fed()[0] >= 0, 120)

    def renew(self) -> None:
        """Controllers that never ended, for which kubelet waits with nothing."""
        what = ("deployment/dragoman-controller", "-n", SYSTEM)
        self.installed.kubectl("rollout", "restart", *what)
        self.installed.kubectl("rollout", "status", *what, "--timeout=240s")
        self.calm()

    def restarts(self, namespace: str = SYSTEM, labels: str = CONTROLLERS) -> dict[str, int]:
        """How often each container was started again."""
        return {
            f"{pod['metadata']['name']}/{each['name']}": each["restartCount"]
            for pod in self._pods(namespace, labels)
            for kind in ("initContainerStatuses", "containerStatuses")
            for each in pod["status"].get(kind, ())
        }

    def health(self, pod: str, path: str = "") -> str:
        """Where a controller answers for itself; empty if there is none of that name."""
        ips = {each["metadata"]["name"]: each["status"].get("podIP") for each in self.controllers()}
        return f"http://{ips[pod]}:8081{path}" if ips.get(pod) else ""

    def count(self, pod: str, metric: str, **labels: str) -> float:
        """The sum of a controller's metric; -1 if it does not answer."""
        return counted(self.health(pod, "/metrics"), metric, **labels)

    def fed(self) -> tuple[float, float]:
        """How many proxies the leader feeds, and how many resources it has sent."""
        pod = self.installed.leader()
        connected = self.count(pod, "dragoman_xds_connected")
        return connected, self.count(pod, "dragoman_xds_resources_sent_total")

    def sent(self) -> dict[str, float]:
        """How many resources each controller has sent: one that stands by may have led before."""
        names = (pod["metadata"]["name"] for pod in self.controllers())
        return {n: self.count(n, "dragoman_xds_resources_sent_total") for n in names}

    def fed_since(self, before: dict[str, float]) -> tuple[float, float]:
        """As `fed`, less what the leader had sent before; a process that began anew had nothing."""
        connected, sent = self.fed()
        earlier = before.get(self.installed.leader(), 0)
        return connected, sent - earlier if sent >= earlier else sent

    def writes(self) -> dict[str, float]:
        """What each controller has written to the API server."""
        names = (pod["metadata"]["name"] for pod in self.controllers())
        return {n: self.count(n, "dragoman_kubernetes_writes_total") for n in names}

    def versions(self, *kinds: str) -> dict[str, str]:
        """The resourceVersion of every object of these kinds, in all namespaces."""
        listed = json.loads(self.installed.kubectl("get", ",".join(kinds), "-A", "-o", "json"))
        return {
            "/".join((i["kind"], m.get("namespace", ""), m["name"])): m["resourceVersion"]
            for i in listed["items"]
            if (m := i["metadata"])
        }

    def _pods(self, namespace: str, labels: str) -> list[dict[str, Any]]:
        text = self.installed.kubectl("get", "pods", "-n", namespace, "-l", labels, "-o", "json")
        return json.loads(text)["items"]


def counted(url: str, metric: str, **labels: str) -> float:
    """The sum of a metric's samples with these labels; -1 if nobody answers."""
    try:
        text = httpx2.get(url, timeout=10).text if url else ""
    except httpx2.HTTPError:
        text = ""
    if not text:
        return -1
    samples = (s for family in text_string_to_metric_families(text) for s in family.samples)
    return sum(s.value for s in samples if s.name == metric and labels.items() <= s.labels.items())


def places(pods: list[dict[str, Any]]) -> tuple[str, ...]:
    """Where the pods of a Gateway with port 80 are reached one by one."""
    return tuple(f"http://{pod['status']['podIP']}:10080" for pod in pods)


@dataclass(frozen=True)
class Team:
    """A namespace whose Gateway `ai` answers in two pods, and whose AIRoute is edited now and then."""

    faults: Faults
    namespace: str
    url: str
    fed = 4
    """How many proxies it has: two Envoys and two guards."""
    _numbers: Iterator[int] = field(default_factory=count)

    def pods(self) -> list[dict[str, Any]]:
        """Both pods, once both are ready."""
        return eventually(lambda: len(p := self.faults.installed.pods(self.namespace)) == 2 and p)

    def places(self) -> tuple[str, ...]:
        """The Service, and each pod of its own."""
        return self.url, *places(self.pods())

    def changes(self) -> bool:
        """An edit is live everywhere as soon as its status says so."""
        model = f"model-{next(self._numbers)}"
        self.faults.installed.apply(self.namespace, route(model=model))
        self.faults.installed.wait(self.namespace, "air/assistant")
        return [ask(place).json().get("model") for place in self.places()] == [model] * 3


@pytest.fixture(scope="module")
def all_faults(dragoman: Installed) -> Faults:
    """For tests that stop parts of the cluster."""
    if not dragoman.client.ours:
        pytest.skip("parts of the cluster of KUBECONFIG are not ours to stop")
    return Faults(dragoman, dragoman.client)


@pytest.fixture(scope="module")
def one_team(all_faults: Faults) -> Iterator[Team]:
    installed = all_faults.installed
    name = f"f-{uuid.uuid4().hex[:8]}"
    installed.kubectl("create", "namespace", name)
    installed.apply(name, gateway(), backend(), route())
    installed.wait(name, "air/assistant", "aib/mock", patience_s=300)
    yield Team(all_faults, name, installed.url(name))
    installed.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
def faults(all_faults: Faults) -> Faults:
    """The cluster is at rest when a test begins."""
    all_faults.calm()
    return all_faults


@pytest.fixture
def served(one_team: Team, faults: Faults) -> Team:
    """It is whole, alone, and holds all that it should when a test begins."""
    assert one_team.changes()

    def nothing_new() -> bool:
        before = faults.fed()
        time.sleep(DRAIN_S)
        return before == faults.fed() and before[0] == one_team.fed

    eventually(nothing_new, 180)
    return one_team
