"""Requests in no format where policies read content: refused, unless the policy itself allows them; and without guard."""

import asyncio
import os
import signal
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import httpx2
import pytest

from tests.e2e import harness
from tests.e2e.model_servers import GRPCServer, HTTPServer
from tests.e2e.test_tls import Authority, indented

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

BACKEND = """\
apiVersion: dragoman.dev/v1alpha1
kind: AIBackend
metadata: {{name: server}}
spec:
  provider: HTTP
  endpoint: {{hostname: 127.0.0.1, port: {port}}}
  tls: {tls}
  auth: {{type: None}}
  http: {{version: {version}}}
"""
RULES = """\
  - name: models
    backendRefs: [{name: openai}]
  - name: any
    format: Generic
    matches: [{path: {type: Prefix, value: /}}]
    backendRefs: [{name: server}]
"""
GUARDS = "guards: [{name: words, type: Keywords, words: [forbidden phrase], action: Block}]"
READS = f"  request: {{{GUARDS}}}\n"
ALLOWS = f"  request: {{unscanned: Allow, {GUARDS}}}\n"
ROUTE = "{group: dragoman.dev, kind: AIRoute, name: all}"


def backend(port: int, version: str = "Auto", tls: str = "{mode: None}") -> str:
    return BACKEND.format(port=port, version=version, tls=tls)


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    started = HTTPServer()
    yield started
    started.close()


@pytest.fixture
def url(
    tmp_path: Path, provider: harness.Provider, server: HTTPServer
) -> Iterator[tuple[harness.Running, str]]:
    port = harness.free_port()
    harness.write(
        tmp_path,
        gateway=harness.gateway(port),
        openai=harness.backend("openai", provider.port),
        server=backend(server.port),
        route=harness.route("all", RULES),
        policy=harness.policy("baseline", READS),
    )
    with harness.running(tmp_path) as run:
        yield run, f"http://127.0.0.1:{port}"


async def _open(url: str) -> int:
    async with aiohttp.ClientSession() as session:
        try:
            async with session.ws_connect(url):
                return 101
        except aiohttp.WSServerHandshakeError as refused:
            return refused.status


def test_only_the_policy_that_reads_may_allow(
    url: tuple[harness.Running, str], tmp_path: Path, server: HTTPServer
) -> None:
    run, address = url
    refused = httpx2.post(f"{address}/v2/infer", content=b"the forbidden phrase")
    assert refused.status_code == 403
    assert refused.json()["error"]["code"] == "blocked_by_policy"
    record = run.record(refused.headers["x-request-id"])
    assert record["guards"][0]["policy"] == "default/baseline"
    assert asyncio.run(_open(f"{address}/ws")) == 403
    with grpc.insecure_channel(address.removeprefix("http://")) as channel:
        with pytest.raises(grpc.RpcError) as failed:
            channel.unary_unary("/inference.Echo/Unary")(b"x", timeout=30)
        assert failed.value.code() == grpc.StatusCode.PERMISSION_DENIED
        assert "cannot be inspected" in failed.value.details()
    assert server.seen == []

    # a policy further down cannot undo what this one is for
    harness.write(tmp_path, mine=harness.policy("mine", "  request: {unscanned: Allow}\n", ROUTE))
    harness.write(tmp_path, policy=harness.policy("baseline", ALLOWS))
    harness.eventually(lambda: httpx2.post(f"{address}/v2/infer", timeout=60).status_code == 200)
    harness.write(tmp_path, policy=harness.policy("baseline", READS))
    harness.eventually(lambda: httpx2.post(f"{address}/v2/infer", timeout=60).status_code == 403)

    harness.write(tmp_path, policy=harness.policy("baseline", ALLOWS))
    harness.write(tmp_path, mine=harness.policy("mine", "  request: {unscanned: Block}\n", ROUTE))
    harness.eventually(lambda: httpx2.post(f"{address}/v2/infer", timeout=60).status_code == 403)
    assert asyncio.run(_open(f"{address}/ws")) == 403

    chat = {"model": "echo", "messages": [{"role": "user", "content": "the forbidden phrase"}]}
    for media in ("application/json", "text/plain", "application/grpc"):
        asked = httpx2.post(
            f"{address}/v1/chat/completions",
            content=httpx2.Request("POST", address, json=chat).content,
            headers={"content-type": media},
        )
        assert asked.status_code != 200 or "grpc-status" in asked.headers
    assert not any(seen.path == "/v1/chat/completions" for seen in server.seen)


