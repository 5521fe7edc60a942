"""Embeddings by the official SDKs, from a provider of another format."""

import json

import openai
import pytest
from google import genai

from tests.e2e import harness

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

RULES = """\
  - name: gemini
    matches: [{model: {value: at-gemini}}]
    backendRefs: [{name: gemini, model: gemini-embedding-001}]
  - name: openai
    matches: [{model: {value: at-openai}}]
    backendRefs: [{name: openai, model: text-embedding-3-small}]
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    directory = tmp_path_factory.mktemp("vectors")
    provider, port = harness.Provider(), harness.free_port()
    harness.write(
        directory,
        gateway=harness.gateway(port),
        openai=harness.backend("openai", provider.port),
        gemini=harness.backend("gemini", provider.port, provider="Gemini"),
        route=harness.route("vectors", RULES),
    )
    with harness.running(directory):
        yield provider, f"http://127.0.0.1:{port}"
    provider.close()


def test_the_openai_sdk_gets_geminis_vectors(made):
    provider, url = made
    with openai.OpenAI(base_url=f"{url}/v1", api_key="k", max_retries=0) as client:
        found = client.embeddings.create(model="at-gemini", input=["one", "two"], dimensions=8)
    assert [len(each.embedding) for each in found.data] == [8, 8]
    assert all(isinstance(number, float) for number in found.data[0].embedding)
    assert provider.last().path == "/v1beta/models/gemini-embedding-001:batchEmbedContents"
    assert dict(provider.last().headers)["x-goog-api-key"] == "planted-key-of-gemini"


def test_googles_sdk_gets_openais_vectors(made):
    provider, url = made
    client = genai.Client(api_key="k", http_options={"base_url": url})
    found = client.models.embed_content(model="at-openai", contents=["one", "two"])
    assert len(found.embeddings) == 2
    assert found.embeddings[0].values
    assert provider.last().path == "/v1/embeddings"
    assert json.loads(provider.last().body)["input"] == ["one", "two"]
