"""`make bench-kubernetes`: from apply to the first answer, with many AIRoutes, on a real node.

One cluster, one Gateway with two pods, one provider stand-in. For each number of AIRoutes: how long
until all are Ready, then edits one by one (apply → first answer with the new model, → Ready), while
other AIRoutes are under load; the controller's CPU, memory and bytes sent per edit; and how long a
controller that starts anew needs until it has read and translated everything.
"""

import argparse
import asyncio
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp

from controller.sources.api import Api, Resource
from controller.sources.login import login
from tests.kubernetes import demo, images
from tests.kubernetes.cluster import Client, Cluster, Given, programs
from tests.kubernetes.installed import SYSTEM, VALUES, Installed, backend, gateway, mock

ROUTE = Resource("dragoman.dev/v1alpha1", "AIRoute")
NAMESPACE = "bench"
AT_ONCE = 16
CPU = {"requests": {"cpu": "500m", "memory": "128Mi"}, "limits": {"memory": "2Gi"}}
SIZED = {
    **VALUES,
    "replicas": 1,
    "resources": CPU,
    "dataPlane": {
        **VALUES["dataPlane"],
        "envoy": {"concurrency": 1, "resources": CPU},
        "guard": {"resources": CPU},
    },
}
"""On a machine this full, a small CPU request would be what is measured."""


def route(number: int, served: str) -> dict[str, Any]:
    """The AIRoute of one model: `m7` is served as `served`."""
    match = {"model": {"type": "Exact", "value": f"m{number}"}}
    rule = {"name": "a", "matches": [match], "backendRefs": [{"name": "mock", "model": served}]}
    return {
        "apiVersion": ROUTE.api_version,
        "kind": ROUTE.kind,
        "metadata": {"name": f"r{number}", "namespace": NAMESPACE},
        "spec": {"parentRefs": [{"name": "ai"}], "rules": [rule]},
    }


class Bench:
    """What one run drives."""

    def __init__(self, installed: Installed, api: Api, session: aiohttp.ClientSession) -> None:
        self.installed = installed
        self.api = api
        self.session = session
        self.url = ""

    async def apply(self, number: int, served: str) -> None:
        await self.api.apply(ROUTE.at(NAMESPACE, f"r{number}"), route(number, served), "bench")

    async def fill(self, first: int, last: int) -> float:
        """Make the AIRoutes; seconds until the last one is Ready."""
        began = time.monotonic()
        turns = asyncio.Semaphore(AT_ONCE)

        async def one(number: int) -> None:
            async with turns:
                await self.apply(number, "s")

        await asyncio.gather(*(one(number) for number in range(first, last)))
        path = ROUTE.at(NAMESPACE)
        while True:
            listed = (await self.api.get(path))["items"]
            if sum(is_ready(each) for each in listed) >= last:
                return time.monotonic() - began
            await asyncio.sleep(1)

    async def ask(self, number: int) -> tuple[int, str]:
        """Status and served model of one request."""
        body = {"model": f"m{number}", "messages": [{"role": "user", "content": "hello"}]}
        async with self.session.post(f"{self.url}/v1/chat/completions", json=body) as answer:
            return answer.status, answer.headers.get("x-dragoman-model", "")

    async def edit(self, number: int, served: str) -> tuple[float, float]:
        """Seconds from apply to the first answer with the new model, and to Ready."""
        began = time.monotonic()
        await self.apply(number, served)
        while (await self.ask(number)) != (200, served):
            await asyncio.sleep(0.005)
        live = time.monotonic() - began
        while True:
            found = await self.api.get(ROUTE.at(NAMESPACE, f"r{number}"))
            if is_ready(found):
                return live, time.monotonic() - began
            await asyncio.sleep(0.02)

    @asynccontextmanager
    async def load(self, numbers: Sequence[int]) -> AsyncIterator[dict[str, int]]:
        """Requests to other AIRoutes meanwhile; counts answers that are no 200."""
        counted = {"requests": 0, "non_200": 0}
        ended = asyncio.Event()

        async def one(number: int) -> None:
            while not ended.is_set():
                status, _ = await self.ask(number)
                counted["requests"] += 1
                counted["non_200"] += status != 200
                await asyncio.sleep(0.05)

        tasks = [asyncio.create_task(one(number)) for number in numbers]
        try:
            yield counted
        finally:
            ended.set()
            await asyncio.gather(*tasks)

    async def controller(self) -> dict[str, float]:
        """CPU seconds, memory and bytes sent of the leading controller."""
        pod = self.installed.get(SYSTEM, "pod", self.installed.leader())
        async with self.session.get(f"http://{pod['status']['podIP']}:8081/metrics") as answer:
            lines = (await answer.text()).splitlines()
        rows = [line.rpartition(" ") for line in lines if line and line[0] != "#"]
        total = lambda name: sum(float(v) for n, _, v in rows if n.split("{")[0] == name)  # noqa: E731
        return {
            "cpu_s": total("process_cpu_seconds_total"),
            "rss_mb": total("process_resident_memory_bytes") / 1e6,
            "bytes": total("dragoman_xds_bytes_sent_total"),
        }


