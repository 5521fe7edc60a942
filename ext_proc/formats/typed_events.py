"""Streams whose events are JSON objects with a `type`: images, speech and transcripts of OpenAI.

An event is read whole by its table; under inspection an event of an unknown type ends the stream,
since its texts might be pieces. Where events of one type hold the pieces of a text, that text
has one scan, and what it holds back goes out before the event that ends it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from ext_proc.call import OpenField, Reject, Usage
from ext_proc.formats import errors, sse, strict
from ext_proc.formats.codec import BrokenStreamError, Codec, Tally
from ext_proc.formats.dialect import Count, Table
from ext_proc.formats.openai_tables import ERROR
from ext_proc.formats.scans import Scans
from ext_proc.formats.stated import Stated
from ext_proc.formats.texts import Found

State = Callable[[Mapping[str, Any]], Any]
Read = Callable[[Any], Usage | None]
_DONE = sse.encode(b"[DONE]")
_TEXT = "text"
"""The key of the one scan."""


@dataclass(frozen=True, slots=True)
class Events:
    """How a format's events are read."""

    table: Table
    wholes: frozenset[str] = frozenset()
    """Types whose texts come whole."""
    pieces: Mapping[str, str] = field(default_factory=dict)
    """By type: the field that holds the next piece of the text."""
    ends: frozenset[str] = frozenset()
    """Types that come whole and end the text; no piece may follow."""


def open_stream(
    events: Events,
    state: State,
    read: Read,
    open_field: OpenField | None,
    count: Count | None,
) -> Codec:
    """Start a stream."""
    tally = Tally(count)
    if open_field is None:
        return Codec(Passing(tally, events, state, read))
    return Codec(Inspected(tally, events, state, read, Scans(open_field)))


class Passing(Stated):
    """Events that no guard inspects."""

    blocked = False

    def __init__(self, tally: Tally, events: Events, state: State, read: Read) -> None:
        super().__init__(tally, read)
        self._pieces = events.pieces
        self._state = state

    def event(self, event: sse.Event) -> bytes:
        """Read what the event states."""
        document = _decoded(event.data)
        self.note(document.get("model"), self._state(document))
        piece = _piece(self._pieces, document)
        if piece is not None:
            self.tally.add(piece[1])
        return event.raw

    def finish(self) -> bytes:
        """Nothing was held back."""
        return b""

    def abort(self, reject: Reject, request_id: str) -> bytes:
        """End with an error."""
        return errors.openai_stream(reject, request_id)


class Inspected(Stated):
    """Events whose every text a guard inspects."""

    def __init__(
        self, tally: Tally, events: Events, state: State, read: Read, scans: Scans[str]
    ) -> None:
        super().__init__(tally, read)
        self._events = events
        self._state = state
        self._scans = scans
        self._last: tuple[dict[str, Any], str] = ({}, "")
        self._ended = False
        self._done = False

    @property
    def blocked(self) -> bool:
        """A guard blocked."""
        return self._scans.blocked

    def event(self, event: sse.Event) -> bytes:
        """Take one event; return what may go on."""
        if self._done:
            return b""
        if event.data is None:
            return sse.COMMENT
        if event.data.strip() == b"[DONE]":
            self._done = True
            return self.finish() + _DONE
        try:
            document = strict.loads(event.data)
        except strict.InvalidJsonError:
            raise BrokenStreamError("An event of the provider's stream is not JSON.") from None
        if document.get("error") is not None:
            return self._error(event.data)
        self.note(document.get("model"), self._state(document))
        name = event.name if event.name == document.get("type") else ""
        return self._take(document, name)

    def finish(self) -> bytes:
        """Return what was held back."""
        envelope, name = self._last
        held = [text for _, text in self._scans.finish(lambda _: True)]
        if self.blocked or not held:
            return b""
        field_ = self._events.pieces[envelope["type"]]
        return sse.encode(strict.dumps({**envelope, field_: held[0]}), name)

    def abort(self, reject: Reject, request_id: str) -> bytes:
        """End with an error."""
        return errors.openai_stream(reject, request_id)

    def _take(self, document: dict[str, Any], name: str) -> bytes:
        piece = _piece(self._events.pieces, document)
        if piece is None:
            return self._whole(document, name)
        if self._ended:
            raise BrokenStreamError("The provider's stream writes on after its end.")
        field_, text = piece
        document.pop(field_)
        document.pop("logprobs", None)
        self._texts(document)
        self._last = (dict(document), name)
        self.tally.add(text)
        released = self._scans.push(_TEXT, "Assistant", text)
        if not released:
            return b""
        return sse.encode(strict.dumps({**document, field_: released}), name)

    def _whole(self, document: dict[str, Any], name: str) -> bytes:
        before, kind = b"", document.get("type")
        if not isinstance(kind, str) or kind not in self._events.wholes | self._events.ends:
            raise BrokenStreamError("The provider's stream has an event of an unknown type.")
        if kind in self._events.ends:
            self._ended = True
            document.pop("logprobs", None)
            before = self.finish()
        self._texts(document)
        return before + sse.encode(strict.dumps(document), name)

    def _texts(self, document: dict[str, Any]) -> None:
        found = Found()
        self._events.table.read_object(found, document, "Assistant")
        self._scans.texts(found.texts)

    def _error(self, data: bytes) -> bytes:
        """Pass on what is safe of an error the provider reports in its stream."""
        error = errors.openai_provider(400, data)
        found = Found()
        ERROR.read_object(found, error, "Other")
        self._scans.texts(found.texts)
        return self.finish() + sse.encode(strict.dumps(error))


def _piece(pieces: Mapping[str, str], document: Mapping[str, Any]) -> tuple[str, str] | None:
    """The field of an event's piece of text, and the piece."""
    kind = document.get("type")
    name = pieces.get(kind) if isinstance(kind, str) else None
    text = document.get(name) if name is not None else None
    return (name, text) if name is not None and isinstance(text, str) else None


def _decoded(data: bytes | None) -> dict[str, Any]:
    try:
        document = msgspec.json.decode(data) if data is not None else None
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return {}
    return document if isinstance(document, dict) else {}
