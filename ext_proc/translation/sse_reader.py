"""What all readers of server-sent events share: cutting bytes into events, and events into JSON."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator

from ext_proc.call import Usage
from ext_proc.formats import sse, strict
from ext_proc.translation.codec import Json, UnreadableError
from ext_proc.translation.neutral import Delta

CUT = "The provider's stream ended before its answer did."


class SseReader(ABC):
    """A stream reader; each format says what one event means."""

    def __init__(self) -> None:
        self._events = sse.Events()
        self.usage: Usage | None = None
        self.usage_invalid = False

    def feed(self, data: bytes) -> Iterator[Delta]:
        """Take what arrived."""
        try:
            yield from self._read(self._events.push(data))
        except sse.EventTooLargeError:
            raise UnreadableError("One event of the provider's stream is too large.") from None

    def end(self) -> Iterator[Delta]:
        """The provider ended; an event that was cut is dropped."""
        try:
            yield from self._read(self._events.finish())
        except UnreadableError:
            return

    @abstractmethod
    def event(self, event: sse.Event) -> Iterable[Delta]:
        """Read one event."""

    def document(self, data: bytes) -> Json:
        """The JSON of an event."""
        try:
            return strict.loads(data)
        except strict.InvalidJsonError:
            raise UnreadableError("An event of the provider's stream is not JSON.") from None

    def _read(self, events: list[sse.Event]) -> Iterator[Delta]:
        for event in events:
            yield from self.event(event)
