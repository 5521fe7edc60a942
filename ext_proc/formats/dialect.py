"""Dialect: all that one API format can do, as one value; and a decoded response.

Each format's module fills one `Dialect`; the rest of the data plane knows formats by these
functions alone. Nothing here knows any one format.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from crds.plan import Format, Origin
from ext_proc.call import Call, Line, OpenField, Reject, Text, Usage
from ext_proc.formats import strict
from ext_proc.formats.shapes import AmbiguousKeyError
from ext_proc.formats.texts import Found

Count = Callable[[str], int]
"""Counts the tokens of a text."""
_LONGEST_MODEL = 256


@dataclass(slots=True)
class Response:
    """A decoded JSON response."""

    document: dict[str, Any]
    texts: list[Text]
    unscanned: Counter[str]
    original: bytes
    usage: Usage | None = None
    usage_invalid: bool = False
    """The provider stated a usage that cannot be."""
    model: str | None = None
    settle: Callable[[], None] | None = None
    """Takes out what would tell of the texts that were changed."""
    write: Callable[[dict[str, Any]], bytes] = strict.dumps

    def encode(self) -> bytes:
        """The body's bytes: the original ones if nothing changed."""
        if not any(text.changed for text in self.texts):
            return self.original
        if self.settle is not None:
            self.settle()
        return self.write(self.document)


@dataclass(frozen=True, slots=True)
class Measured:
    """What a response says of itself, read without its texts."""

    usage: Usage | None = None
    usage_invalid: bool = False
    model: str | None = None
    text: str = ""
    """All that the model wrote, to be counted where no usage is stated."""


class StreamCodec(Protocol):
    """One streamed response, bytes in and bytes out."""

    @property
    def usage(self) -> Usage | None:
        """What the provider stated so far."""
        ...

    @property
    def usage_invalid(self) -> bool:
        """The provider stated a usage that cannot be."""
        ...

    @property
    def model(self) -> str | None:
        """The model the provider says it used."""
        ...

    @property
    def blocked(self) -> bool:
        """A guard blocked: nothing more is released; end the stream with `abort`."""
        ...

    @property
    def failed(self) -> Reject | None:
        """The provider's stream cannot be read: as `blocked`."""
        ...

    @property
    def output_tokens(self) -> int:
        """Tokens of the text that passed, as counted by us."""
        ...

    def feed(self, data: bytes) -> bytes:
        """Take what arrived; return what may go to the client now."""
        ...

    def end(self) -> bytes:
        """The provider ended; return what is left."""
        ...

    def abort(self, reject: Reject, request_id: str) -> bytes:
        """Return what ends the stream in the format's own way; nothing held back is released."""
        ...


class OpenStream(Protocol):
    """Starts a streamed response; without `open_field` nothing is inspected."""

    def __call__(
        self, call: Call, open_field: OpenField | None, count: Count | None = None
    ) -> StreamCodec:
        """Return the codec of one response."""
        ...


class Table(Protocol):
    """What is text in a whole body."""

    def read_object(self, found: Found, value: dict[str, Any], origin: Origin) -> None:
        """Add the texts of a body. Raise AmbiguousKeyError."""
        ...


@dataclass(frozen=True, slots=True)
class Dialect:
    """What one format can do."""

    name: Format
    decode_request: Callable[[bytes, Line], Call | Reject]
    encode_request: Callable[[Call, bool], bytes]
    """The second argument: ask the provider for the usage of a stream."""
    decode_response: Callable[[bytes], Response | Reject]
    measure: Callable[[bytes], Measured]
    """Usage and model of a response, where no guard needs its texts; never fails."""
    stream: OpenStream
    error: Callable[[Reject, str], bytes]
    stream_error: Callable[[Reject, str], bytes]
    """Ends a stream before any event of it was read."""
    provider_error: Callable[[int, bytes], Response]
    """What may be passed on of a provider's error; its texts are still to be inspected."""
    streams_as: str = "text/event-stream"
    """The content type of its streams."""
    unstated: Literal["counted", "unpriced", "free"] = "counted"
    """What a call used if its provider states no tokens: what we counted, nobody knows, nothing."""
    estimate: Callable[[int], bytes] | None = None
    """Answers in a provider's place, from our own count of the input's tokens."""
    is_batch: bool = False
    """Its texts are asked one by one: no context has to hold them all."""
    is_form: bool = False
    """Its requests are multipart/form-data, not JSON."""
    read_text: Callable[[bytes], Response | Reject] | None = None
    """Decodes an answer that is plain text, where the format has such."""
    unread: str = ""
    """How content types begin whose bodies no guard can read, and which pass all the same."""


