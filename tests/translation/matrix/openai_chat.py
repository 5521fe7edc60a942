"""OpenAI's chat completions, by its API reference.

Reasoning is no part of it: `reasoning_content` is how vLLM, DeepSeek and others of this format
show it.
"""

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

MODEL = "gpt-5"
QUESTION = {"role": "user", "content": "How are you?"}
TOOL = {
    "type": "function",
    "function": {"name": FUNCTION[0], "description": FUNCTION[1], "parameters": FUNCTION[2]},
}


def ask(*messages: Json, **more: Any) -> Json:
    return {"model": MODEL, "max_completion_tokens": 256, "messages": list(messages), **more}


def looks_at(part: Json, words: str = "What is it?") -> Json:
    return ask({"role": "user", "content": [{"type": "text", "text": words}, part]})


def call(id_: str, city: str) -> Json:
    arguments = json.dumps({"city": city})
    return {"id": id_, "type": "function", "function": {"name": "weather", "arguments": arguments}}


def result(id_: str, text: str) -> Json:
    return {"role": "tool", "tool_call_id": id_, "content": text}


REQUESTS = {
    "text": ask(
        QUESTION,
        {"role": "assistant", "content": "Fine."},
        {"role": "user", "content": "And now?"},
        temperature=0.5,
        stop=["END"],
    ),
    "stream": ask(QUESTION, stream=True, stream_options={"include_usage": True}),
    "system": ask({"role": "system", "content": "Be brief."}, QUESTION),
    "tools": ask(
        {"role": "user", "content": "Weather in Paris?"},
        {"role": "assistant", "content": None, "tool_calls": [call("call_1", "Paris")]},
        result("call_1", "sunny"),
        tools=[TOOL],
        tool_choice="auto",
    ),
    "parallel tools": ask(
        {"role": "user", "content": "Weather in Paris and Oslo?"},
        {
            "role": "assistant",
            "content": "Let me look.",
            "tool_calls": [call("call_1", "Paris"), call("call_2", "Oslo")],
        },
        result("call_1", "sunny"),
        result("call_2", "snow"),
        tools=[TOOL],
        tool_choice="required",
    ),
    "image": looks_at({"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}),
    "image link": looks_at({"type": "image_url", "image_url": {"url": LINK}}),
    "file": looks_at(
        {
            "type": "file",
            "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF}"},
        },
        "Sum it up.",
    ),
    "reasoning": ask(QUESTION, reasoning_effort="high") | {"max_completion_tokens": 50000},
    "structured": ask(
        QUESTION,
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "place", "schema": SCHEMA, "strict": True},
        },
    ),
}


def usage(given: int = 12, written: int = 4, cached: int = 0, thought: int = 0) -> Json:
    return {
        "prompt_tokens": given,
        "completion_tokens": written,
        "total_tokens": given + written,
        "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": thought,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def answer(
    content: str | None, finish: str = "stop", used: Json | None = None, **more: Any
) -> Json:
    message = {"role": "assistant", "content": content, "refusal": None, "annotations": [], **more}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_760_000_000,
        "model": f"{MODEL}-2025-08-07",
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish}],
        "usage": used or usage(),
        "service_tier": "default",
        "system_fingerprint": None,
    }


ANSWERS = {
    "text": answer("Fine, thanks."),
    "cut": answer("Fine, th", "length"),
    "tools": answer("Let me look.", "tool_calls", tool_calls=[call("call_9", "Oslo")]),
    "parallel tools": answer(
        None, "tool_calls", tool_calls=[call("call_8", "Paris"), call("call_9", "Oslo")]
    ),
    "reasoning": answer("Because.", used=usage(12, 30, thought=20), reasoning_content="Hm. Well."),
    "structured": answer('{"city":"Paris"}'),
    "usage": answer("Fine, thanks.", used=usage(100, 4, cached=60)),
    "planted": answer(PLANTED, "tool_calls", tool_calls=[call("call_9", ADDRESS)]),
}


def chunk(delta: Json | None, finish: str | None = None, used: Json | None = None) -> Json:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1_760_000_000,
        "model": f"{MODEL}-2025-08-07",
        "service_tier": "default",
        "system_fingerprint": None,
        "choices": [] if delta is None else [choice],
        "usage": used,
        "obfuscation": "x7Kd",
    }


def stream(*deltas: Json, finish: str = "stop", used: Json | None = None) -> bytes:
    first = {"role": "assistant", "content": "", "refusal": None}
    chunks = [
        chunk(first),
        *map(chunk, deltas),
        chunk({}, finish),
        chunk(None, used=used or usage()),
    ]
    return sse(*chunks, last="data: [DONE]\n\n")


def called(index: int, id_: str, city: str) -> list[Json]:
    """The pieces of a call."""
    named = {"name": "weather", "arguments": ""}
    pieces = [{"index": index, "id": id_, "type": "function", "function": named}]
    spelled = json.dumps({"city": city})
    pieces += [
        {"index": index, "function": {"arguments": spelled[at : at + 7]}}
        for at in range(0, len(spelled), 7)
    ]
    return [{"tool_calls": [each]} for each in pieces]


STREAMS = {
    "text": stream({"content": "Fine"}, {"content": ", thanks."}),
    "cut": stream({"content": "Fine"}, {"content": ", th"}, finish="length"),
    "tools": stream(
        {"content": "Let me "},
        {"content": "look."},
        *called(0, "call_9", "Oslo"),
        finish="tool_calls",
    ),
    "parallel tools": stream(
        *called(0, "call_8", "Paris"), *called(1, "call_9", "Oslo"), finish="tool_calls"
    ),
    "reasoning": stream(
        {"reasoning_content": "Hm. "},
        {"reasoning_content": "Well."},
        {"content": "Because."},
        used=usage(12, 30, thought=20),
    ),
    "structured": stream({"content": '{"city":'}, {"content": '"Paris"}'}),
    "usage": stream({"content": "Fine, thanks."}, used=usage(100, 4, cached=60)),
    "planted": stream(
        *({"content": each} for each in pieces(PLANTED)),
        *called(0, "call_9", ADDRESS),
        finish="tool_calls",
    ),
}


def error(message: str, kind: str, code: str | None) -> Json:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


ERRORS = {
    400: error("Too many words.", "invalid_request_error", "context_length_exceeded"),
    404: error("No such model.", "invalid_request_error", "model_not_found"),
    429: error("Slow down.", "rate_limit_exceeded", "rate_limit_exceeded"),
    500: error("It broke.", "server_error", None),
    503: error("Overloaded.", "server_error", None),
}


def again(request: Json, answer: Json, words: str) -> Json:
    """The message goes back as the SDK gave it: `messages.append(completion.choices[0].message)`."""
    said = answer["choices"][0]["message"]
    message = {k: v for k, v in said.items() if v is not None and k != "annotations"}
    calls = message.get("tool_calls", [])
    told = [result(each["id"], words) for each in calls] or [{"role": "user", "content": words}]
    return request | {"messages": [*request["messages"], message, *told]}


FIXTURES = Fixtures(
    "OpenAIChat",
    MODEL,
    REQUESTS,
    ANSWERS,
    STREAMS,
    {status: json.dumps(body).encode() for status, body in ERRORS.items()},
    sse(
        chunk({"role": "assistant", "content": "Fine"}), error("Overloaded.", "server_error", None)
    ),
    again,
)
