"""Anthropic messages as tables: which of its fields are text, ids, data and references.

Source: the API reference of messages, with the blocks of its server tools.
"""

from crds.plan import Origin
from ext_proc.formats.rules import Data, Json, Numbers, Prose, Reference, Rule, Token, Url
from ext_proc.formats.shapes import Each, Object, Parts, Pieces

ROLES: dict[str, Origin] = {"user": "User", "assistant": "Assistant", "system": "System"}
_CACHE_CONTROL = Object({"type": Token(), "ttl": Token()})
_BLOCK: dict[str, Rule] = {"type": Token(), "cache_control": _CACHE_CONTROL}
_CALL: dict[str, Rule] = {
    **_BLOCK,
    "id": Token(),
    "name": Prose(),
    "server_name": Prose(),
    "input": Json(),
    "caller": Json(),
}
_NUMBERED = (
    *("document_index", "search_result_index", "start_char_index", "end_char_index"),
    *("start_page_number", "end_page_number", "start_block_index", "end_block_index"),
)
CITATION = Object(
    {
        "type": Token(),
        **{name: Prose() for name in ("cited_text", "document_title", "title", "url", "source")},
        **dict.fromkeys(_NUMBERED, Token()),
        "file_id": Token(),
        "encrypted_index": Data(),
    }
)
_CITED = Each(CITATION)
_CITES = Object({"enabled": Token()})
_TEXT = Object({**_BLOCK, "text": Prose(), "citations": _CITED}, strict=True)
_INNER = Parts({"text": _TEXT})


def _source(kind: str) -> Parts:
    """Where a picture or document comes from."""
    return Parts(
        {
            "base64": Object(
                {"type": Token(), "media_type": Token(), "data": Data(kind)}, strict=True
            ),
            "url": Object({"type": Token(), "url": Url(kind)}, strict=True),
            "file": Object({"type": Token(), "file_id": Reference("file_id")}, strict=True),
            "text": Object({"type": Token(), "media_type": Token(), "data": Prose()}, strict=True),
            "content": Object({"type": Token(), "content": Each(_INNER)}, strict=True),
        }
    )


SYSTEM = Parts({"text": _TEXT}, origin="System")
_IMAGE = Object({**_BLOCK, "source": _source("image")}, strict=True)
_DOCUMENT = Object(
    {
        **_BLOCK,
        "source": _source("file"),
        "title": Prose(),
        "context": Prose(),
        "citations": _CITES,
    },
    strict=True,
)
_SEARCH = Object(
    {
        **_BLOCK,
        "source": Prose(),
        "title": Prose(),
        "content": Each(_INNER),
        "citations": _CITES,
    },
    origin="ToolResults",
    strict=True,
)
_READ = Parts({"text": _TEXT, "image": _IMAGE, "document": _DOCUMENT, "search_result": _SEARCH})
_RESULT = Object(
    {
        **_BLOCK,
        "tool_use_id": Token(),
        "content": Each(_READ),
        "is_error": Token(),
    },
    origin="ToolResults",
    strict=True,
)
_HIT = Object(
    {
        "type": Token(),
        "url": Prose(),
        "title": Prose(),
        "page_age": Prose(),
        "encrypted_content": Data("encrypted"),
    },
)
_HITS = Object(
    {
        **_BLOCK,
        "tool_use_id": Token(),
        "content": Each(Parts({"web_search_result": _HIT})),
        "caller": Json(),
    },
    origin="ToolResults",
    strict=True,
)
BLOCKS = Parts(
    {
        "text": _TEXT,
        "image": _IMAGE,
        "document": _DOCUMENT,
        "search_result": _SEARCH,
        "thinking": Object(
            {**_BLOCK, "thinking": Prose(), "signature": Data()},
            origin="Reasoning",
            strict=True,
        ),
        "redacted_thinking": Object(
            {**_BLOCK, "data": Data("encrypted")}, origin="Reasoning", strict=True
        ),
        "tool_use": Object(_CALL, origin="ToolCalls", strict=True),
        "server_tool_use": Object(_CALL, origin="ToolCalls", strict=True),
        "mcp_tool_use": Object(_CALL, origin="ToolCalls", strict=True),
        "tool_result": _RESULT,
        "mcp_tool_result": _RESULT,
        "web_search_tool_result": _HITS,
        "container_upload": Object({**_BLOCK, "file_id": Reference("file_id")}, strict=True),
    }
)
MESSAGE = Object({"role": Token(), "content": Each(BLOCKS)}, roles=ROLES, strict=True)
REQUEST = Object(
    {
        "model": Token(),
        "messages": Each(MESSAGE),
        "system": Each(SYSTEM),
        "max_tokens": Token(),
        "metadata": Json(),
        "stop_sequences": Each(Prose()),
        "stream": Token(),
        "temperature": Token(),
        "top_k": Token(),
        "top_p": Token(),
        "tools": Each(Json("ToolDefinitions")),
        "tool_choice": Json("ToolDefinitions"),
        "thinking": Numbers(),
        "service_tier": Token(),
        "cache_control": _CACHE_CONTROL,
        "container": Json(kind="conversation"),
        "context_management": Json(),
        "mcp_servers": Json(kind="mcp"),
        "output_config": Json(),
        "output_format": Json(),
    },
    strict=True,
)
_USAGE = Numbers()
_ENVELOPE: dict[str, Rule] = {
    "id": Token(),
    "type": Token(),
    "role": Token(),
    "model": Token(),
    "stop_reason": Token(),
    "stop_sequence": Prose(),
    "usage": _USAGE,
    "container": Json(),
    "context_management": Json(),
}
RESPONSE = Object({**_ENVELOPE, "content": Each(BLOCKS), "error": Json()}, origin="Assistant")
ERROR = Object({"type": Token(), "error": Object({"type": Token(), "message": Prose()})})
EVENT = Object(
    {
        "type": Token(),
        "index": Token(),
        "message": RESPONSE,
        "content_block": BLOCKS,
        "delta": Pieces(),
        "usage": _USAGE,
    },
    origin="Assistant",
)
MESSAGE_DELTA = Object(dict(_ENVELOPE), origin="Assistant")
STREAMED: dict[str, tuple[str, Origin]] = {
    "text_delta": ("text", "Assistant"),
    "thinking_delta": ("thinking", "Reasoning"),
    "input_json_delta": ("partial_json", "ToolCalls"),
}
"""Deltas that hold the next piece of their block's text: the field, and whose text it is."""
FIRST: dict[str, tuple[str, str]] = {
    "text": ("text", "text_delta"),
    "thinking": ("thinking", "thinking_delta"),
}
"""Blocks that may start with the first piece of their text: the field, and the delta it is."""
WHOLES: dict[tuple[str, str], Rule] = {("citations_delta", "citation"): CITATION}
"""Fields of deltas that come whole, by the type of delta."""
