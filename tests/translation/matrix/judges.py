"""The official SDKs as judges: what their types do not hold is wrong, whatever the API forgives.

Types of the SDKs are made strict here: no field they do not name, no value of another type.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import anthropic
import httpx2
import openai
import pydantic
from anthropic.types import Message, RawMessageStreamEvent, message_create_params
from google.genai import errors as genai_errors
from google.genai import types as genai
from openai.types.chat import ChatCompletion, ChatCompletionChunk, completion_create_params
from openai.types.responses import Response, ResponseStreamEvent, response_create_params
from pydantic_core import SchemaValidator

from crds.plan import Format
from tests.formats.test_streams import events as sse_data
from tests.translation import bedrock_sdk

Json = dict[str, Any]


@dataclass(frozen=True)
class Judge:
    """One SDK: each function raises unless it takes what it is given as it stands."""

    request: Callable[[Json, bool], None]
    answer: Callable[[Json], None]
    stream: Callable[[bytes], list[Json]]
    """Returns what the events say."""
    error: Callable[[int, bytes], str]
    """The name of the exception that is raised."""


class GeminiRequest(pydantic.BaseModel):
    """The SDK has no type for the body as a whole, only for what is in it."""

    model_config = pydantic.ConfigDict(extra="forbid")
    contents: list[genai.Content]
    systemInstruction: genai.Content | None = None
    generationConfig: genai.GenerationConfig | None = None
    tools: list[genai.Tool] | None = None
    toolConfig: genai.ToolConfig | None = None


@cache
def _strict(of: Any) -> SchemaValidator:
    return SchemaValidator(_closed(pydantic.TypeAdapter(of).core_schema))


def _closed(schema: Any) -> Any:
    """A type that takes no other fields, and lists that are looked through at once."""
    if isinstance(schema, list | tuple):
        return type(schema)(_closed(each) for each in schema)
    if not isinstance(schema, Mapping):
        return schema
    closed = {key: _closed(value) for key, value in schema.items()}
    match closed.get("type"):
        case "typed-dict" | "model-fields":
            closed["extra_behavior"] = "forbid"
        case "model":
            closed["config"] = {**closed.get("config", {}), "extra_fields_behavior": "forbid"}
        case "generator":
            closed["type"] = "list"
    return closed


def takes(of: Any, document: Any) -> None:
    """Raise unless a document is of this type of an SDK."""
    try:
        _strict(of).validate_json(json.dumps(document), strict=True)
    except pydantic.ValidationError as error:
        raise AssertionError(_shortly(error)) from None


def _shortly(error: pydantic.ValidationError) -> str:
    """The complaints of whichever kind a value is nearest to: unions complain once per member."""
    complaints = error.errors(include_input=False, include_url=False)
    of: dict[tuple[Any, ...], list[str]] = {}
    for each in complaints:
        member = tuple(part for part in each["loc"] if str(part)[:1].isupper())
        of.setdefault(member, []).append(f"{'.'.join(map(str, each['loc'][-3:]))}: {each['type']}")
    nearest = sorted(of.items(), key=lambda item: len(item[1]))[:2]
    return "; ".join(f"{'/'.join(map(str, key))[-80:]}: {texts[:5]}" for key, texts in nearest)


CHAT_EXTENSIONS = ("reasoning_content", "reasoning_details", "extra_content")
"""What other servers of chat completions say beyond OpenAI's own."""


def _own(document: Any) -> Any:
    """A document of chat completions without what OpenAI's own do not have."""
    if isinstance(document, list):
        return [_own(each) for each in document]
    if not isinstance(document, dict):
        return document
    return {k: _own(v) for k, v in document.items() if k not in CHAT_EXTENSIONS}


def _own_chunk(chunk: Json) -> Json:
    """A chunk of chat completions without annotations, which OpenAI sends and its SDK does not name."""
    choices = [
        {**each, "delta": {k: v for k, v in each["delta"].items() if k != "annotations"}}
        for each in chunk["choices"]
    ]
    own: Json = _own({**chunk, "choices": choices})
    return own


