"""OpenAI chat completions as tables: which of its fields are text, ids, data and references.

Sources: the API reference of chat completions, and the fields that servers speaking this format
add (`reasoning_content`, `reasoning`, `reasoning_details`, `stop_reason`, `provider`).
"""

from typing import Literal

from crds.plan import Origin
from ext_proc.formats.rules import (
    Arguments,
    Data,
    Json,
    Logprobs,
    Numbers,
    Prose,
    Reference,
    Rule,
    Token,
    Url,
)
from ext_proc.formats.shapes import Each, Object, Parts, Pieces

ROLES: dict[str, Origin] = {
    "system": "System",
    "developer": "System",
    "user": "User",
    "assistant": "Assistant",
    "tool": "ToolResults",
    "function": "ToolResults",
}
_CACHE_CONTROL = Object({"type": Token(), "ttl": Token()})
_TEXT: dict[str, Rule] = {"type": Token(), "cache_control": _CACHE_CONTROL}
IMAGE = Object({"url": Url("image"), "detail": Token()}, strict=True)
_SOUND = Object({"data": Data("audio"), "format": Token()}, strict=True)
_FILE = Object(
    {"file_data": Url("file"), "file_id": Reference("file_id"), "filename": Prose()}, strict=True
)
PART = Parts(
    {
        "text": Object({**_TEXT, "text": Prose()}, strict=True),
        "refusal": Object({**_TEXT, "refusal": Prose()}, strict=True),
        "image_url": Object({**_TEXT, "image_url": Url("image", IMAGE)}, strict=True),
        "input_audio": Object({**_TEXT, "input_audio": _SOUND}, strict=True),
        "file": Object({**_TEXT, "file": _FILE}, strict=True),
    }
)
_FUNCTION = Object(
    {"name": Prose("ToolCalls"), "arguments": Arguments()}, origin="ToolCalls", strict=True
)
_CUSTOM = Object({"name": Prose(), "input": Prose()}, origin="ToolCalls", strict=True)
_TOOL_CALL = Object(
    {
        "id": Token(),
        "type": Token(),
        "index": Token(),
        "function": _FUNCTION,
        "custom": _CUSTOM,
    },
    origin="ToolCalls",
    strict=True,
)
_THOUGHT = Object(
    {
        "type": Token(),
        "id": Token(),
        "format": Token(),
        "index": Token(),
        "data": Data("encrypted"),
        "signature": Data(),
    },
    origin="Reasoning",
)
_AUDIO = Object(
    {
        "id": Reference("audio"),
        "data": Data("audio"),
        "transcript": Prose(),
        "expires_at": Token(),
    }
)
_PAGE = Object(
    {
        "url": Prose(),
        "title": Prose(),
        "content": Prose(),
        "start_index": Token(),
        "end_index": Token(),
    }
)
_ANNOTATION = Object({"type": Token(), "url_citation": _PAGE})
MESSAGE = Object(
    {
        "role": Token(),
        "content": Each(PART),
        "name": Prose(),
        "refusal": Prose(),
        "reasoning_content": Prose("Reasoning"),
        "reasoning": Prose("Reasoning"),
        "reasoning_details": Each(_THOUGHT),
        "tool_calls": Each(_TOOL_CALL),
        "tool_call_id": Token(),
        "function_call": _FUNCTION,
        "audio": _AUDIO,
        "annotations": Each(_ANNOTATION),
    },
    roles=ROLES,
    strict=True,
)
_PREDICTION = Object({"type": Token(), "content": Each(PART)}, origin="Assistant", strict=True)
REQUEST = Object(
    {
        "model": Token(),
        "messages": Each(MESSAGE),
        "stream": Token(),
        "stream_options": Numbers(),
        "n": Token(),
        "max_tokens": Token(),
        "max_completion_tokens": Token(),
        "temperature": Token(),
        "top_p": Token(),
        "frequency_penalty": Token(),
        "presence_penalty": Token(),
        "logprobs": Token(),
        "top_logprobs": Token(),
        "logit_bias": Numbers(),
        "seed": Token(),
        "stop": Each(Prose()),
        "user": Prose(),
        "metadata": Json(),
        "tools": Each(Json("ToolDefinitions")),
        "functions": Each(Json("ToolDefinitions")),
        "tool_choice": Json("ToolDefinitions"),
        "function_call": Json("ToolDefinitions"),
        "parallel_tool_calls": Token(),
        "response_format": Json(),
        "prediction": _PREDICTION,
        "modalities": Each(Token()),
        "audio": Json(),
        "reasoning_effort": Token(),
        "verbosity": Token(),
        "service_tier": Token(),
        "store": Token(),
        "prompt_cache_key": Prose(),
        "prompt_cache_retention": Token(),
        "safety_identifier": Prose(),
        "web_search_options": Json(kind="url"),
    },
    strict=True,
)
CHOICE: dict[str, Rule] = {
    "index": Token(),
    "finish_reason": Token(),
    "native_finish_reason": Token(),
    "stop_reason": Prose(),
    "logprobs": Logprobs(),
}
ENVELOPE: dict[str, Rule] = {
    "id": Token(),
    "object": Token(),
    "created": Token(),
    "model": Token(),
    "provider": Token(),
    "system_fingerprint": Token(),
    "service_tier": Token(),
    "obfuscation": Token(),
    "usage": Numbers(),
    "error": Json(),
}
_ANSWER = Object(dict(MESSAGE.rules), origin="Assistant")
RESPONSE = Object(
    {**ENVELOPE, "choices": Each(Object({**CHOICE, "message": _ANSWER}, origin="Assistant"))}
)
_CHUNK_CHOICE = Object({**CHOICE, "delta": Pieces()}, origin="Assistant")
CHUNK = Object({**ENVELOPE, "choices": Each(_CHUNK_CHOICE)})
How = Literal["token", "name", "data", "json", "text"]
STREAMED: dict[tuple[str, ...], tuple[Origin, How]] = {
    ("role",): ("Assistant", "token"),
    ("content",): ("Assistant", "text"),
    ("refusal",): ("Assistant", "text"),
    ("reasoning_content",): ("Reasoning", "text"),
    ("reasoning",): ("Reasoning", "text"),
    ("reasoning_details", "[]", "type"): ("Reasoning", "token"),
    ("reasoning_details", "[]", "id"): ("Reasoning", "token"),
    ("reasoning_details", "[]", "format"): ("Reasoning", "token"),
    ("reasoning_details", "[]", "data"): ("Reasoning", "data"),
    ("reasoning_details", "[]", "signature"): ("Reasoning", "data"),
    ("reasoning_details", "[]", "text"): ("Reasoning", "text"),
    ("reasoning_details", "[]", "summary"): ("Reasoning", "text"),
    ("tool_calls", "[]", "id"): ("ToolCalls", "token"),
    ("tool_calls", "[]", "type"): ("ToolCalls", "token"),
    ("tool_calls", "[]", "function", "name"): ("ToolCalls", "name"),
    ("tool_calls", "[]", "function", "arguments"): ("ToolCalls", "json"),
    ("tool_calls", "[]", "custom", "name"): ("ToolCalls", "name"),
    ("tool_calls", "[]", "custom", "input"): ("ToolCalls", "text"),
    ("function_call", "name"): ("ToolCalls", "name"),
    ("function_call", "arguments"): ("ToolCalls", "json"),
    ("audio", "id"): ("Assistant", "token"),
    ("audio", "data"): ("Assistant", "data"),
    ("audio", "transcript"): ("Assistant", "text"),
}
"""Strings of a delta and whose they are; those not named here are text of the answer."""
ERROR = Object(
    {
        "error": Object(
            {"message": Prose(), "type": Token(), "code": Token(), "param": Token()},
        )
    }
)
