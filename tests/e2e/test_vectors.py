"""Embeddings and token counts by the official SDKs, from providers of other formats."""

import json
import struct
from base64 import b64decode

import httpx2
import openai
import pytest
from google import genai
from google.auth import credentials
from google.genai import errors, types

from tests.e2e import harness
from tests.xds import sigv4

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

RULES = """\
  - name: gemini
    matches: [{model: {value: at-gemini}}]
    backendRefs: [{name: gemini, model: gemini-embedding-001}]
  - name: openai
    matches: [{model: {value: at-openai}}]
    backendRefs: [{name: openai, model: text-embedding-3-small}]
  - name: vertex
    matches: [{model: {value: at-vertex}}]
    backendRefs: [{name: vertex, model: text-embedding-005}]
  - name: newer
    matches: [{model: {value: newer-at-vertex}}]
    backendRefs: [{name: vertex, model: gemini-embedding-2}]
  - name: titan
    matches: [{model: {value: at-titan}}, {model: {value: gemini-by-titan}}]
    backendRefs: [{name: bedrock, model: "amazon.titan-embed-text-v2:0"}]
  - name: cohere
    matches: [{model: {value: at-cohere}}]
    backendRefs: [{name: bedrock, model: "eu.cohere.embed-v4:0"}]
  - name: many
    matches: [{model: {value: anywhere}}]
    backendRefs:
    - {name: bedrock, model: "amazon.titan-embed-text-v2:0"}
    - {name: vertex, model: text-embedding-005, priority: 1}
  - name: rest
    backendRefs: [{name: bedrock}]
"""
AWS = ("planted-id", "planted/secret+key")
WHERE = "  endpoint: {{hostname: 127.0.0.1, port: {port}}}\n  tls: {{mode: None}}\n"
BEDROCK = """\
apiVersion: v1
kind: Secret
metadata: {{name: aws}}
stringData: {{accessKeyID: {0}, secretAccessKey: {1}}}
---
apiVersion: dragoman.dev/v1alpha1
kind: AIBackend
metadata: {{name: bedrock}}
spec:
  provider: Bedrock
  aws: {{region: eu-west-1}}
  auth: {{type: AWS, secretRef: {{name: aws}}}}
"""
VERTEX = "/v1/projects/corp-ai/locations/europe-west1/publishers/google/models"
POLICY = """\
  request:
    guards:
    - {name: pii, type: PII, entities: [Email], action: Redact}
    - {name: words, type: Keywords, words: [forbidden phrase], action: Block}
"""
ADDRESS = "jane.roe@example.org"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    directory = tmp_path_factory.mktemp("vectors")
    provider, port = harness.Provider(), harness.free_port()
    gcp = "  gcp: {project: corp-ai, location: europe-west1}\n"
    harness.write(
        directory,
        gateway=harness.gateway(port),
        openai=harness.backend("openai", provider.port),
        gemini=harness.backend("gemini", provider.port, provider="Gemini"),
        vertex=harness.backend("vertex", provider.port, provider="VertexAI", more=gcp),
        bedrock=BEDROCK.format(*AWS) + WHERE.format(port=provider.port),
        route=harness.route("vectors", RULES),
        policy=harness.policy("baseline", POLICY),
    )
    with harness.running(directory) as run:
        yield provider, f"http://127.0.0.1:{port}", run
    provider.close()


@pytest.fixture(scope="module")
def oai(made):
    with openai.OpenAI(base_url=f"{made[1]}/v1", api_key="k", max_retries=0) as client:
        yield client


@pytest.fixture(scope="module")
def google(made):
    with genai.Client(api_key="k", http_options={"base_url": made[1]}) as client:
        yield client


@pytest.fixture(scope="module")
def at_vertex(made):
    """As Vertex AI's customers make it, but for where it leads."""
    with genai.Client(
        vertexai=True,
        project="callers-project",
        location="us-central1",
        credentials=Anyone(),
        http_options={"base_url": made[1]},
    ) as client:
        yield client


class Anyone(credentials.Credentials):
    def refresh(self, request):
        self.token = "callers-word"


def last(made):
    seen = made[0].last()
    assert int(dict(seen.headers)["content-length"]) == len(seen.body)
    return seen.path, json.loads(seen.body)


