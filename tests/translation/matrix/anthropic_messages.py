"""Anthropic's messages, by its API reference."""

import json
from typing import Any

from tests.translation.matrix.features import (
    ADDRESS,
    FUNCTION,
    LINK,
    PDF,
    PLANTED,
    PNG,
    SCHEMA,
    pieces,
)
from tests.translation.matrix.fixtures import Fixtures, Json, sse

MODEL = "claude-sonnet-4-5"
SIGNATURE = "EqQBCgIYAhIkNmU3+/abc=="
QUESTION = {"role": "user", "content": "How are you?"}
TOOL = {"name": FUNCTION[0], "description": FUNCTION[1], "input_schema": FUNCTION[2]}


def ask(*messages: Json, **more: Any) -> Json:
    return {"model": MODEL, "max_tokens": 256, "messages": list(messages), **more}


def looks_at(part: Json, words: str = "What is it?") -> Json:
    return ask({"role": "user", "content": [{"type": "text", "text": words}, part]})


def call(id_: str, city: str) -> Json:
    return {"type": "tool_use", "id": id_, "name": "weather", "input": {"city": city}}


def result(id_: str, text: str) -> Json:
    return {"type": "tool_result", "tool_use_id": id_, "content": text}


def text(words: str) -> Json:
    return {"type": "text", "text": words}


REQUESTS = {
    "text": ask(
        QUESTION,
        {"role": "assistant", "content": "Fine."},
        {"role": "user", "content": "And now?"},
        temperature=0.5,
        stop_sequences=["END"],
    ),
    "stream": ask(QUESTION, stream=True),
    "system": ask(QUESTION, system="Be brief."),
    "tools": ask(
        {"role": "user", "content": "Weather in Paris?"},
        {"role": "assistant", "content": [call("call_1", "Paris")]},
        {"role": "user", "content": [result("call_1", "sunny")]},
        tools=[TOOL],
        tool_choice={"type": "auto"},
    ),
    "parallel tools": ask(
        {"role": "user", "content": "Weather in Paris and Oslo?"},
        {
            "role": "assistant",
            "content": [text("Let me look."), call("call_1", "Paris"), call("call_2", "Oslo")],
        },
        {"role": "user", "content": [result("call_1", "sunny"), result("call_2", "snow")]},
        tools=[TOOL],
        tool_choice={"type": "any"},
    ),
    "image": looks_at(
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
    ),
    "image link": looks_at({"type": "image", "source": {"type": "url", "url": LINK}}),
    "file": looks_at(
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": PDF},
        },
        "Sum it up.",
    ),
    "reasoning": ask(QUESTION, thinking={"type": "enabled", "budget_tokens": 16000})
    | {"max_tokens": 50000},
    "structured": ask(
        QUESTION, output_config={"format": {"type": "json_schema", "schema": SCHEMA}}
    ),
}


def usage(given: int = 12, written: int = 4, cached: int = 0, thought: int = 0) -> Json:
    return {
        "input_tokens": given - cached,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": cached,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        "output_tokens": written,
        "output_tokens_details": {"thinking_tokens": thought},
        "service_tier": "standard",
    }


def answer(*blocks: Json, finish: str = "end_turn", used: Json | None = None) -> Json:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": f"{MODEL}-20250929",
        "content": list(blocks),
        "stop_reason": finish,
        "stop_sequence": None,
        "usage": used or usage(),
    }


THOUGHT = {"type": "thinking", "thinking": "Hm. Well.", "signature": SIGNATURE}
ANSWERS = {
    "text": answer(text("Fine, thanks.")),
    "cut": answer(text("Fine, th"), finish="max_tokens"),
    "tools": answer(text("Let me look."), call("call_9", "Oslo"), finish="tool_use"),
    "parallel tools": answer(call("call_8", "Paris"), call("call_9", "Oslo"), finish="tool_use"),
    "reasoning": answer(THOUGHT, text("Because."), used=usage(12, 30, thought=20)),
    "structured": answer(text('{"city":"Paris"}')),
    "usage": answer(text("Fine, thanks."), used=usage(100, 4, 60)),
    "planted": answer(text(PLANTED), call("call_9", ADDRESS), finish="tool_use"),
}


