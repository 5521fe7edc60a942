"""Every field that the official SDKs know is read, or named as lost: nothing goes in silence."""

import copy
import json
import types
import typing
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args, get_origin, get_type_hints

import anthropic.types as claude
import pydantic
import pytest
from anthropic.types import message_create_params
from botocore.model import Shape
from google.genai import types as genai
from openai.types import chat, responses, shared_params
from openai.types.chat import (
    chat_completion_content_part_image_param,
    chat_completion_content_part_input_audio_param,
    completion_create_params,
)
from openai.types.chat import chat_completion_content_part_param as chat_parts
from openai.types.responses import response_create_params
from typing_extensions import is_typeddict

from ext_proc.call import Line
from ext_proc.formats import strict
from ext_proc.translation.codec import UnspeakableError
from ext_proc.translation.table import CODECS
from tests.translation import bedrock_sdk

CONVERSE = bedrock_sdk._MODEL.operation_model("Converse").input_shape


def shape(*path: str) -> Shape:
    """A shape of Bedrock's within that of a request."""
    found = CONVERSE
    for step in path:
        found = found.members[step]
        found = getattr(found, "member", found)
    return found


SCHEMA = {"type": "object", "properties": {}}
DATA = "data:image/png;base64,aGk="


@dataclass(frozen=True)
class Place:
    """Where an object stands in a request: its type in the SDK, and the steps to one of it."""

    format: str
    of: Any
    document: dict[str, Any]
    steps: tuple[str | int, ...] = ()

    @property
    def name(self) -> str:
        of = getattr(self.of, "__name__", None) or self.of.name
        within = "-system" if self.steps[:1] == ("system",) else ""
        return f"{self.format}-{of}{within}"


def chat_turn(message: dict[str, Any], *steps: str | int) -> tuple[dict[str, Any], tuple[Any, ...]]:
    return {"messages": [{"role": "user", "content": "hi"}, message]}, ("messages", 1, *steps)


def said(role: str, *blocks: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [{"role": role, "content": [*blocks]}]}


def chat_said(part: dict[str, Any]) -> dict[str, Any]:
    return said("user", part)


def items(*given: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"input": [{"role": "user", "content": "hi"}, *given], **more}


CHAT_CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CHAT_IMAGE = {"type": "image_url", "image_url": {"url": DATA}}
CHAT_SOUND = {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "wav"}}
CHAT_FILE = {"type": "file", "file": {"file_data": "data:application/pdf;base64,aGk="}}
CHAT_TOOL = {"type": "function", "function": {"name": "f"}}
FIRST = ("messages", 0, "content", 0)
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}
LINKED = {"type": "image", "source": {"type": "url", "url": "https://e.test/a.png"}}
PAPER = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "a"}}
RESULT = {"type": "tool_result", "tool_use_id": "t", "content": "1"}
CALL = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
TEXT = {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}
TOOL = {"name": "f", "input_schema": SCHEMA}
HI = {"messages": [{"role": "user", "content": "hi"}]}
FUNCTION = {"type": "function", "name": "f", "parameters": SCHEMA, "strict": None}
ITEM = ("input", 1)
PART = (*ITEM, "content", 0)


def message(part: dict[str, Any], role: str = "user") -> dict[str, Any]:
    return items({"type": "message", "role": role, "content": [part]})


def content(part: dict[str, Any]) -> dict[str, Any]:
    return {"contents": [{"role": "user", "parts": [part]}]}


