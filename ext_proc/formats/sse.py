"""Server-sent events, both ways: bytes cut anywhere become events, and events become bytes.

Line ends of every kind, comments, events of several data lines and a stream that ends without
its blank line are read as the WHATWG page says, with a bound on the memory one event may take.
What an event's data means is not known here.
"""

from dataclasses import dataclass

MAX_EVENT = 8 * 1024 * 1024
COMMENT = b":\n\n"


class EventTooLargeError(ValueError):
    """One event is larger than MAX_EVENT."""


@dataclass(frozen=True, slots=True)
class Event:
    r"""One event: its bytes with `\n` line ends and the blank line, its name and its data."""

    raw: bytes
    name: str
    data: bytes | None
    """None: the event holds comments or settings only."""


class Events:
    """Cuts a byte stream into events."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._after_cr = False
        self._started = False

    def push(self, data: bytes) -> list[Event]:
        """Return the events that are complete now."""
        data = self._line_ends(data)
        seen = max(0, len(self._buffer) - 1)
        self._buffer += data
        last = self._buffer.rfind(b"\n\n", seen)
        if last < 0:
            if len(self._buffer) > MAX_EVENT:
                raise EventTooLargeError
            return []
        complete = self._begin(bytes(self._buffer[: last + 2]))
        del self._buffer[: last + 2]
        return [event(block) for block in complete.split(b"\n\n") if block.strip(b"\n")]

    def finish(self) -> list[Event]:
        """The stream ended: what is left is an event, if it has a line."""
        rest, self._buffer = self._begin(bytes(self._buffer)), bytearray()
        return [event(rest)] if rest.strip(b"\n") else []

    def _begin(self, complete: bytes) -> bytes:
        """Drop a byte order mark at the very start."""
        if self._started:
            return complete
        self._started = True
        return complete.removeprefix(b"\xef\xbb\xbf")

    def _line_ends(self, data: bytes) -> bytes:
        if self._after_cr and data:
            self._after_cr = False
            data = data.removeprefix(b"\n")
        if b"\r" in data:
            self._after_cr = data.endswith(b"\r")
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        return data


def event(block: bytes) -> Event:
    """Read one event."""
    block = block.strip(b"\n")
    raw = block + b"\n\n"
    if block.startswith(b"data: ") and b"\n" not in block:
        return Event(raw, "", block[6:])
    name = b""
    lines = []
    for line in block.split(b"\n"):
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            lines.append(value)
        elif field == b"event":
            name = value
    return Event(raw, name.decode(errors="replace"), b"\n".join(lines) if lines else None)


def encode(data: bytes, name: str = "") -> bytes:
    """Write one event; the data has no line ends, the name is ours or was checked."""
    if name:
        return b"event: %b\ndata: %b\n\n" % (name.encode(), data)
    return b"data: %b\n\n" % data