def piece(index: int, kind: str, name: str, value: Any) -> Json:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, name: value}}


def block(index: int, first: Json, *pieces: tuple[str, str, Any]) -> list[Json]:
    started = {"type": "content_block_start", "index": index, "content_block": first}
    deltas = [piece(index, *each) for each in pieces]
    return [started, *deltas, {"type": "content_block_stop", "index": index}]


def written(index: int, *pieces: str) -> list[Json]:
    return block(index, text(""), *(("text_delta", "text", each) for each in pieces))


def called(index: int, id_: str, city: str) -> list[Json]:
    spelled = json.dumps({"city": city})
    pieces = ["", *(spelled[at : at + 7] for at in range(0, len(spelled), 7))]
    deltas = (("input_json_delta", "partial_json", each) for each in pieces)
    return block(index, {**call(id_, ""), "input": {}}, *deltas)


def stream(*blocks: list[Json], finish: str = "end_turn", used: Json | None = None) -> bytes:
    used = used or usage()
    began = answer(used={**used, "output_tokens": 1}) | {"stop_reason": None}
    totals = {k: v for k, v in used.items() if k not in ("cache_creation", "service_tier")}
    ended = {
        "type": "message_delta",
        "delta": {"stop_reason": finish, "stop_sequence": None},
        "usage": totals,
    }
    events = [event for each in blocks for event in each]
    start: list[Json] = [{"type": "message_start", "message": began}]
    start += [*events[:1], {"type": "ping"}, *events[1:]]
    return sse(*start, ended, {"type": "message_stop"}, named=True)


STREAMS = {
    "text": stream(written(0, "Fine", ", thanks.")),
    "cut": stream(written(0, "Fine", ", th"), finish="max_tokens"),
    "tools": stream(written(0, "Let me ", "look."), called(1, "call_9", "Oslo"), finish="tool_use"),
    "parallel tools": stream(
        called(0, "call_8", "Paris"), called(1, "call_9", "Oslo"), finish="tool_use"
    ),
    "reasoning": stream(
        block(
            0,
            {"type": "thinking", "thinking": "", "signature": ""},
            ("thinking_delta", "thinking", "Hm. "),
            ("thinking_delta", "thinking", "Well."),
            ("signature_delta", "signature", SIGNATURE),
        ),
        written(1, "Because."),
        used=usage(12, 30, thought=20),
    ),
    "structured": stream(written(0, '{"city":', '"Paris"}')),
    "usage": stream(written(0, "Fine, thanks."), used=usage(100, 4, 60)),
    "planted": stream(
        written(0, *pieces(PLANTED)), called(1, "call_9", ADDRESS), finish="tool_use"
    ),
}


def error(kind: str, message: str) -> Json:
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}


ERRORS = {
    400: error("invalid_request_error", "Too many words."),
    404: error("not_found_error", "No such model."),
    429: error("rate_limit_error", "Slow down."),
    500: error("api_error", "It broke."),
    529: error("overloaded_error", "Overloaded."),
}


def again(request: Json, answer: Json, words: str) -> Json:
    """The blocks go back as they came: `{"role": "assistant", "content": message.content}`."""
    calls = [each["id"] for each in answer["content"] if each["type"] == "tool_use"]
    told = [result(each, words) for each in calls] or words
    turns = [{"role": "assistant", "content": answer["content"]}, {"role": "user", "content": told}]
    return request | {"messages": [*request["messages"], *turns]}


def failing() -> bytes:
    began = {"type": "message_start", "message": answer() | {"stop_reason": None}}
    events = written(0, "Fine")[:-1]
    return sse(began, *events, error("overloaded_error", "Overloaded."), named=True)


FIXTURES = Fixtures(
    "AnthropicMessages",
    MODEL,
    REQUESTS,
    ANSWERS,
    STREAMS,
    {status: json.dumps(body).encode() for status, body in ERRORS.items()},
    failing(),
    again,
)
