"""Gemini generateContent: its JSON bodies, both ways.

Model and stream are said by the path. Checked is what a difference between us and a provider could
hide; the rest is left to the provider. Which fields are text is in `gemini_tables`; streams are in
`gemini_stream`.
"""

from typing import Any

import msgspec

from ext_proc.call import Call, Line, Reject
from ext_proc.formats import dialect, errors, gemini_stream, usage
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
    return dialect.decode_answer(body, RESPONSE, usage.gemini, states=states, settle=_drop_logprobs)


def _drop_logprobs(document: dict[str, Any]) -> None:
    """Take out the tokens of texts that were changed: they would spell what was redacted."""
    candidates = document.get("candidates")
    for candidate in candidates if isinstance(candidates, list) else [candidates]:
        if isinstance(candidate, dict):
            candidate.pop("logprobsResult", None)
            candidate.pop("logprobs_result", None)


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