def usage(made, raw):
    return made[2].record(raw.headers["x-request-id"])["usage"]


def test_the_openai_sdk_gets_geminis_vectors(made, oai):
    found = oai.embeddings.create(model="at-gemini", input=["one", "two"], dimensions=8)
    assert [len(each.embedding) for each in found.data] == [8, 8]
    assert all(isinstance(number, float) for number in found.data[0].embedding)
    assert last(made)[0] == "/v1beta/models/gemini-embedding-001:batchEmbedContents"
    assert made[0].header("x-goog-api-key") == "planted-key-of-gemini"


def test_googles_sdk_gets_openais_vectors(made, google):
    found = google.models.embed_content(model="at-openai", contents=["one", "two"])
    assert len(found.embeddings) == 2
    assert found.embeddings[0].values
    path, body = last(made)
    assert path == "/v1/embeddings"
    assert body["input"] == ["one", "two"]


def test_the_openai_sdk_gets_vertex_ais_vectors(made, oai):
    raw = oai.embeddings.with_raw_response.create(
        model="at-vertex", input=["one two", f"of {ADDRESS}"], dimensions=8
    )
    found = raw.parse()
    assert [len(each.embedding) for each in found.data] == [8, 8]
    assert found.usage.prompt_tokens == usage(made, raw)["input_tokens"] == 4
    assert usage(made, raw)["estimated"] is False
    path, body = last(made)
    assert path == f"{VERTEX}/text-embedding-005:predict"
    assert body["instances"] == [{"content": "one two"}, {"content": "of [REDACTED:Email]"}]
    assert made[0].header("x-goog-api-key") == "planted-key-of-vertex"


def test_newer_models_of_vertex_ai_are_asked_for_one_vector(made, oai):
    found = oai.embeddings.create(model="newer-at-vertex", input="one", dimensions=8)
    assert len(found.data[0].embedding) == 8
    path, body = last(made)
    assert path == f"{VERTEX}/gemini-embedding-2:embedContent"
    assert body == {"content": {"parts": [{"text": "one"}]}, "outputDimensionality": 8}


def test_the_openai_sdk_gets_titans_vector(made, oai):
    """Signed over its own path and body, as AWS's own library signs them."""
    raw = oai.embeddings.with_raw_response.create(
        model="at-titan", input="three words here", dimensions=256
    )
    assert len(raw.parse().data[0].embedding) == 256
    assert raw.parse().usage.prompt_tokens == usage(made, raw)["input_tokens"] == 3
    path, body = last(made)
    assert path == "/model/amazon.titan-embed-text-v2%3A0/invoke"
    assert body == {"inputText": "three words here", "dimensions": 256}
    assert signed(made) == ("eu-west-1", "bedrock")


def test_the_openai_sdk_gets_coheres_vectors(made, oai):
    """Which Bedrock counts in a header."""
    raw = oai.embeddings.with_raw_response.create(model="at-cohere", input=["one two", "three"])
    assert len(raw.parse().data) == 2
    assert raw.parse().usage.prompt_tokens == usage(made, raw)["input_tokens"] == 3
    assert usage(made, raw)["estimated"] is False
    path, body = last(made)
    assert path == "/model/eu.cohere.embed-v4%3A0/invoke"
    assert (body["texts"], body["input_type"]) == (["one two", "three"], "search_document")
    assert signed(made) == ("eu-west-1", "bedrock")


def signed(made):
    request = made[0].last()
    seen = {"path": request.path, "headers": dict(request.headers), "body": request.body}
    return sigv4.check(seen, *AWS)


def test_floats_and_base64_are_ours_to_write(made):
    asked = {"model": "at-titan", "input": "one", "dimensions": 256}
    vectors = [
        httpx2.post(f"{made[1]}/v1/embeddings", json={**asked, "encoding_format": each}).json()
        for each in ("float", "base64")
    ]
    plain, packed = (each["data"][0]["embedding"] for each in vectors)
    assert len(plain) == 256
    assert struct.unpack("<256f", b64decode(packed)) == pytest.approx(plain)


