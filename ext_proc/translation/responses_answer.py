"""Whole answers of OpenAI's Responses format, both ways, and the words both its streams share."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ext_proc.call import Usage
from ext_proc.formats import usage
from ext_proc.translation import cited, openai_citations, responses_parts
from ext_proc.translation.codec import Asked, Json, UnreadableError, UnspeakableError
from ext_proc.translation.neutral import (
    Choice,
    Finish,
    Part,
    Refusal,
    Response,
    Text,
    Thinking,
    ToolCall,
)
from ext_proc.translation.responses_items import reasoning_text
from ext_proc.translation.responses_reasoning import Sealed, from_openai, seal

_CUT: dict[str, Finish] = {"max_output_tokens": "length", "content_filter": "content_filter"}
_REASONS: dict[Finish, str] = {"length": "max_output_tokens", "content_filter": "content_filter"}
_FAILED = "The provider reports that the response failed."
_SHAPE = "The provider's answer is not what a response should be."


def read_response(document: Json) -> Response:
    """Read a response. Raise UnreadableError."""
    output = document.get("output")
    if document.get("error") or document.get("status") == "failed":
        raise UnreadableError(_FAILED)
    if not isinstance(output, list):
        raise UnreadableError(_SHAPE)
    parts = tuple(part for item in output for part in read_item(item))
    stated = document.get("usage")
    used = usage.responses(stated)
    return Response(
        token(document.get("id")),
        token(document.get("model")),
        (Choice(parts, finish(document, parts)),),
        used,
        usage_invalid=stated is not None and used is None,
    )


def token(value: Any) -> str:
    """An id or a name; empty where there is none."""
    return value if isinstance(value, str) else ""


def read_item(item: Any) -> Iterator[Part]:
    """Read one output item; those that only OpenAI's own tools make say nothing here."""
    if not isinstance(item, dict):
        raise UnreadableError(_SHAPE)
    match item.get("type"):
        case "message":
            content = item.get("content")
            yield from _said(content if isinstance(content, list) else ())
        case "reasoning":
            thinking = from_openai(reasoning_text(item), item.get("encrypted_content"))
            if thinking != Thinking():
                yield thinking
        case "function_call":
            yield read_call(item)


def _said(content: Iterable[Any]) -> Iterator[Part]:
    try:
        read = [responses_parts.read(part, "content") for part in content]
    except UnspeakableError:
        raise UnreadableError(_SHAPE) from None
    yield from (part for part in read if isinstance(part, Text | Refusal))


def read_call(item: Json) -> ToolCall:
    """Read a tool call. Raise UnreadableError."""
    call_id, name, arguments = (item.get(key) for key in ("call_id", "name", "arguments"))
    if not isinstance(call_id, str) or not isinstance(name, str) or not call_id or not name:
        raise UnreadableError("A tool call of the provider has no id or no name.")
    return ToolCall(call_id, name, token(arguments))


def finish(document: Json, parts: Iterable[Part | type[Part]]) -> Finish:
    """Tell why an answer ended; `parts` may be the kinds of its parts alone."""
    details = document.get("incomplete_details")
    reason = token(details.get("reason")) if isinstance(details, dict) else ""
    if document.get("status") == "incomplete":
        return _CUT.get(reason, "length")
    kinds = {part if isinstance(part, type) else type(part) for part in parts}
    if ToolCall in kinds:
        return "tool_calls"
    return "refusal" if Refusal in kinds and Text not in kinds else "stop"


@dataclass(frozen=True, slots=True)
class Ids:
    """The names in one answer: of itself and of its items."""

    id: str
    model: str

    def item(self, prefix: str, position: int) -> str:
        """Name an item."""
        return f"{prefix}_{self.id.removeprefix('resp_')}_{position}"


def identify(asked: Asked, stated_id: str, model: str) -> Ids:
    """Name an answer as this format does."""
    named = stated_id or asked.request_id
    return Ids(named if named.startswith("resp_") else f"resp_{named}", model or asked.model)


def write_response(response: Response, asked: Asked) -> Json:
    """Write a response; this format has one choice alone."""
    ids = identify(asked, response.id, response.model)
    choice = response.choices[0] if response.choices else Choice((), "stop")
    output: list[Json] = []
    for part in choice.parts:
        _add(output, part, ids)
    return envelope(ids, asked, ending(choice.finish), output, response.usage)


def ending(why: Finish | None) -> Json:
    """How an answer of this format ends."""
    reason = _REASONS.get(why) if why else None
    if reason is None:
        return {"status": "completed", "incomplete_details": None}
    return {"status": "incomplete", "incomplete_details": {"reason": reason}}


def envelope(ids: Ids, asked: Asked, how: Json, output: list[Json], used: Usage | None) -> Json:
    """A response around its output; what was asked for is not repeated."""
    return {
        "id": ids.id,
        "object": "response",
        "created_at": asked.created,
        **how,
        "error": None,
        "instructions": None,
        "max_output_tokens": None,
        "model": ids.model,
        "output": output,
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "store": False,
        "temperature": None,
        "tool_choice": "auto",
        "tools": [],
        "top_p": None,
        "usage": write_usage(used) if used else None,
        "metadata": {},
    }


def write_usage(used: Usage) -> Json:
    """Write usage; here too cached tokens are part of the input."""
    cached = {
        "cached_tokens": used.cache_read_tokens,
        "cache_write_tokens": used.cache_write_tokens,
    }
    return {
        "input_tokens": used.input_tokens,
        "input_tokens_details": cached,
        "output_tokens": used.output_tokens,
        "output_tokens_details": {"reasoning_tokens": used.reasoning_tokens},
        "total_tokens": used.input_tokens + used.output_tokens,
    }


def _add(output: list[Json], part: Part, ids: Ids) -> None:
    """Add a part to the output; words that follow each other are one item."""
    if isinstance(part, Text | Refusal):
        if not output or output[-1]["type"] != "message":
            output.append(message(ids.item("msg", len(output)), [], "completed"))
        output[-1]["content"].append(spoken(part))
    elif isinstance(part, Thinking):
        sealed = Sealed(part.signature, part.redacted)
        output.append(reasoning(ids.item("rs", len(output)), part.text, sealed))
    elif isinstance(part, ToolCall):
        if part.signature:
            sealed = Sealed(part.signature, call=part.id)
            output.append(reasoning(ids.item("rs", len(output)), "", sealed))
        output.append(call(ids.item("fc", len(output)), part, "completed"))


def spoken(part: Text | Refusal) -> Json:
    """A part of a message."""
    if isinstance(part, Refusal):
        return {"type": "refusal", "refusal": part.text}
    cites = openai_citations.write(cited.counted((part,)))
    return {"type": "output_text", "text": part.text, "annotations": cites, "logprobs": []}


def message(item_id: str, content: list[Json], status: str) -> Json:
    """An item of words."""
    named = {"id": item_id, "type": "message", "status": status}
    return {**named, "role": "assistant", "content": content}


def reasoning(item_id: str, text: str, sealed: Sealed | None) -> Json:
    """An item of reasoning; sealed even where nothing is signed, so that it is known again."""
    summary = [{"type": "summary_text", "text": text}] if text else []
    item: Json = {"id": item_id, "type": "reasoning", "summary": summary}
    return {**item, "encrypted_content": seal(sealed)} if sealed is not None else item


def call(item_id: str, called: ToolCall, status: str) -> Json:
    """An item that calls a tool."""
    return {
        "id": item_id,
        "type": "function_call",
        "status": status,
        "call_id": called.id,
        "name": called.name,
        "arguments": called.arguments,
    }