def malformed(message: str) -> Reject:
    """Refuse a request body."""
    return Reject(400, "malformed_request", message)


def unreadable(message: str) -> Reject:
    """Refuse a response body."""
    return Reject(502, "provider_bad_response", message)


def model_of(document: dict[str, Any]) -> str | Reject:
    """Return the model a request asks for."""
    model = document.get("model")
    if not isinstance(model, str) or not model.strip() or not model.isprintable():
        return malformed(
            "`model` must be a string that is not empty and has no control characters."
        )
    if len(model) > _LONGEST_MODEL:
        return malformed(f"`model` is longer than {_LONGEST_MODEL} characters.")
    return model


def stream_of(document: dict[str, Any]) -> bool | Reject:
    """Return whether a request asks for a stream."""
    stream = document.get("stream", False)
    if stream is None:
        return False
    return stream if isinstance(stream, bool) else malformed("`stream` must be true or false.")


def find_texts(document: dict[str, Any], table: Table) -> Found | Reject:
    """Walk a request by its format's table."""
    found = Found()
    try:
        table.read_object(found, document, "Other")
    except AmbiguousKeyError:
        return malformed("A key differs only in its spelling from one of the format's own.")
    return found


def find_answer(document: dict[str, Any], table: Table) -> Found | Reject:
    """Walk an answer by its format's table."""
    found = Found()
    try:
        table.read_object(found, document, "Other")
    except AmbiguousKeyError:
        return unreadable("A key of the provider's answer is ambiguous.")
    return found


def decode_answer(
    body: bytes,
    table: Table,
    count: Callable[[Any], Usage | None],
    *,
    states: tuple[str, str] = ("usage", "model"),
    settle: Callable[[dict[str, Any]], Callable[[], None]] | None = None,
) -> Response | Reject:
    """Decode an answer, or the error that stands in its place.

    `states`: the fields that state its usage and its model; `count` reads the usage; `settle` looks
    at the document before any text is changed.
    """
    document = loads_response(body)
    if isinstance(document, Reject):
        return document
    found = find_answer(document, table)
    if isinstance(found, Reject):
        return found
    stated, model = map(document.get, states)
    used = count(stated)
    return Response(
        document,
        found.texts,
        found.unscanned,
        body,
        usage=used,
        usage_invalid=stated is not None and used is None,
        model=model if isinstance(model, str) else None,
        settle=settle(document) if settle is not None else None,
    )


def loads_request(body: bytes) -> dict[str, Any] | Reject:
    """Decode a request body."""
    try:
        return strict.loads(body)
    except strict.InvalidJsonError as refused:
        return malformed(str(refused))


def loads_response(body: bytes) -> dict[str, Any] | Reject:
    """Decode a response body."""
    try:
        return strict.loads(body)
    except strict.InvalidJsonError:
        return unreadable("The provider's answer is not the JSON it should be.")


def unchanged(call: Call, ask_usage: bool) -> bytes:  # noqa: ARG001, FBT001 -- Dialect's signature
    """Encode a request of a format whose answers state their usage anyway."""
    if call.edited or any(text.changed for text in call.texts):
        return strict.dumps(call.document)
    return call.original


def safe_error(document: dict[str, Any], table: Table) -> Response:
    """Make a response of a provider's error that was cleaned."""
    found = Found()
    table.read_object(found, document, "Other")
    body = strict.dumps(document)
    return Response(document, found.texts, found.unscanned, body)
