"""Requests in no format: what passes unread, both ways and as it comes, and what never does."""

import asyncio
import hashlib
import json
import queue
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import httpx2
import pytest

from tests.e2e import harness
from tests.e2e.model_servers import GRPCServer, HTTPServer

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

BACKENDS = """\
apiVersion: v1
kind: Secret
metadata: {{name: key}}
stringData: {{apiKey: planted-key-of-the-server}}
---
apiVersion: dragoman.dev/v1alpha1
kind: AIBackend
metadata: {{name: server}}
spec:
  provider: HTTP
  endpoint: {{hostname: 127.0.0.1, port: {http}, pathPrefix: /inner}}
  tls: {{mode: None}}
  auth: {{type: APIKey, secretRef: {{name: key}}}}
  http: {{keyHeader: x-server-key}}
---
apiVersion: dragoman.dev/v1alpha1
kind: AIBackend
metadata: {{name: away}}
spec:
  provider: HTTP
  endpoint: {{hostname: 127.0.0.1, port: {away}}}
  tls: {{mode: None}}
  auth: {{type: None}}
---
apiVersion: dragoman.dev/v1alpha1
kind: AIBackend
metadata: {{name: other}}
spec:
  provider: HTTP
  endpoint: {{hostname: 127.0.0.1, port: {http}}}
  tls: {{mode: None}}
  auth: {{type: None}}
---
apiVersion: dragoman.dev/v1alpha1
kind: AIBackend
metadata: {{name: grpc}}
spec:
  provider: HTTP
  endpoint: {{hostname: 127.0.0.1, port: {grpc}}}
  tls: {{mode: None}}
  auth: {{type: APIKey, secretRef: {{name: key}}}}
  http: {{version: HTTP2}}
"""

RULES = """\
  - name: models
    backendRefs: [{name: openai}]
  - name: served
    format: Generic
    matches: [{path: {type: Prefix, value: /v2/}}]
    backendRefs: [{name: server}]
  - name: limited
    format: Generic
    matches: [{path: {type: Prefix, value: /v2/limited}}]
    backendRefs: [{name: server}]
  - name: failing-over
    format: Generic
    matches: [{path: {type: Exact, value: /two}}]
    backendRefs: [{name: away}, {name: other, priority: 1}]
  - name: short
    format: Generic
    matches: [{path: {type: Prefix, value: /short/}}]
    backendRefs: [{name: other}]
    timeouts: {request: 1s}
  - name: rpc
    format: Generic
    matches: [{path: {type: Prefix, value: /inference.Echo/}}]
    backendRefs: [{name: grpc}]
  - name: rpc-away
    format: Generic
    matches: [{path: {type: Prefix, value: /inference.Away/}}]
    backendRefs: [{name: away}]
"""
ROUTE = "{group: dragoman.dev, kind: AIRoute, name: all, sectionName: limited}"


@dataclass
class Setup:
    run: harness.Running
    http: HTTPServer
    grpc: GRPCServer
    provider: harness.Provider
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setup]:
    directory: Path = tmp_path_factory.mktemp("generic")
    http, rpc, provider = HTTPServer(), GRPCServer(), harness.Provider()
    port = harness.free_port()
    harness.write(
        directory,
        gateway=harness.gateway(port),
        openai=harness.backend("openai", provider.port),
        servers=BACKENDS.format(http=http.port, grpc=rpc.port, away=harness.free_port()),
        route=harness.route("all", RULES),
        policy=harness.policy("limit", "  request: {maxBodySize: 64Ki}\n", ROUTE),
    )
    with harness.running(directory) as run:
        yield Setup(run, http, rpc, provider, port)
    http.close()
    rpc.close()
    provider.close()


def line(setup: Setup, response: httpx2.Response) -> dict[str, Any]:
    return setup.run.record(response.headers["x-request-id"])


PIECE = b"0123456789abcdef" * 4096


