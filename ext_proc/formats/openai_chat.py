"""OpenAI chat completions: its JSON bodies, both ways.

Checked is what a difference between us and a provider could hide; the rest is left to the
provider. Which fields are text is in `openai_tables`; streams are in `openai_stream`.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from ext_proc.call import Call, Line, Reject
from ext_proc.formats import counted, dialect, errors, openai_stream, strict, usage
from ext_proc.formats.dialect import Dialect, Measured, Response
from ext_proc.formats.openai_tables import ERROR, REQUEST, RESPONSE, ROLES


def decode_request(body: bytes, _: Line) -> Call | Reject:
    """Decode a chat completion request."""
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
    options = document.get("stream_options") or {}
    return Call(
        format="OpenAIChat",
        model=model,
        stream=stream,
        wants_usage=options.get("include_usage") is True,
        document=document,
        texts=found.texts,
        unscanned=found.unscanned,
        original=body,
    )


def _refused(document: dict[str, Any]) -> Reject | None:
    """Check what decides whose text is whose, and how many answers there are."""
    messages = document.get("messages")
    if not isinstance(messages, list) or not messages:
        return dialect.malformed("`messages` must be a list that is not empty.")
    for message in messages:
        role = message.get("role") if isinstance(message, dict) else None
        if not isinstance(role, str) or role not in ROLES:
            return dialect.malformed(f"Each message needs a `role` of {', '.join(ROLES)}.")
    count = document.get("n", 1)
    if count is not None and (type(count) is not int or not 1 <= count <= 128):
        return dialect.malformed("`n` must be a whole number from 1 to 128.")
    if not isinstance(document.get("stream_options"), dict | None):
        return dialect.malformed("`stream_options` must be an object.")
    return None


def encode_request(call: Call, ask_usage: bool) -> bytes:  # noqa: FBT001 -- Dialect's signature
    """Encode a request; a stream can be asked to state its usage."""
    asks = ask_usage and call.stream and not call.wants_usage
    if asks:
        options = call.document.get("stream_options") or {}
        call.document["stream_options"] = {**options, "include_usage": True}
    if asks or call.edited or any(text.changed for text in call.texts):
        return strict.dumps(call.document)
    return call.original


def decode_response(body: bytes) -> Response | Reject:
    """Decode a chat completion, or the error that stands in its place."""
    return dialect.decode_answer(body, RESPONSE, usage.openai, settle=_settle)


def _settle(document: dict[str, Any]) -> Callable[[], None]:
    """What takes out what would tell of texts that were changed, or no longer fits them."""
    choices = document.get("choices")
    owners = [each.get("message") for each in _objects(choices)]
    drop = counted.settle(_objects(owners), _words, counted.drop_annotations)

    def settle() -> None:
        drop()
        drop_logprobs(document)

    return settle


def _objects(values: Any) -> list[dict[str, Any]]:
    return [each for each in values if isinstance(each, dict)] if isinstance(values, list) else []


def _words(message: dict[str, Any]) -> Any:
    """What annotations count."""
    content = message.get("content")
    return [each.get("text") for each in _objects(content)] or content


def drop_logprobs(document: dict[str, Any]) -> None:
    """Take out the tokens of texts that were changed: they would spell what was redacted."""
    for choice in document.get("choices") or ():
        if isinstance(choice, dict) and "logprobs" in choice:
            choice["logprobs"] = None


class _Written(msgspec.Struct):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: msgspec.Raw = msgspec.Raw(b"")


class _Choice(msgspec.Struct):
    message: _Written = msgspec.field(default_factory=_Written)


class _Completion(msgspec.Struct):
    model: str | None = None
    usage: Any = None
    choices: list[_Choice] = []


_COMPLETION = msgspec.json.Decoder(_Completion)


def measure(body: bytes) -> Measured:
    """Read usage and model alone."""
    try:
        answer = _COMPLETION.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return Measured()
    used = usage.openai(answer.usage)
    text = "" if used else "".join(_written(choice.message) for choice in answer.choices)
    return Measured(used, answer.usage is not None and used is None, answer.model, text)


def _written(message: _Written) -> str:
    said = (message.content, message.reasoning_content, message.reasoning, message.refusal)
    return "".join(part or "" for part in said) + bytes(message.tool_calls).decode(errors="replace")


def provider_error(status: int, body: bytes) -> Response:
    """Keep what is safe of a provider's error."""
    return dialect.safe_error(errors.openai_provider(status, body), ERROR)


DIALECT = Dialect(
    name="OpenAIChat",
    decode_request=decode_request,
    encode_request=encode_request,
    decode_response=decode_response,
    measure=measure,
    stream=openai_stream.open_stream,
    error=errors.openai,
    stream_error=errors.openai_stream,
    provider_error=provider_error,
)
