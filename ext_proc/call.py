"""Call: the neutral view of one request and its response; what stages see.

A format decodes a body into a Call whose `texts` are all the text a person or a model wrote,
wherever it stood. Stages read and replace texts; the format encodes the body again. Neither
knows the other, and nothing here knows Envoy.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal, Protocol

from crds.plan import Action, Format, Origin


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one request; cached ones are part of the input, reasoning ones of the output."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    media_tokens: int = 0
    """Input that is images or sound."""
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """What a request says outside its body, in formats that name model and stream in the path."""

    model: str = ""
    stream: bool = False
    boundary: str = ""
    """What separates the parts of a form."""


@dataclass(slots=True, repr=False)
class Text:
    """One piece of text in a body: whose it is, what it says, how to put another in its place."""

    origin: Origin
    value: str
    place: Callable[[str], None]
    changed: bool = False

    def replace(self, value: str) -> None:
        """Put another text in its place."""
        self.place(value)
        self.value = value
        self.changed = True


class Body(Protocol):
    """A decoded JSON body, request or response."""

    texts: list[Text]
    unscanned: Counter[str]
    """What no detector can read, by kind: image, audio, file, url, file_id, conversation, …"""

    def encode(self) -> bytes:
        """The body's bytes: the original ones if nothing changed."""
        ...


_KEPT = (
    *("model", "response_format", "text", "generationConfig", "generation_config"),
    "encoding_format",
)


@dataclass(slots=True, repr=False)
class Call:
    """A decoded request."""

    format: Format
    model: str
    stream: bool
    wants_usage: bool
    """The caller asked for usage in its stream (always true where the format always sends it)."""
    document: dict[str, Any]
    texts: list[Text]
    unscanned: Counter[str]
    original: bytes
    edited: bool = False

    def forget(self) -> None:
        """Drop the body once it is sent, except what its response is read by: a stream may last."""
        self.document = {key: self.document[key] for key in _KEPT if key in self.document}
        self.texts = []
        self.original = b""

    def rename_model(self, model: str) -> None:
        """Ask for another model."""
        if model != self.document.get("model", model):
            self.document["model"] = model
            self.edited = True


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one guard said of one request or response; never what it saw."""

    guard: str
    policy: str
    type: str
    action: Action
    phase: Literal["request", "response"]
    found: tuple[tuple[str, int], ...] = ()
    """Entities and how often, or reason codes with 1."""
    score: float | None = None


@dataclass(frozen=True, slots=True)
class Reject:
    """An answer instead of the request or response: status, stable code, message for people."""

    status: int
    code: str
    message: str
    headers: tuple[tuple[str, str], ...] = ()


class FieldScan(Protocol):
    """Inspection of one text-bearing field of one choice of a streamed response.

    `push` takes what arrived and returns what may go on now; `finish` returns what was held back.
    Once `blocked` is true nothing more may be released.
    """

    blocked: bool

    def push(self, text: str) -> str:
        """Take the next piece; return what may go on."""
        ...

    def finish(self) -> str:
        """The field is complete; return what was held back."""
        ...


OpenField = Callable[[Origin], FieldScan]
"""Starts the inspection of a streamed field."""


@dataclass(slots=True)
class Served:
    """What was learned while the response passed: the record and the bill are made from it."""

    usage: Usage | None = None
    model: str | None = None
    """The model the provider says it used."""
    cost: Decimal | None = None
    verdicts: list[Verdict] = field(default_factory=list)
