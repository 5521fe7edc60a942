"""What no reader reads: fields within a request that other formats have no words for.

One table per format: the fields that its reader reads or names itself, as deep as there are some.
All others that say anything are named here. Objects of a type that the table does not know are the
reader's own affair.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from types import MappingProxyType
from typing import Any

from crds.plan import Format
from ext_proc.formats.protobuf import camel
from ext_proc.translation import anthropic_citations, openai_citations
from ext_proc.translation.neutral import Loss

_MOST = 100
"""Losses of one request: nobody is told of more."""


@dataclass(frozen=True, slots=True)
class Each:
    """A list of objects, or one in its place; of a string nothing is unread."""

    of: "Shape"


@dataclass(frozen=True, slots=True)
class By:
    """An object of several kinds, by one of its fields; `usual` where that is missing."""

    name: str
    kinds: Mapping[str, "Shape"]
    usual: str = ""


@dataclass(frozen=True, slots=True)
class Within:
    """Fields to look into, of an object whose reader names what else it holds."""

    fields: Mapping[str, "Shape"]


@dataclass(frozen=True, slots=True)
class Some:
    """A list of which a reader takes what it understands."""

    read: Callable[[Any], Iterable[object]]


Shape = Mapping[str, "Shape"] | frozenset[str] | Each | By | Within | Some | None
"""Fields; or the values that ask for nothing; None: whatever there is is read."""


def losses(format_: Format, document: dict[str, Any]) -> Iterator[Loss]:
    """Name what stands in a request and is not read; its top-level fields are the reader's."""
    spell = camel if format_ == "GeminiContent" else str
    yield from islice(_unread(document, Within(SHAPES[format_]), "", spell), _MOST)


def _unread(value: Any, shape: Shape, where: str, spell: Callable[[str], str]) -> Iterator[Loss]:
    match shape:
        case Each(of) if isinstance(value, list):
            for position, each in enumerate(value):
                yield from _unread(each, of, f"{where}[{position}]", spell)
        case Each(of):
            yield from _unread(value, of, where, spell)
        case By(name, kinds, usual) if isinstance(value, dict):
            kind = value.get(name, usual)
            if isinstance(kind, str) and kind in kinds:
                yield from _unread(value, kinds[kind], where, spell)
        case Within(fields) if isinstance(value, dict):
            for name, inside in value.items():
                if (known := spell(name)) in fields:
                    place = f"{where}.{known}" if where else known
                    yield from _unread(inside, fields[known], place, spell)
        case Some(read) if value:
            if len([*read(value)]) < (len(value) if isinstance(value, list) else 1):
                yield Loss(where)
        case frozenset() if isinstance(value, str) and value not in shape:
            yield Loss(where)
        case Mapping() if isinstance(value, dict):
            yield from _unread(value, Within(shape), where, spell)
            others = [name for name in value if spell(name) not in shape]
            yield from (Loss(f"{where}.{spell(each)}") for each in others if _asks(value[each]))


def _asks(value: Any) -> bool:
    return value not in _IDLE


_IDLE: tuple[Any, ...] = (None, False, "", {}, [])
"""Values that ask for nothing."""


def _read(*names: str) -> dict[str, Shape]:
    return dict.fromkeys(names)


_TTL = frozenset({"5m"})
_CACHE: Shape = {"type": None, "ttl": _TTL}

_CHAT_PART = By(
    "type",
    {
        "text": _read("type", "text", "cache_control"),
        "refusal": _read("type", "refusal"),
        "image_url": {
            **_read("type", "cache_control"),
            "image_url": _read("url", "detail"),
        },
        "input_audio": {"type": None, "input_audio": _read("data", "format")},
        "file": {
            **_read("type", "cache_control"),
            "file": _read("file_data", "file_id", "filename"),
        },
    },
)
_CHAT_SAID: Mapping[str, Shape] = {"role": None, "content": Each(_CHAT_PART)}
_CHAT_RESULT: Shape = {**_CHAT_SAID, **_read("name", "tool_call_id")}
_CHAT_CALL: Shape = {
    **_read("id", "type", "index", "extra_content", "custom"),
    "function": _read("name", "arguments"),
}
_CHAT: Mapping[str, Shape] = {
    "messages": Each(
        By(
            "role",
            {
                **dict.fromkeys(("system", "developer", "user"), _CHAT_SAID),
                **dict.fromkeys(("tool", "function"), _CHAT_RESULT),
                "assistant": {
                    **_CHAT_SAID,
                    **_read("refusal", "audio", "function_call"),
                    "annotations": Some(openai_citations.read_chat),
                    **_read("reasoning", "reasoning_content", "reasoning_details"),
                    "tool_calls": Each(_CHAT_CALL),
                },
            },
        )
    ),
    "tools": Each(
        By(
            "type",
            {
                "function": {
                    "type": None,
                    "function": _read("name", "description", "parameters", "strict"),
                }
            },
            usual="function",
        )
    ),
    "response_format": {
        "type": None,
        "json_schema": _read("name", "description", "schema", "strict"),
    },
}

