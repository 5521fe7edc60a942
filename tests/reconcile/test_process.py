"""`python -m controller` as a process: its events, its exit codes, its end."""

import json
import os
import signal
import socket
import subprocess
import sys

import pytest

from tests.reconcile.test_reconcile import BACKEND, GATEWAY, ROUTE


def start(source, sockets, environ=None):
    fd = os.memfd_create("environ")
    os.write(fd, json.dumps(environ or {}).encode())
    os.lseek(fd, 0, os.SEEK_SET)
    try:
        return subprocess.Popen(
            [
                sys.executable,
                "-m",
                "controller",
                "files",
                "--source",
                source,
                "--socket-dir",
                sockets,
                "--environ-fd",
                str(fd),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            pass_fds=(fd,),
        )
    finally:
        os.close(fd)


def fetch(path):
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        client.sendall(b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n")
        return b"".join(iter(lambda: client.recv(65536), b"")).decode()


@pytest.mark.parametrize(("text", "expected"), [("", "no configuration"), ("a: [", "bad.yaml")])
def test_nothing_to_serve_ends_with_2_and_one_event(tmp_path, text, expected):
    if text:
        (tmp_path / "bad.yaml").write_text(text)
    (tmp_path / "s").mkdir()
    process = start(tmp_path, tmp_path / "s")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 2
    [event] = [json.loads(line) for line in out.splitlines()]
    assert event["event"] == "fatal"
    assert expected in event["message"]
    assert err == ""


def test_it_serves_counts_and_ends_when_told(tmp_path):
    source, sockets = tmp_path / "in", tmp_path / "s"
    source.mkdir()
    sockets.mkdir()
    (source / "all.yaml").write_text(
        "---\n".join([GATEWAY, BACKEND, ROUTE.replace("NAME", "absent")])
    )
    process = start(source, sockets)
    problem = json.loads(process.stdout.readline())
    assert problem["event"] == "problem"
    shown = fetch(sockets / "controller-metrics.sock")
    assert 'dragoman_config_objects{kind="AIRoute"} 1.0' in shown
    assert "dragoman_problems 1.0" in shown
    assert 'dragoman_xds_connected{role="envoy"} 0.0' in shown
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (0, "")
    assert err == f"{problem['line']}\n"
