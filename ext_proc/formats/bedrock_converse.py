"""Bedrock's Converse and ConverseStream: their JSON bodies, both ways.

The path names the model and whether to stream. Checked is what a difference between us and a
provider could hide; the rest is left to the provider. Which fields are text is in `bedrock_tables`;
streams are in `bedrock_stream`.
"""

from typing import Any

import msgspec

from ext_proc.call import Call, Line, Reject
from ext_proc.formats import bedrock_errors, bedrock_stream, dialect, eventstream, usage
from ext_proc.formats.bedrock_tables import ERROR, REQUEST, RESPONSE, ROLES
from ext_proc.formats.dialect import Dialect, Measured, Response

_STORED_PROMPT = ":prompt/"
"""Stands in the name of a prompt that AWS keeps."""


def decode_request(body: bytes, line: Line) -> Call | Reject:
    """Decode a Converse request."""
    document = dialect.loads_request(body)
    if isinstance(document, Reject):
        return document
    refused = _refused(document, line.model)
    if refused is not None:
        return refused
    found = dialect.find_texts(document, REQUEST)
    if isinstance(found, Reject):
        return found
    if _STORED_PROMPT in line.model:
        found.unscanned["conversation"] += 1
    return Call(
        format="BedrockConverse",
        model=line.model,
        stream=line.stream,
        wants_usage=True,
        document=document,
        texts=found.texts,
        unscanned=found.unscanned,
        original=body,
    )


def _refused(document: dict[str, Any], model: str) -> Reject | None:
    """Check what decides whose text is whose."""
    messages = document.get("messages")
    if messages is None and _STORED_PROMPT in model:
        return None
    if not isinstance(messages, list) or not messages:
        return dialect.malformed("`messages` must be a list that is not empty.")
    for message in messages:
        role = message.get("role") if isinstance(message, dict) else None
        if not isinstance(role, str) or role not in ROLES:
            return dialect.malformed(f"Each message needs a `role` of {', '.join(ROLES)}.")
    return None


def decode_response(body: bytes) -> Response | Reject:
    """Decode an answer."""
    return dialect.decode_answer(body, RESPONSE, usage.bedrock)


class _Message(msgspec.Struct):
    content: list[dict[str, Any]] = []


class _Output(msgspec.Struct):
    message: _Message | None = None


class _Answer(msgspec.Struct):
    usage: Any = None
    output: msgspec.Raw = msgspec.Raw(b"{}")


_ANSWER = msgspec.json.Decoder(_Answer)
_OUTPUT = msgspec.json.Decoder(_Output)


def measure(body: bytes) -> Measured:
    """Read the usage alone; no model is stated."""
    try:
        answer = _ANSWER.decode(body)
        used = usage.bedrock(answer.usage)
        message = None if used else _OUTPUT.decode(answer.output).message
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return Measured()
    text = "".join(map(_written, message.content)) if message else ""
    return Measured(used, answer.usage is not None and used is None, text=text)


def _written(block: dict[str, Any]) -> str:
    """Return what the model wrote in a block."""
    match block:
        case {"text": str(text)} | {"reasoningContent": {"reasoningText": {"text": str(text)}}}:
            return text
        case {"citationsContent": {"content": [*pieces]}}:
            return "".join(str(each.get("text", "")) for each in pieces if isinstance(each, dict))
        case {"toolUse": {"input": called}}:
            return msgspec.json.encode(called).decode()
    return ""


def provider_error(status: int, body: bytes) -> Response:
    """Keep what is safe of a provider's error."""
    return dialect.safe_error(bedrock_errors.provider(status, body), ERROR)


DIALECT = Dialect(
    name="BedrockConverse",
    decode_request=decode_request,
    encode_request=dialect.unchanged,
    decode_response=decode_response,
    measure=measure,
    stream=bedrock_stream.open_stream,
    error=bedrock_errors.error,
    stream_error=bedrock_errors.stream,
    provider_error=provider_error,
    streams_as=eventstream.CONTENT_TYPE,
)
