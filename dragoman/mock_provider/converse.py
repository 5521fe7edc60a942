"""Bedrock's `POST /model/MODEL/converse`, `/converse-stream` as an AWS event stream, `/invoke`."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from dragoman.mock_provider import embeddings, saying
from dragoman.mock_provider.answer import EVENT_STREAM, Answer, Event, Json
from dragoman.mock_provider.saying import Question, Saying, Tool, text_of

ENDPOINT = "converse"
SIGNATURE = "bW9jaw=="
METRICS = {"latencyMs": 1}
_WAYS = (ENDPOINT, "converse-stream", "invoke")


def named(path: str) -> tuple[str, str] | None:
    """Model and method of a path that has them."""
    empty, *segments = path.split("/")
    if empty or len(segments) != 3 or segments[0] != "model" or segments[2] not in _WAYS:
        return None
    return unquote(segments[1]), segments[2]


def question(body: Json, speaker: str) -> Question:
    """The request in the words of `saying`."""
    messages = [m for m in body.get("messages") or () if isinstance(m, dict)]
    users = [text_of(m.get("content")) for m in messages if m.get("role") == "user"]
    last = messages[-1].get("content") if messages else None
    results = [_result(held) for held in _each(last, "toolResult")]
    tools = (body.get("toolConfig") or {}).get("tools")
    return Question(
        model=str(body.get("model")),
        speaker=speaker,
        texts=(text_of(body.get("system")), *(text_of(m.get("content")) for m in messages)),
        last_user=next((text for text in reversed(users) if text), ""),
        tool_result="\n".join(results) if results else None,
        tools=tuple(_tools(tools)),
        tool_choice=_choice((body.get("toolConfig") or {}).get("toolChoice")),
    )


def _each(blocks: Any, name: str) -> list[Json]:
    listed = [b for b in blocks if isinstance(b, dict)] if isinstance(blocks, list) else []
    return [block[name] for block in listed if isinstance(block.get(name), dict)]


def _result(held: Json) -> str:
    structured = [json.dumps(value) for value in _each(held.get("content"), "json")]
    return "\n".join([text_of(held.get("content")), *structured]).strip()


def _tools(tools: Any) -> Iterator[Tool]:
    for spec in _each(tools, "toolSpec"):
        yield Tool(str(spec.get("name")), (spec.get("inputSchema") or {}).get("json"))


def _choice(choice: Any) -> str:
    match choice:
        case {"any": _}:
            return "required"
        case {"tool": {"name": str(name)}}:
            return name
    return "auto"


def respond(body: Json, asked: Question, said: Saying, token: str) -> Answer:
    """The answer; `token` makes its identifiers unique to the request."""
    if body.get("method") == "invoke":
        return embeddings.invoke(body)
    usage = _usage(saying.count(asked, said))
    stop = "tool_use" if said.call else "end_turn"
    call_id = f"tooluse_{token}"
    if body.get("stream"):
        events = [*_events(said, call_id), _event("messageStop", stopReason=stop)]
        ended = _event("metadata", usage=usage, metrics=METRICS)
        return Answer((*events, ended), kind=EVENT_STREAM)
    message = {"role": "assistant", "content": list(_blocks(said, call_id))}
    return Answer(
        {"output": {"message": message}, "stopReason": stop, "usage": usage, "metrics": METRICS}
    )


def _blocks(said: Saying, call_id: str) -> Iterator[Json]:
    if said.thoughts:
        thought = {"text": "".join(said.thoughts), "signature": SIGNATURE}
        yield {"reasoningContent": {"reasoningText": thought}}
    if said.call:
        called = {"toolUseId": call_id, "name": said.call.name, "input": said.call.arguments}
        yield {"toolUse": called}
    else:
        yield {"text": "".join(said.text)}


def _events(said: Saying, call_id: str) -> Iterator[Event]:
    yield _event("messageStart", role="assistant")
    thoughts: list[Json] = [{"reasoningContent": {"text": piece}} for piece in said.thoughts]
    if thoughts:
        yield from _block(0, [*thoughts, {"reasoningContent": {"signature": SIGNATURE}}])
    index = 1 if thoughts else 0
    if said.call:
        start = {"toolUse": {"toolUseId": call_id, "name": said.call.name}}
        yield _event("contentBlockStart", start=start, contentBlockIndex=index)
        pieces = [{"toolUse": {"input": piece}} for piece in ("", *said.arguments())]
        yield from _block(index, pieces)
    else:
        yield from _block(index, [{"text": piece} for piece in said.text])


def _block(index: int, deltas: list[Json]) -> Iterator[Event]:
    for delta in deltas:
        yield _event("contentBlockDelta", delta=delta, contentBlockIndex=index)
    yield _event("contentBlockStop", contentBlockIndex=index)


def _event(name: str, **fields: Any) -> Event:
    return Event(fields, name)


def _usage(usage: saying.Usage) -> Json:
    return {
        "inputTokens": usage.input - usage.cached,
        "outputTokens": usage.output,
        "totalTokens": usage.input + usage.output,
        "cacheReadInputTokens": usage.cached,
        "cacheWriteInputTokens": 0,
    }
