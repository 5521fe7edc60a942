"""Neutral: one conversation, its answer and its stream, in nobody's dialect.

A codec reads its format into these values and writes them again, so that N formats need N codecs.
What a format says that has no place here is named by its reader in `lost`; what a format cannot say
is named by its writer. Numbers and JSON stand as they were decoded (`formats.strict`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ext_proc.call import Usage
from ext_proc.translation.citations import Citation, CitationPiece

Json = dict[str, Any]
Role = Literal["user", "assistant"]
Finish = Literal["stop", "stop_sequence", "length", "tool_calls", "content_filter", "refusal"]
Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh"]


@dataclass(frozen=True, slots=True)
class Loss:
    """Something the caller said that a target cannot be told."""

    field: str
    """In the caller's own words: `logit_bias`, `messages[2].content[0]`."""
    essential: bool = False
    """Without it the answer would be to another question: never dropped."""


@dataclass(frozen=True, slots=True)
class Text:
    """Words; `cached`: the caller marked the prompt up to here as worth caching."""

    text: str
    cached: bool = False
    citations: tuple[Citation, ...] = ()


@dataclass(frozen=True, slots=True)
class Media:
    """A picture, document or sound: one of data (base64), url, file_id and text is not empty."""

    kind: Literal["image", "document", "audio"]
    media_type: str = ""
    data: str = ""
    url: str = ""
    file_id: str = ""
    text: str = ""
    name: str = ""
    cached: bool = False
    detail: str = ""
    cites: str = ""
    """The caller's field that asks for citations of it; empty: none are asked for."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The model wants a tool to be used."""

    id: str
    name: str
    arguments: str
    """JSON, as text; empty: no arguments."""
    signature: str = ""
    """What the provider wants to see again beside the call (Gemini's `thoughtSignature`)."""
    cached: bool = False


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool answered to the call of this id."""

    id: str
    parts: tuple["Text | Media", ...]
    is_error: bool = False
    name: str = ""
    cached: bool = False


@dataclass(frozen=True, slots=True)
class Thinking:
    """Reasoning: its text and what proves it unchanged; or encrypted by its provider (redacted)."""

    text: str = ""
    signature: str = ""
    redacted: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """The model declines, in words."""

    text: str


Part = Text | Media | ToolCall | ToolResult | Thinking | Refusal


@dataclass(frozen=True, slots=True)
class Message:
    """One turn; results of tools stand in the user's. Neighbours of one role may follow."""

    role: Role
    parts: tuple[Part, ...]
    where: str = ""
    """Its field in the caller's document: `messages[2]`."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A function the model may call."""

    name: str
    description: str = ""
    parameters: Json = field(default_factory=dict)
    """JSON Schema of its arguments; empty: none."""
    strict: bool | None = None
    cached: bool = False


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """Whether tools may, must or must not be called."""

    mode: Literal["auto", "none", "required", "named"]
    name: str = ""

    def demands(self) -> bool:
        """Whether an answer without a call is none."""
        return self.mode in ("required", "named")


@dataclass(frozen=True, slots=True)
class Reasoning:
    """How much to think; either may be unset."""

    effort: Effort | None = None
    budget_tokens: int | None = None
    """0: not at all; -1: as the model likes."""
    shown: bool | None = None


@dataclass(frozen=True, slots=True)
class Output:
    """The answer is to be JSON, perhaps of a schema."""

    schema: Json | None = None
    name: str = "answer"
    description: str = ""
    strict: bool | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """One request. None and empty: not said."""

    model: str
    messages: tuple[Message, ...]
    stream: bool = False
    system: tuple[Text, ...] = ()
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    max_tokens: int | None = None
    temperature: Any = None
    top_p: Any = None
    top_k: Any = None
    frequency_penalty: Any = None
    presence_penalty: Any = None
    seed: Any = None
    stop: tuple[str, ...] = ()
    choices: int = 1
    reasoning: Reasoning | None = None
    output: Output | None = None
    user: str = ""
    said: Mapping[str, str] = field(default_factory=dict)
    """The caller's own names of fields that are said: `{"top_k": "generationConfig.topK"}`."""
    lost: tuple[Loss, ...] = ()
    """What of the caller's words has no place here."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer."""

    parts: tuple[Part, ...]
    finish: Finish | None
    stop_sequence: str | None = None


@dataclass(frozen=True, slots=True)
class Response:
    """A whole answer."""

    id: str
    model: str
    choices: tuple[Choice, ...]
    usage: Usage | None
    usage_invalid: bool = False


@dataclass(frozen=True, slots=True)
class Began:
    """The first word of a stream; usage where input tokens are stated at the beginning."""

    id: str
    model: str
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class TextPiece:
    """More words. A choice's pieces come in the order they are to be read."""

    text: str
    choice: int = 0
    apart: bool = False
    """The block of words before is complete, with its citations, and here the next begins."""


@dataclass(frozen=True, slots=True)
class ThinkingPiece:
    """More reasoning; a signature or redacted block comes whole, after the text it belongs to."""

    text: str = ""
    signature: str = ""
    redacted: str = ""
    choice: int = 0


@dataclass(frozen=True, slots=True)
class RefusalPiece:
    """More of a refusal."""

    text: str
    choice: int = 0


@dataclass(frozen=True, slots=True)
class CallBegan:
    """A tool call begins; calls are numbered from 0 within a choice."""

    index: int
    id: str
    name: str
    signature: str = ""
    choice: int = 0


@dataclass(frozen=True, slots=True)
class CallPiece:
    """More of a call's arguments."""

    index: int
    arguments: str
    choice: int = 0


@dataclass(frozen=True, slots=True)
class Finished:
    """A choice is complete."""

    finish: Finish
    stop_sequence: str | None = None
    choice: int = 0


@dataclass(frozen=True, slots=True)
class Used:
    """The tokens of the whole request."""

    usage: Usage


@dataclass(frozen=True, slots=True)
class Failed:
    """The provider reports an error within its stream, by the HTTP status it would have been."""

    status: int
    message: str


Delta = (
    Began
    | TextPiece
    | ThinkingPiece
    | RefusalPiece
    | CitationPiece
    | CallBegan
    | CallPiece
    | Finished
    | Used
    | Failed
)
