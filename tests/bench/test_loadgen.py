"""The load generator counts what the upstream answers; no timing is judged here."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench import loadgen, upstream
from dragoman import mock_provider

ROOT = Path(__file__).parents[2]
PATH = "/v1/chat/completions"


def url(server: asyncio.Server) -> str:
    return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}{PATH}"


async def measured(url: str, body: bytes, **changes: object):
    target = loadgen.target("only", url, body)
    plan = loadgen.Plan(
        **{"targets": (target,), "connections": 3, "rounds": 2, "slice_s": 0.05, **changes}
    )
    return (await loadgen.measure(plan))["targets"]


async def test_json_answers_are_counted_and_paired() -> None:
    server = await upstream.serve("127.0.0.1", 0, upstream.script())
    targets = tuple(loadgen.target(name, url(server), loadgen.BODY) for name in ("a", "b"))
    report = await measured(url(server), b"", targets=targets, pids={"own": os.getpid()})
    assert list(report) == ["a", "b"]
    for row in report.values():
        assert row["requests"] >= 6
        assert row["errors"] == {}
        assert row["events"] == 0
        assert row["latency_p99_ms"] >= row["latency_p50_ms"] > 0
        assert row["cpu_us_own"] > 0
        assert row["gap_p50_ms"] is None
    assert report["a"]["added_latency_p50_ms"] == 0
    assert report["a"]["throughput_ratio"] == 1
    server.close()


@pytest.mark.parametrize("every_s", [0.0, 0.001])
async def test_events_of_streams_are_timed(every_s: float) -> None:
    server = await upstream.serve("127.0.0.1", 0, upstream.script(events=7, every_s=every_s))
    row = (await measured(url(server), loadgen.SSE_BODY))["only"]
    assert row["requests"] >= 6
    assert row["events"] == 9 * row["requests"]  # 7, the end and [DONE]
    assert row["errors"] == {}
    assert row["transit_p99_ms"] >= row["transit_p50_ms"] >= 0
    server.close()


@pytest.mark.parametrize(
    ("model", "error"),
    [("fault-status-503", "status 503"), ("fault-cut-after-1", "connection lost")],
)
async def test_failures_are_errors_and_no_latencies(model: str, error: str) -> None:
    server = await mock_provider.serve("127.0.0.1", 0)
    row = (await measured(url(server), json.dumps({"model": model, "stream": True}).encode()))[
        "only"
    ]
    assert list(row["errors"]) == [error]
    assert row["requests"] == 0
    assert row["latency_p50_ms"] is None
    server.close()


async def test_nobody_listening_is_an_error() -> None:
    server = await upstream.serve("127.0.0.1", 0, upstream.script())
    address = url(server)
    server.close()
    await server.wait_closed()
    row = (await measured(address, loadgen.BODY))["only"]
    assert list(row["errors"]) == ["no connection"]


async def test_the_upstream_takes_requests_in_any_pieces() -> None:
    server = await upstream.serve("127.0.0.1", 0, upstream.script(events=1))
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
    head = b"POST / HTTP/1.1\r\n%b\r\n\r\n"
    plain = head % b"Content-Length: 2" + b"{}"
    chunked = head % b"Transfer-Encoding: chunked" + b"1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"
    for byte in plain + chunked:
        writer.write(bytes([byte]))
        await writer.drain()
    writer.write(head % b"Content-Length: 16" + b'{"stream": true}' + plain)
    answer = b""
    while answer.count(b"HTTP/1.1 200 OK") < 4:
        answer += await reader.read(65536)
    assert answer.count(b"data: ") == 3
    writer.close()
    await writer.wait_closed()
    server.close()


def test_as_two_commands(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bench.upstream", "--events", "3"]
    out = tmp_path / "report.json"
    options = [
        "--sse",
        "--rounds",
        "1",
        "--slice",
        "0.05",
        "--connections",
        "2",
        "--json",
        str(out),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            address = process.stdout.readline().split()[1]
            options += ["--target", f"one={address}{PATH}", "--pid", f"up={process.pid}"]
            run = subprocess.run(
                [sys.executable, "-m", "bench.loadgen", *options],
                capture_output=True,
                text=True,
                check=False,
                cwd=ROOT,
            )
        finally:
            process.terminate()
        assert process.wait(10) == 0
    assert run.stderr == ""
    row = json.loads(out.read_text())["targets"]["one"]
    assert row["events"] == 5 * row["requests"] > 0
    assert row["errors"] == {}
    assert "cpu_us_up" in run.stdout
