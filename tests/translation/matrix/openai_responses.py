"""OpenAI's responses, by its API reference, for callers that keep their own conversation."""

import itertools
import json
from collections.abc import Iterator
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

MODEL = "gpt-5"
ENCRYPTED = "gAAAAABo_t00ls"
QUESTION = {"role": "user", "content": "How are you?"}
TOOL = {
    "type": "function",
    "name": FUNCTION[0],
    "description": FUNCTION[1],
    "parameters": FUNCTION[2],
    "strict": True,
}


def ask(*items: Json, **more: Any) -> Json:
    fixed = {"model": MODEL, "max_output_tokens": 256, "store": False}
    return {**fixed, "input": list(items), **more}


def looks_at(part: Json, words: str = "What is it?") -> Json:
    return ask({"role": "user", "content": [{"type": "input_text", "text": words}, part]})


def call(id_: str, city: str) -> Json:
    return {
        "type": "function_call",
        "id": f"fc_{id_}",
        "call_id": id_,
        "name": "weather",
        "arguments": json.dumps({"city": city}),
        "status": "completed",
    }


def result(id_: str, text: str) -> Json:
    return {"type": "function_call_output", "call_id": id_, "output": text}


def message(text: str) -> Json:
    return {
        "type": "message",
        "id": "msg_1",
        "role": "assistant",
        "status": "completed",
        "content": [{"type": "output_text", "text": text, "annotations": [], "logprobs": []}],
    }


REQUESTS = {
    "text": ask(
        QUESTION, message("Fine."), {"role": "user", "content": "And now?"}, temperature=0.5
    ),
    "stream": ask(QUESTION, stream=True),
    "system": ask(QUESTION, instructions="Be brief."),
    "tools": ask(
        {"role": "user", "content": "Weather in Paris?"},
        call("call_1", "Paris"),
        result("call_1", "sunny"),
        tools=[TOOL],
        tool_choice="auto",
    ),
    "parallel tools": ask(
        {"role": "user", "content": "Weather in Paris and Oslo?"},
        message("Let me look."),
        call("call_1", "Paris"),
        call("call_2", "Oslo"),
        result("call_1", "sunny"),
        result("call_2", "snow"),
        tools=[TOOL],
        tool_choice="required",
    ),
    "image": looks_at(
        {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}", "detail": "auto"}
    ),
    "image link": looks_at({"type": "input_image", "image_url": LINK, "detail": "auto"}),
    "file": looks_at(
        {
            "type": "input_file",
            "filename": "a.pdf",
            "file_data": f"data:application/pdf;base64,{PDF}",
        },
        "Sum it up.",
    ),
    "reasoning": ask(
        QUESTION,
        reasoning={"effort": "high", "summary": "auto"},
        include=["reasoning.encrypted_content"],
    )
    | {"max_output_tokens": 50000},
    "structured": ask(
        QUESTION,
        text={"format": {"type": "json_schema", "name": "place", "schema": SCHEMA, "strict": True}},
    ),
}


def usage(given: int = 12, written: int = 4, cached: int = 0, thought: int = 0) -> Json:
    return {
        "input_tokens": given,
        "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": 0},
        "output_tokens": written,
        "output_tokens_details": {"reasoning_tokens": thought},
        "total_tokens": given + written,
    }


def answer(*items: Json, status: str = "completed", used: Json | None = None) -> Json:
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1_760_000_000,
        "status": status,
        "background": False,
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None,
        "instructions": None,
        "max_output_tokens": 256,
        "model": f"{MODEL}-2025-08-07",
        "output": list(items),
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": "medium", "summary": None},
        "service_tier": "default",
        "temperature": 1.0,
        "text": {"format": {"type": "text"}, "verbosity": "medium"},
        "tool_choice": "auto",
        "tools": [],
        "top_logprobs": 0,
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": used or usage(),
        "user": None,
        "metadata": {},
    }


THOUGHT = {
    "type": "reasoning",
    "id": "rs_1",
    "summary": [{"type": "summary_text", "text": "Hm. Well."}],
    "encrypted_content": ENCRYPTED,
}
ANSWERED: dict[str, tuple[list[Json], str, Json]] = {
    "text": ([message("Fine, thanks.")], "completed", usage()),
    "cut": ([message("Fine, th") | {"status": "incomplete"}], "incomplete", usage()),
    "tools": ([message("Let me look."), call("call_9", "Oslo")], "completed", usage()),
    "parallel tools": ([call("call_8", "Paris"), call("call_9", "Oslo")], "completed", usage()),
    "reasoning": ([THOUGHT, message("Because.")], "completed", usage(12, 30, thought=20)),
    "structured": ([message('{"city":"Paris"}')], "completed", usage()),
    "usage": ([message("Fine, thanks.")], "completed", usage(100, 4, cached=60)),
    "planted": ([message(PLANTED), call("call_9", ADDRESS)], "completed", usage()),
}
ANSWERS = {
    name: answer(*items, status=status, used=used)
    for name, (items, status, used) in ANSWERED.items()
}