def is_ready(found: dict[str, Any]) -> bool:
    """Ready of this generation."""
    generation = found["metadata"]["generation"]
    return any(
        (each["type"], each["status"], each.get("observedGeneration"))
        == ("Ready", "True", generation)
        for each in found.get("status", {}).get("conditions", [])
    )


def cold_start(kubeconfig: Path) -> dict[str, float]:
    """Seconds until one more replica, started here, has read and translated all; and its memory."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    identity = ("--namespace", SYSTEM, "--pod-name", "bench", "--pod-ip", "127.0.0.1")
    command = [sys.executable, "-m", "controller", "kubernetes", *identity]
    command += ["--kubeconfig", str(kubeconfig), "--health-port", str(port), "--ads-port", "0"]
    began = time.monotonic()
    process = subprocess.Popen(command)  # our own
    try:
        while subprocess.run(
            ["curl", "-sf", f"http://127.0.0.1:{port}/readyz"], capture_output=True, check=False
        ).returncode:
            time.sleep(0.1)
        ready = time.monotonic() - began
        status = Path(f"/proc/{process.pid}/status").read_text()
        rss = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
        return {"cold_start_s": ready, "cold_rss_mb": rss / 1000}
    finally:
        process.terminate()
        process.wait()


def percentiles(values: Sequence[float]) -> tuple[float, float]:
    """p50 and p99."""
    ordered = sorted(values)
    return statistics.median(ordered), ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]


async def measure(bench: Bench, count: int, edits: int) -> dict[str, Any]:
    """One row: with `count` AIRoutes."""
    before = await bench.controller()
    lives, readies = [], []
    others = list(range(0, count - 1, max(1, count // 8)))[:8]
    async with bench.load(others) as counted:
        for number in range(edits):
            live, ready = await bench.edit(count - 1, f"s{number}")
            lives.append(live)
            readies.append(ready)
    after = await bench.controller()
    live50, live99 = percentiles(lives)
    ready50, ready99 = percentiles(readies)
    return {
        "routes": count,
        "edits": edits,
        "live_p50_s": live50,
        "live_p99_s": live99,
        "ready_p50_s": ready50,
        "ready_p99_s": ready99,
        "other_requests": counted["requests"],
        "other_non_200": counted["non_200"],
        "controller_cpu_ms_per_edit": 1000 * (after["cpu_s"] - before["cpu_s"]) / edits,
        "controller_rss_mb": after["rss_mb"],
        "bytes_per_edit": (after["bytes"] - before["bytes"]) / edits,
    }


async def run(client: Client, counts: Sequence[int], edits: int) -> list[dict[str, Any]]:
    """All rows."""
    installed = Installed(client)
    demo.install(client, SIZED)
    mock(installed)
    if not client.answers("get", "namespace", NAMESPACE):
        client.kubectl("create", "namespace", NAMESPACE)
    installed.apply(NAMESPACE, gateway(), backend())
    by = partial(login, client.kubeconfig)
    rows = []
    connector = aiohttp.TCPConnector(limit=0)
    async with Api(by) as api, aiohttp.ClientSession(connector=connector) as session:
        bench = Bench(installed, api, session)
        made = 0
        for count in counts:
            filled = await bench.fill(made, count)
            made = count
            bench.url = bench.url or installed.url(NAMESPACE)
            row = await measure(bench, count, edits)
            row |= {"all_ready_s": filled, **await asyncio.to_thread(cold_start, client.kubeconfig)}
            print(json.dumps(row), flush=True)
            rows.append(row)
    return rows


def table(rows: Sequence[dict[str, Any]]) -> str:
    """The rows as Markdown."""
    names = list(rows[0])
    lines = [f"| {' | '.join(names)} |", f"|{'---|' * len(names)}"]
    for row in rows:
        shown = (f"{v:.3g}" if isinstance(v, float) else str(v) for v in row.values())
        lines.append(f"| {' | '.join(shown)} |")
    return "\n".join(lines)


def main() -> int:
    """Measure, in a cluster of its own unless one is given."""
    parser = argparse.ArgumentParser(prog="python -m bench.kubernetes", description=__doc__)
    parser.add_argument("--kubeconfig", type=Path, help="a cluster that has the images")
    parser.add_argument("--routes", default="10,1000,5000")
    parser.add_argument("--edits", type=int, default=100)
    given = parser.parse_args()
    counts = [int(each) for each in given.routes.split(",")]
    if given.kubeconfig:
        print(table(asyncio.run(run(Given(given.kubeconfig), counts, given.edits))))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        cluster = Cluster(Path(folder) / "cluster", node=True)
        try:
            cluster.up()
            cluster.apply_crds(programs.gateway_api())
            cluster.load(images.images())
            print(table(asyncio.run(run(cluster, counts, given.edits))))
        finally:
            cluster.down()
    return 0


if __name__ == "__main__":
    sys.exit(main())
