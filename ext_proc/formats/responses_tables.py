"""OpenAI's responses as tables: which of its fields are text, ids, data and references.

Source: the API reference of responses, with the items of its built-in tools and the events of its
streams.
"""

# ruff: noqa: D102 -- what `read` and `fields` do is said once, in Rule

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from crds.plan import Origin
from ext_proc.formats.rules import (
    Arguments,
    Data,
    Json,
    Logprobs,
    Numbers,
    Path,
    Prose,
    Reference,
    Rule,
    Token,
    Url,
)
from ext_proc.formats.shapes import Each, Object, Parts
from ext_proc.formats.texts import Found

ROLES: dict[str, Origin] = {
    "user": "User",
    "assistant": "Assistant",
    "system": "System",
    "developer": "System",
}


@dataclass(frozen=True, slots=True)
class Items:
    """A list of items, or the text of one; an item without a `type` is a message."""

    parts: Parts

    def read(self, found: Found, owner: Any, key: Any, origin: Origin) -> None:
        value = owner[key]
        if not isinstance(value, list):
            self.parts.read(found, owner, key, origin)
            return
        for position, item in enumerate(value):
            if isinstance(item, dict) and item.get("type") is None:
                MESSAGE.read_object(found, item, origin)
            else:
                self.parts.read(found, value, position, origin)

    def fields(self, path: Path) -> Iterator[tuple[Path, str]]:
        yield path, "text"
        item = (*path, "[]")
        yield from (row for row in self.parts.fields(item) if row[0] != item)


