"""OpenAI completions, the older API of text after text: its JSON bodies, both ways.

A prompt may be token ids, which cannot be read here and are recorded. Source: the API reference of
completions. Streams are in `openai_completions_stream`.
"""

from functools import partial
from typing import Any

import msgspec

from ext_proc.call import Call, Line, Reject
from ext_proc.formats import dialect, errors, openai_chat, openai_completions_stream, usage
from ext_proc.formats.dialect import Dialect, Measured, Response
from ext_proc.formats.openai_embeddings import Inputs, is_input
from ext_proc.formats.openai_tables import ENVELOPE, ERROR
from ext_proc.formats.rules import Json, Numbers, Prose, SpelledTokens, Token
from ext_proc.formats.shapes import Each, Object

REQUEST = Object(
    {
        "model": Token(),
        "prompt": Inputs(),
        "suffix": Prose("User"),
        "stream": Token(),
        "stream_options": Numbers(),
        "n": Token(),
        "best_of": Token(),
        "echo": Token(),
        "max_tokens": Token(),
        "temperature": Token(),
        "top_p": Token(),
        "frequency_penalty": Token(),
        "presence_penalty": Token(),
        "logprobs": Token(),
        "logit_bias": Numbers(),
        "seed": Token(),
        "stop": Each(Prose()),
        "user": Prose(),
        "response_format": Json(),
    },
    strict=True,
)
CHOICE = Object(
    {
        "index": Token(),
        "text": Prose(),
        "finish_reason": Token(),
        "stop_reason": Prose(),
        "logprobs": SpelledTokens(),
    },
    origin="Assistant",
)
RESPONSE = Object({**ENVELOPE, "choices": Each(CHOICE)})


def decode_request(body: bytes, _: Line) -> Call | Reject:
    """Decode a completion request."""
    document = dialect.loads_request(body)
    if isinstance(document, Reject):
        return document
    model, stream = dialect.model_of(document), dialect.stream_of(document)
    if isinstance(model, Reject):
        return model
    if isinstance(stream, Reject):
        return stream
    found = _refused(document) or dialect.find_texts(document, REQUEST)
    if isinstance(found, Reject):
        return found
    options = document.get("stream_options") or {}
    return Call(
        format="OpenAICompletions",
        model=model,
        stream=stream,
        wants_usage=options.get("include_usage") is True,
        document=document,
        texts=found.texts,
        unscanned=found.unscanned,
        original=body,
    )


def _refused(document: dict[str, Any]) -> Reject | None:
    if not is_input(document.get("prompt")):
        return dialect.malformed(
            "`prompt` must be a string, a list of strings, token ids, or lists of token ids."
        )
    if not isinstance(document.get("stream_options"), dict | None):
        return dialect.malformed("`stream_options` must be an object.")
    return None


def decode_response(body: bytes) -> Response | Reject:
    """Decode a completion, or the error that stands in its place."""
    return dialect.decode_answer(
        body,
        RESPONSE,
        usage.openai,
        settle=lambda document: partial(openai_chat.drop_logprobs, document),
    )


class _Choice(msgspec.Struct):
    text: str | None = None


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
    text = "" if used else "".join(choice.text or "" for choice in answer.choices)
    return Measured(used, answer.usage is not None and used is None, answer.model, text)


def provider_error(status: int, body: bytes) -> Response:
    """Keep what is safe of a provider's error."""
    return dialect.safe_error(errors.openai_provider(status, body), ERROR)


DIALECT = Dialect(
    name="OpenAICompletions",
    decode_request=decode_request,
    encode_request=openai_chat.encode_request,
    decode_response=decode_response,
    measure=measure,
    stream=openai_completions_stream.open_stream,
    error=errors.openai,
    stream_error=errors.openai_stream,
    provider_error=provider_error,
    is_batch=True,
)
