"""OpenAI embeddings: its JSON bodies, both ways. The format has no streams.

Inputs that are token ids cannot be read here and are recorded. The numbers of an answer are no
text; an answer of the known shape is not even parsed beyond its usage.
"""

from typing import Any

import msgspec

from ext_proc.call import Call, OpenField, Reject
from ext_proc.formats import dialect, errors, openai_stream, strict, usage
from ext_proc.formats.codec import Codec
from ext_proc.formats.dialect import Count, Dialect, Measured, Response
from ext_proc.formats.openai_tables import ENVELOPE, ERROR
from ext_proc.formats.rules import Each, Object, Prose, Token, Vector
from ext_proc.formats.texts import Found

REQUEST = Object(
    {
        "model": Token(),
        "input": Each(Prose()),
        "encoding_format": Token(),
        "dimensions": Token(),
        "user": Prose(),
    },
    origin="User",
    strict=True,
)
RESPONSE = Object(
    {
        **ENVELOPE,
        "data": Each(Object({"object": Token(), "index": Token(), "embedding": Vector()})),
    }
)


def decode_request(body: bytes) -> Call | Reject:
    """Decode an embeddings request."""
    document = dialect.loads_request(body)
    if isinstance(document, Reject):
        return document
    model = dialect.model_of(document)
    if isinstance(model, Reject):
        return model
    tokens = _tokens(document.get("input"))
    if tokens is None:
        return dialect.malformed(
            "`input` must be a string, a list of strings, token ids, or lists of token ids."
        )
    found = dialect.find_texts(document, REQUEST) if not tokens else _beside(document)
    if isinstance(found, Reject):
        return found
    if tokens:
        found.unscanned["tokens"] += tokens
    return Call(
        format="OpenAIEmbeddings",
        model=model,
        stream=False,
        wants_usage=True,
        document=document,
        texts=found.texts,
        unscanned=found.unscanned,
        original=body,
    )


def _tokens(given: Any) -> int | None:
    """Count inputs that are token ids: 0 if all are strings, None if the input is neither."""
    if isinstance(given, str):
        return 0
    if not isinstance(given, list) or not given:
        return None
    kinds = set(map(type, given))
    if kinds == {str}:
        return 0
    if kinds == {int}:
        return 1
    if kinds == {list} and all(each and set(map(type, each)) == {int} for each in given):
        return len(given)
    return None


def encode_request(call: Call, ask_usage: bool) -> bytes:  # noqa: ARG001, FBT001 -- Dialect's signature
    """Encode a request; its answer states the usage anyway."""
    if call.edited or any(text.changed for text in call.texts):
        return strict.dumps(call.document)
    return call.original


class _Row(msgspec.Struct, forbid_unknown_fields=True):
    embedding: list[float] | str
    object: Literal["embedding"] = "embedding"
    index: int = 0


class _Answer(msgspec.Struct):
    data: list[_Row]


class _Stated(msgspec.Struct):
    model: str | None = None
    usage: Any = None


_ANSWER = msgspec.json.Decoder(_Answer)
_STATED = msgspec.json.Decoder(_Stated)
_TOP = msgspec.json.Decoder(dict[str, msgspec.Raw])


def decode_response(body: bytes) -> Response | Reject:
    """Decode the answer; vectors of the known shape are set aside unread."""
    vectors = _vectors(body)
    document = dialect.loads_response(vectors[1] if vectors else body)
    if isinstance(document, Reject):
        return document
    found = Found()
    RESPONSE.read_object(found, document, "Other")
    if vectors:
        document["data"] = orjson.Fragment(vectors[0])
    stated, model = document.get("usage"), document.get("model")
    used = usage.openai(stated)
    return Response(
        document,
        found.texts,
        found.unscanned,
        body,
        usage=used,
        usage_invalid=stated is not None and used is None,
        model=model if isinstance(model, str) else None,
        is_error="error" in document and "data" not in document,
    )


def _vectors(body: bytes) -> tuple[bytes, bytes] | None:
    """Split an answer into its vectors and all else; None if that would lose anything."""
    try:
        rows = _ANSWER.decode(body).data
        fields = _TOP.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    if body.count(b'"data"') != 1 or not all(_is_vector(row.embedding) for row in rows):
        return None
    data = bytes(fields.pop("data"))
    if len(_NAMES.findall(data)) != 0:
        return None
    return data, msgspec.json.encode(fields)