def _known(document: Json) -> Json:
    """A response or event without what OpenAI sends and its SDK does not name."""
    if "response" in document:
        return {**document, "response": _known(document["response"])}
    unnamed = {"store"}
    if document.get("type") == "response.function_call_arguments.done":
        unnamed = {"name"}
    return {k: v for k, v in document.items() if k not in unnamed}


def _responses_request(document: Json, stream: bool) -> None:
    """OpenAI takes reasoning without an id where nothing is stored; the SDK's type wants one."""
    kinds = _ASK.ResponseCreateParamsNonStreaming, _ASK.ResponseCreateParamsStreaming
    items = [
        {"id": "rs_1", **item} if item.get("type") == "reasoning" else item
        for item in document["input"]
    ]
    takes(kinds[stream], {**document, "input": items})


SAMPLING = ("temperature", "top_p", "top_k")
"""Models before Claude Opus 4.7 take them; the newest SDK names them no more."""


def _anthropic_request(document: Json, stream: bool) -> None:
    of = message_create_params
    kinds = of.MessageCreateParamsNonStreaming, of.MessageCreateParamsStreaming
    takes(kinds[stream], {k: v for k, v in document.items() if k not in SAMPLING})


def _data(raw: bytes) -> list[Json]:
    return [json.loads(each) for each in sse_data(raw) if each != "[DONE]"]


def _heard(event: Any, known: Callable[[Json], Json] = _own) -> Callable[[bytes], list[Json]]:
    def stream(raw: bytes) -> list[Json]:
        read = _data(raw)
        for each in read:
            if each.get("type") not in ("error", "ping") and not each.get("error"):
                takes(event, known(each))
        return read

    return stream


def _status_error(client: Any) -> Callable[[int, bytes], str]:
    def error(status: int, body: bytes) -> str:
        request = httpx2.Request("POST", "http://localhost/")
        answer = httpx2.Response(status, content=body, request=request)
        return type(client._make_status_error_from_response(answer)).__name__

    return error


def _gemini_error(status: int, body: bytes) -> str:
    try:
        genai_errors.APIError.raise_error(status, json.loads(body), None)
    except genai_errors.APIError as raised:
        assert raised.status, "the SDK found no status in the error"
        return type(raised).__name__
    raise AssertionError("the SDK sees no error")


def _bedrock_answer(document: Json) -> None:
    shape = bedrock_sdk._MODEL.operation_model("Converse").output_shape
    report = bedrock_sdk.ParamValidator().validate(document, shape)
    assert not report.has_errors(), report.generate_report()


def _chat_request(document: Json, stream: bool) -> None:
    kinds = _CHAT.CompletionCreateParamsNonStreaming, _CHAT.CompletionCreateParamsStreaming
    takes(kinds[stream], _own(document))


_CHAT, _ASK = completion_create_params, response_create_params
JUDGES: Mapping[Format, Judge] = {
    "OpenAIChat": Judge(
        _chat_request,
        lambda document: takes(ChatCompletion, _own(document)),
        _heard(ChatCompletionChunk, _own_chunk),
        _status_error(openai.OpenAI(api_key="k")),
    ),
    "OpenAIResponses": Judge(
        _responses_request,
        lambda document: takes(Response, _known(document)),
        _heard(ResponseStreamEvent, _known),
        _status_error(openai.OpenAI(api_key="k")),
    ),
    "AnthropicMessages": Judge(
        _anthropic_request,
        lambda document: takes(Message, document),
        _heard(RawMessageStreamEvent),
        _status_error(anthropic.Anthropic(api_key="k")),
    ),
    "GeminiContent": Judge(
        lambda document, _stream: takes(GeminiRequest, document),
        lambda document: takes(genai.GenerateContentResponse, document),
        _heard(genai.GenerateContentResponse),
        _gemini_error,
    ),
    "BedrockConverse": Judge(
        lambda document, _stream: bedrock_sdk.accepts(document),
        _bedrock_answer,
        bedrock_sdk.events,
        lambda status, body: bedrock_sdk.error_class(body, status),
    ),
}
