"""The format table: what is served at all. Whatever is not in it is 404, 405 or 415.

It also says which headers of a client may go on to a provider, and in whose words to answer a
request that named no format. What a body means is for the dialects.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal
from urllib.parse import unquote

import orjson
import re2

from crds.plan import FORMAT_HEADERS, Format, ListedModel
from ext_proc.call import Reject
from ext_proc.formats import (
    anthropic_messages,
    anthropic_tokens,
    bedrock_converse,
    bedrock_paths,
    gemini_content,
    gemini_embed_content,
    gemini_embeddings,
    gemini_paths,
    gemini_tokens,
    multipart,
    openai_chat,
    openai_completions,
    openai_embeddings,
    openai_image_edits,
    openai_images,
    openai_moderations,
    openai_responses,
    openai_speech,
    openai_transcription,
    rerank,
)
from ext_proc.formats.dialect import Dialect, malformed

DIALECTS: Mapping[Format, Dialect] = MappingProxyType(
    {
        "OpenAIChat": openai_chat.DIALECT,
        "OpenAIResponses": openai_responses.DIALECT,
        "OpenAIEmbeddings": openai_embeddings.DIALECT,
        "AnthropicMessages": anthropic_messages.DIALECT,
        "GeminiContent": gemini_content.DIALECT,
        "BedrockConverse": bedrock_converse.DIALECT,
        "GeminiEmbeddings": gemini_embeddings.DIALECT,
        "GeminiEmbedContent": gemini_embed_content.DIALECT,
        "GeminiTokenCount": gemini_tokens.DIALECT,
        "AnthropicTokenCount": anthropic_tokens.DIALECT,
        "OpenAICompletions": openai_completions.DIALECT,
        "OpenAIModerations": openai_moderations.DIALECT,
        "OpenAIImages": openai_images.DIALECT,
        "OpenAIImageEdits": openai_image_edits.EDITS,
        "OpenAIImageVariations": openai_image_edits.VARIATIONS,
        "OpenAISpeech": openai_speech.DIALECT,
        "OpenAITranscription": openai_transcription.TRANSCRIPTION,
        "OpenAIAudioTranslation": openai_transcription.TRANSLATION,
        "Rerank": rerank.DIALECT,
    }
)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One thing that is served."""

    method: str
    path: str
    format: Format | None
    action: Literal["call", "models", "model"]
    model: str = ""
    """The model that the path names."""
    stream: bool = False
    """The path asks for a stream."""


ENDPOINTS = (
    Endpoint("POST", "/v1/chat/completions", "OpenAIChat", "call"),
    Endpoint("POST", "/v1/responses", "OpenAIResponses", "call"),
    Endpoint("POST", "/v1/embeddings", "OpenAIEmbeddings", "call"),
    Endpoint("POST", "/v1/messages", "AnthropicMessages", "call"),
    Endpoint("POST", "/v1/messages/count_tokens", "AnthropicTokenCount", "call"),
    Endpoint("POST", "/v1/completions", "OpenAICompletions", "call"),
    Endpoint("POST", "/v1/moderations", "OpenAIModerations", "call"),
    Endpoint("POST", "/v1/images/generations", "OpenAIImages", "call"),
    Endpoint("POST", "/v1/images/edits", "OpenAIImageEdits", "call"),
    Endpoint("POST", "/v1/images/variations", "OpenAIImageVariations", "call"),
    Endpoint("POST", "/v1/audio/speech", "OpenAISpeech", "call"),
    Endpoint("POST", "/v1/audio/transcriptions", "OpenAITranscription", "call"),
    Endpoint("POST", "/v1/audio/translations", "OpenAIAudioTranslation", "call"),
    Endpoint("POST", "/v1/rerank", "Rerank", "call"),
    Endpoint("POST", "/v2/rerank", "Rerank", "call"),
    Endpoint("GET", "/v1/models", None, "models"),
    Endpoint("GET", gemini_paths.MODELS, None, "models"),
)

UNKNOWN_PATH = Reject(404, "unknown_path", "Nothing is served at this path.")
_MODEL = "/v1/models/"
_GEMINI_MODEL = f"{gemini_paths.MODELS}/"
_BY_PATH = {endpoint.path: endpoint for endpoint in ENDPOINTS}
_SPELLED = frozenset(path.casefold() for path in _BY_PATH)

_ITEM = re2.compile(r"[a-z][a-z0-9]*(-[a-z0-9.]+)*(=v[0-9]+)?|[0-9]{4}-[0-9]{2}-[0-9]{2}")
_LONGEST_ITEM = 64


def forwarded(format_: Format, name: str, value: str) -> bool:
    """Whether a client's header goes on to providers: it says only versions and features."""
    if name == "content-type":
        return True
    if name not in FORMAT_HEADERS.get(format_, ()):
        return False
    items = [item.strip() for item in value.split(",")]
    return all(len(item) <= _LONGEST_ITEM and _ITEM.fullmatch(item) for item in items)


