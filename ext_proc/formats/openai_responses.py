"""OpenAI's responses: its JSON bodies, both ways.

Checked is what a difference between us and a provider could hide; the rest is left to the
provider. Which fields are text is in `responses_tables`; streams are in `responses_stream`.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from ext_proc.call import Call, Line, Reject
from ext_proc.formats import counted, dialect, errors, responses_stream, usage
from ext_proc.formats.dialect import Dialect, Measured, Response
from ext_proc.formats.openai_tables import ERROR
from ext_proc.formats.responses_tables import REQUEST, RESPONSE, ROLES


def decode_request(body: bytes, _: Line) -> Call | Reject:
    """Decode a request for a response."""
    document = dialect.loads_request(body)
    if isinstance(document, Reject):
        return document
    model, stream = dialect.model_of(document), dialect.stream_of(document)
    if isinstance(model, Reject):
        return model
    if isinstance(stream, Reject):
        return stream
    refused = _refused(document)
    if refused is not None:
        return refused
    found = dialect.find_texts(document, REQUEST)
    if isinstance(found, Reject):
        return found
    return Call(
        format="OpenAIResponses",
        model=model,
        stream=stream,
        wants_usage=True,
        document=document,
        texts=found.texts,
        unscanned=found.unscanned,
        original=body,
    )


def _refused(document: dict[str, Any]) -> Reject | None:
    """Check what decides whose text is whose."""
    asked = document.get("input", "")
    if not isinstance(asked, str | list):
        return dialect.malformed("`input` must be a string or a list of items.")
    for item in asked if isinstance(asked, list) else ():
        if not isinstance(item, dict):
            return dialect.malformed("Each item of `input` must be an object.")
        kind, role = item.get("type"), item.get("role")
        if kind in (None, "message") and not (isinstance(role, str) and role in ROLES):
            return dialect.malformed(f"Each message needs a `role` of {', '.join(ROLES)}.")
    return None


def decode_response(body: bytes) -> Response | Reject:
    """Decode a response, or the error that stands in its place."""
    return dialect.decode_answer(body, RESPONSE, usage.responses, settle=_settle)


def _settle(document: dict[str, Any]) -> Callable[[], None]:
    """What takes out what would tell of texts that were changed, or no longer fits them."""
    parts = [part for item in _objects(document.get("output")) for part in _content(item)]
    drop = counted.settle(parts, lambda part: part.get("text"), counted.drop_annotations)

    def settle() -> None:
        drop()
        for part in parts:
            if "logprobs" in part:
                part["logprobs"] = []

    return settle


def _content(item: dict[str, Any]) -> list[dict[str, Any]]:
    return _objects(item.get("content"))


def _objects(values: Any) -> list[dict[str, Any]]:
    return [each for each in values if isinstance(each, dict)] if isinstance(values, list) else []


class _Answer(msgspec.Struct):
    model: str | None = None
    usage: Any = None
    output: msgspec.Raw = msgspec.Raw(b"[]")


_ANSWER = msgspec.json.Decoder(_Answer)
_OUTPUT = msgspec.json.Decoder(list[dict[str, Any]])


def measure(body: bytes) -> Measured:
    """Read usage and model alone."""
    try:
        answer = _ANSWER.decode(body)
        used = usage.responses(answer.usage)
        text = "" if used else "".join(map(_written, _OUTPUT.decode(answer.output)))
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return Measured()
    return Measured(used, answer.usage is not None and used is None, answer.model, text)


def _written(item: dict[str, Any]) -> str:
    """Return what the model wrote in an item."""
    said = [item.get(name) for name in ("arguments", "input", "code")]
    for parts in (item.get("summary"), item.get("content")):
        for part in parts if isinstance(parts, list) else ():
            if isinstance(part, dict):
                said += [part.get("text"), part.get("refusal")]
    return "".join(text for text in said if isinstance(text, str))


def provider_error(status: int, body: bytes) -> Response:
    """Keep what is safe of a provider's error."""
    return dialect.safe_error(errors.openai_provider(status, body), ERROR)


DIALECT = Dialect(
    name="OpenAIResponses",
    decode_request=decode_request,
    encode_request=dialect.unchanged,
    decode_response=decode_response,
    measure=measure,
    stream=responses_stream.open_stream,
    error=errors.openai,
    stream_error=errors.responses_stream,
    provider_error=provider_error,
)
