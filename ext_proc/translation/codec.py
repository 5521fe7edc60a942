"""Codec: how one format is read into neutral values and written from them, as one value.

Readers take what a provider or a caller sent, and trust nothing; writers take what a reader made.
A reader raises `UnspeakableError` for a request whose meaning it cannot tell, and
`UnreadableError` for an answer that is not what the format's answers are.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from ext_proc.call import Line, Usage
from ext_proc.translation.losses import shown
from ext_proc.translation.neutral import Delta, Loss

RequestT = TypeVar("RequestT")
ResponseT = TypeVar("ResponseT")
Json = dict[str, Any]


class UnspeakableError(ValueError):
    """A request cannot be understood well enough to be translated; names its field."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"{shown(field)}: {why}")
        self.field = field


class UnreadableError(ValueError):
    """A provider's answer is not of its format; the message is ours and holds nothing of it."""


@dataclass(frozen=True, slots=True)
class Written:
    """A request in the words of a target."""

    document: Json
    losses: tuple[Loss, ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """What a writer of answers must know of the request."""

    model: str
    """As the caller named it; stands where the provider does not say a model."""
    request_id: str
    """Stands where the provider gives no id."""
    created: int
    """Unix time of the answer."""
    base64: bool = False
    """Whether vectors are wanted as base64 (`encoding_format`)."""


class StreamReader(Protocol):
    """One provider's stream: bytes cut anywhere, in order."""

    usage: Usage | None
    usage_invalid: bool

    def feed(self, data: bytes) -> Iterable[Delta]:
        """Take what arrived. Raise UnreadableError."""
        ...

    def end(self) -> Iterable[Delta]:
        """The provider ended. Raise UnreadableError."""
        ...


class StreamWriter(Protocol):
    """One caller's stream."""

    def write(self, delta: Delta) -> bytes:
        """Say one thing; what belongs together may wait for the rest of it."""
        ...

    def end(self) -> bytes:
        """Say the last thing, as the format ends its streams."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Provided(Generic[RequestT, ResponseT]):
    """What translation needs of a format that providers speak."""

    write_request: Callable[[RequestT], Written]
    """The document is for the newest of the format's own servers; how a provider departs from it
    (`QuirksPlan`) is applied afterwards."""
    read_response: Callable[[Json], ResponseT]
    reader: Callable[[], StreamReader] | None = None
    """None: the format has no streams."""
    counted_in: str = ""
    """The header in which an answer counts its input tokens, where the body does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Codec(Provided[RequestT, ResponseT]):
    """And of one that callers speak as well."""

    read_request: Callable[[Json, Line], RequestT]
    write_response: Callable[[ResponseT, Asked], Json]
    writer: Callable[[Asked], StreamWriter] | None = None