HOSTILE = {
    "/v2/a%2fb": None,
    "/v2/a%2Fb": None,
    "/v2/a%5cb": None,
    "/v2/..;/x": "/x",
    "/v2/..%3b/x": None,
    "/v2/%252e%252e/x": None,
    "/v2/a%00": None,
    "/v2/a%": None,
    "/v2/a#b": None,
    "/v2/%2e%2e/x": "/x",
    "/v2/../x": "/x",
    "/v2//x": "/v2/x",
    "/v2/%6dodels": "/v2/models",
    "/v2\\a": "/v2/a",
}
"""What Envoy resolves arrives, and was matched, as it resolved it; all else is refused."""


def test_paths_with_two_readings_are_refused(
    url: tuple[harness.Running, str], tmp_path: Path, server: HTTPServer
) -> None:
    harness.write(tmp_path, policy=harness.policy("baseline", ALLOWS))
    _, address = url
    harness.eventually(lambda: httpx2.get(f"{address}/v2/x", timeout=60).status_code == 200)
    host, port = address.removeprefix("http://").split(":")

    async def ask(path: str) -> int:
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(f"GET {path} HTTP/1.1\r\nhost: ai\r\nconnection: close\r\n\r\n".encode())
        answer = await reader.read()
        writer.close()
        return int(answer[9:12])

    for path, resolved in HOSTILE.items():
        before = len(server.seen)
        status = asyncio.run(ask(path))
        assert [seen.path for seen in server.seen[before:]] == [resolved][: resolved is not None]
        assert status == (400 if resolved is None else 200), path


def test_without_the_guard_nothing_passes_and_what_passed_is_cut(
    url: tuple[harness.Running, str], tmp_path: Path, server: HTTPServer
) -> None:
    run, address = url
    harness.write(tmp_path, policy=harness.policy("baseline", ALLOWS))
    harness.eventually(lambda: httpx2.get(f"{address}/v2/x", timeout=60).status_code == 200)
    killed = threading.Event()

    async def talk() -> Any:
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"{address}/ws") as socket,
        ):
            await socket.send_str("one")
            assert (await socket.receive(20)).data == "heard one"
            os.kill(run.children()["ext_proc"], signal.SIGKILL)
            killed.set()
            return (await socket.receive(30)).type

    def ask() -> int:
        killed.wait(60)
        before = len(server.seen)
        status = httpx2.post(f"{address}/v2/killed", content=b"x", timeout=60).status_code
        assert status == 200 or len(server.seen) == before
        return status

    with ThreadPoolExecutor(1) as beside:
        asked = beside.submit(ask)
        ended = asyncio.run(talk())
        assert ended in (
            aiohttp.WSMsgType.CLOSE,
            aiohttp.WSMsgType.CLOSED,
            aiohttp.WSMsgType.CLOSING,
            aiohttp.WSMsgType.ERROR,
        )
        assert asked.result() in (200, 503)  # 200: a new guard was there already
    harness.eventually(lambda: httpx2.get(f"{address}/v2/x", timeout=60).status_code == 200)


@pytest.mark.parametrize("version", ["Auto", "HTTP2"])
def test_grpc_over_tls(tmp_path: Path, provider: harness.Provider, version: str) -> None:
    authority = Authority()
    chain, key = authority.issue("127.0.0.1")
    identity = grpc.ssl_server_credentials([(key.encode(), chain.encode())])
    rpc = GRPCServer(credentials=identity)
    port = harness.free_port()
    trusted = "{mode: Verify, caCertificateRefs: [{name: ca}]}"
    harness.write(
        tmp_path,
        gateway=harness.gateway(port),
        openai=harness.backend("openai", provider.port),
        ca="apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ca}\ndata:\n  ca.crt: |\n"
        + indented(authority.pem),
        server=backend(rpc.port, version, trusted),
        route=harness.route("all", RULES),
    )
    with harness.running(tmp_path), grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        both = channel.stream_stream("/inference.Echo/Both")
        assert list(both(iter([b"ab", b"cd"]), timeout=30)) == [b"ba", b"dc"]
    rpc.close()


def test_a_web_socket_over_tls(
    tmp_path: Path, provider: harness.Provider, server: HTTPServer
) -> None:
    authority = Authority()
    chain, key = authority.issue("127.0.0.1")
    (tmp_path / "identity").mkdir()
    (tmp_path / "identity" / "chain.pem").write_text(chain + key)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "identity" / "chain.pem")
    secure = HTTPServer(tls=context)
    port = harness.free_port()
    directory = tmp_path / "config"
    directory.mkdir()
    harness.write(
        directory,
        gateway=harness.gateway(port),
        openai=harness.backend("openai", provider.port),
        ca="apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ca}\ndata:\n  ca.crt: |\n"
        + indented(authority.pem),
        server=backend(secure.port, "HTTP1", "{mode: Verify, caCertificateRefs: [{name: ca}]}"),
        route=harness.route("all", RULES),
    )
    with harness.running(directory):
        assert asyncio.run(_open(f"http://127.0.0.1:{port}/ws")) == 101
    secure.close()
