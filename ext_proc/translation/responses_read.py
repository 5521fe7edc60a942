"""Requests of OpenAI's Responses format, read into neutral ones.

Source: the API reference, "Create a model response". Items become messages: what the model said,
thought and called between two turns of the user is one message. What is stored at OpenAI
(`previous_response_id`, `conversation`, `item_reference`) is nowhere else, so it is an essential
loss; of built-in tools only the demand to use one is.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from ext_proc.call import Line
from ext_proc.translation import responses_items, responses_tools, unread
from ext_proc.translation.codec import Json, UnspeakableError
from ext_proc.translation.efforts import EFFORTS
from ext_proc.translation.neutral import Loss, Output, Reasoning, Request, Text
from ext_proc.translation.values import number, text

_ESSENTIAL = frozenset({"previous_response_id", "conversation", "background", "prompt"})
_NUMBERS = ("temperature", "top_p")
_READ = frozenset(
    {"model", "input", "instructions", "tools", "tool_choice", "parallel_tool_calls", "text"}
    | {"reasoning", "max_output_tokens", "user", "safety_identifier", "stream", *_NUMBERS}
)
_IDLE: Mapping[str, Any] = MappingProxyType(
    {"store": False, "truncation": "disabled", "background": False}
)
"""Values that ask for what everybody does."""
_ENCRYPTED = "reasoning.encrypted_content"
_SAID = {
    "system": "instructions",
    "max_tokens": "max_output_tokens",
    "output": "text.format",
    "citations": "annotations",
    **{name: name for name in ("tools", "tool_choice", "parallel_tool_calls", "reasoning")},
    **{name: name for name in _NUMBERS},
}


def read_request(document: Json, line: Line) -> Request:
    """Read a request. Raise UnspeakableError."""
    items = responses_items.read(document.get("input"))
    tools, choice, unusable = responses_tools.read(document)
    reasoning, output = _reasoning(document), _output(document)
    user = "safety_identifier" if document.get("safety_identifier") else "user"
    instructions = text(document.get("instructions"), "instructions")
    request = Request(
        model=line.model,
        messages=items.messages,
        stream=line.stream,
        system=((Text(instructions),) if instructions else ()) + items.system,
        tools=tools,
        tool_choice=choice,
        parallel_tool_calls=_flag(document, "parallel_tool_calls"),
        max_tokens=_count(document, "max_output_tokens"),
        reasoning=reasoning,
        output=output,
        user=text(document.get(user), user),
        said={**_SAID, "user": user, "name": "filename"},
        lost=(
            *items.lost,
            *unusable,
            *_losses(document),
            *unread.losses("OpenAIResponses", document),
        ),
        **{name: number(document.get(name), name) for name in _NUMBERS},
    )
    if not request.messages and not request.system:
        raise UnspeakableError("input", "must not be empty.")
    return request


def _losses(document: Json) -> tuple[Loss, ...]:
    """Fields that have no place in a neutral request, as far as they ask for anything."""
    unknown = [
        Loss(name, name in _ESSENTIAL)
        for name, value in document.items()
        if name not in _READ and name not in _INSIDE and value and value != _IDLE.get(name)
    ]
    inside = [Loss(field) for name, found in _INSIDE.items() for field in found(document.get(name))]
    text = document.get("text")
    if isinstance(text, dict):
        inside += [Loss(f"text.{key}") for key, value in text.items() if value and key != "format"]
    return (*unknown, *inside)


def _included(include: Any) -> list[str]:
    return ["include"] if include and include != [_ENCRYPTED] else []


def _tier(tier: Any) -> list[str]:
    return ["service_tier"] if tier and tier not in ("auto", "default") else []


def _ignored(_: Any) -> list[str]:
    return []


_INSIDE = {"include": _included, "service_tier": _tier, "stream_options": _ignored}
"""Fields that are lost in part; how a stream is padded is nobody's loss."""


def _reasoning(document: Json) -> Reasoning | None:
    stated = _object(document, "reasoning")
    if not stated:
        return None
    effort = text(stated.get("effort"), "reasoning.effort")
    if effort and effort not in EFFORTS:
        raise UnspeakableError("reasoning.effort", f"must be one of {', '.join(EFFORTS)}.")
    summary = stated.get("summary") or stated.get("generate_summary")
    return Reasoning(EFFORTS.get(effort), shown=True if summary else None)


def _output(document: Json) -> Output | None:
    wanted = _object(_object(document, "text"), "format", "text.")
    match wanted.get("type"):
        case "json_object":
            return Output()
        case "json_schema":
            schema = wanted.get("schema")
            if not isinstance(schema, dict):
                raise UnspeakableError("text.format.schema", "must be a JSON Schema.")
            strict = _flag(wanted, "strict", "text.format.")
            name = text(wanted.get("name"), "text.format.name") or "answer"
            return Output(
                schema, name, text(wanted.get("description"), "text.format.description"), strict
            )
        case "text" | None:
            return None
    raise UnspeakableError("text.format.type", "must be text, json_object or json_schema.")


def _object(document: Json, key: str, within: str = "") -> Json:
    value = document.get(key)
    if not isinstance(value, dict | None):
        raise UnspeakableError(within + key, "must be an object.")
    return value or {}


def _flag(document: Json, key: str, within: str = "") -> bool | None:
    value = document.get(key)
    if not isinstance(value, bool | None):
        raise UnspeakableError(within + key, "must be true or false.")
    return value


def _count(document: Json, key: str) -> int | None:
    value = document.get(key)
    if value is not None and (type(value) is not int or value < 1):
        raise UnspeakableError(key, "must be a whole number above 0.")
    return value
