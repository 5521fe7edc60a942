"""What a model says: the question in neutral words, and text, thoughts or a tool call.

Usage counts words, as `len(text.split())` does: input is every message text and system prompt,
at least 1, of which half (rounded down) counts as read from a cache; output is text, thoughts and
tool-call arguments, at least 1, times the number of choices.
"""

import json
from dataclasses import dataclass
from typing import Any

from dragoman.mock_provider.answer import Json

TEXT = "This is the mock provider of Dragoman, answering as {model}."
AFTER_TOOL = "The tool answered: {result}"
THOUGHT = "The question is short, and the answer is always the same."
FILLER = "example"
MAX_CHOICES = 16
EXAMPLES = {"object": {}, "array": [], "integer": 1, "number": 1.5, "boolean": True, "null": None}


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that the caller offers."""

    name: str
    schema: Any


@dataclass(frozen=True, slots=True)
class Question:
    """What the endpoints have in common of a request."""

    model: str
    """As asked for."""
    speaker: str
    """The model without its faults: what decides on the answer."""
    texts: tuple[str, ...]
    last_user: str
    tool_result: str | None
    tools: tuple[Tool, ...]
    tool_choice: str
    """`auto`, `none`, `required`, or the name of a tool."""
    choices: int = 1


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The one tool call of an answer."""

    name: str
    arguments: Json


@dataclass(frozen=True, slots=True)
class Saying:
    """An answer, in the pieces a stream sends it in."""

    text: tuple[str, ...]
    thoughts: tuple[str, ...] = ()
    call: ToolCall | None = None

    def arguments(self) -> tuple[str, ...]:
        """The tool call's arguments, as pieces of JSON."""
        return pieces(json.dumps(self.call.arguments, ensure_ascii=False)) if self.call else ()


@dataclass(frozen=True, slots=True)
class Usage:
    """Counted words."""

    input: int
    cached: int
    output: int
    thoughts: int


def say(question: Question) -> Saying:
    """A tool call if there is reason for one, else words; models named `reason…` also think."""
    echo = "echo" in question.speaker.split("-")
    thoughts: tuple[str, ...] = ()
    if question.speaker.startswith("reason"):
        thoughts = pieces(question.last_user if echo else THOUGHT)
    if tool := _wanted(question):
        value = example(tool.schema, question.last_user if echo else FILLER)
        arguments = value if isinstance(value, dict) else {}
        return Saying((), thoughts, ToolCall(tool.name, arguments))
    if echo:
        text = question.last_user
    elif question.tool_result is not None:
        text = AFTER_TOOL.format(result=question.tool_result)
    else:
        text = TEXT.format(model=question.speaker)
    return Saying(pieces(text), thoughts)


def _wanted(question: Question) -> Tool | None:
    if not question.tools or question.tool_choice == "none" or question.tool_result is not None:
        return None
    for tool in question.tools:
        if tool.name == question.tool_choice:
            return tool
    asked = question.tool_choice == "required" or "tool" in question.last_user.lower()
    return question.tools[0] if asked else None


def example(schema: Any, text: str) -> Any:
    """A value that fits a JSON schema; strings are `text`."""
    match schema:
        case {"const": value} | {"enum": [value, *_]}:
            fitting = value
        case {"anyOf": [first, *_]}:
            fitting = example(first, text)
        case {"type": "object", "properties": dict(properties)}:
            fitting = {name: example(inner, text) for name, inner in properties.items()}
        case {"type": "array", "items": items}:
            fitting = [example(items, text)]
        case {"type": str(kind)}:
            fitting = EXAMPLES.get(kind, text)
        case _:
            fitting = text
    return fitting


def pieces(text: str) -> tuple[str, ...]:
    """The text word by word, each with the space after it; joined they are the text."""
    *words, last = text.split(" ")
    return tuple(piece for piece in (*[f"{word} " for word in words], last) if piece)


def text_of(content: Any) -> str:
    """The text of a message: a string, or the text parts of a list."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    texts = [part.get("text") for part in content if isinstance(part, dict)]
    return "\n".join(text for text in texts if isinstance(text, str))


def count(question: Question, saying: Saying) -> Usage:
    """The usage of an answer."""
    read = max(1, sum(len(text.split()) for text in question.texts))
    thoughts = len("".join(saying.thoughts).split())
    spoken = len("".join(saying.text).split()) + len("".join(saying.arguments()).split())
    output = max(1, spoken + thoughts)
    return Usage(read, read // 2, output * question.choices, thoughts * question.choices)
