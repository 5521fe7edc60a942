"""What every cell of the matrix must say, in nobody's dialect: one row for each feature.

Each format's fixtures say these same things in its own words; a cell holds when what comes out at
the other end still does.
"""

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson

from ext_proc.call import Usage
from ext_proc.formats import strict
from ext_proc.translation.neutral import (
    Media,
    Message,
    Part,
    Refusal,
    Request,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(8)).decode()
PDF = base64.b64encode(b"%PDF-1.4\n%%EOF").decode()
LINK = "https://example.com/cat.png"
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
FUNCTION = ("weather", "The weather in a city.", SCHEMA)


def pieces(text: str, size: int = 9) -> list[str]:
    """A text as models stream it."""
    return [text[at : at + size] for at in range(0, len(text), size)]


def user(*parts: Any) -> tuple[str, tuple[Any, ...]]:
    return "user", parts


def model(*parts: Any) -> tuple[str, tuple[Any, ...]]:
    return "assistant", parts


def call(id_: str, city: str) -> tuple[Any, ...]:
    return "call", id_, "weather", {"city": city}


def result(id_: str, text: str) -> tuple[Any, ...]:
    return "result", id_, (text,)


@dataclass(frozen=True)
class Asks:
    """A request, as far as it means something to every provider."""

    turns: tuple[Any, ...]
    system: str = ""
    stream: bool = False
    tools: tuple[Any, ...] = ()
    choice: str = ""
    max_tokens: int = 256
    temperature: float | None = None
    stop: tuple[str, ...] = ()
    thinks: bool = False
    schema: Any = None


_USAGE = Usage(input_tokens=12, output_tokens=4)


@dataclass(frozen=True)
class Says:
    """An answer."""

    parts: tuple[Any, ...]
    finish: str = "stop"
    usage: Usage = _USAGE
    cites: tuple[tuple[str, str, str], ...] = ()
    """Words, and the page of the web that they rest on."""


ADDRESS = "ana@mail.example"
PLANTED = f"Write to {ADDRESS}, card 4111 1111 1111 1111, soon."
"""What guards look for, in words and in what a tool is given."""
GRASS = ("Grass is green", "https://grass.example/", "Grass")
SKY = ("the sky is blue", "https://sky.example/", "Sky")
"""Words of an answer, and the page they rest on."""
BETWEEN = " – and "
CITED = f"{GRASS[0]}{BETWEEN}{SKY[0]}."
QUESTION = (user("How are you?"),)
ROUND = (user("Weather in Paris?"), model(call("call_1", "Paris")), user(result("call_1", "sunny")))
ROUNDS = (
    user("Weather in Paris and Oslo?"),
    model("Let me look.", call("call_1", "Paris"), call("call_2", "Oslo")),
    user(result("call_1", "sunny"), result("call_2", "snow")),
)
REQUESTS = {
    "text": Asks(
        (user("How are you?"), model("Fine."), user("And now?")), temperature=0.5, stop=("END",)
    ),
    "stream": Asks(QUESTION, stream=True),
    "system": Asks(QUESTION, system="Be brief."),
    "tools": Asks(ROUND, tools=(FUNCTION,), choice="auto"),
    "parallel tools": Asks(ROUNDS, tools=(FUNCTION,), choice="required"),
    "image": Asks((user("What is it?", ("image", "image/png", PNG, "")),)),
    "image link": Asks((user("What is it?", ("image", "", "", LINK)),)),
    "file": Asks((user("Sum it up.", ("document", "application/pdf", PDF, "")),)),
    "cited file": Asks(
        (user("Sum it up.", ("document", "application/pdf", PDF, "", "to be cited")),)
    ),
    "reasoning": Asks(QUESTION, max_tokens=50000, thinks=True),
    "structured": Asks(QUESTION, schema=SCHEMA),
}
ANSWERS = {
    "text": Says(("Fine, thanks.",)),
    "cut": Says(("Fine, th",), "length"),
    "tools": Says(("Let me look.", call("call_9", "Oslo")), "tool_calls"),
    "parallel tools": Says((call("call_8", "Paris"), call("call_9", "Oslo")), "tool_calls"),
    "reasoning": Says(
        (("thinking", "Hm. Well."), "Because."),
        usage=Usage(input_tokens=12, output_tokens=30, reasoning_tokens=20),
    ),
    "structured": Says(('{"city":"Paris"}',)),
    "usage": Says(
        ("Fine, thanks.",), usage=Usage(input_tokens=100, output_tokens=4, cache_read_tokens=60)
    ),
    "cited": Says((CITED,), cites=(GRASS, SKY)),
    "planted": Says((PLANTED, call("call_9", ADDRESS)), "tool_calls"),
}


