"""Gemini generateContent: its JSON bodies, both ways.

Model and stream are said by the path. Checked is what a difference between us and a provider could
hide; the rest is left to the provider. Which fields are text is in `gemini_tables`; streams are in
`gemini_stream`.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from ext_proc.call import Call, Line, Reject
from ext_proc.formats import counted, dialect, errors, gemini_stream, usage
from ext_proc.formats.dialect import Dialect, Measured, Response
from ext_proc.formats.gemini_tables import ERROR, REQUEST, RESPONSE, ROLES


def decode_request(body: bytes, line: Line) -> Call | Reject:
    """Decode a request for content."""
    document = dialect.loads_request(body)
    if isinstance(document, Reject):
        return document
    refused = _refused(document)
    if refused is not None:
        return refused
    found = dialect.find_texts(document, REQUEST)
    if isinstance(found, Reject):
        return found
    return Call(
        format="GeminiContent",
        model=line.model,
        stream=line.stream,
        wants_usage=True,
        document=document,
        texts=found.texts,
        unscanned=found.unscanned,
        original=body,
    )


def _refused(document: dict[str, Any]) -> Reject | None:
    """Check what decides whose text is whose, and who is asked."""
    if "model" in document:
        return dialect.malformed("The model is named by the path; leave `model` out of the body.")
    return refused_contents(document.get("contents"))


def refused_contents(contents: Any) -> Reject | None:
    """Refuse contents that nobody can be known to have said."""
    if not isinstance(contents, list) or not contents:
        return dialect.malformed("`contents` must be a list that is not empty.")
    for content in contents:
        role = content.get("role") if isinstance(content, dict) else 0
        if role is not None and (not isinstance(role, str) or role not in ROLES):
            return dialect.malformed(f"The `role` of a content is one of {', '.join(ROLES)}.")
    return None


def decode_response(body: bytes) -> Response | Reject:
    """Decode an answer, or the error that stands in its place."""
    states = ("usageMetadata", "modelVersion")
    return dialect.decode_answer(body, RESPONSE, usage.gemini, states=states, settle=_settle)


def _settle(document: dict[str, Any]) -> Callable[[], None]:
    """What takes out what would tell of texts that were changed, or no longer fits them."""
    stated = document.get("candidates")
    listed = stated if isinstance(stated, list) else [stated]
    candidates = [each for each in listed if isinstance(each, dict)]
    drop = counted.settle(candidates, _words, counted.drop_grounding)

    def settle() -> None:
        drop()
        for candidate in candidates:
            candidate.pop("logprobsResult", None)
            candidate.pop("logprobs_result", None)

    return settle


def _words(candidate: dict[str, Any]) -> Any:
    """What numbers beside it count."""
    content = candidate.get("content")
    parts = content.get("parts") if isinstance(content, dict) else None
    listed = parts if isinstance(parts, list) else [parts]
    return [part.get("text") for part in listed if isinstance(part, dict)]


class _Content(msgspec.Struct):
    parts: list[dict[str, Any]] | None = None


class _Candidate(msgspec.Struct):
    content: _Content | None = None


class _Answer(msgspec.Struct, rename="camel"):
    model_version: str | None = None
    usage_metadata: Any = None
    candidates: list[_Candidate] = []


_ANSWER = msgspec.json.Decoder(_Answer)


def measure(body: bytes) -> Measured:
    """Read usage and model alone."""
    try:
        answer = _ANSWER.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return Measured()
    used = usage.gemini(answer.usage_metadata)
    contents = [each.content for each in answer.candidates if each.content is not None]
    parts = [part for content in contents for part in content.parts or ()]
    text = "" if used else "".join(map(gemini_stream.said, parts))
    return Measured(
        used, answer.usage_metadata is not None and used is None, answer.model_version, text
    )


def provider_error(status: int, body: bytes) -> Response:
    """Keep what is safe of a provider's error."""
    return dialect.safe_error(errors.gemini_provider(status, body), ERROR)


DIALECT = Dialect(
    name="GeminiContent",
    decode_request=decode_request,
    encode_request=dialect.unchanged,
    decode_response=decode_response,
    measure=measure,
    stream=gemini_stream.open_stream,
    error=errors.gemini,
    stream_error=errors.gemini_stream,
    provider_error=provider_error,
)
