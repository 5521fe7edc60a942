"""What each provider receives: its own path, host, credential and body, and nothing of the caller's."""

import asyncio
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
from aiohttp import web

from tests.e2e import harness
from tests.tokens.idp import Idp, rsa_key
from tests.xds import sigv4

pytestmark = pytest.mark.e2e

OPENAI = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [
        {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hello"}}
    ],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}
ANTHROPIC = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [{"type": "text", "text": "hello"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 1, "output_tokens": 1},
}
GEMINI = {
    "candidates": [
        {
            "index": 0,
            "finishReason": "STOP",
            "content": {"role": "model", "parts": [{"text": "hello"}]},
        }
    ],
    "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2},
    "modelVersion": "m",
}
BEDROCK = {
    "output": {"message": {"role": "assistant", "content": [{"text": "hello"}]}},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2},
    "metrics": {"latencyMs": 1},
}
ANSWERS = {
    "rawPredict": ANTHROPIC,
    "/messages": ANTHROPIC,
    ":generateContent": GEMINI,
    ":batchEmbedContents": {"embeddings": [{"values": [0.5]}, {"values": [0.5]}]},
    "/converse": BEDROCK,
}
"""By what the path ends with; all else is OpenAI's."""


class Everything:
    """Any provider: remembers what came, and answers in the dialect of the path."""

    def __init__(self) -> None:
        self.seen: list[dict] = []
        self.exhausted: tuple[str, ...] = ()
        """Ends of paths that answer 429."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._runner = asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)
        self.port: int = self._runner.addresses[0][1]

    async def _start(self) -> web.AppRunner:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner

    async def _answer(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        body = await request.read()
        self.seen.append({"path": request.raw_path, "headers": headers, "body": body})
        if request.path.endswith(self.exhausted):
            return web.json_response({"error": {"message": "exhausted"}}, status=429)
        if request.path.endswith(":streamGenerateContent"):
            event = f"data: {json.dumps(GEMINI)}\n\n"
            return web.Response(text=event, content_type="text/event-stream")
        answer = next((a for end, a in ANSWERS.items() if request.path.endswith(end)), OPENAI)
        return web.json_response(answer)

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()


def backend(name: str, port: int, spec: str, prefix: str = "") -> str:
    """An AIBackend as a user writes it, led to loopback."""
    return f"""\
