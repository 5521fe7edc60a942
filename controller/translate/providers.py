"""Providers: what is true of every account at a provider, as one table, and what a spec adds.

A row may have holes, such as `{region}`, which the AIBackend fills; `{model}` stays for the guard.
Vendors that speak OpenAI's dialect at other paths are found by hostname in a second table.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from crds.aibackend import AIBackendSpec
from crds.plan import Format, PathPlan, QuirksPlan

NO_QUIRKS = QuirksPlan()
BEARER = ("authorization", "Bearer ")


@dataclass(frozen=True, slots=True)
class Provider:
    """One row: what an AIBackend has unless it says otherwise."""

    hostname: str
    """Empty: every AIBackend names its own."""
    prefix: str
    """What all its paths begin with."""
    paths: Mapping[Format, PathPlan]
    """The formats it speaks, and where below the prefix."""
    elsewhere: Mapping[Format, str] = field(default_factory=dict)
    """Formats it serves at paths of their own, not below the prefix."""
    key: tuple[str, str] = BEARER
    """The header of an API key, and what stands before the key."""
    headers: tuple[tuple[str, str], ...] = ()
    """What it wants to see unless the caller says otherwise."""
    quirks: QuirksPlan = NO_QUIRKS
    only: Format | None = None
    """Of chat completions and responses, the one it is asked in unless `openai.api` says so."""


def _same(path: str, *models: str) -> PathPlan:
    """One path for calls and streams; of these models only, by parts of their names."""
    return PathPlan(call=path, stream=path, models=models)


_CHAT: Mapping[Format, PathPlan] = {"OpenAIChat": _same("/chat/completions")}
_OPENAI: Mapping[Format, PathPlan] = {
    **_CHAT,
    "OpenAIResponses": _same("/responses"),
    "OpenAIEmbeddings": _same("/embeddings"),
    "OpenAICompletions": _same("/completions"),
    "OpenAIModerations": _same("/moderations"),
    "OpenAIImages": _same("/images/generations"),
    "OpenAIImageEdits": _same("/images/edits"),
    "OpenAIImageVariations": _same("/images/variations"),
    "OpenAISpeech": _same("/audio/speech"),
    "OpenAITranscription": _same("/audio/transcriptions"),
    "OpenAIAudioTranslation": _same("/audio/translations"),
}
_CHAT_AND_EMBEDDINGS: Mapping[Format, PathPlan] = {
    **_CHAT,
    "OpenAIEmbeddings": _same("/embeddings"),
}
_DATED = "?api-version={api_version}"
_OLD_LIMIT = {"max_completion_tokens": "max_tokens"}
_VERTEX = "/projects/{project}/locations/{location}/publishers"
PROVIDERS: Mapping[str, Provider] = {
    # https://platform.openai.com/docs/api-reference
    "OpenAI": Provider("api.openai.com", "/v1", _OPENAI),
    # https://learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle
    "AzureOpenAI": Provider("", "/openai/v1", _OPENAI, key=("api-key", "")),
    # https://learn.microsoft.com/azure/ai-foundry/openai/reference
    "AzureOpenAI dated": Provider(
        "",
        "/openai",
        {
            "OpenAIChat": _same(f"/deployments/{{model}}/chat/completions{_DATED}"),
            "OpenAIResponses": _same(f"/responses{_DATED}"),
            "OpenAIEmbeddings": _same(f"/deployments/{{model}}/embeddings{_DATED}"),
            "OpenAIImages": _same(f"/deployments/{{model}}/images/generations{_DATED}"),
            "OpenAIImageEdits": _same(f"/deployments/{{model}}/images/edits{_DATED}"),
            "OpenAISpeech": _same(f"/deployments/{{model}}/audio/speech{_DATED}"),
            "OpenAITranscription": _same(f"/deployments/{{model}}/audio/transcriptions{_DATED}"),
            "OpenAIAudioTranslation": _same(f"/deployments/{{model}}/audio/translations{_DATED}"),
        },
        key=("api-key", ""),
        only="OpenAIChat",
    ),
    # https://docs.claude.com/en/api/overview
    "Anthropic": Provider(
        "api.anthropic.com",
        "/v1",
        {
            "AnthropicMessages": _same("/messages"),
            "AnthropicTokenCount": _same("/messages/count_tokens"),
        },
        key=("x-api-key", ""),
        headers=(("anthropic-version", "2023-06-01"),),
    ),
    # https://ai.google.dev/api
    "Gemini": Provider(
        "generativelanguage.googleapis.com",
        "/v1beta",
        {
            "GeminiContent": PathPlan(
                call="/models/{model}:generateContent",
                stream="/models/{model}:streamGenerateContent?alt=sse",
            ),
            "GeminiEmbeddings": _same("/models/{model}:batchEmbedContents"),
            "GeminiEmbedContent": _same("/models/{model}:embedContent"),
            "GeminiTokenCount": _same("/models/{model}:countTokens"),
        },
        key=("x-goog-api-key", ""),
    ),
    # https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference
    "VertexAI Google": Provider(
        "{vertex}",
        "/v1",
        {
            "GeminiContent": PathPlan(
                call=f"{_VERTEX}/google/models/{{model}}:generateContent",
                stream=f"{_VERTEX}/google/models/{{model}}:streamGenerateContent?alt=sse",
            ),
            "GeminiTokenCount": _same(f"{_VERTEX}/google/models/{{model}}:countTokens"),
            "GeminiEmbedContent": _same(
                f"{_VERTEX}/google/models/{{model}}:embedContent", "gemini-embedding-2"
            ),
            "VertexEmbeddings": _same(
                f"{_VERTEX}/google/models/{{model}}:predict",
                *("text-embedding", "text-multilingual-embedding", "gemini-embedding-001"),
            ),
        },
        key=("x-goog-api-key", ""),
    ),
    # https://docs.claude.com/en/api/claude-on-vertex-ai
    "VertexAI Anthropic": Provider(
        "{vertex}",
        "/v1",
        {
            "AnthropicMessages": PathPlan(
                call=f"{_VERTEX}/anthropic/models/{{model}}:rawPredict",
                stream=f"{_VERTEX}/anthropic/models/{{model}}:streamRawPredict",
            )
        },
        key=("x-goog-api-key", ""),
        quirks=QuirksPlan(model_in_body=False, set={"anthropic_version": "vertex-2023-10-16"}),
    ),
    # https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
    "Bedrock": Provider(
        "bedrock-runtime.{region}.{aws}",
        "",
        {
            "BedrockConverse": PathPlan(
                call="/model/{model}/converse", stream="/model/{model}/converse-stream"
            ),
            "TitanEmbeddings": _same("/model/{model}/invoke", "amazon.titan-embed-text-"),
            "CohereEmbeddings": _same("/model/{model}/invoke", "cohere.embed-"),
        },
    ),
    # https://huggingface.co/docs/inference-providers
    "HuggingFace": Provider(
        "router.huggingface.co", "/v1", _CHAT, quirks=QuirksPlan(rename=_OLD_LIMIT)
    ),
    # https://docs.cohere.com/docs/compatibility-api
    "Cohere": Provider(
        "api.cohere.ai",
        "/compatibility/v1",
        _CHAT_AND_EMBEDDINGS,
        elsewhere={"Rerank": "/v2/rerank"},
        quirks=QuirksPlan(rename=_OLD_LIMIT, drop=("stream_options",)),
    ),
    # https://docs.mistral.ai/api
    "Mistral": Provider(
        "api.mistral.ai",
        "/v1",
        _CHAT_AND_EMBEDDINGS,
        quirks=QuirksPlan(
            rename={**_OLD_LIMIT, "seed": "random_seed"}, drop=("stream_options", "user")
        ),
    ),
    # vLLM, Ollama, llama.cpp, SGLang, TGI and others serve OpenAI's paths below /v1
    "OpenAICompatible": Provider(
        "",
        "/v1",
        {**_OPENAI, "Rerank": _same("/rerank")},
        quirks=QuirksPlan(rename=_OLD_LIMIT),
        only="OpenAIChat",
    ),
    # any other server: what it serves is passed on unread
    "HTTP": Provider("", "", {}),
}
PREFIXES: Mapping[str, str] = {
    "api.deepinfra.com": "/v1/openai",
    "api.fireworks.ai": "/inference/v1",
    "api.groq.com": "/openai/v1",
    "api.perplexity.ai": "",
    "api.z.ai": "/api/paas/v4",
    "dashscope-intl.aliyuncs.com": "/compatible-mode/v1",
    "dashscope.aliyuncs.com": "/compatible-mode/v1",
    "generativelanguage.googleapis.com": "/v1beta/openai",
    "models.github.ai": "/inference",
    "open.bigmodel.cn": "/api/paas/v4",
    "openrouter.ai": "/api/v1",
}
"""Where OpenAI-compatible vendors serve their paths, by hostname; all others below `/v1`."""
CURRENT = frozenset({"api.cerebras.ai", "api.groq.com", "api.x.ai", "openrouter.ai"})
"""OpenAI-compatible vendors that know `max_completion_tokens`."""
VERTEX_HOSTS: Mapping[str, str] = {
    "global": "aiplatform.googleapis.com",
    "us": "aiplatform.us.rep.googleapis.com",
    "eu": "aiplatform.eu.rep.googleapis.com",
}
"""Locations whose hostname does not begin with them."""
_CALLED_BY: Mapping[str, Format] = {"ChatCompletions": "OpenAIChat", "Responses": "OpenAIResponses"}


def of(spec: AIBackendSpec) -> Provider:
    """The provider as this AIBackend has it: no holes but `{model}`, and paths that are whole."""
    row = PROVIDERS[_row(spec)]
    holes = _holes(spec)
    prefix = _prefix(spec, row)
    only = _CALLED_BY[spec.openai.api] if spec.openai else row.only
    return replace(
        row,
        hostname=_filled(row.hostname, holes),
        prefix=prefix,
        paths={
            format_: path.model_copy(
                update={
                    "call": prefix + _filled(path.call, holes),
                    "stream": prefix + _filled(path.stream, holes),
                }
            )
            for format_, path in row.paths.items()
            if only in (None, format_) or format_ not in _CALLED_BY.values()
        }
        | {format_: _same(path) for format_, path in row.elsewhere.items()},
        key=(spec.http.key_header, "") if spec.http and spec.http.key_header else row.key,
        quirks=NO_QUIRKS if _hostname(spec) in CURRENT else row.quirks,
    )


def _row(spec: AIBackendSpec) -> str:
    if spec.gcp is not None:
        return f"{spec.provider} {spec.gcp.publisher}"
    dated = spec.azure is not None and spec.azure.api_version != "v1"
    return f"{spec.provider} dated" if dated else spec.provider


def _holes(spec: AIBackendSpec) -> dict[str, str]:
    holes = {}
    if spec.azure is not None:
        holes["api_version"] = spec.azure.api_version
    if spec.aws is not None:
        holes |= {"region": spec.aws.region, "aws": spec.aws.domain}
    if spec.gcp is not None:
        location = spec.gcp.location
        vertex = VERTEX_HOSTS.get(location, f"{location}-aiplatform.googleapis.com")
        holes |= {"project": spec.gcp.project, "location": location, "vertex": vertex}
    return holes


def _filled(text: str, holes: Mapping[str, str]) -> str:
    for name, value in holes.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def _prefix(spec: AIBackendSpec, row: Provider) -> str:
    own = spec.endpoint.path_prefix if spec.endpoint else None
    if own is not None:
        return own.removesuffix("/")
    return PREFIXES.get(_hostname(spec), row.prefix)


def _hostname(spec: AIBackendSpec) -> str:
    """The hostname that tells an OpenAI-compatible vendor; empty for all else."""
    known = spec.provider == "OpenAICompatible" and spec.endpoint is not None
    return (spec.endpoint.hostname or "") if known and spec.endpoint else ""
