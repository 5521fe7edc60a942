"""What `dragoman run` says when it cannot start, and what it leaves behind when it ends: nothing."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import httpx2
import pytest

from tests.e2e import harness

pytestmark = pytest.mark.e2e


def configured(directory: Path, port: int, **more: str) -> None:
    harness.write(
        directory,
        gateway=harness.gateway(port),
        one=harness.backend("one", 1),
        route=harness.route("assistant", "  - name: default\n    backendRefs: [{name: one}]\n"),
        **more,
    )


def refused(directory: Path, *arguments: str) -> str:
    """Run it; it must end by itself, with 2 and one line."""
    metrics = (
        ["--metrics-port", str(harness.free_port())] if "--metrics-port" not in arguments else []
    )
    ended = subprocess.run(
        [sys.executable, "-m", "dragoman", "run", str(directory), *metrics, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 2, ended
    assert "Traceback" not in ended.stderr
    lines = [line for line in ended.stderr.splitlines() if line.startswith("dragoman: ")]
    assert len(lines) == 1, ended.stderr
    return lines[0]


def test_a_listener_port_in_use(tmp_path: Path) -> None:
    """Also one of a server that would share it, such as another Envoy."""
    for shared in (0, 1):
        with socket.socket() as taken:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, shared)
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            configured(tmp_path, port)
            assert f"port {port} is in use" in refused(tmp_path)


def test_an_address_that_is_not_ours(tmp_path: Path) -> None:
    port = harness.free_port()
    configured(tmp_path, port)
    assert f"cannot listen on 192.0.2.1:{port}" in refused(tmp_path, "--address", "192.0.2.1")


@pytest.mark.parametrize("port", ["0", "65536", "-1"])
def test_a_port_that_is_none(tmp_path: Path, port: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "dragoman", "run", str(tmp_path), f"--metrics-port={port}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1].endswith("a port is a number from 1 to 65535")


def test_a_metrics_port_in_use(tmp_path: Path) -> None:
    configured(tmp_path, harness.free_port())
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert f"metrics port {port} is in use" in refused(tmp_path, "--metrics-port", str(port))


def test_no_such_directory_and_an_empty_one(tmp_path: Path) -> None:
    assert "is not a directory" in refused(tmp_path / "missing")
    assert "no configuration" in refused(tmp_path).lower()


def test_unreadable_yaml_at_start(tmp_path: Path) -> None:
    configured(tmp_path, harness.free_port(), broken="kind: [unclosed\n")
    line = refused(tmp_path)
    assert "broken.yaml" in line


def test_no_usable_gateway(tmp_path: Path) -> None:
    configured(tmp_path, harness.free_port())
    harness.write(tmp_path, gateway=harness.gateway(8080).replace("dragoman", "somebody-else"))
    assert "Gateway" in refused(tmp_path)


def test_a_mock_provider_port_in_use(tmp_path: Path) -> None:
    configured(tmp_path, harness.free_port())
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert "mock provider" in refused(tmp_path, "--mock-provider", str(taken.getsockname()[1]))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_behind(tmp_path: Path, number: signal.Signals) -> None:
    """No process, no socket, no directory; after SIGKILL at least no process."""
    port = harness.free_port()
    configured(tmp_path, port)
    run = harness.Running(tmp_path)
    run.wait_ready()
    children = run.children()
    assert set(children) == {"envoy", "ext_proc", "controller"}
    command = Path(f"/proc/{children['ext_proc']}/cmdline").read_text().split("\0")
    sockets = Path(next(word for word in command if word.endswith("ext_proc.sock"))).parent
    assert sockets.parent == Path(tempfile.gettempdir())
    os.kill(run.process.pid, number)
    code = run.process.wait(30)
    run.stop()
    assert code == (0 if number != signal.SIGKILL else -signal.SIGKILL)
    for pid in children.values():
        harness.eventually(lambda pid=pid: not Path(f"/proc/{pid}").exists() or _zombie(pid))
    if number != signal.SIGKILL:
        assert not sockets.exists()
        assert run.stderr == []


def _zombie(pid: int) -> bool:
    return ") Z " in Path(f"/proc/{pid}/stat").read_text()


def test_broken_routes_and_policies_are_conditions_not_exits(tmp_path: Path) -> None:
    port = harness.free_port()
    configured(
        tmp_path,
        port,
        lost=harness.route(
            "lost",
            "  - name: default\n    matches: [{model: {value: lost}}]\n    backendRefs: [{name: nobody}]\n",
        ),
    )
    with harness.running(tmp_path) as run:
        line = harness.eventually(lambda: next((x for x in run.stderr if "nobody" in x), ""))
        assert "lost.yaml" in line
        assert "spec.rules[0].backendRefs[0]" in line
        response = httpx2.post(
            f"http://127.0.0.1:{port}/v1/chat/completions",
            json={"model": "lost", "messages": [{"role": "user", "content": "x"}]},
        )
        assert response.status_code == 503


def test_detect_reads_and_writes_json_lines() -> None:
    lines = '{"id": 1, "text": "call +44 20 7946 0958 or jane@example.org"}\n{"id": 2, "text": "hello"}\n'
    ended = subprocess.run(
        [sys.executable, "-m", "dragoman", "detect", "pii"],
        input=lines,
        capture_output=True,
        text=True,
        check=True,
    )
    assert '"type": "Email"' in ended.stdout
    assert ended.stdout.count("\n") == 2
    wrong = subprocess.run(
        [sys.executable, "-m", "dragoman", "detect", "injection"],
        input="not json\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert wrong.returncode == 2
    assert "line 1" in wrong.stderr