def pieces(setup: Setup, size: int) -> Iterator[bytes]:
    """The first piece, and the rest when the server has it: who held the body would never end."""
    before = setup.http.begun  # counted before the request is sent

    def sent() -> Iterator[bytes]:
        yield PIECE
        harness.eventually(lambda: setup.http.begun > before)
        for _ in range(size // len(PIECE) - 1):
            yield PIECE

    return sent()


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_a_request_arrives_as_it_was_sent(setup: Setup, method: str) -> None:
    content = None if method == "GET" else b"\x00\xff not text"
    response = httpx2.request(
        method,
        f"{setup.url}/v2/models/a%20b/infer?n=1&x=%2F..%2F&n=2",
        content=content,
        headers={"inference-header-content-length": "12", "range": "bytes=0-1", "te": "trailers"},
    )
    assert response.status_code == 200, response.text
    seen = setup.http.last()
    assert (seen.method, seen.path) == (
        method,
        "/inner/v2/models/a%20b/infer?n=1&x=%2F..%2F&n=2",
    )
    assert seen.body == (content or b"")
    assert seen.headers["inference-header-content-length"] == "12"
    assert seen.headers["range"] == "bytes=0-1"
    assert seen.headers["host"] == f"127.0.0.1:{setup.http.port}"
    record = line(setup, response)
    assert record["format"] == "Generic"
    assert (record["route"], record["rule"]) == ("default/all", "served")
    assert (record["backend"], record["status"]) == ("default/server", 200)
    assert (record["usage"], record["cost"], record["model"]) == (None, "unpriced", None)
    assert record["unscanned"] == {"generic": 1}
    assert record["error"] is None


def test_credentials_end_here_and_the_servers_own_are_added(setup: Setup) -> None:
    mine = {
        "authorization": "Bearer mine",
        "x-api-key": "mine",
        "cookie": "a=mine",
        "x-server-key": "mine",
        "x-auth-token": "mine",
        "x-amz-security-token": "mine",
        "proxy-authorization": "mine",
        "x-forwarded-for": "10.1.2.3",
        "forwarded": "for=mine",
        "x-dragoman-target": "mine",
        "x-envoy-original-path": "mine",
        "connection": "x-hop, keep-alive",
    }
    response = httpx2.post(f"{setup.url}/v2/x", content=b"{}", headers=mine)
    seen = setup.http.last().headers
    assert seen["x-server-key"] == "planted-key-of-the-server"
    assert "mine" not in " ".join(f"{name}={value}" for name, value in seen.items())
    assert not [
        name for name in seen if name.startswith(("x-dragoman-", "x-envoy-", "x-forwarded-"))
    ]
    assert "10.1.2.3" not in str(seen)
    told = response.headers
    assert told["x-model"] == "whisper"
    assert told["content-range"] == "bytes 0-1/2"
    assert told["x-dragoman-backend"] == "default/server"
    hidden = ("set-cookie", "x-dragoman-cost", "x-dragoman-target", "x-envoy-attempt-count")
    assert not told.keys() & {*hidden, "x-envoy-upstream-service-time"}


@pytest.mark.parametrize("chunked", [False, True])
def test_bodies_of_any_size_stream(setup: Setup, chunked: bool) -> None:
    size = 24 * 1024 * 1024
    length = {} if chunked else {"content-length": str(size)}
    response = httpx2.put(
        f"{setup.url}/v2/upload", content=pieces(setup, size), headers=length, timeout=60
    )
    digest = hashlib.sha256(PIECE * (size // len(PIECE))).hexdigest()
    assert response.json() == {"size": size, "sha256": digest}


def test_events_pass_one_by_one(setup: Setup) -> None:
    response = httpx2.get(f"{setup.url}/v2/events")
    assert response.headers["content-type"] == "text/event-stream"
    assert response.text == "".join(f"data: {n}\n\n" for n in range(5))


@pytest.mark.parametrize("size, status", [(64 * 1024, 200), (64 * 1024 + 1, 413)])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_size_limit_holds_with_and_without_a_stated_length(
    setup: Setup, size: int, status: int, chunked: bool
) -> None:
    body = b"x" * size
    response = httpx2.post(
        f"{setup.url}/v2/limited/x", content=iter([body[:1000], body[1000:]]) if chunked else body
    )
    assert response.status_code == status
    record = line(setup, response)
    assert record["status"] == status
    if status == 413:
        error = response.json()["error"]
        assert error["code"] == "request_too_large"
        assert error["request_id"] == response.headers["x-request-id"]
        assert record["error"] == "request_too_large"


@pytest.mark.parametrize("status", [201, 204, 301, 400, 404, 409, 418, 429, 500, 503])
def test_the_servers_own_answers_pass(setup: Setup, status: int) -> None:
    before = len(setup.http.seen)
    response = httpx2.post(f"{setup.url}/v2/status/{status}", content=b"{}")
    assert response.status_code == status
    assert status == 204 or response.text == "as the server says"
    assert len(setup.http.seen) == before + 1  # what was begun is never tried again
    assert line(setup, response)["status"] == status


@pytest.mark.parametrize("status", [401, 403, 407])
def test_a_server_that_refuses_our_key_does_not_tell_the_caller(setup: Setup, status: int) -> None:
    response = httpx2.get(f"{setup.url}/v2/status/{status}")
    assert (response.status_code, response.json()["error"]["code"]) == (502, "provider_auth_failed")


def test_a_server_that_is_away_is_followed_by_the_next(setup: Setup) -> None:
    body = b"a body that was begun"
    response = httpx2.post(f"{setup.url}/two", content=iter([body[:5], body[5:]]))
    assert response.status_code == 200, response.text
    assert response.json()["size"] == len(body)
    record = line(setup, response)
    assert record["backend"] == "default/other"
    assert record["attempts"] == 2
    assert [each["backend"] for each in record["failed"]] == ["default/away"]


def test_the_table_keeps_its_paths(setup: Setup) -> None:
    before = len(setup.http.seen)
    chat = {"model": "echo", "messages": [{"role": "user", "content": "hi"}]}
    assert httpx2.post(f"{setup.url}/v1/chat/completions", json=chat).status_code == 200
    as_text = httpx2.post(
        f"{setup.url}/v1/chat/completions",
        content=json.dumps(chat),
        headers={"content-type": "text/plain"},
    )
    assert as_text.status_code == 415
    assert httpx2.put(f"{setup.url}/v1/chat/completions", json=chat).status_code == 405
    assert httpx2.get(f"{setup.url}/v1/models").json()["object"] == "list"
    nothing = httpx2.get(f"{setup.url}/elsewhere")
    assert nothing.status_code == 404
    assert nothing.json()["error"]["code"] == "unknown_path"
    assert len(setup.http.seen) == before


# WebSockets


async def _talk(url: str, **headers: str) -> tuple[list[Any], dict[str, str], str]:
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(url, protocols=["realtime"], headers=headers) as socket,
    ):
        heard: list[Any] = []
        for word in ("one", "two"):
            await socket.send_str(word)
            heard.append((await socket.receive(10)).data)
        await socket.send_bytes(b"abc" * 100_000)
        heard.append((await socket.receive(10)).data)
        answer = socket._response
        return heard, dict(answer.headers), str(socket.protocol)


def test_a_web_socket_talks_both_ways(setup: Setup) -> None:
    heard, answered, protocol = asyncio.run(
        _talk(f"{setup.url}/v2/ws", authorization="Bearer mine")
    )
    assert heard == ["heard one", "heard two", (b"abc" * 100_000)[::-1]]
    assert protocol == "realtime"
    seen = setup.http.last()
    assert seen.path == "/inner/v2/ws"
    assert "mine" not in str(seen.headers)
    assert seen.headers["x-server-key"] == "planted-key-of-the-server"
    lower = {name.lower(): value for name, value in answered.items()}
    record = setup.run.record(lower["x-request-id"])
    assert (record["format"], record["status"], record["rule"]) == ("Generic", 101, "served")


@pytest.mark.parametrize(
    "path, upgrade, status",
    [
        ("/v1/chat/completions", "websocket", 400),
        ("/v1/models", "websocket", 400),
        ("/elsewhere", "websocket", 400),
        ("/v2/ws", "something-else", 400),
    ],
)
def test_other_upgrades_are_refused(setup: Setup, path: str, upgrade: str, status: int) -> None:
    before = len(setup.http.seen)
    sent = {
        "connection": "upgrade",
        "upgrade": upgrade,
        "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
        "sec-websocket-version": "13",
    }
    response = httpx2.get(setup.url + path, headers=sent)
    assert response.status_code == status
    assert response.json()["error"]["code"] == "bad_request"
    assert len(setup.http.seen) == before


# gRPC


@pytest.fixture
def channel(setup: Setup) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(f"127.0.0.1:{setup.port}") as opened:
        yield opened


def test_grpc_unary_with_metadata_and_trailers(setup: Setup, channel: grpc.Channel) -> None:
    call = channel.unary_unary("/inference.Echo/Unary")
    answer, rpc = call.with_call(
        b"abc", timeout=30, metadata=(("authorization", "Bearer mine"), ("x-model-version", "3"))
    )
    assert answer == b"cba"
    trailers = dict(rpc.trailing_metadata())
    assert trailers["x-took"] == "3"
    assert "x-dragoman-cost" not in trailers
    seen = setup.grpc.seen[-1]
    assert seen["authorization"] == "Bearer planted-key-of-the-server"
    assert seen["x-model-version"] == "3"
    record = setup.run.record(dict(rpc.initial_metadata())["x-request-id"])
    assert (record["format"], record["status"], record["rule"]) == ("Generic", 200, "rpc")


def test_grpc_streams_flow_both_ways(channel: grpc.Channel) -> None:
    answers = channel.unary_stream("/inference.Echo/Answers")(b"xyz", timeout=30)
    assert list(answers) == [b"x", b"y", b"z"]
    asks = channel.stream_unary("/inference.Echo/Asks")
    assert asks(iter([b"a" * 100_000] * 30), timeout=30) == b"a" * 3_000_000
    said: queue.Queue[bytes | None] = queue.Queue()
    both = channel.stream_stream("/inference.Echo/Both")(iter(said.get, None), timeout=30)
    for number in range(20):  # each answer comes while the request is still open
        said.put(b"ab%d" % number)
        assert next(both) == (b"ab%d" % number)[::-1]
    said.put(None)
    assert list(both) == []


def test_grpc_errors_are_grpc_statuses(setup: Setup, channel: grpc.Channel) -> None:
    def status(method: str, request: bytes = b"x") -> tuple[grpc.StatusCode, str]:
        with pytest.raises(grpc.RpcError) as failed:
            channel.unary_unary(method)(request, timeout=30)
        return failed.value.code(), failed.value.details()

    assert status("/inference.Echo/Fails") == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "no such model version",
    )
    code, details = status("/inference.Echo/Refuses")
    assert code == grpc.StatusCode.UNAVAILABLE
    assert details.startswith("The provider refused the gateway's credentials.")
    code, details = status("/inference.Away/Unary")
    assert code == grpc.StatusCode.UNAVAILABLE
    assert details.startswith("No provider could be reached. (provider_unavailable")
    assert status("/elsewhere/Unary")[0] == grpc.StatusCode.UNIMPLEMENTED


def test_a_stream_that_outlasts_its_rule_is_ended(setup: Setup) -> None:
    async def stay() -> Any:
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"{setup.url}/short/ws") as socket,
        ):
            await socket.send_str("one")
            first = (await socket.receive(10)).data
            return first, (await socket.receive(20)).type

    first, ended = asyncio.run(stay())
    assert first == "heard one"
    assert ended in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.ERROR)