@dataclass(frozen=True)
class Feature:
    """One row of the matrix: the requests and answers that show it."""

    title: str
    requests: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()
    mandatory: bool = False


FEATURES = {
    "text": Feature("text", ("text",), ("text", "cut"), mandatory=True),
    "stream": Feature("stream", ("stream",), ("text", "cut"), mandatory=True),
    "system": Feature("system prompt", ("system",), mandatory=True),
    "tools": Feature("tools over several turns", ("tools",), ("tools",), mandatory=True),
    "parallel tools": Feature(
        "parallel tools", ("parallel tools",), ("parallel tools",), mandatory=True
    ),
    "image": Feature("images", ("image",)),
    "image link": Feature("images by link", ("image link",)),
    "file": Feature("files (PDF)", ("file",)),
    "cited file": Feature("citations of files asked for", ("cited file",)),
    "cited": Feature("citations of the web", (), ("cited",)),
    "reasoning": Feature("reasoning", ("reasoning",), ("reasoning",)),
    "structured": Feature("structured output", ("structured",), ("structured",)),
    "usage": Feature("usage with cached tokens", (), ("usage",), mandatory=True),
    "errors": Feature("errors", mandatory=True),
}


def asked(request: Request) -> Asks:
    """What a neutral request asks."""
    choice = request.tool_choice
    thinks = request.reasoning is not None and (
        request.reasoning.effort not in (None, "none") or bool(request.reasoning.budget_tokens)
    )
    return Asks(
        turns=_turns(request.messages),
        system="\n".join(each.text for each in request.system),
        stream=request.stream,
        tools=tuple((t.name, t.description, plain(t.parameters)) for t in request.tools),
        choice=choice.mode if choice else "",
        max_tokens=request.max_tokens or 0,
        temperature=plain(request.temperature),
        stop=request.stop,
        thinks=thinks,
        schema=plain(request.output.schema) if request.output else None,
    )


def plain(value: Any) -> Any:
    """A decoded value with its numbers as Python has them."""
    return orjson.loads(strict.dumps({"it": value}))["it"]


def _turns(messages: Iterable[Message]) -> tuple[Any, ...]:
    turns: list[tuple[str, tuple[Any, ...]]] = []
    for message in messages:
        parts = tuple(each for part in message.parts if (each := said(part)) is not None)
        if turns and turns[-1][0] == message.role:
            turns[-1] = (message.role, turns[-1][1] + parts)
        else:
            turns.append((message.role, parts))
    return tuple(turns)


def said(part: Part) -> Any:
    """What a part says; proofs of thoughts are looked at elsewhere."""
    match part:
        case Text():
            return part.text or None
        case Refusal():
            return "refusal", part.text
        case Thinking():
            return ("thinking", part.text) if part.text else None
        case Media():
            media_type, asked = part.media_type if part.data else "", ("to be cited",)
            return part.kind, media_type, part.data, part.url, *(asked if part.cites else ())
        case ToolCall():
            return "call", part.id, part.name, orjson.loads(part.arguments or "{}")
        case ToolResult():
            return "result", part.id, tuple(said(each) for each in part.parts)
