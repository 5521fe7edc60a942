"""Gemini countTokens: the body of generateContent, or one that holds it, answered by a count.

It costs nothing. Source: `models.countTokens` of the Gemini and Vertex AI API references.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson

from ext_proc.call import Call, Line, Reject
from ext_proc.formats import dialect, errors, gemini_content, gemini_embeddings, gemini_tables
from ext_proc.formats.protobuf import Message
from ext_proc.formats.rules import Json, Numbers, Rule, Token
from ext_proc.formats.shapes import Each
from ext_proc.formats.tabled import Tabled

_WITHIN = ("generateContentRequest", "generate_content_request")
_ASKED: Mapping[str, Rule] = {**gemini_tables.REQUEST.rules, "model": Token()}
REQUEST = Message({**_ASKED, _WITHIN[0]: Message(_ASKED)})
RESPONSE = Message(
    {
        "totalTokens": Token(),
        "totalBillableCharacters": Token(),
        "cachedContentTokenCount": Token(),
        "promptTokensDetails": Each(Numbers()),
        "cacheTokensDetails": Each(Numbers()),
        "error": Json(),
    },
    strict=False,
)


def decode_request(body: bytes, line: Line) -> Call | Reject:
    """Decode what would be a request for content."""
    document = dialect.loads_request(body)
    if isinstance(document, Reject):
        return document
    if refused := _refused(document, line.model):
        return refused
    found = dialect.find_texts(document, REQUEST)
    if isinstance(found, Reject):
        return found
    return Call(
        format="GeminiTokenCount",
        model=line.model,
        stream=False,
        wants_usage=True,
        document=document,
        texts=found.texts,
        unscanned=found.unscanned,
        original=body,
    )


def _refused(document: dict[str, Any], model: str) -> Reject | None:
    """Check whose texts are counted, and for whom."""
    asked = [document, *(document[name] for name in _WITHIN if name in document)]
    if not all(isinstance(each, dict) for each in asked):
        return dialect.malformed("`generateContentRequest` must be an object.")
    if not all(gemini_embeddings.names(each, model) for each in asked):
        return dialect.malformed("`model` may be none but that of the path.")
    contents = [each["contents"] for each in asked if "contents" in each] or [None]
    refused = map(gemini_content.refused_contents, contents)
    return next((each for each in refused if each is not None), None)


def _uncounted(_: Mapping[str, Any]) -> None:
    """Counting uses no tokens."""


def estimate(tokens: int) -> bytes:
    """Answer in a provider's place."""
    return orjson.dumps({"totalTokens": tokens})


TABLED = Tabled("GeminiTokenCount", REQUEST, RESPONSE, lambda _: "", stated=_uncounted)
DIALECT = replace(
    TABLED.as_dialect(),
    decode_request=decode_request,
    error=errors.gemini,
    stream_error=errors.gemini_stream,
    provider_error=gemini_embeddings.provider_error,
    unstated="free",
    estimate=estimate,
)
