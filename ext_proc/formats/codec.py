"""The part of a streamed response that all formats share: from bytes to events and back.

A `Cutter` makes events of bytes, a `Machine` knows one format's events; the codec around them makes
sure that after a verdict or a failure nothing more is released. `Codec` is the one of formats whose
events are server-sent ones.
"""

from collections.abc import Callable, Iterable
from typing import Generic, Protocol, TypeVar

import orjson

from ext_proc.call import Reject, Usage
from ext_proc.formats import sse
from ext_proc.formats.dialect import Count, unreadable
from ext_proc.formats.shapes import AmbiguousKeyError

_COUNTED_AT = 4096
Cut = TypeVar("Cut")
"""An event, as the format frames it."""
Cut_contra = TypeVar("Cut_contra", contravariant=True)
Cut_co = TypeVar("Cut_co", covariant=True)


class BrokenStreamError(ValueError):
    """An event is not what the format's streams hold; the message is ours."""


class Tally:
    """Counts the tokens of text that passes, some at a time."""

    def __init__(self, count: Count | None) -> None:
        self._count = count
        self._pieces: list[str] = []
        self._length = 0
        self._counted = 0

    def add(self, text: str) -> None:
        """Take text that was written."""
        if self._count is not None and text:
            self._pieces.append(text)
            self._length += len(text)
            if self._length >= _COUNTED_AT:
                self._settle()

    @property
    def tokens(self) -> int:
        """Tokens of all text so far."""
        if self._length:
            self._settle()
        return self._counted

    def _settle(self) -> None:
        if self._count is not None:
            self._counted += self._count("".join(self._pieces))
        self._pieces.clear()
        self._length = 0


class Cutter(Protocol[Cut_co]):
    """Cuts a byte stream into events. Raises BrokenStreamError."""

    def push(self, data: bytes) -> Iterable[Cut_co]:
        """Return the events that are complete now."""
        ...

    def finish(self) -> Iterable[Cut_co]:
        """The stream ended; return what is left of it that is whole."""
        ...


class Machine(Protocol[Cut_contra]):
    """One format's side of a stream."""

    usage: Usage | None
    usage_invalid: bool
    model: str | None
    tally: Tally

    @property
    def blocked(self) -> bool:
        """A guard blocked."""
        ...

    def event(self, event: Cut_contra, /) -> bytes:
        """Take one event; return what may go on. Raise BrokenStreamError or ValueError."""
        ...

    def finish(self) -> bytes:
        """The stream ended; return what was held back."""
        ...

    def abort(self, reject: Reject, request_id: str) -> bytes:
        """Return what ends the stream early."""
        ...


class Framed(Generic[Cut]):
    """A `StreamCodec` made of a cutter and a machine."""

    def __init__(self, cutter: Cutter[Cut], machine: Machine[Cut]) -> None:
        self._machine = machine
        self._cutter = cutter
        self._failed: Reject | None = None

    @property
    def usage(self) -> Usage | None:
        """What the provider stated so far."""
        return self._machine.usage

    @property
    def usage_invalid(self) -> bool:
        """The provider stated a usage that cannot be."""
        return self._machine.usage_invalid

    @property
    def model(self) -> str | None:
        """The model the provider says it used."""
        return self._machine.model

    @property
    def blocked(self) -> bool:
        """A guard blocked."""
        return self._machine.blocked

    @property
    def failed(self) -> Reject | None:
        """The provider's stream cannot be read."""
        return self._failed

    @property
    def output_tokens(self) -> int:
        """Tokens of the text that passed, as counted by us."""
        return self._machine.tally.tokens

    def feed(self, data: bytes) -> bytes:
        """Take what arrived; return what may go to the client now."""
        return self._take(lambda: self._cutter.push(data))

    def end(self) -> bytes:
        """The provider ended; return what is left."""
        last = self._take(self._cutter.finish)
        rest = b"" if self.blocked or self.failed else self._machine.finish()
        return last + rest

    def abort(self, reject: Reject, request_id: str) -> bytes:
        """Return what ends the stream early."""
        return self._machine.abort(reject, request_id)

    def _take(self, cut: Callable[[], Iterable[Cut]]) -> bytes:
        released: list[bytes] = []
        if self.blocked or self.failed:
            return b""
        try:
            for event in cut():
                passed = self._machine.event(event)
                if self._machine.blocked:
                    break
                released.append(passed)
        except BrokenStreamError as broken:
            self._failed = unreadable(str(broken))
        except AmbiguousKeyError:
            self._failed = unreadable("A key of the provider's stream is ambiguous.")
        return b"".join(released)


class Codec(Framed[sse.Event]):
    """A `StreamCodec` of server-sent events."""

    def __init__(self, machine: Machine[sse.Event]) -> None:
        super().__init__(_Events(), machine)


class _Events:
    """Cuts a byte stream into server-sent events."""

    def __init__(self) -> None:
        self._events = sse.Events()

    def push(self, data: bytes) -> list[sse.Event]:
        """Return the events that are complete now."""
        try:
            return self._events.push(data)
        except sse.EventTooLargeError:
            why = "One event of the provider's stream is too large."
            raise BrokenStreamError(why) from None

    def finish(self) -> list[sse.Event]:
        """Return an event that lacks only its blank line; one that was cut is dropped."""
        return [event for event in self._events.finish() if _is_complete(event.data)]


def _is_complete(data: bytes | None) -> bool:
    if data is None or data.strip() == b"[DONE]":
        return True
    try:
        orjson.loads(data)
    except ValueError:
        return False
    return True