apiVersion: dragoman.dev/v1alpha1
kind: AIBackend
metadata: {{name: {name}}}
spec:
  endpoint: {{hostname: 127.0.0.1, port: {port}{prefix}}}
  tls: {{mode: None}}
{spec}"""


def secret(name: str, **values: str) -> str:
    return json.dumps(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": values}
    )


def authority(idp: Idp) -> str:
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "idp-ca"},
            "data": {"ca.crt": idp.authority},
        }
    )


def oauth(idp: Idp) -> str:
    return (
        "  auth:\n    type: OAuth2\n    secretRef: {name: client}\n"
        f"    oauth2: {{tokenURL: '{idp.url}', scopes: [models], caCertificateRefs: [{{name: idp-ca}}]}}\n"
    )


KEYED = "  auth: {type: APIKey, secretRef: {name: key}}\n"
KEY = "planted-provider-key"
AWS = ("planted-id", "planted/secret+key")
GCP = "  provider: VertexAI\n  gcp: {project: corp-ai, location: europe-west1"
SPECS = {
    "openai": f"  provider: OpenAI\n{KEYED}",
    "azure": f"  provider: AzureOpenAI\n{KEYED}",
    "azure-dated": f"  provider: AzureOpenAI\n  azure: {{apiVersion: 2024-10-21}}\n{KEYED}",
    "anthropic": f"  provider: Anthropic\n{KEYED}",
    "gemini": f"  provider: Gemini\n{KEYED}",
    "vertex": f"{GCP}}}\n",
    "vertex-claude": f"{GCP}, publisher: Anthropic}}\n",
    "bedrock": "  provider: Bedrock\n  aws: {region: eu-west-1}\n  auth: {type: AWS, secretRef: {name: aws}}\n",
    "bedrock-keyed": f"  provider: Bedrock\n  aws: {{region: eu-west-1}}\n{KEYED}",
    "huggingface": f"  provider: HuggingFace\n{KEYED}",
    "cohere": f"  provider: Cohere\n{KEYED}",
    "mistral": f"  provider: Mistral\n{KEYED}",
    "compatible": f"  provider: OpenAICompatible\n{KEYED}",
    "prefixed": f"  provider: OpenAICompatible\n{KEYED}",
}
BEARER = ("authorization", f"Bearer {KEY}")
CHAT = "/v1/chat/completions"
EXPECTED = {
    "openai": (CHAT, BEARER),
    "azure": ("/openai/v1/chat/completions", ("api-key", KEY)),
    "azure-dated": (
        "/openai/deployments/my%20model%3A1/chat/completions?api-version=2024-10-21",
        ("api-key", KEY),
    ),
    "anthropic": ("/v1/messages", ("x-api-key", KEY)),
    "gemini": (
        "/v1beta/models/my%20model%3A1:generateContent",
        ("x-goog-api-key", KEY),
    ),
    "vertex": (
        "/v1/projects/corp-ai/locations/europe-west1/publishers/google/models/my%20model%3A1:generateContent",
        ("authorization", "Bearer planted-token-"),
    ),
    "bedrock": ("/model/my%20model%3A1/converse", ("authorization", "AWS4-HMAC-SHA256 ")),
    "bedrock-keyed": ("/model/my%20model%3A1/converse", BEARER),
    "vertex-claude": (
        "/v1/projects/corp-ai/locations/europe-west1/publishers/anthropic/models/my%20model%3A1:rawPredict",
        ("authorization", "Bearer planted-token-"),
    ),
    "huggingface": (CHAT, BEARER),
    "cohere": ("/compatibility/v1/chat/completions", BEARER),
    "mistral": (CHAT, BEARER),
    "compatible": (CHAT, BEARER),
    "prefixed": ("/a/b/chat/completions", BEARER),
}
CALLERS = {
    "authorization": "Bearer callers-word",
    "x-api-key": "callers-word",
    "api-key": "callers-word",
    "x-goog-api-key": "callers-word",
    "proxy-authorization": "callers-word",
    "ocp-apim-subscription-key": "callers-word",
    "cookie": "a=callers-word",
    "x-amz-security-token": "callers-word",
    "x-amz-date": "callers-word",
}
MODEL = "my model:1".replace(" ", "%20")


@dataclass
class World:
    url: str
    everything: Everything
    idp: Idp
    run: harness.Running


def rules(names: list[str]) -> str:
    return "".join(
        f"  - {{name: {n}, matches: [{{headers: [{{name: x-to, value: {n}}}]}}], backendRefs: [{{name: {n}}}]}}\n"
        for n in names
    )


CHAIN = """\
  - name: chain-{part}
    matches: [{{headers: [{{name: x-to, value: chain-{part}}}]}}]
    backendRefs:
    - {{name: bedrock, model: "anthropic.claude-{part}-v1:0"}}
    - {{name: vertex-claude, model: claude-{part}, priority: 1}}
    - {{name: azure-dated, model: gpt-{part}, priority: 2}}
    - {{name: gemini, model: gemini-{part}, priority: 3}}
    retry: {{attempts: 3}}