_BLOCK = {"type": None, "cache_control": _CACHE}
_SEEN: Mapping[str, Shape] = {
    "text": {**_BLOCK, "text": None, "citations": Some(anthropic_citations.read)},
    "image": {**_BLOCK, "source": _read("type", "media_type", "data", "url", "file_id")},
    "document": {**_BLOCK, **_read("source", "title", "context", "citations")},
}
_ANTHROPIC: Mapping[str, Shape] = {
    "system": Each({**_BLOCK, **_read("text", "citations")}),
    "messages": Each(
        {
            "role": None,
            "content": Each(
                By(
                    "type",
                    {
                        **_SEEN,
                        "tool_use": {**_BLOCK, **_read("id", "name", "input")},
                        "tool_result": {
                            **_BLOCK,
                            **_read("tool_use_id", "is_error"),
                            "content": Each(By("type", _SEEN)),
                        },
                        "thinking": _read("type", "thinking", "signature"),
                        "redacted_thinking": _read("type", "data"),
                    },
                )
            ),
        }
    ),
    "tools": Each(
        By(
            "type",
            {"custom": {**_BLOCK, **_read("name", "description", "input_schema", "strict")}},
            usual="custom",
        )
    ),
    "tool_choice": _read("type", "name", "disable_parallel_tool_use"),
    "thinking": _read("type", "budget_tokens", "display"),
    "output_config": {**_read("effort"), "format": _read("type", "schema")},
    "metadata": _read("user_id"),
}

_ITEM = _read("type", "id", "status")
"""In what state an item is, and how it is called at OpenAI, asks for nothing."""
_RESPONSES_PART = By(
    "type",
    {
        **dict.fromkeys(("input_text", "text"), _read("type", "text")),
        "output_text": {
            **_read("type", "text", "logprobs"),
            "annotations": Some(openai_citations.read),
        },
        "refusal": _read("type", "refusal"),
        "input_image": _read("type", "image_url", "file_id", "detail"),
        "input_file": _read("type", "file_data", "file_id", "file_url", "filename"),
    },
)
_RESPONSES: Mapping[str, Shape] = {
    "input": Each(
        By(
            "type",
            {
                "message": {**_ITEM, "role": None, "content": Each(_RESPONSES_PART)},
                "function_call": {**_ITEM, **_read("call_id", "name", "arguments")},
                "function_call_output": {
                    **_ITEM,
                    **_read("call_id", "name"),
                    "output": Each(_RESPONSES_PART),
                },
                "reasoning": {**_ITEM, **_read("summary", "content", "encrypted_content")},
            },
            usual="message",
        )
    ),
    "tools": Each(
        By("type", {"function": _read("type", "name", "description", "parameters", "strict")})
    ),
    "reasoning": _read("effort", "summary", "generate_summary"),
}

_GEMINI: Mapping[str, Shape] = {
    "contents": Each(
        Within(
            {
                "parts": Each(
                    Within(
                        {
                            "functionCall": _read("id", "name", "args"),
                            "functionResponse": _read("id", "name", "response", "parts"),
                            "inlineData": _read("mimeType", "data", "displayName"),
                            "fileData": _read("mimeType", "fileUri", "displayName"),
                        }
                    )
                )
            }
        )
    ),
    "systemInstruction": {"role": None, "parts": Each(_read("text"))},
    "generationConfig": Within(
        {"thinkingConfig": _read("includeThoughts", "thinkingBudget", "thinkingLevel")}
    ),
    "toolConfig": Within({"functionCallingConfig": _read("mode", "allowedFunctionNames")}),
}
_BEDROCK: Mapping[str, Shape] = {
    "toolConfig": Within(
        {
            "tools": Each(
                Within(
                    {
                        "toolSpec": _read("name", "description", "inputSchema", "strict"),
                        "cachePoint": _CACHE,
                    }
                )
            )
        }
    )
}
SHAPES: Mapping[Format, Mapping[str, Shape]] = MappingProxyType(
    {
        "OpenAIChat": _CHAT,
        "AnthropicMessages": _ANTHROPIC,
        "OpenAIResponses": _RESPONSES,
        "GeminiContent": _GEMINI,
        "BedrockConverse": _BEDROCK,
    }
)
