"""Gemini embedContent: one content in, one vector out. The format has no streams.

Source: `models.embedContent` of the Gemini API reference, and of the Vertex AI API.
"""

from dataclasses import replace

from ext_proc.call import Call, Line, Reject
from ext_proc.formats import dialect, gemini_embeddings, usage
from ext_proc.formats.dialect import Response
from ext_proc.formats.gemini_embeddings import ASKED, VECTOR
from ext_proc.formats.gemini_tables import USAGE
from ext_proc.formats.protobuf import Message
from ext_proc.formats.rules import Json, Token

REQUEST = ASKED
RESPONSE = Message(
    {"embedding": VECTOR, "truncated": Token(), "usageMetadata": USAGE, "error": Json()},
    strict=False,
)


def decode_request(body: bytes, line: Line) -> Call | Reject:
    """Decode a request for one vector."""
    document = dialect.loads_request(body)
    if isinstance(document, Reject):
        return document
    if not gemini_embeddings.asks(document, line.model):
        return dialect.malformed("The body has a `content`, and no `model` but that of the path.")
    found = dialect.find_texts(document, REQUEST)
    if isinstance(found, Reject):
        return found
    return Call(
        format="GeminiEmbedContent",
        model=line.model,
        stream=False,
        wants_usage=True,
        document=document,
        texts=found.texts,
        unscanned=found.unscanned,
        original=body,
    )


def decode_response(body: bytes) -> Response | Reject:
    """Decode the answer, or the error that stands in its place."""
    return dialect.decode_answer(body, RESPONSE, usage.gemini, states=gemini_embeddings.STATES)


DIALECT = replace(
    gemini_embeddings.DIALECT,
    name="GeminiEmbedContent",
    decode_request=decode_request,
    decode_response=decode_response,
    is_batch=False,
)
