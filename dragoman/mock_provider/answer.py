"""An answer before it is bytes: its content, and how it is to be delivered."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
FOREVER = float("inf")
EVENT_STREAM = "application/vnd.amazon.eventstream"


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event, or one message of an AWS event stream."""

    data: Json | str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Delivery:
    """The manner of sending; the defaults are a provider in good health."""

    wait_s: float = 0.0
    """Before the first byte."""
    pause_s: float = 0.0
    """Before every further event of a stream."""
    stop_after: int | None = None
    """Break off after so many events, or pieces of a JSON body: always before the end."""
    stall: bool = False
    """Break off by falling silent, not by closing the connection."""
    write_bytes: int | None = None
    """The size of each write."""
    crlf: bool = False
    """End lines with CRLF, and mix in comments and the fields nobody uses."""
    split_data: bool = False
    """Spread each event over many `data:` lines."""
    compress: bool = False
    length: bool = True
    """Declare the length of a body that is no stream."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A JSON object, the events of a stream, or bytes as they are."""

    content: Json | tuple[Event, ...] | bytes
    status: int = 200
    kind: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    delivery: Delivery = field(default_factory=Delivery)


def stream(events: list[Event]) -> Answer:
    """An answer of server-sent events."""
    return Answer(tuple(events), kind="text/event-stream; charset=utf-8")
