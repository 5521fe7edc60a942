"""Events and replies of one HTTP exchange, in our words: what `wire` decodes and encodes.

Header names are lower case. An `Exchange` turns each event into one reply (or several, for
streamed bodies); nothing here knows protobuf.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


@dataclass(frozen=True, slots=True)
class RequestHeaders:
    """The request's headers; `end` if there is no body."""

    headers: Mapping[str, str]
    end: bool
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """The guard's dynamic metadata, seen by the translate filter."""


@dataclass(frozen=True, slots=True)
class RequestBody:
    """The request's whole body."""

    body: bytes


@dataclass(frozen=True, slots=True)
class ResponseHeaders:
    """The response's headers; `end` if there is no body."""

    headers: Mapping[str, str]
    end: bool
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """What the targets' own filters tell the guard."""


@dataclass(frozen=True, slots=True)
class ResponseBody:
    """The whole response body, or the next piece of a streamed one."""

    body: bytes
    end: bool


@dataclass(frozen=True, slots=True)
class ResponseTrailers:
    """The end of a streamed response that has trailers."""


@dataclass(frozen=True, slots=True)
class RequestTrailers:
    """Trailers of the request; nothing in them is used."""


Event = (
    RequestHeaders
    | RequestBody
    | ResponseHeaders
    | ResponseBody
    | ResponseTrailers
    | RequestTrailers
)


class BodyMode(Enum):
    """How Envoy hands over a body; the values are Envoy's."""

    NONE = 0
    STREAMED = 1
    BUFFERED = 2
    FULL_DUPLEX_STREAMED = 4


@dataclass(frozen=True, slots=True)
class Mode:
    """What Envoy should send from here on: filled whole, since Envoy compares it whole."""

    request_body: BodyMode = BodyMode.BUFFERED
    response_headers: bool = False
    response_body: BodyMode = BodyMode.NONE
    response_trailers: bool = False


@dataclass(frozen=True, slots=True)
class Continue:
    """Go on, with changes."""

    set_headers: tuple[tuple[str, str], ...] = ()
    remove_headers: tuple[str, ...] = ()
    body: bytes | None = None
    """A whole body in place of the one that came; content-length is set with it."""
    clear_route_cache: bool = False
    metadata: Mapping[str, Any] | None = None
    """Dynamic metadata by namespace."""
    mode: Mode | None = None


@dataclass(frozen=True, slots=True)
class Start:
    """The response's headers may go on: their answer, if need be once the body was judged."""

    set_headers: tuple[tuple[str, str], ...] = ()
    remove_headers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Stream:
    """The next piece of a FULL_DUPLEX_STREAMED body; `end` ends it, early or not."""

    body: bytes
    end: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of our own instead of the request or the response."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    details: str = ""
    """A code for Envoy's response code details; never text of a user."""


Reply = Continue | Start | Stream | Answer
