"""A load generator for paired comparisons: short slices of load on several targets in turn.

Closed loop: each of N keep-alive connections sends its next request when the answer to the last
is whole. Every round visits every target, starting one further each time; the first round warms
up and is not counted. What is reported is the median over a target's slices, and, against the
first target, the median over rounds of the difference within a round: a machine that is slower
for a while slows both sides of a pair. CPU time is that of named processes during the slices.

    python -m bench.loadgen --target direct=http://127.0.0.1:9001/v1/chat/completions \\
        --target guard=http://127.0.0.1:8080/v1/chat/completions --pid envoy=4711 --rounds 20
"""

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvloop

from bench.connection import Pool, Slice, Target, target
from bench.report import report, table

BODY = b'{"model":"bench","messages":[{"role":"user","content":"hello"}]}'
SSE_BODY = b'{"model":"bench","stream":true,"messages":[{"role":"user","content":"hello"}]}'


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured."""

    targets: tuple[Target, ...]
    connections: int = 1
    rounds: int = 10
    slice_s: float = 0.5
    pids: Mapping[str, int] = field(default_factory=dict)


def cpu_s(pid: int) -> dict[str, float]:
    """Seconds on a CPU, by thread."""
    times = {}
    for path in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        try:
            times[path.parent.name] = int(path.read_text().split()[0]) / 1e9
        except OSError:
            continue  # the thread has just ended
    return times


async def measure(plan: Plan) -> dict[str, Any]:
    """Run the plan; the figures are those of `bench.report`."""
    pools = {target.name: Pool(target, plan.connections) for target in plan.targets}
    slices: dict[str, list[Slice]] = {name: [] for name in pools}
    names = list(pools)
    for number in range(plan.rounds + 1):
        shift = number % len(names)
        for name in names[shift:] + names[:shift]:
            before = {part: cpu_s(pid) for part, pid in plan.pids.items()}
            seen = await pools[name].load(plan.slice_s)
            for part, pid in plan.pids.items():
                after = cpu_s(pid)
                seen.cpu_s[part] = sum(t - before[part].get(i, 0.0) for i, t in after.items())
            if number:
                slices[name].append(seen)
    for pool in pools.values():
        pool.close()
    return {"connections": plan.connections, "rounds": plan.rounds, "targets": report(slices)}


def run(plan: Plan) -> dict[str, Any]:
    """`measure` on a loop of its own, for scripts."""
    return uvloop.run(measure(plan))


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError("NAME=VALUE")
    return name, value


def main() -> None:
    parser = argparse.ArgumentParser(description="Paired load on several targets in short slices.")
    parser.add_argument("--target", action="append", type=_pair, required=True, metavar="NAME=URL")
    parser.add_argument("--pid", action="append", type=_pair, default=[], metavar="NAME=PID")
    parser.add_argument("--header", action="append", type=_pair, default=[], metavar="NAME=VALUE")
    parser.add_argument("--body", type=Path, metavar="FILE", help="JSON to send")
    parser.add_argument("--sse", action="store_true", help="without --body: ask for a stream")
    parser.add_argument("--connections", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--slice", type=float, default=0.5, metavar="SECONDS")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report there too")
    given = parser.parse_args()
    body = given.body.read_bytes() if given.body else SSE_BODY if given.sse else BODY
    targets = tuple(target(name, url, body, dict(given.header)) for name, url in given.target)
    pids = {name: int(pid) for name, pid in given.pid}
    measured = run(Plan(targets, given.connections, given.rounds, given.slice, pids))
    print(table(measured))
    if given.json:
        given.json.write_text(json.dumps(measured, indent=1) + "\n")


if __name__ == "__main__":
    main()
