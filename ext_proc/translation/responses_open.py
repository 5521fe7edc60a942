"""What is open in a stream of OpenAI's Responses format while it is written: items and parts."""

from dataclasses import dataclass, field

from ext_proc.translation.codec import Json
from ext_proc.translation.neutral import CallBegan, Refusal, Text


@dataclass(slots=True)
class Call:
    """A tool call."""

    began: CallBegan
    position: int
    item_id: str
    pieces: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Words:
    """A message: its finished parts, and the pieces and annotations of the last."""

    position: int
    item_id: str
    content: list[Json] = field(default_factory=list)
    kind: type[Text | Refusal] | None = None
    pieces: list[str] = field(default_factory=list)
    annotations: list[Json] = field(default_factory=list)


@dataclass(slots=True)
class Thought:
    """Reasoning."""

    position: int
    item_id: str
    pieces: list[str] = field(default_factory=list)