SPEC = {"toolSpec": {"name": "f", "inputSchema": {"json": SCHEMA}}}
CONTENT = ("contents", 0)
G_PART = (*CONTENT, "parts", 0)
G_TOOL = {"functionDeclarations": [{"name": "f"}]}
PLACES = [
    Place("OpenAIChat", completion_create_params.CompletionCreateParamsBase, HI),
    *(
        Place("OpenAIChat", of, *chat_turn(message_))
        for of, message_ in (
            (chat.ChatCompletionUserMessageParam, {"role": "user", "content": "a"}),
            (chat.ChatCompletionSystemMessageParam, {"role": "system", "content": "a"}),
            (chat.ChatCompletionDeveloperMessageParam, {"role": "developer", "content": "a"}),
            (chat.ChatCompletionAssistantMessageParam, {"role": "assistant", "content": "a"}),
            (chat.ChatCompletionToolMessageParam, {"role": "tool", "tool_call_id": "c", "content": "a"}),
        )
    ),
    *(
        Place("OpenAIChat", of, chat_said(part), (*FIRST, *steps))
        for of, part, steps in (
            (chat.ChatCompletionContentPartTextParam, {"type": "text", "text": "a"}, ()),
            (chat.ChatCompletionContentPartImageParam, CHAT_IMAGE, ()),
            (chat_completion_content_part_image_param.ImageURL, CHAT_IMAGE, ("image_url",)),
            (chat.ChatCompletionContentPartInputAudioParam, CHAT_SOUND, ()),
            (chat_completion_content_part_input_audio_param.InputAudio, CHAT_SOUND, ("input_audio",)),
            (chat_parts.File, CHAT_FILE, ()),
            (chat_parts.FileFile, CHAT_FILE, ("file",)),
        )
    ),
    Place("OpenAIChat", chat.ChatCompletionFunctionToolParam, {**HI, "tools": [CHAT_TOOL]}, ("tools", 0)),
    Place("OpenAIChat", shared_params.FunctionDefinition, {**HI, "tools": [CHAT_TOOL]}, ("tools", 0, "function")),
    Place(
        "OpenAIChat",
        shared_params.response_format_json_schema.JSONSchema,
        {**HI, "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA}}},
        ("response_format", "json_schema"),
    ),
    Place("AnthropicMessages", message_create_params.MessageCreateParamsBase, HI),
    Place("AnthropicMessages", claude.UserMessageParam, HI, ("messages", 0)),
    *(
        Place("AnthropicMessages", of, said(role, block), (*FIRST, *steps))
        for of, role, block, steps in (
            (claude.TextBlockParam, "user", TEXT, ()),
            (claude.CacheControlEphemeralParam, "user", TEXT, ("cache_control",)),
            (claude.ImageBlockParam, "user", IMAGE, ()),
            (claude.Base64ImageSourceParam, "user", IMAGE, ("source",)),
            (claude.URLImageSourceParam, "user", LINKED, ("source",)),
            (claude.DocumentBlockParam, "user", PAPER, ()),
            (claude.PlainTextSourceParam, "user", PAPER, ("source",)),
            (claude.ToolUseBlockParam, "assistant", CALL, ()),
            (claude.ToolResultBlockParam, "user", RESULT, ()),
            (claude.ThinkingBlockParam, "assistant", {"type": "thinking", "thinking": "a", "signature": "s"}, ()),
            (claude.RedactedThinkingBlockParam, "assistant", {"type": "redacted_thinking", "data": "a"}, ()),
        )
    ),
    Place("AnthropicMessages", claude.TextBlockParam, {**HI, "system": [TEXT]}, ("system", 0)),
    Place("AnthropicMessages", claude.ToolParam, {**HI, "tools": [TOOL]}, ("tools", 0)),
    *(
        Place("AnthropicMessages", of, {**HI, name: value}, (name,))
        for of, name, value in (
            (claude.ThinkingConfigEnabledParam, "thinking", {"type": "enabled", "budget_tokens": 1024}),
            (claude.ThinkingConfigAdaptiveParam, "thinking", {"type": "adaptive"}),
            (claude.ThinkingConfigDisabledParam, "thinking", {"type": "disabled"}),
            (claude.ToolChoiceAutoParam, "tool_choice", {"type": "auto"}),
            (claude.ToolChoiceAnyParam, "tool_choice", {"type": "any"}),
            (claude.ToolChoiceToolParam, "tool_choice", {"type": "tool", "name": "f"}),
            (claude.OutputConfigParam, "output_config", {}),
            (claude.MetadataParam, "metadata", {}),
        )
    ),
    Place("OpenAIResponses", response_create_params.ResponseCreateParamsBase, {"input": "hi"}),
    Place("OpenAIResponses", responses.EasyInputMessageParam, items({"role": "user", "content": "a"}), ITEM),
    *(
        Place("OpenAIResponses", of, document, steps)
        for of, document, steps in (
            (responses.ResponseInputTextParam, message({"type": "input_text", "text": "a"}), PART),
            (responses.ResponseInputImageParam, message({"type": "input_image", "image_url": DATA}), PART),
            (responses.ResponseInputFileParam, message({"type": "input_file", "file_url": "https://e.test/a"}), PART),
            (responses.ResponseOutputTextParam, message({"type": "output_text", "text": "a"}, "assistant"), PART),
            (responses.ResponseOutputRefusalParam, message({"type": "refusal", "refusal": "a"}, "assistant"), PART),
            (responses.ResponseFunctionToolCallParam, items({"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}), ITEM),
            (responses.response_input_item_param.FunctionCallOutput, items({"type": "function_call_output", "call_id": "c", "output": "1"}), ITEM),
            (responses.ResponseReasoningItemParam, items({"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "a"}]}), ITEM),
            (responses.FunctionToolParam, {"input": "hi", "tools": [FUNCTION]}, ("tools", 0)),
            (shared_params.Reasoning, {"input": "hi", "reasoning": {}}, ("reasoning",)),
            (responses.ResponseTextConfigParam, {"input": "hi", "text": {}}, ("text",)),
            (
                responses.ResponseFormatTextJSONSchemaConfigParam,
                {"input": "hi", "text": {"format": {"type": "json_schema", "name": "a", "schema": SCHEMA}}},
                ("text", "format"),
            ),
        )
    ),
    Place("GeminiContent", genai.Content, content({"text": "a"}), CONTENT),
    Place("GeminiContent", genai.Part, content({"text": "a"}), G_PART),
    *(
        Place("GeminiContent", of, content({name: value}), (*G_PART, name))
        for of, name, value in (
            (genai.Blob, "inlineData", {"mimeType": "image/png", "data": "aGk="}),
            (genai.FileData, "fileData", {"mimeType": "image/png", "fileUri": "https://e.test/a.png"}),
            (genai.FunctionCall, "functionCall", {"name": "f", "args": {}}),
            (genai.FunctionResponse, "functionResponse", {"name": "f", "response": {"output": "1"}}),
        )
    ),
    Place("GeminiContent", genai.GenerationConfig, {**content({"text": "a"}), "generationConfig": {"responseMimeType": "application/json"}}, ("generationConfig",)),
    Place(
        "GeminiContent",
        genai.ThinkingConfig,
        {**content({"text": "a"}), "generationConfig": {"thinkingConfig": {}}},
        ("generationConfig", "thinkingConfig"),
    ),
    Place("GeminiContent", genai.Tool, {**content({"text": "a"}), "tools": [{}]}, ("tools", 0)),
    Place("GeminiContent", genai.FunctionDeclaration, {**content({"text": "a"}), "tools": [G_TOOL]}, ("tools", 0, "functionDeclarations", 0)),
    Place("GeminiContent", genai.ToolConfig, {**content({"text": "a"}), "tools": [G_TOOL], "toolConfig": {}}, ("toolConfig",)),
    Place(
        "GeminiContent",
        genai.FunctionCallingConfig,
        {**content({"text": "a"}), "tools": [G_TOOL], "toolConfig": {"functionCallingConfig": {"mode": "ANY"}}},
        ("toolConfig", "functionCallingConfig"),
    ),
    *(
        Place("BedrockConverse", shape(*path), {"messages": [{"role": "user", "content": [{"text": "a"}]}], **more}, steps)
        for path, more, steps in (
            ((), {}, ()),
            (("messages",), {}, ("messages", 0)),
            (("system",), {"system": [{"text": "a"}]}, ("system", 0)),
            (("inferenceConfig",), {"inferenceConfig": {}}, ("inferenceConfig",)),
            (("toolConfig",), {"toolConfig": {}}, ("toolConfig",)),
            (("toolConfig", "tools", "toolSpec"), {"toolConfig": {"tools": [SPEC]}}, ("toolConfig", "tools", 0, "toolSpec")),
            (("toolConfig", "tools", "cachePoint"), {"toolConfig": {"tools": [SPEC, {"cachePoint": {}}]}}, ("toolConfig", "tools", 1, "cachePoint")),
            (("outputConfig",), {"outputConfig": {}}, ("outputConfig",)),
        )
    ),
    *(
        Place("BedrockConverse", shape("messages", "content", kind), {"messages": [{"role": role, "content": [{"text": "a"}, {kind: block}]}]}, ("messages", 0, "content", 1, kind))
        for kind, role, block in (
            ("image", "user", {"format": "png", "source": {"bytes": "aGk="}}),
            ("document", "user", {"format": "txt", "name": "a", "source": {"text": "a"}}),
            ("audio", "user", {"format": "wav", "source": {"bytes": "aGk="}}),
            ("toolUse", "assistant", {"toolUseId": "t", "name": "f", "input": {}}),
            ("toolResult", "user", {"toolUseId": "t", "content": [{"text": "1"}]}),
            ("cachePoint", "user", {"type": "default"}),
        )
    ),
]  # fmt: skip
STATE = "how OpenAI calls an item, and in what state it is"
NOTHING = {
    **{
        f"{format_}-model": "the model stands apart, in `Line`"
        for format_ in (
            "OpenAIChat-CompletionCreateParamsBase",
            "AnthropicMessages-MessageCreateParamsBase",
            "OpenAIResponses-ResponseCreateParamsBase",
        )
    },
    "OpenAIChat-CompletionCreateParamsBase-stream_options": "how a stream is padded",
    "OpenAIResponses-ResponseCreateParamsBase-stream_options": "how a stream is padded",
    "OpenAIResponses-ResponseCreateParamsBase-text": "text is what everybody answers",
    "OpenAIChat-FileFile-file_id": "beside the file itself",
    "OpenAIResponses-ResponseInputFileParam-file_data": "beside where the file is",
    "AnthropicMessages-ToolParam-type": "`custom` is usual",
    "AnthropicMessages-TextBlockParam-system-citations": "a system's text cites nothing",
    "OpenAIResponses-ResponseOutputTextParam-logprobs": "of words that were said",
    "OpenAIResponses-FunctionCallOutput-name": "the call's id says it",
    "OpenAIResponses-ResponseReasoningItemParam-content": "beside its summary",
    "BedrockConverse-CachePointBlock-type": "there is but one",
    "BedrockConverse-ImageBlock-error": "said of pictures that a model made",
    "BedrockConverse-AudioBlock-error": "said of sounds that a model made",
    **{
        f"OpenAIResponses-{item}-{name}": STATE
        for item in (
            *("ResponseFunctionToolCallParam", "FunctionCallOutput", "ResponseReasoningItemParam"),
        )
        for name in ("id", "status")
    },
}
"""Fields that ask for nothing, and why."""


def fields(of: Any) -> dict[str, Any]:
    """The names of a type's fields as they are sent, and what they hold."""
    if isinstance(of, Shape):
        return dict(of.members)
    if is_typeddict(of):
        return get_type_hints(of)
    return {field.alias or name: field.annotation for name, field in of.model_fields.items()}


def samples(of: Any, depth: int = 0) -> list[Any]:
    """Values of a type."""
    if isinstance(of, Shape):
        return bedrock_samples(of, depth)
    origin, inside = get_origin(of), get_args(of)
    if origin in (typing.Required, typing.NotRequired, typing.Annotated):
        return samples(inside[0], depth)
    if origin is Literal:
        return list(inside)
    if origin in (typing.Union, types.UnionType):
        return [value for each in inside for value in samples(each, depth)]
    if of in SCALARS:
        return SCALARS[of]
    if isinstance(of, type) and issubclass(of, str):  # an enum
        return [each.value for each in of]
    if origin is dict:
        return [{"x": value} for value in samples(inside[1], depth)[:1]]
    if inside:
        return [[value] for value in samples(inside[0], depth)] if depth < 4 else []
    return [made(of, depth)] if depth < 4 else []


def bedrock_samples(of: Shape, depth: int) -> list[Any]:
    if getattr(of, "enum", None):
        return list(of.enum)
    match of.type_name:
        case "structure" if of.members and depth < 5:
            needed = of.required_members or [next(iter(of.members))]
            given = {name: samples(of.members[name], depth + 1) for name in needed}
            return [{name: values[0] for name, values in given.items() if values}]
        case "list":
            return [[value] for value in samples(of.member, depth + 1)]
        case "map":
            return [{"x": value} for value in samples(of.value, depth + 1)]
        case kind:
            return BEDROCK_SCALARS.get(kind, [{"x": 1}])


def made(of: Any, depth: int) -> dict[str, Any]:
    """An object of a type: what must be there; of an optional type something."""
    if not is_typeddict(of) and not (isinstance(of, type) and issubclass(of, pydantic.BaseModel)):
        return {"x": 1}
    held, needed = fields(of), getattr(of, "__required_keys__", ()) or list(fields(of))[:1]
    given = {name: samples(each, depth + 1) for name, each in held.items() if name in needed}
    return {name: values[0] for name, values in given.items() if values}


SCALARS = {
    str: ["x"],
    int: [7],
    float: [0.5],
    bool: [True, False],
    bytes: ["eA=="],
    object: [{"x": 1}],
    Any: [{"x": 1}],
    type(None): [],
    dict: [{"x": 1}],
    list: [["x"]],
}


BEDROCK_SCALARS = {
    "string": ["x"],
    "blob": ["eA=="],
    "integer": [7],
    "float": [0.5],
    "boolean": [True],
}


def read(format_: str, document: dict[str, Any]) -> Any:
    """What is read, without how it is named; or that it is refused."""
    body = strict.loads(json.dumps(document).encode())
    try:
        return replace(CODECS[format_].read_request(body, Line("m")), said={})
    except UnspeakableError as refused:
        return str(refused)


def heard(place: Place, name: str, values: list[Any]) -> bool:
    """Whether the field makes a difference with any of the values."""
    document = copy.deepcopy(place.document)
    owner: Any = document
    for step in place.steps:
        owner = owner[step]
    before = owner.pop(name, None)
    base = read(place.format, document)
    for value in [*values, before]:
        owner[name] = value
        if read(place.format, document) != base:
            return True
    return False


def kind_alone(of: Any) -> bool:
    """A field that can only say what its object is."""
    return get_origin(of) is Literal and len(get_args(of)) == 1


ROWS = [
    (place, name, of)
    for place in PLACES
    for name, of in fields(place.of).items()
    if not kind_alone(of)
]


@pytest.mark.parametrize(
    ("place", "name", "of"), ROWS, ids=[f"{place.name}-{name}" for place, name, _ in ROWS]
)
def test_a_field_is_read_or_named_as_lost(place, name, of):
    """Or stands in the table of those that ask for nothing, and then it is not named either."""
    values = samples(of)
    assert values
    assert heard(place, name, values) is (f"{place.name}-{name}" not in NOTHING)


def test_what_is_not_read_is_named_within_a_bound():
    """A hostile body has a million names."""
    odd = {f"k{n}": 1 for n in range(1000)}
    request = read("AnthropicMessages", {**HI, "metadata": odd})
    assert len(request.lost) == 100
