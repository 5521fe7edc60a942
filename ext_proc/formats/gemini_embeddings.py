"""Gemini batchEmbedContents: its JSON bodies, both ways. The format has no streams.

Every request of a batch names the model again; it must be the path's. What is asked for may stand
in a request itself or in its `embedContentConfig`, as newer SDKs write it.
Source: `models.batchEmbedContents` of the Gemini API reference.
"""

from typing import Any

import msgspec

from ext_proc.call import Call, Line, Reject
from ext_proc.formats import dialect, errors, gemini_stream, usage
from ext_proc.formats.dialect import Dialect, Measured, Response
from ext_proc.formats.gemini_tables import CONTENT, ERROR, USAGE
from ext_proc.formats.protobuf import Message
from ext_proc.formats.rules import Json, Prose, Rule, Token, Vector
from ext_proc.formats.shapes import Each

_SETTINGS: dict[str, Rule] = {
    "taskType": Token(),
    "title": Prose("User"),
    "outputDimensionality": Token(),
    "autoTruncate": Token(),
}
ASKED = Message(
    {
        "model": Token(),
        "content": CONTENT,
        **_SETTINGS,
        "embedContentConfig": Message(
            {**_SETTINGS, "documentOcr": Token(), "audioTrackExtraction": Token()}
        ),
    },
    origin="User",
)
REQUEST = Message({"requests": Each(ASKED)})
VECTOR = Message({"values": Vector(), "shape": Vector()}, strict=False)
RESPONSE = Message(
    {
        "embeddings": Each(VECTOR),
        "usageMetadata": USAGE,
        "error": Json(),
    },
    strict=False,
)


def decode_request(body: bytes, line: Line) -> Call | Reject:
    """Decode a batch."""
    document = dialect.loads_request(body)
    if isinstance(document, Reject):
        return document
    requests = document.get("requests")
    if not isinstance(requests, list) or not requests:
        return dialect.malformed("`requests` must be a list that is not empty.")
    if not all(isinstance(each, dict) and asks(each, line.model) for each in requests):
        return dialect.malformed(
            "Each of `requests` has a `content`, and no `model` but that of the path."
        )
    found = dialect.find_texts(document, REQUEST)
    if isinstance(found, Reject):
        return found
    return Call(
        format="GeminiEmbeddings",
        model=line.model,
        stream=False,
        wants_usage=True,
        document=document,
        texts=found.texts,
        unscanned=found.unscanned,
        original=body,
    )


def asks(request: dict[str, Any], model: str) -> bool:
    """Tell whether a request has a content, and means the path's model."""
    return names(request, model) and isinstance(request.get("content"), dict)


def names(request: dict[str, Any], model: str) -> bool:
    """Tell whether a request means the path's model; it need not say."""
    named = request.get("model")
    return named is None or (isinstance(named, str) and named.removeprefix("models/") == model)


STATES = ("usageMetadata", "modelVersion")
"""What an answer may say of its usage and model."""


def decode_response(body: bytes) -> Response | Reject:
    """Decode the answer, or the error that stands in its place."""
    return dialect.decode_answer(body, RESPONSE, usage.gemini, states=STATES)


class _Stated(msgspec.Struct, rename="camel"):
    usage_metadata: Any = None


_STATED = msgspec.json.Decoder(_Stated)


def measure(body: bytes) -> Measured:
    """Read usage alone."""
    try:
        stated = _STATED.decode(body).usage_metadata
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return Measured()
    used = usage.gemini(stated)
    return Measured(used, stated is not None and used is None)


def provider_error(status: int, body: bytes) -> Response:
    """Keep what is safe of a provider's error."""
    return dialect.safe_error(errors.gemini_provider(status, body), ERROR)


DIALECT = Dialect(
    name="GeminiEmbeddings",
    decode_request=decode_request,
    encode_request=dialect.unchanged,
    decode_response=decode_response,
    measure=measure,
    stream=gemini_stream.open_stream,
    error=errors.gemini,
    stream_error=errors.gemini_stream,
    provider_error=provider_error,
    is_batch=True,
)
