"""Bedrock's Converse as tables: which of its fields are text, ids, data and references.

A content block is an object whose one key says what it is. The messages of a stream stand by the
names their headers give them; `p` pads them. Source: `Converse` and `ConverseStream` of the Amazon
Bedrock Runtime API reference.
"""

from collections.abc import Mapping

from crds.plan import Origin
from ext_proc.formats.rules import Data, Json, Numbers, Prose, Rule, Token, Url
from ext_proc.formats.shapes import Each, Object, Pieces, Union

ROLES: dict[str, Origin] = {"user": "User", "assistant": "Assistant", "system": "System"}
_CACHE_POINT = Object({"type": Token(), "ttl": Token()})
_SAID = Each(Object({"text": Prose()}))


_PLACE = Numbers()
CITATION = Object(
    {
        "title": Prose(),
        "source": Prose(),
        "sourceContent": _SAID,
        "location": Union(
            {
                "web": Object({"url": Prose(), "domain": Prose()}),
                "documentChar": _PLACE,
                "documentPage": _PLACE,
                "documentChunk": _PLACE,
                "searchResultLocation": _PLACE,
            }
        ),
    }
)
_CITES = Object({"enabled": Token()})


def _media(kind: str, more: Mapping[str, Rule] | None = None) -> Object:
    """A picture, a document, a sound or a film."""
    s3 = Object({"uri": Url(kind), "bucketOwner": Token()}, strict=True)
    source: dict[str, Rule] = {"bytes": Data(kind), "s3Location": s3}
    if kind == "file":
        source |= {"text": Prose(), "content": _SAID}
    return Object(
        {"format": Token(), "source": Object(source, strict=True), **(more or {})}, strict=True
    )