def texts(at: Json, text: str) -> Iterator[Json]:
    at = {**at, "content_index": 0}
    part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
    yield {"type": "response.content_part.added", **at, "part": part}
    for piece in pieces(text):
        yield {"type": "response.output_text.delta", **at, "delta": piece, "logprobs": []}
    yield {"type": "response.output_text.done", **at, "text": text, "logprobs": []}
    yield {"type": "response.content_part.done", **at, "part": {**part, "text": text}}


def summary(at: Json, text: str) -> Iterator[Json]:
    at = {**at, "summary_index": 0}
    part = {"type": "summary_text", "text": ""}
    yield {"type": "response.reasoning_summary_part.added", **at, "part": part}
    for piece in pieces(text):
        yield {"type": "response.reasoning_summary_text.delta", **at, "delta": piece}
    yield {"type": "response.reasoning_summary_text.done", **at, "text": text}
    yield {"type": "response.reasoning_summary_part.done", **at, "part": {**part, "text": text}}


def arguments(at: Json, item: Json) -> Iterator[Json]:
    text = item["arguments"]
    for piece in pieces(text):
        yield {"type": "response.function_call_arguments.delta", **at, "delta": piece}
    yield {"type": "response.function_call_arguments.done", **at, "arguments": text}


def item_events(index: int, item: Json) -> Iterator[Json]:
    at = {"item_id": item["id"], "output_index": index}
    empty = {"message": {"content": []}, "function_call": {"arguments": ""}, "reasoning": {}}
    first = {**item, **empty[item["type"]]}
    if item["type"] == "reasoning":
        first = {"type": "reasoning", "id": item["id"], "summary": []}
    else:
        first["status"] = "in_progress"
    yield {"type": "response.output_item.added", "output_index": index, "item": first}
    if item["type"] == "message":
        yield from texts(at, item["content"][0]["text"])
    elif item["type"] == "reasoning":
        yield from summary(at, item["summary"][0]["text"])
    else:
        yield from arguments(at, item)
    yield {"type": "response.output_item.done", "output_index": index, "item": item}


def numbered(events: Iterator[Json]) -> Iterator[Json]:
    for number, event in enumerate(events):
        kind = event.pop("type")
        yield {"type": kind, "sequence_number": number, **event}


def events(items: list[Json], status: str, used: Json) -> Iterator[Json]:
    begun = answer(status="in_progress") | {"usage": None}
    yield {"type": "response.created", "response": begun}
    yield {"type": "response.in_progress", "response": begun}
    for index, item in enumerate(items):
        yield from item_events(index, item)
    yield {"type": f"response.{status}", "response": answer(*items, status=status, used=used)}


STREAMS = {
    name: sse(*numbered(events(items, status, used)), named=True)
    for name, (items, status, used) in ANSWERED.items()
}


def error(message: str, kind: str, code: str | None) -> Json:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


ERRORS = {
    400: error("Too many words.", "invalid_request_error", "context_length_exceeded"),
    404: error("No such model.", "invalid_request_error", "model_not_found"),
    429: error("Slow down.", "rate_limit_exceeded", "rate_limit_exceeded"),
    500: error("It broke.", "server_error", "server_error"),
    503: error("Overloaded.", "server_error", "server_error"),
}


def again(request: Json, answer: Json, words: str) -> Json:
    """The items go back as they came: `input += response.output`."""
    calls = [each["call_id"] for each in answer["output"] if each["type"] == "function_call"]
    told = [result(each, words) for each in calls] or [{"role": "user", "content": words}]
    return request | {"input": [*request["input"], *answer["output"], *told]}


def failing() -> Iterator[Json]:
    until = itertools.takewhile(
        lambda event: event["type"] != "response.output_text.done",
        events([message("Fine")], "completed", usage()),
    )
    yield from until
    stated = {"code": "server_error", "message": "Overloaded."}
    yield {"type": "response.failed", "response": answer(status="failed") | {"error": stated}}


FIXTURES = Fixtures(
    "OpenAIResponses",
    MODEL,
    REQUESTS,
    ANSWERS,
    STREAMS,
    {status: json.dumps(body).encode() for status, body in ERRORS.items()},
    sse(*numbered(failing()), named=True),
    again,
)
