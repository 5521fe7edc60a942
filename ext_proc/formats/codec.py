"""The part of a streamed response that all formats share: from bytes to events and back.

A `Machine` knows one format's events; the codec around it cuts the bytes, counts what passed, and
makes sure that after a verdict or a failure nothing more is released.
"""

from typing import Any, Protocol

import orjson

from ext_proc.call import Reject, Usage
from ext_proc.formats import sse
from ext_proc.formats.dialect import Count, unreadable

_COUNTED_AT = 4096


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


class Machine(Protocol):
    """One format's side of a stream."""

    usage: Usage | None
    usage_invalid: bool
    model: str | None
    tally: Tally

    @property
    def blocked(self) -> bool:
        """A guard blocked."""
        ...

    def event(self, event: sse.Event) -> bytes:
        """Take one event; return what may go on. Raise BrokenStreamError or ValueError."""
        ...

    def finish(self) -> bytes:
        """The stream ended; return what was held back."""
        ...

    def abort(self, reject: Reject, request_id: str) -> bytes:
        """Return what ends the stream early."""
        ...


class Codec:
    """A `StreamCodec` made of a machine."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._events = sse.Events()
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
        return self._take(self._events.push, data)

    def end(self) -> bytes:
        """The provider ended; return what is left."""
        last = self._take(self._last)
        rest = b"" if self.blocked or self.failed else self._machine.finish()
        return last + rest

    def abort(self, reject: Reject, request_id: str) -> bytes:
        """Return what ends the stream early."""
        return self._machine.abort(reject, request_id)

    def _last(self) -> list[sse.Event]:
        """Return an event that lacks only its blank line; one that was cut is dropped."""
        return [event for event in self._events.finish() if _is_complete(event.data)]

    def _take(self, cut: Any, *data: bytes) -> bytes:
        released: list[bytes] = []
        if self.blocked or self.failed:
            return b""
        try:
            for event in cut(*data):
                passed = self._machine.event(event)
                if self._machine.blocked:
                    break
                released.append(passed)
        except sse.EventTooLargeError:
            self._failed = unreadable("One event of the provider's stream is too large.")
        except BrokenStreamError as broken:
            self._failed = unreadable(str(broken))
        return b"".join(released)


def _is_complete(data: bytes | None) -> bool:
    if data is None or data.strip() == b"[DONE]":
        return True
    try:
        orjson.loads(data)
    except ValueError:
        return False
    return True