"""
"""A target that answered 429 stands aside for a while, so each test has its own targets."""
CHAINS = CHAIN.format(part="call") + CHAIN.format(part="stream")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    directory: Path = tmp_path_factory.mktemp("config")
    everything, idp = Everything(), Idp(tmp_path_factory.mktemp("idp"))
    port = harness.free_port()
    documents = {
        name: backend(
            name, everything.port, spec, ", pathPrefix: /a/b" if name == "prefixed" else ""
        )
        for name, spec in SPECS.items()
    }
    documents["vertex"] += oauth(idp)
    documents["vertex-claude"] += oauth(idp)
    harness.write(
        directory,
        gateway=harness.gateway(port),
        key=secret("key", apiKey=KEY),
        aws=secret("aws", **dict(zip(("accessKeyID", "secretAccessKey"), AWS, strict=True))),
        client=secret("client", clientID="id", clientSecret="planted-client-secret"),
        ca=authority(idp),
        route=harness.route("assistant", rules(list(SPECS)) + CHAINS),
        **documents,
    )
    with harness.running(directory) as run:
        yield World(f"http://127.0.0.1:{port}", everything, idp, run)
    everything.close()
    idp.close()


def ask(url: str, to: str, **more: object) -> httpx2.Response:
    return httpx2.post(
        f"{url}/v1/chat/completions",
        params={"key": "callers-word", "api-version": "callers-word"},
        json={
            "model": "my model:1",
            "messages": [{"role": "user", "content": "hi"}],
            "max_completion_tokens": 5,
            **more,
        },
        headers={**CALLERS, "x-to": to},
        timeout=60,
    )


@pytest.mark.parametrize("name", EXPECTED)
def test_a_provider_gets_its_own_path_host_and_credential(world: World, name: str) -> None:
    path, (header, value) = EXPECTED[name]
    known = len(world.everything.seen)
    answer = ask(world.url, name)
    assert answer.status_code == 200, answer.text
    assert answer.json()["choices"][0]["message"]["content"] == "hello"
    [seen] = world.everything.seen[known:]
    assert seen["path"] == path
    assert seen["headers"]["host"] == f"127.0.0.1:{world.everything.port}"
    assert seen["headers"][header].startswith(value)
    assert int(seen["headers"]["content-length"]) == len(seen["body"])
    signed = {"x-amz-date"} if name == "bedrock" else set()
    assert set(seen["headers"]) & set(CALLERS) == {header} | signed
    assert "callers-word" not in repr(seen)


def test_bedrocks_signature_covers_what_it_receives(world: World) -> None:
    for content in ("hi", "ü" * 3000):
        known = len(world.everything.seen)
        answer = ask(world.url, "bedrock", messages=[{"role": "user", "content": content}])
        assert answer.status_code == 200, answer.text
        [seen] = world.everything.seen[known:]
        assert content in json.loads(seen["body"])["messages"][0]["content"][0]["text"]
        assert sigv4.check(seen, *AWS) == ("eu-west-1", "bedrock")


@pytest.mark.parametrize("stream", [False, True])
def test_each_attempt_of_a_failover_is_its_providers_own(world: World, stream: bool) -> None:
    """Four formats in one rule: path, credential, body and length of each; the last one answers."""
    part, known = "stream" if stream else "call", len(world.everything.seen)
    ends = ("/converse", "/converse-stream", "awPredict", "/chat/completions")
    world.everything.exhausted = ends
    try:
        answer = ask(world.url, f"chain-{part}", stream=stream)
    finally:
        world.everything.exhausted = ()
    assert answer.status_code == 200, answer.text
    assert "hello" in answer.text
    assert answer.headers["x-dragoman-backend"] == "default/gemini"
    bedrock, claude, azure, gemini = world.everything.seen[known:]
    assert sigv4.check(bedrock, *AWS) == ("eu-west-1", "bedrock")
    assert claude["headers"]["authorization"].startswith("Bearer planted-token-")
    assert json.loads(claude["body"])["anthropic_version"] == "vertex-2023-10-16"
    assert azure["headers"]["api-key"] == KEY
    assert azure["path"].startswith(f"/openai/deployments/gpt-{part}/chat/completions?")
    assert gemini["headers"]["x-goog-api-key"] == KEY
    assert "contents" in json.loads(gemini["body"])
    keyed = {"authorization", "api-key", "x-api-key", "x-goog-api-key"}
    for seen in (bedrock, claude, azure, gemini):
        assert int(seen["headers"]["content-length"]) == len(seen["body"])
        assert len(keyed & set(seen["headers"])) == 1
        assert (seen is bedrock) == any(name.startswith("x-amz-") for name in seen["headers"])
        assert "callers-word" not in repr(seen)


STREAMS = {
    "gemini": "/v1beta/models/m:streamGenerateContent?alt=sse",
    "vertex": "/v1/projects/corp-ai/locations/europe-west1/publishers/google/models/m:streamGenerateContent?alt=sse",
    "vertex-claude": "/v1/projects/corp-ai/locations/europe-west1/publishers/anthropic/models/m:streamRawPredict",
    "bedrock": "/model/m/converse-stream",
    "azure-dated": "/openai/deployments/m/chat/completions?api-version=2024-10-21",
}


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_is_asked_for_at_its_own_path(world: World, name: str) -> None:
    known = len(world.everything.seen)
    ask(world.url, name, stream=True, model="m")
    [seen] = world.everything.seen[known:]
    assert seen["path"] == STREAMS[name]
    if name == "bedrock":
        sigv4.check(seen, *AWS)


def test_embeddings_of_gemini_are_asked_for_in_its_own_words(world: World) -> None:
    known = len(world.everything.seen)
    model = "gemini-embedding-001"
    asked = {"model": f"models/{model}", "content": {"parts": [{"text": "a"}]}}
    answer = httpx2.post(
        f"{world.url}/v1beta/models/{model}:batchEmbedContents",
        json={"requests": [asked, asked]},
        headers={**CALLERS, "x-to": "gemini"},
        timeout=60,
    )
    assert answer.json()["embeddings"] == [{"values": [0.5]}, {"values": [0.5]}], answer.text
    [seen] = world.everything.seen[known:]
    assert seen["path"] == f"/v1beta/models/{model}:batchEmbedContents"
    assert seen["headers"]["x-goog-api-key"] == KEY
    assert len(json.loads(seen["body"])["requests"]) == 2


def body(world: World, name: str, **more: object) -> dict:
    known = len(world.everything.seen)
    assert ask(world.url, name, **more).status_code == 200
    [seen] = world.everything.seen[known:]
    return json.loads(seen["body"])


def test_a_provider_gets_the_fields_it_knows(world: World) -> None:
    mistral = body(world, "mistral", seed=7)
    assert (mistral["max_tokens"], mistral["random_seed"]) == (5, 7)
    assert not {"seed", "max_completion_tokens", "stream_options"} & set(mistral)
    assert body(world, "openai", seed=7)["max_completion_tokens"] == 5
    claude = body(world, "vertex-claude")
    assert claude["anthropic_version"] == "vertex-2023-10-16"
    assert "model" not in claude
    assert body(world, "azure")["model"] == "my model:1"


def test_the_token_endpoint_was_asked_as_its_owner_says(world: World) -> None:
    first = world.idp.asked[0]
    assert first["form"] == {"grant_type": "client_credentials", "scope": "models"}
    assert first["client"] == ("id", "planted-client-secret")


def test_no_secret_is_told(world: World) -> None:
    said = [*world.run.stderr, *world.run.stdout, world.run.metrics()]
    assert not [line for line in said if "planted" in line or "callers-word" in line]


def failing_over(tmp_path: Path, idp: Idp, everything: Everything, auth: str, kind: str) -> str:
    """A directory in which `one` needs a token and `two` is served when `one` cannot be."""
    port = harness.free_port()
    _, pem = rsa_key()
    account = {
        "type": "service_account",
        "client_email": "a@corp",
        "private_key_id": "k1",
        "private_key": pem,
        "token_uri": idp.url,
    }
    two = "  - {name: all, backendRefs: [{name: one}, {name: two, priority: 1}]}\n"
    harness.write(
        tmp_path,
        gateway=harness.gateway(port),
        one=backend("one", everything.port, f"  provider: {kind}\n{auth}"),
        two=backend("two", everything.port, f"  provider: OpenAI\n{KEYED}"),
        key=secret("key", apiKey=KEY),
        client=secret("client", clientID="id", clientSecret="planted-client-secret"),
        account=secret("account", **{"key.json": json.dumps(account)}),
        ca=authority(idp),
        route=harness.route("assistant", two),
    )
    return f"http://127.0.0.1:{port}"


@pytest.fixture
def everything() -> Iterator[Everything]:
    started = Everything()
    yield started
    started.close()


@pytest.fixture
def idp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Idp]:
    started = Idp(tmp_path_factory.mktemp("idp"))
    yield started
    started.close()


def test_a_short_lived_token_is_renewed_and_later_requests_have_the_new_one(
    tmp_path: Path, idp: Idp, everything: Everything
) -> None:
    idp.lasts_s = 4
    url = failing_over(tmp_path, idp, everything, oauth(idp), "OpenAI")
    with harness.running(tmp_path):
        tokens: list[str] = []

        def renewed_twice() -> bool:
            assert ask(url, "any").status_code == 200
            tokens.append(everything.seen[-1]["headers"]["authorization"])
            return len(set(tokens)) >= 3

        harness.eventually(renewed_twice)
    numbers = [int(token.removeprefix("Bearer planted-token-")) for token in tokens]
    assert numbers == sorted(numbers)


def test_a_service_accounts_statement_goes_to_no_endpoint_the_system_does_not_trust(
    tmp_path: Path, idp: Idp, everything: Everything
) -> None:
    auth = "  auth: {type: GCP, secretRef: {name: account}}\n"
    url = failing_over(
        tmp_path, idp, everything, f"  gcp: {{project: corp-ai, location: us}}\n{auth}", "VertexAI"
    )
    told = f"spec.auth: 127.0.0.1:{idp.port} has a certificate that cannot be verified"
    with harness.running(tmp_path) as run:
        harness.eventually(lambda: any(told in line for line in run.stderr))
        assert ask(url, "any").status_code == 200
        assert everything.seen[-1]["headers"]["authorization"] == f"Bearer {KEY}"
    assert idp.asked == []


def test_without_a_token_the_next_backend_serves_and_the_endpoint_is_named(
    tmp_path: Path, idp: Idp, everything: Everything
) -> None:
    idp.answer = 401, '{"error_description": "planted-client-secret is wrong"}'
    url = failing_over(tmp_path, idp, everything, oauth(idp), "OpenAI")
    told = f"AIBackend default/one: spec.auth: 127.0.0.1:{idp.port} answered 401"
    with harness.running(tmp_path) as run:
        harness.eventually(lambda: any(told in line for line in run.stderr))
        assert ask(url, "any").status_code == 200
        assert everything.seen[-1]["headers"]["authorization"] == f"Bearer {KEY}"
        idp.answer = None

        def served() -> bool:
            assert ask(url, "any").status_code == 200
            return "planted-token" in everything.seen[-1]["headers"]["authorization"]

        harness.eventually(served)
    assert "planted" not in "".join(run.stderr)