def find(method: str, path: str) -> Endpoint | Reject:
    """Return what a request line asks for; of the query only what a stream needs is looked at."""
    path, _, query = path.partition("#")[0].partition("?")
    endpoint = _BY_PATH.get(path) or _gemini(path) or _bedrock(path) or _model(path)
    called = endpoint is not None and endpoint.action == "model" and method == "POST"
    if endpoint is None or called:  # Google's SDKs put what they call behind a model's name
        return UNKNOWN_PATH
    if method != endpoint.method:
        message = f"This path takes {endpoint.method} only."
        return Reject(405, "method_not_allowed", message, (("allow", endpoint.method),))
    gemini = endpoint.format == "GeminiContent"
    if gemini and endpoint.stream and not gemini_paths.asks_for_events(query):
        return malformed("Streams are served as events: add `?alt=sse` to the path.")
    return endpoint


def resembles(path: str) -> bool:
    """Whether some server may read a path as one of a call here.

    Be it in other letters, encoded, with parameters or a slash at its end, or for a model that no
    format has.
    """
    segments = unquote(path.partition("#")[0].partition("?")[0], errors="replace").split("/")
    plain = "/".join(segment.partition(";")[0].strip() for segment in segments).rstrip("/")
    spelled = plain.casefold()
    return spelled in _SPELLED or any(
        each.resembles(spelled) for each in (gemini_paths, bedrock_paths)
    )


def _gemini(path: str) -> Endpoint | None:
    named = gemini_paths.read(path)
    if named is None:
        return None
    return Endpoint("POST", path, named.format, "call", named.model, named.stream)


def _bedrock(path: str) -> Endpoint | None:
    named = bedrock_paths.read(path)
    if named is None:
        return None
    return Endpoint("POST", path, "BedrockConverse", "call", named.model, named.stream)


def _model(path: str) -> Endpoint | None:
    if path.startswith(_GEMINI_MODEL):
        raw = path.removeprefix(_GEMINI_MODEL)
        model = "" if ":" in raw else gemini_paths.model_of(raw)
    else:
        raw = path.removeprefix(_MODEL) if path.startswith(_MODEL) else ""
        model = unquote(raw, errors="replace")
    if not model or not model.isprintable():
        return None
    return Endpoint("GET", path, None, "model", model)


def acceptable(
    content_type: str | None, content_encoding: str | None, *, is_form: bool = False
) -> Reject | None:
    """Refuse a body that is not plain JSON in UTF-8, or no form where one is due."""
    if (content_encoding or "identity").strip().lower() != "identity":
        return Reject(415, "unsupported_encoding", "Send the body without content-encoding.")
    if is_form:
        message = "Send the body as content-type multipart/form-data, with a plain boundary."
        fine = multipart.boundary_of(content_type or "") is not None
        return None if fine else Reject(415, "unsupported_media_type", message)
    media, *parameters = (content_type or "").lower().split(";")
    named = [parameter.strip().partition("=") for parameter in parameters]
    utf8 = all(name == "charset" and value.strip('"') == "utf-8" for name, _, value in named)
    if media.strip() != "application/json" or not utf8 or len(named) > 1:
        message = "Send the body as content-type application/json, in UTF-8."
        return Reject(415, "unsupported_media_type", message)
    return None


def caller_shape(method: str, path: str, headers: Mapping[str, str]) -> Format:
    """Return the format whose errors and lists the caller understands."""
    known = find(method, path)
    if isinstance(known, Endpoint) and known.format is not None:
        return known.format
    if path.startswith("/v1/messages") or "anthropic-version" in headers:
        return "AnthropicMessages"
    if gemini_paths.is_ours(path) or "x-goog-api-client" in headers:
        return "GeminiContent"
    if bedrock_paths.is_ours(path):
        return "BedrockConverse"
    return "OpenAIChat"


def models_list(shape: Format, models: tuple[ListedModel, ...]) -> bytes:
    """Write the list of models in the caller's shape."""
    rows = [_row(shape, model) for model in models]
    if shape == "GeminiContent":
        return orjson.dumps({"models": rows})
    if shape != "AnthropicMessages":
        return orjson.dumps({"object": "list", "data": rows})
    ends = {"first_id": models[0].id, "last_id": models[-1].id} if models else {}
    listed = {"data": rows, "has_more": False, "first_id": None, "last_id": None, **ends}
    return orjson.dumps(listed)


def model_entry(shape: Format, model: ListedModel) -> bytes:
    """Write one model in the caller's shape."""
    return orjson.dumps(_row(shape, model))


def _row(shape: Format, model: ListedModel) -> dict[str, str | int]:
    if shape == "GeminiContent":
        return {"name": f"models/{model.id}", "displayName": model.id}
    if shape == "AnthropicMessages":
        named: dict[str, str | int] = {"type": "model", "id": model.id, "display_name": model.id}
        return {**named, "created_at": "1970-01-01T00:00:00Z"}
    return {"id": model.id, "object": "model", "created": 0, "owned_by": model.owner}
