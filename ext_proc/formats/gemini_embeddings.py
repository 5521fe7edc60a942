"""Gemini batchEmbedContents: its JSON bodies, both ways. The format has no streams.

Every request of a batch names the model again; it must be the path's. `:embedContent`, which asks
for one vector, is answered in another shape and is not served: the SDKs send batches.
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

_ASKED: dict[str, Rule] = {
    "model": Token(),
    "content": CONTENT,
    "taskType": Token(),
    "title": Prose("User"),
    "outputDimensionality": Token(),
}
REQUEST = Message({"requests": Each(Message(_ASKED, origin="User"))})
RESPONSE = Message(
    {
        "embeddings": Each(Message({"values": Vector(), "shape": Vector()}, strict=False)),
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
    if not all(isinstance(each, dict) and _asks(each, line.model) for each in requests):
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


def _asks(request: dict[str, Any], model: str) -> bool:
    named = request.get("model")
    ours = named is None or (isinstance(named, str) and named.removeprefix("models/") == model)
    return ours and isinstance(request.get("content"), dict)


def decode_response(body: bytes) -> Response | Reject:
    """Decode the answer, or the error that stands in its place."""
    document = dialect.loads_response(body)
    if isinstance(document, Reject):
        return document
    found = dialect.find_answer(document, RESPONSE)
    if isinstance(found, Reject):
        return found
    stated = document.get("usageMetadata")
    used = usage.gemini(stated)
    return Response(
        document,
        found.texts,
        found.unscanned,
        body,
        usage=used,
        usage_invalid=stated is not None and used is None,
        is_error="error" in document and "embeddings" not in document,
    )


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
)
