"""Formats that are only passed on: a dialect made of tables, for JSON bodies and typed events.

What is text stands in each format's tables. Nothing of these formats is ever translated, so only
what decides whose text is whose is checked.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from crds.plan import Format
from ext_proc.call import Call, Line, OpenField, Reject, Usage
from ext_proc.formats import dialect, errors, typed_events, usage
from ext_proc.formats.codec import Codec
from ext_proc.formats.dialect import Count, Dialect, Measured, Response, Table
from ext_proc.formats.rules import Prose, Token
from ext_proc.formats.shapes import Object
from ext_proc.formats.texts import Found
from ext_proc.formats.typed_events import Events

_ERROR = Object(
    {
        "message": Prose(),
        "error": Object({"message": Prose(), "type": Token(), "code": Token(), "param": Token()}),
    }
)
"""Of all these formats."""


def _usage(answer: Mapping[str, Any]) -> Any:
    return answer.get("usage")


class _Answer(msgspec.Struct):
    model: str | None = None
    usage: Any = None
    meta: Any = None


_ANSWER = msgspec.json.Decoder(_Answer)


@dataclass(frozen=True, slots=True)
class Tabled:
    """One format's tables."""

    name: Format
    request: Table
    response: Table
    wrong: Callable[[dict[str, Any]], str]
    """What keeps a request from being read, in words; empty if nothing does."""
    default_model: str = ""
    """The model that is meant where none is named."""
    makes: str = ""
    """What the answer is made of, where no guard can read it: recorded with the request."""
    events: Events | None = None
    stated: Callable[[Mapping[str, Any]], Any] = _usage
    """The part of an answer that counts tokens; None if there is none."""
    count: Callable[[Any], Usage | None] = usage.openai
    provider: Callable[[int, bytes], dict[str, Any]] = errors.openai_provider
    streams: Callable[[dict[str, Any]], bool | Reject] = dialect.stream_of

    def decode_request(self, body: bytes, _: Line) -> Call | Reject:
        """Decode a request."""
        document = dialect.loads_request(body)
        return document if isinstance(document, Reject) else self.read(document, body)

    def read(self, document: dict[str, Any], body: bytes) -> Call | Reject:
        """Find the texts of a decoded request."""
        edited = bool(self.default_model) and document.get("model") is None
        if edited:
            document["model"] = self.default_model
        model, stream = dialect.model_of(document), self.streams(document)
        if isinstance(model, Reject):
            return model
        if isinstance(stream, Reject):
            return stream
        if wrong := self.wrong(document):
            return dialect.malformed(wrong)
        found = dialect.find_texts(document, self.request)
        if isinstance(found, Reject):
            return found
        if self.makes:
            found.unscanned[self.makes] += 1
        return Call(
            format=self.name,
            model=model,
            stream=stream,
            wants_usage=True,
            document=document,
            texts=found.texts,
            unscanned=found.unscanned,
            original=body,
            edited=edited,
        )

    def decode_response(self, body: bytes) -> Response | Reject:
        """Decode an answer, or the error that stands in its place."""
        document = dialect.loads_response(body)
        if isinstance(document, Reject):
            return document
        found = Found()
        self.response.read_object(found, document, "Assistant")
        measured = self._measured(document)
        return Response(
            document,
            found.texts,
            found.unscanned,
            body,
            usage=measured.usage,
            usage_invalid=measured.usage_invalid,
            model=measured.model,
        )

    def measure(self, body: bytes) -> Measured:
        """Read usage and model alone."""
        try:
            answer = _ANSWER.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return Measured()
        return self._measured(msgspec.structs.asdict(answer))

    def _measured(self, answer: Mapping[str, Any]) -> Measured:
        stated, model = self.stated(answer), answer.get("model")
        used = self.count(stated) if stated is not None else None
        named = model if isinstance(model, str) else None
        return Measured(used, stated is not None and used is None, named)

    def stream(self, call: Call, open_field: OpenField | None, count: Count | None = None) -> Codec:
        """Start a stream; a format without streams of its own has its events read whole."""
        del call  # the events say all
        events = self.events or Events(self.response)
        return typed_events.open_stream(events, self.stated, self.count, open_field, count)

    def provider_error(self, status: int, body: bytes) -> Response:
        """Keep what is safe of a provider's error."""
        return dialect.safe_error(self.provider(status, body), _ERROR)

    def as_dialect(self) -> Dialect:
        """All that the format can do, with errors as OpenAI has them."""
        return Dialect(
            name=self.name,
            decode_request=self.decode_request,
            encode_request=dialect.unchanged,
            decode_response=self.decode_response,
            measure=self.measure,
            stream=self.stream,
            error=errors.openai,
            stream_error=errors.openai_stream,
            provider_error=self.provider_error,
        )
