"""Anthropic messages: its JSON bodies, both ways.

Checked is what a difference between us and a provider could hide; the rest is left to the
provider. Which fields are text is in `anthropic_tables`; streams are in `anthropic_stream`.
"""

from typing import Any

import msgspec

from ext_proc.call import Call, Line, Reject
from ext_proc.formats import anthropic_stream, dialect, errors, usage
from ext_proc.formats.anthropic_tables import ERROR, REQUEST, RESPONSE, ROLES
from ext_proc.formats.dialect import Dialect, Measured, Response


def decode_request(body: bytes, _: Line) -> Call | Reject:
    """Decode a messages request."""
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
        format="AnthropicMessages",
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
    messages = document.get("messages")
    if not isinstance(messages, list) or not messages:
        return dialect.malformed("`messages` must be a list that is not empty.")
    for message in messages:
        role = message.get("role") if isinstance(message, dict) else None
        if not isinstance(role, str) or role not in ROLES:
            return dialect.malformed(f"Each message needs a `role` of {', '.join(ROLES)}.")
    return None


def decode_response(body: bytes) -> Response | Reject:
    """Decode a message, or the error that stands in its place."""
    return dialect.decode_answer(body, RESPONSE, usage.anthropic)


class _Message(msgspec.Struct):
    model: str | None = None
    usage: Any = None
    content: msgspec.Raw = msgspec.Raw(b"[]")


_MESSAGE = msgspec.json.Decoder(_Message)
_CONTENT = msgspec.json.Decoder(list[dict[str, Any]])


def measure(body: bytes) -> Measured:
    """Read usage and model alone."""
    try:
        message = _MESSAGE.decode(body)
        used = usage.anthropic(message.usage)
        text = "" if used else "".join(map(_written, _CONTENT.decode(message.content)))
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return Measured()
    return Measured(used, message.usage is not None and used is None, message.model, text)


def _written(block: dict[str, Any]) -> str:
    """Return what the model wrote in a block."""
    said = [block.get(name) for name in ("text", "thinking")]
    called = msgspec.json.encode(block["input"]).decode() if "input" in block else ""
    return "".join(text for text in said if isinstance(text, str)) + called


def provider_error(status: int, body: bytes) -> Response:
    """Keep what is safe of a provider's error."""
    return dialect.safe_error(errors.anthropic_provider(status, body), ERROR)


DIALECT = Dialect(
    name="AnthropicMessages",
    decode_request=decode_request,
    encode_request=dialect.unchanged,
    decode_response=decode_response,
    measure=measure,
    stream=anthropic_stream.open_stream,
    error=errors.anthropic,
    stream_error=errors.anthropic_stream,
    provider_error=provider_error,
)