_IMAGE = _media("image", {"error": Json()})
_DOCUMENT = _media("file", {"name": Prose(), "context": Prose(), "citations": _CITES})
_VIDEO = _media("video")
_SEARCH = Object(
    {"source": Prose(), "title": Prose(), "content": _SAID, "citations": _CITES},
    origin="ToolResults",
    strict=True,
)
_CALL = Object(
    {"toolUseId": Token(), "name": Prose(), "input": Json(), "type": Token()},
    origin="ToolCalls",
    strict=True,
)
_RESULT = Object(
    {
        "toolUseId": Token(),
        "content": Each(
            Union(
                {
                    "json": Json(),
                    "text": Prose(),
                    "image": _IMAGE,
                    "document": _DOCUMENT,
                    "video": _VIDEO,
                    "searchResult": _SEARCH,
                }
            )
        ),
        "status": Token(),
        "type": Token(),
    },
    origin="ToolResults",
    strict=True,
)
_GUARDED = Union(
    {
        "text": Object({"text": Prose(), "qualifiers": Each(Token())}, strict=True),
        "image": _media("image"),
    }
)
_REASONING = Union(
    {
        "reasoningText": Object({"text": Prose(), "signature": Data()}, strict=True),
        "redactedContent": Data("encrypted"),
    },
    origin="Reasoning",
)
BLOCK = Union(
    {
        "text": Prose(),
        "image": _IMAGE,
        "document": _DOCUMENT,
        "video": _VIDEO,
        "audio": _media("audio", {"error": Json()}),
        "toolUse": _CALL,
        "toolResult": _RESULT,
        "guardContent": _GUARDED,
        "cachePoint": _CACHE_POINT,
        "reasoningContent": _REASONING,
        "citationsContent": Object({"content": _SAID, "citations": Each(CITATION)}, strict=True),
        "searchResult": _SEARCH,
    }
)
_SYSTEM = Union(
    {"text": Prose(), "guardContent": _GUARDED, "cachePoint": _CACHE_POINT}, origin="System"
)
MESSAGE = Object({"role": Token(), "content": Each(BLOCK)}, roles=ROLES, strict=True)
_TIER = Object({"type": Token()})
_LATENCY = Object({"latency": Token()})
REQUEST = Object(
    {
        "messages": Each(MESSAGE),
        "system": Each(_SYSTEM),
        "inferenceConfig": Object(
            {
                "maxTokens": Token(),
                "temperature": Token(),
                "topP": Token(),
                "stopSequences": Each(Prose()),
            },
            strict=True,
        ),
        "toolConfig": Json("ToolDefinitions"),
        "guardrailConfig": Json(),
        "projectIdentifier": Token(),
        "additionalModelRequestFields": Json(),
        "promptVariables": Json("User", kind="conversation"),
        "additionalModelResponseFieldPaths": Each(Prose()),
        "requestMetadata": Json(),
        "performanceConfig": _LATENCY,
        "serviceTier": _TIER,
        "outputConfig": Json(),
    },
    strict=True,
)
_USAGE = Object(
    {
        **{
            name: Token()
            for name in (
                "inputTokens",
                "outputTokens",
                "totalTokens",
                "cacheReadInputTokens",
                "cacheWriteInputTokens",
                "cacheReadInputTokenCount",
                "cacheWriteInputTokenCount",
            )
        },
        "cacheDetails": Each(Object({"ttl": Token(), "inputTokens": Token()})),
        "serverToolUsage": Numbers(),
    }
)
_ENVELOPE: dict[str, Rule] = {
    "usage": _USAGE,
    "metrics": Numbers(),
    "trace": Json(),
    "performanceConfig": _LATENCY,
    "serviceTier": _TIER,
}
_ENDED: dict[str, Rule] = {"stopReason": Token(), "additionalModelResponseFields": Json()}
RESPONSE = Object(
    {"output": Object({"message": MESSAGE}), **_ENDED, **_ENVELOPE}, origin="Assistant"
)
ERROR = Object({"__type": Token(), "message": Prose()})
_STREAMED: dict[str, Rule] = {"contentBlockIndex": Token(), "p": Token()}
_START = Union(
    {
        "toolUse": Object(
            {"toolUseId": Token(), "name": Prose(), "type": Token()}, origin="ToolCalls"
        ),
        "toolResult": Object({"toolUseId": Token(), "type": Token(), "status": Token()}),
        "image": Object({"format": Token()}),
    }
)
EVENTS: Mapping[str, Object] = {
    "messageStart": Object({"role": Token(), "p": Token()}, origin="Assistant"),
    "contentBlockStart": Object({**_STREAMED, "start": _START}, origin="Assistant"),
    "contentBlockDelta": Object({**_STREAMED, "delta": Pieces()}, origin="Assistant"),
    "contentBlockStop": Object(dict(_STREAMED), origin="Assistant"),
    "messageStop": Object({**_ENDED, "p": Token()}, origin="Assistant"),
    "metadata": Object({**_ENVELOPE, "p": Token()}, origin="Assistant"),
}
UNKNOWN_EVENT = Object({}, origin="Assistant")
PIECES: Mapping[tuple[str, ...], tuple[Origin, bool]] = {
    ("text",): ("Assistant", False),
    ("toolUse", "input"): ("ToolCalls", True),
    ("toolResult", "text"): ("ToolResults", False),
    ("reasoningContent", "text"): ("Reasoning", False),
}
"""Fields of a delta that hold the next piece of their block's text: whose, and whether JSON."""
WHOLES: Mapping[tuple[str, ...], Rule] = {
    ("reasoningContent", "signature"): Data(),
    ("reasoningContent", "redactedContent"): Data("encrypted"),
    ("image",): _IMAGE,
    ("citation",): CITATION,
    ("toolResult", "json"): Json("ToolResults"),
}
"""Fields of a delta that are inspected as they come."""
ORIGINS: Mapping[str, Origin] = {
    "toolUse": "ToolCalls",
    "toolResult": "ToolResults",
    "reasoningContent": "Reasoning",
}
"""Of whatever else stands in a delta."""