def test_a_target_for_one_text_is_not_asked_for_two(made, oai):
    known = len(made[0].received)
    with pytest.raises(openai.BadRequestError) as caught:
        oai.embeddings.create(model="at-titan", input=["one", "two"])
    assert caught.value.code == "untranslatable"
    assert "input" in caught.value.message
    with pytest.raises(openai.BadRequestError) as caught:
        oai.embeddings.create(model="anthropic.claude-3-haiku-20240307-v1:0", input="one")
    assert caught.value.code == "unsupported_format"
    assert len(made[0].received) == known
    assert len(oai.embeddings.create(model="anywhere", input=["one", "two"]).data) == 2
    assert last(made)[0] == f"{VERTEX}/text-embedding-005:predict"
    assert len(oai.embeddings.create(model="anywhere", input="one").data) == 1
    assert last(made)[0].startswith("/model/amazon.titan")
    assert signed(made)


def test_a_target_without_a_model_is_asked_by_the_callers(made, oai):
    oai.embeddings.create(model="cohere.embed-english-v3", input="one")
    assert last(made)[0] == "/model/cohere.embed-english-v3/invoke"


CONFIG = {"output_dimensionality": 256, "task_type": "CLUSTERING"}


@pytest.mark.parametrize("model", ["at-cohere", "at-vertex", "at-titan"])
def test_googles_sdk_gets_vectors_of_others(made, google, model):
    found = google.models.embed_content(model=model, contents="one two", config=CONFIG)
    assert [len(each.values) for each in found.embeddings] == [256]
    body = json.dumps(last(made)[1])
    assert ("clustering" in body.lower()) == (model != "at-titan")


def test_googles_sdk_for_vertex_ai_asks_for_one_content(made, at_vertex):
    """So it does for models whose names say Gemini, with its settings in a config."""
    for model in ("at-gemini", "gemini-by-titan"):
        found = at_vertex.models.embed_content(model=model, contents="one two", config=CONFIG)
        assert [len(each.values) for each in found.embeddings] == [256]
        assert (found.embeddings[0].statistics.token_count == 2) == (model == "gemini-by-titan")
    assert last(made)[1] == {"inputText": "one two", "dimensions": 256}


def test_raw_callers_of_embed_content(made):
    asked = {"content": {"parts": [{"text": f"of {ADDRESS}"}]}, "outputDimensionality": 8}
    for model, path in {
        "at-gemini": "/v1beta/models/gemini-embedding-001:embedContent",
        "at-openai": "/v1/embeddings",
        "newer-at-vertex": f"{VERTEX}/gemini-embedding-2:embedContent",
    }.items():
        answer = httpx2.post(
            f"{made[1]}/v1beta/models/{model}:embedContent",
            json={"model": f"models/{model}", **asked},
        )
        assert answer.status_code == 200, answer.text
        assert len(answer.json()["embedding"]["values"]) == 8
        assert last(made)[0] == path
        assert ADDRESS.encode() not in made[0].last().body
    assert json.loads(made[0].last().body)["model"] == "models/gemini-embedding-2"


def test_tokens_are_counted_by_who_serves(made, google):
    for model, path in {
        "at-gemini": "/v1beta/models/gemini-embedding-001:countTokens",
        "at-vertex": f"{VERTEX}/text-embedding-005:countTokens",
    }.items():
        found = google.models.count_tokens(model=model, contents=f"one of {ADDRESS}")
        assert found.total_tokens == 3
        assert last(made)[0] == path
        assert b"[REDACTED:Email]" in made[0].last().body
    with pytest.raises(errors.ClientError) as caught:
        google.models.count_tokens(model="at-gemini", contents="a forbidden phrase")
    assert caught.value.code == 403


def test_tokens_are_counted_for_callers_of_vertex_ai(made, at_vertex):
    """With the system's words and tools, which only there the SDK counts."""
    known = len(made[0].received)
    config = types.CountTokensConfig(system_instruction=f"help {ADDRESS}")
    found = at_vertex.models.count_tokens(model="at-gemini", contents="one two", config=config)
    assert found.total_tokens == 4
    path, body = last(made)
    assert path == "/v1beta/models/gemini-embedding-001:countTokens"
    assert body["systemInstruction"]["parts"] == [{"text": "help [REDACTED:Email]"}]
    assert len(made[0].received) == known + 1


def test_tokens_are_counted_by_us_where_nobody_does(made, google):
    known = len(made[0].received)
    assert google.models.count_tokens(model="at-openai", contents="one two").total_tokens == 2
    assert len(made[0].received) == known
