"""What the end-to-end tests stand on: `dragoman run` as a user starts it, and a provider that remembers."""

import asyncio
import json
import os
import queue
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2

from dragoman import mock_provider

PATIENCE_S = 60.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def eventually(check: Callable[[], Any], patience_s: float = PATIENCE_S) -> Any:
    """The first true value of `check`; fails when patience ends."""
    end = time.monotonic() + patience_s
    while time.monotonic() < end:
        if value := check():
            return value
        time.sleep(0.02)
    raise AssertionError(f"did not happen within {patience_s:g} s: {check}")


class Provider:
    """The mock provider in a thread of its own, with everything it received."""

    def __init__(
        self,
        *,
        fault: str = "",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        require_key: str = "",
    ) -> None:
        self.received: list[mock_provider.Received] = []
        self.fault = fault
        """How it misbehaves from now on; empty: not at all."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        kwargs: dict[str, Any] = {
            "recorder": self.received.append,
            "tls": tls,
            "fault": lambda: self.fault,
        }
        if require_key:
            kwargs["require_key"] = require_key
        serving = mock_provider.serve("127.0.0.1", port, **kwargs)
        self._server = asyncio.run_coroutine_threadsafe(serving, self._loop).result(10)
        self.port: int = self._server.sockets[0].getsockname()[1]

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    async def _end(self) -> None:
        self._server.close()
        open_ones = asyncio.all_tasks() - {asyncio.current_task()}
        for task in open_ones:
            task.cancel()
        await asyncio.gather(*open_ones, return_exceptions=True)
        await asyncio.sleep(0)

    def bodies(self) -> bytes:
        return b"\n".join(request.body for request in self.received)

    def last(self) -> mock_provider.Received:
        return self.received[-1]

    def header(self, name: str) -> str | None:
        return dict(self.last().headers).get(name)


class Running:
    """One `dragoman run`."""

    def __init__(
        self, directory: Path, *arguments: str, environment: dict[str, str] | None = None
    ) -> None:
        self.directory = directory
        self.metrics_port = free_port()
        self.stderr: list[str] = []
        self.stdout: list[str] = []
        self.records: list[dict[str, Any]] = []
        self.ready: queue.Queue[str] = queue.Queue()
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "dragoman",
                "run",
                str(directory),
                "--metrics-port",
                str(self.metrics_port),
                *arguments,
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **(environment or {})},
        )
        self._readers = [
            threading.Thread(target=self._read_stdout, daemon=True),
            threading.Thread(target=self._read_stderr, daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def _read_stdout(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.stdout.append(line)
            if line.startswith("ready"):
                self.ready.put(line)
            elif line.startswith("{"):
                self.records.append(json.loads(line))
        self.ready.put("")

    def _read_stderr(self) -> None:
        assert self.process.stderr is not None
        self.stderr.extend(iter(self.process.stderr.readline, ""))

    def wait_ready(self) -> str:
        line = self.ready.get(timeout=PATIENCE_S)
        assert line, f"never ready: {''.join(self.stderr)}"
        return line

    def record(self, request_id: str) -> dict[str, Any]:
        """The one line of this request."""
        found = eventually(
            lambda: [r for r in self.records if r.get("request_id") == request_id], 10
        )
        assert len(found) == 1, found
        return dict(found[0])

    def children(self) -> dict[str, int]:
        """PID by part, read from /proc."""
        parts: dict[str, int] = {}
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                status = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                command = (entry / "cmdline").read_bytes().decode().split("\0")
            except OSError:
                continue
            if int(status[1]) != self.process.pid:
                continue
            for part in ("envoy", "ext_proc", "controller", "mock-provider"):
                if any(word == part or word.endswith(f"/{part}") for word in command[:4]):
                    parts[part] = int(entry.name)
        return parts

    def kill(self, part: str, number: signal.Signals = signal.SIGKILL) -> int:
        pid = self.children()[part]
        os.kill(pid, number)
        return pid

    def metrics(self) -> str:
        return httpx2.get(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=10).text

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(30)
        finally:
            self.process.kill()
        for reader in self._readers:
            reader.join(5)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
        return code


GATEWAY = """\
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: ai}}
spec:
  gatewayClassName: dragoman
  listeners: [{{name: http, port: {port}, protocol: HTTP}}]
"""

KEY = """\
apiVersion: v1
kind: Secret
metadata: {{name: {name}-key}}
stringData: {{apiKey: {key}}}
"""

BACKEND = """\
apiVersion: dragoman.dev/v1alpha1
kind: AIBackend
metadata: {{name: {name}}}
spec:
  provider: {provider}
  endpoint: {{hostname: {host}, port: {port}}}
  tls: {{mode: None}}
  auth: {{type: APIKey, secretRef: {{name: {name}-key}}}}
{more}"""


def gateway(port: int) -> str:
    return GATEWAY.format(port=port)


def backend(
    name: str,
    port: int,
    *,
    provider: str = "OpenAI",
    key: str = "",
    host: str = "127.0.0.1",
    more: str = "",
) -> str:
    """An AIBackend and the Secret with its key."""
    return "---\n".join(
        [
            KEY.format(name=name, key=key or f"planted-key-of-{name}"),
            BACKEND.format(name=name, port=port, provider=provider, host=host, more=more),
        ]
    )


def route(name: str, rules: str) -> str:
    """An AIRoute on the Gateway; `rules` is YAML, indented by two."""
    return (
        "apiVersion: dragoman.dev/v1alpha1\nkind: AIRoute\n"
        f"metadata: {{name: {name}}}\nspec:\n  parentRefs: [{{name: ai}}]\n  rules:\n{rules}"
    )


def policy(
    name: str,
    spec: str,
    target: str = "{group: gateway.networking.k8s.io, kind: Gateway, name: ai}",
) -> str:
    """An AIPolicy; `spec` is YAML, indented by two."""
    return (
        "apiVersion: dragoman.dev/v1alpha1\nkind: AIPolicy\n"
        f"metadata: {{name: {name}}}\nspec:\n  targetRefs: [{target}]\n{spec}"
    )


def write(directory: Path, **documents: str) -> None:
    """One file per document, replaced in one step as editors do."""
    for name, text in documents.items():
        fresh = directory / f".{name}.tmp"
        fresh.write_text(text)
        fresh.replace(directory / f"{name}.yaml")


@contextmanager
def running(
    directory: Path, *arguments: str, environment: dict[str, str] | None = None
) -> Iterator[Running]:
    """`dragoman run`, ready; ended at the end."""
    gateway_run = Running(directory, *arguments, environment=environment)
    try:
        gateway_run.wait_ready()
        yield gateway_run
    finally:
        gateway_run.stop()