_ANNOTATION = Object(
    {
        "type": Token(),
        **{name: Prose() for name in ("url", "title", "filename")},
        **dict.fromkeys(("file_id", "container_id", "index", "start_index", "end_index"), Token()),
    }
)
_TYPE: dict[str, Rule] = {"type": Token(), "prompt_cache_breakpoint": Numbers()}
PART = Parts(
    {
        "input_text": Object({**_TYPE, "text": Prose()}, strict=True),
        "output_text": Object(
            {**_TYPE, "text": Prose(), "annotations": Each(_ANNOTATION), "logprobs": Logprobs()},
            strict=True,
        ),
        "refusal": Object({**_TYPE, "refusal": Prose()}, strict=True),
        "input_image": Object(
            {
                **_TYPE,
                "image_url": Url("image"),
                "file_id": Reference("file_id"),
                "detail": Token(),
            },
            strict=True,
        ),
        "input_file": Object(
            {
                **_TYPE,
                "file_data": Url("file"),
                "file_url": Url("file"),
                "file_id": Reference("file_id"),
                "filename": Prose(),
                "detail": Token(),
            },
            strict=True,
        ),
    }
)
_SUMMARY = {"summary_text": Object({"type": Token(), "text": Prose()}, strict=True)}
_THOUGHT = {"reasoning_text": Object({"type": Token(), "text": Prose()}, strict=True)}
_ITEM: dict[str, Rule] = {"id": Token(), "type": Token(), "status": Token(), "phase": Token()}
_CALLED: dict[str, Rule] = {**_ITEM, "call_id": Token(), "name": Prose(), "namespace": Prose()}
MESSAGE = Object(
    {**_ITEM, "role": Token(), "content": Each(PART)}, origin="Assistant", roles=ROLES, strict=True
)
_REASONING = Object(
    {
        **_ITEM,
        "summary": Each(Parts(_SUMMARY)),
        "content": Each(Parts(_THOUGHT)),
        "encrypted_content": Data("encrypted"),
    },
    origin="Reasoning",
    strict=True,
)
_OUTPUT = Object(
    {**_CALLED, "output": Each(PART), "caller": Json()}, origin="ToolResults", strict=True
)
_SEARCHED = Object({**_ITEM, "results": Json("ToolResults")}, origin="ToolCalls")
ITEM = Parts(
    {
        "message": MESSAGE,
        "reasoning": _REASONING,
        "function_call": Object(
            {**_CALLED, "arguments": Arguments(), "caller": Json()}, origin="ToolCalls", strict=True
        ),
        "function_call_output": _OUTPUT,
        "custom_tool_call": Object(
            {**_CALLED, "input": Prose(), "caller": Json()}, origin="ToolCalls", strict=True
        ),
        "custom_tool_call_output": _OUTPUT,
        "mcp_call": Object(
            {
                **_CALLED,
                "server_label": Prose(),
                "arguments": Arguments(),
                "output": Prose("ToolResults"),
                "error": Json("ToolResults"),
            },
            origin="ToolCalls",
        ),
        "mcp_list_tools": Object({**_ITEM, "tools": Json()}, origin="ToolDefinitions"),
        "web_search_call": _SEARCHED,
        "file_search_call": _SEARCHED,
        "code_interpreter_call": Object(
            {
                **_ITEM,
                "container_id": Token(),
                "code": Prose(),
                "outputs": Json("ToolResults"),
            },
            origin="ToolCalls",
        ),
        "image_generation_call": Object({**_ITEM, "result": Data("image")}, origin="Assistant"),
        "compaction": Object({**_ITEM, "encrypted_content": Data("encrypted")}, origin="Reasoning"),
        "item_reference": Object({"type": Token(), "id": Reference("conversation")}, strict=True),
    }
)
_TOOL = Object({"type": Token(), "name": Prose()}, origin="ToolDefinitions")
_TOOLS = Each(Parts({"function": _TOOL, "custom": _TOOL, "namespace": _TOOL}))
"""What other tools bring into the conversation is not seen here: they are recorded."""
_SETTINGS: dict[str, Rule] = {
    "model": Token(),
    "instructions": Json("System"),
    "background": Token(),
    "include": Each(Token()),
    "max_output_tokens": Token(),
    "max_tool_calls": Token(),
    "metadata": Json(),
    "parallel_tool_calls": Token(),
    "prompt": Json(kind="prompt"),
    "prompt_cache_key": Prose(),
    "prompt_cache_retention": Token(),
    "reasoning": Object({"effort": Token(), "summary": Token(), "generate_summary": Token()}),
    "safety_identifier": Prose(),
    "service_tier": Token(),
    "store": Token(),
    "temperature": Token(),
    "text": Object({"format": Json(), "verbosity": Token()}),
    "tool_choice": Json("ToolDefinitions"),
    "tools": _TOOLS,
    "top_logprobs": Token(),
    "top_p": Token(),
    "truncation": Token(),
    "user": Prose(),
}
REQUEST = Object(
    {
        **_SETTINGS,
        "input": Items(Parts(dict(ITEM.types), origin="User")),
        "conversation": Json(kind="conversation"),
        "previous_response_id": Reference("conversation"),
        "stream": Token(),
        "stream_options": Numbers(),
        "context_management": Json(),
    },
    strict=True,
)
FAILURE = Object({"type": Token(), "code": Token(), "message": Prose(), "param": Token()})
_ENVELOPE: dict[str, Rule] = {
    **_SETTINGS,
    "id": Token(),
    "object": Token(),
    "created_at": Token(),
    "completed_at": Token(),
    "status": Token(),
    "error": FAILURE,
    "incomplete_details": Object({"reason": Token()}),
    "conversation": Object({"id": Token()}),
    "previous_response_id": Token(),
    "usage": Numbers(),
}
RESPONSE = Object({**_ENVELOPE, "output": Items(ITEM)}, origin="Assistant")
EVENT = Object(
    {
        "type": Token(),
        "sequence_number": Token(),
        "item_id": Token(),
        "output_index": Token(),
        "content_index": Token(),
        "summary_index": Token(),
        "annotation_index": Token(),
        "partial_image_index": Token(),
        "partial_image_b64": Data("image"),
        "response": RESPONSE,
        "item": ITEM,
        "part": Parts({**PART.types, **_SUMMARY, **_THOUGHT}),
        "annotation": _ANNOTATION,
        "logprobs": Logprobs(),
        "status": Token(),
        "name": Prose("ToolCalls"),
    },
    origin="Assistant",
)
ERROR = Object(
    {
        "type": Token(),
        "sequence_number": Token(),
        "code": Token(),
        "message": Prose(),
        "param": Token(),
        "error": FAILURE,
    }
)
How = Literal["text", "json"]
STREAMED: dict[str, tuple[str, str, Origin, How]] = {
    "response.output_text": ("text", "content_index", "Assistant", "text"),
    "response.refusal": ("refusal", "content_index", "Assistant", "text"),
    "response.reasoning_summary_text": ("text", "summary_index", "Reasoning", "text"),
    "response.reasoning_text": ("text", "content_index", "Reasoning", "text"),
    "response.function_call_arguments": ("arguments", "", "ToolCalls", "json"),
    "response.mcp_call_arguments": ("arguments", "", "ToolCalls", "json"),
    "response.custom_tool_call_input": ("input", "", "ToolCalls", "text"),
    "response.code_interpreter_call_code": ("code", "", "ToolCalls", "text"),
}
"""Texts that come in pieces, by what stands before `.delta` and `.done`: the field of the whole
text, the field that numbers it within its item, whose it is, and how it is read."""
LISTS: dict[str, tuple[tuple[str, str, str, str], ...]] = {
    "message": (
        ("content", "output_text", "text", "response.output_text"),
        ("content", "refusal", "refusal", "response.refusal"),
    ),
    "reasoning": (
        ("summary", "summary_text", "text", "response.reasoning_summary_text"),
        ("content", "reasoning_text", "text", "response.reasoning_text"),
    ),
}
"""Items whose parts come in pieces: the list, the part's type, its field, and the pieces."""
FIELDS: dict[str, tuple[str, str]] = {
    "function_call": ("arguments", "response.function_call_arguments"),
    "mcp_call": ("arguments", "response.mcp_call_arguments"),
    "custom_tool_call": ("input", "response.custom_tool_call_input"),
    "code_interpreter_call": ("code", "response.code_interpreter_call_code"),
}
"""Items of which a field comes in pieces: the field, and the pieces."""
