"""Anthropic's `POST /v1/messages`, as JSON and as a stream."""

from typing import Any

from dragoman.mock_provider import answer, saying
from dragoman.mock_provider.answer import Answer, Event, Json
from dragoman.mock_provider.saying import Question, Saying, Tool, text_of

SIGNATURE = "bW9jaw=="


def question(body: Json, speaker: str) -> Question:
    """The request in the words of `saying`."""
    messages = [m for m in body.get("messages") or () if isinstance(m, dict)]
    users = [m.get("content") for m in messages if m.get("role") == "user"]
    last = messages[-1].get("content") if messages and messages[-1].get("role") == "user" else None
    results = [text_of(b.get("content")) for b in _blocks(last) if b.get("type") == "tool_result"]
    spoken = [text_of(u) for u in users if not isinstance(u, list) or text_of(u)]
    nested = [text_of(b.get("content")) for m in messages for b in _blocks(m.get("content"))]
    return Question(
        model=str(body.get("model")),
        speaker=speaker,
        texts=(
            text_of(body.get("system")),
            *(text_of(m.get("content")) for m in messages),
            *nested,
        ),
        last_user=spoken[-1] if spoken else "",
        tool_result="\n".join(results) if results else None,
        tools=tuple(_tools(body.get("tools"))),
        tool_choice=_choice(body.get("tool_choice")),
    )


def _blocks(content: Any) -> list[Json]:
    return [b for b in content if isinstance(b, dict)] if isinstance(content, list) else []


def _tools(tools: Any) -> list[Tool]:
    return [Tool(str(tool.get("name")), tool.get("input_schema")) for tool in _blocks(tools)]


def _choice(choice: Any) -> str:
    match choice:
        case {"type": "any"}:
            return "required"
        case {"type": "tool", "name": str(name)}:
            return name
        case {"type": "none"}:
            return "none"
    return "auto"


def respond(body: Json, asked: Question, said: Saying, token: str) -> Answer:
    """The answer; `token` makes its identifiers unique to the request."""
    usage = _usage(saying.count(asked, said))
    stop = "tool_use" if said.call else "end_turn"
    message: Json = {
        "id": f"msg_{token}",
        "type": "message",
        "role": "assistant",
        "model": asked.model,
        "content": [_whole(block, parts) for block, parts in _content(said, token)],
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": usage,
    }
    if body.get("stream"):
        return answer.stream(_events(message, _content(said, token)))
    return Answer(message)


Part = tuple[Json, list[Json]]
"""A content block at its start, and the deltas that fill it."""


def _content(said: Saying, token: str) -> list[Part]:
    parts: list[Part] = []
    if said.thoughts:
        deltas: list[Json] = [{"type": "thinking_delta", "thinking": p} for p in said.thoughts]
        deltas.append({"type": "signature_delta", "signature": SIGNATURE})
        parts.append(({"type": "thinking", "thinking": "", "signature": ""}, deltas))
    if said.call:
        start = {"type": "tool_use", "id": f"toolu_{token}", "name": said.call.name, "input": {}}
        fragments = ("", *said.arguments())
        filled: list[Json] = [{"type": "input_json_delta", "partial_json": p} for p in fragments]
        parts.append((start | {"_whole": said.call.arguments}, filled))
    else:
        texts: list[Json] = [{"type": "text_delta", "text": p} for p in said.text]
        parts.append(({"type": "text", "text": ""}, texts))
    return parts


def _whole(block: Json, deltas: list[Json]) -> Json:
    """The block as it is when its stream has ended."""
    match block["type"]:
        case "tool_use":
            return {k: v for k, v in block.items() if k != "_whole"} | {"input": block["_whole"]}
        case kind:
            text = "".join(d.get("thinking") or d.get("text") or "" for d in deltas)
            signed = {"signature": SIGNATURE} if kind == "thinking" else {}
            return block | {"thinking" if signed else "text": text} | signed


def _events(message: Json, content: list[Part]) -> list[Event]:
    usage = message["usage"]
    opening = message | {"content": [], "stop_reason": None, "usage": usage | {"output_tokens": 1}}
    events = [
        Event({"type": "message_start", "message": opening}, "message_start"),
        Event({"type": "ping"}, "ping"),
    ]
    for index, (block, deltas) in enumerate(content):
        start = {k: v for k, v in block.items() if k != "_whole"}
        events.append(_event("content_block_start", index=index, content_block=start))
        events += [_event("content_block_delta", index=index, delta=delta) for delta in deltas]
        events.append(_event("content_block_stop", index=index))
    end = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    events.append(_event("message_delta", delta=end, usage=usage))
    return [*events, _event("message_stop")]


def _event(name: str, **fields: Any) -> Event:
    return Event({"type": name, **fields}, name)


def _usage(usage: saying.Usage) -> Json:
    return {
        "input_tokens": usage.input - usage.cached,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": usage.cached,
        "output_tokens": usage.output,
    }
