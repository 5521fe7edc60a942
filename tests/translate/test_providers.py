"""What an AIBackend has without saying so: hostname, paths and fields of its provider."""

import pytest

from controller.translate import providers
from crds.aibackend import AIBackendSpec
from crds.plan import FAMILIES
from crds.providers import Provider

NONE = {"type": "None"}
TRANSLATED = {name for family in FAMILIES for name in family}


def known(provider: str, **more) -> providers.Provider:
    return providers.of(
        AIBackendSpec.model_validate({"provider": provider, "auth": NONE, **more}, by_name=False)
    )


def at(hostname: str, **more) -> dict:
    return {"endpoint": {"hostname": hostname, **more}}


def chat(provider: providers.Provider) -> str:
    return provider.paths["OpenAIChat"].call


def test_every_provider_has_a_row_and_no_hole_is_left() -> None:
    specs = {
        "AzureOpenAI": at("h"),
        "OpenAICompatible": at("h"),
        "HTTP": at("h"),
        "Bedrock": {"aws": {"region": "us-east-1"}},
        "VertexAI": {"gcp": {"project": "corp-ai", "location": "us-central1"}},
    }
    for name in Provider.__args__:
        found = known(name, **specs.get(name, {}))
        assert bool(found.paths) == (name != "HTTP")
        for path in found.paths.values():
            for text in (path.call, path.stream):
                assert text.startswith("/")
                assert "{" not in text.replace("{model}", "")
        assert "{" not in found.hostname


@pytest.mark.parametrize(
    ("location", "host"),
    [
        ("global", "aiplatform.googleapis.com"),
        ("us", "aiplatform.us.rep.googleapis.com"),
        ("eu", "aiplatform.eu.rep.googleapis.com"),
        ("europe-west4", "europe-west4-aiplatform.googleapis.com"),
    ],
)
def test_vertex_is_found_by_its_location(location, host) -> None:
    found = known("VertexAI", gcp={"project": "corp-ai", "location": location})
    assert found.hostname == host
    assert f"/locations/{location}/" in found.paths["GeminiContent"].stream


@pytest.mark.parametrize(
    ("hostname", "path"),
    [
        ("api.groq.com", "/openai/v1/chat/completions"),
        ("openrouter.ai", "/api/v1/chat/completions"),
        ("api.fireworks.ai", "/inference/v1/chat/completions"),
        ("api.perplexity.ai", "/chat/completions"),
        ("api.deepseek.com", "/v1/chat/completions"),
        ("vllm.corp.example", "/v1/chat/completions"),
    ],
)
def test_compatible_vendors_are_known_by_hostname(hostname, path) -> None:
    assert chat(known("OpenAICompatible", **at(hostname))) == path
    assert chat(known("OpenAICompatible", **at(hostname, pathPrefix="/x"))) == "/x/chat/completions"


def test_a_hostname_tells_nothing_of_a_provider_that_is_named() -> None:
    assert chat(known("OpenAI", **at("api.groq.com"))) == "/v1/chat/completions"


def test_fields_are_renamed_only_where_the_vendor_needs_it() -> None:
    old = {"max_completion_tokens": "max_tokens"}
    assert known("OpenAICompatible", **at("vllm")).quirks.rename == old
    assert known("OpenAICompatible", **at("api.groq.com")).quirks == providers.NO_QUIRKS


@pytest.mark.parametrize(
    ("azure", "api", "formats"),
    [
        (None, None, {"OpenAIChat", "OpenAIResponses", "OpenAIEmbeddings"}),
        ("v1", "ChatCompletions", {"OpenAIChat", "OpenAIEmbeddings"}),
        ("2024-10-21", None, {"OpenAIChat", "OpenAIEmbeddings"}),
        ("2025-04-01-preview", "Responses", {"OpenAIResponses", "OpenAIEmbeddings"}),
    ],
)
def test_azure_offers_what_its_version_and_its_owner_say(azure, api, formats) -> None:
    more = {"azure": {"apiVersion": azure}} if azure else {}
    more |= {"openai": {"api": api}} if api else {}
    found = known("AzureOpenAI", **at("h"), **more)
    assert {name for name in found.paths if name in TRANSLATED} == formats
    dated = azure not in (None, "v1")
    assert all((f"?api-version={azure}" in path.call) == dated for path in found.paths.values())


def test_what_is_only_passed_on_goes_where_the_provider_has_it() -> None:
    """Whatever `openai.api` says of chat, and Cohere's rerank beside its compatible paths."""
    azure = known("AzureOpenAI", **at("h"), azure={"apiVersion": "2025-04-01-preview"})
    assert azure.paths["OpenAITranscription"].call == (
        "/openai/deployments/{model}/audio/transcriptions?api-version=2025-04-01-preview"
    )
    assert known("OpenAI").paths["OpenAIImages"].stream == "/v1/images/generations"
    assert "Rerank" not in known("OpenAI").paths
    assert known("OpenAICompatible", **at("openrouter.ai")).paths["Rerank"].call == "/api/v1/rerank"
    assert known("Cohere").paths["Rerank"].call == "/v2/rerank"
    counted = known("Anthropic").paths["AnthropicTokenCount"].call
    assert counted == "/v1/messages/count_tokens"
