"""Bedrock's Converse, by its API reference; requests as boto3 makes them of its parameters."""

import json
from typing import Any

from tests.translation import frames
from tests.translation.matrix.features import (
    ADDRESS,
    FUNCTION,
    PDF,
    PLANTED,
    PNG,
    SCHEMA,
    pieces,
)
from tests.translation.matrix.fixtures import Fixtures, Json

MODEL = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
SIGNATURE = "EqQBCgIYAhIkNmU3+/abc=="
SPEC = {"name": FUNCTION[0], "description": FUNCTION[1], "inputSchema": {"json": FUNCTION[2]}}


def user(*content: Json) -> Json:
    return {"role": "user", "content": list(content)}


def model(*content: Json) -> Json:
    return {"role": "assistant", "content": list(content)}


def ask(*messages: Json, config: Json | None = None, **more: Any) -> Json:
    given = {"maxTokens": 256, **(config or {})}
    return {"messages": list(messages), "inferenceConfig": given, **more}


def call(id_: str, city: str) -> Json:
    return {"toolUse": {"toolUseId": id_, "name": "weather", "input": {"city": city}}}


def result(id_: str, text: str) -> Json:
    return {"toolResult": {"toolUseId": id_, "content": [{"text": text}]}}


def tools(choice: str) -> Json:
    return {"tools": [{"toolSpec": SPEC}], "toolChoice": {choice: {}}}


QUESTION = user({"text": "How are you?"})
REQUESTS = {
    "text": ask(
        QUESTION,
        model({"text": "Fine."}),
        user({"text": "And now?"}),
        config={"temperature": 0.5, "stopSequences": ["END"]},
    ),
    "stream": ask(QUESTION),
    "system": ask(QUESTION, system=[{"text": "Be brief."}]),
    "tools": ask(
        user({"text": "Weather in Paris?"}),
        model(call("call_1", "Paris")),
        user(result("call_1", "sunny")),
        toolConfig=tools("auto"),
    ),
    "parallel tools": ask(
        user({"text": "Weather in Paris and Oslo?"}),
        model({"text": "Let me look."}, call("call_1", "Paris"), call("call_2", "Oslo")),
        user(result("call_1", "sunny"), result("call_2", "snow")),
        toolConfig=tools("any"),
    ),
    "image": ask(
        user({"text": "What is it?"}, {"image": {"format": "png", "source": {"bytes": PNG}}})
    ),
    "file": ask(
        user(
            {"text": "Sum it up."},
            {"document": {"format": "pdf", "name": "report", "source": {"bytes": PDF}}},
        )
    ),
    "reasoning": ask(
        QUESTION,
        config={"maxTokens": 50000},
        additionalModelRequestFields={"thinking": {"type": "enabled", "budget_tokens": 16000}},
    ),
    "structured": ask(
        QUESTION,
        outputConfig={
            "textFormat": {
                "type": "json_schema",
                "structure": {"jsonSchema": {"schema": json.dumps(SCHEMA), "name": "place"}},
            }
        },
    ),
}


def usage(given: int = 12, written: int = 4, cached: int = 0) -> Json:
    stated = {
        "inputTokens": given - cached,
        "outputTokens": written,
        "totalTokens": given + written,
    }
    return stated | {"cacheReadInputTokens": cached, "cacheWriteInputTokens": 0}


def answer(*content: Json, finish: str = "end_turn", used: Json | None = None) -> Json:
    return {
        "output": {"message": model(*content)},
        "stopReason": finish,
        "usage": used or usage(),
        "metrics": {"latencyMs": 700},
    }


THOUGHT = {"reasoningContent": {"reasoningText": {"text": "Hm. Well.", "signature": SIGNATURE}}}
ANSWERS = {
    "text": answer({"text": "Fine, thanks."}),
    "cut": answer({"text": "Fine, th"}, finish="max_tokens"),
    "tools": answer({"text": "Let me look."}, call("call_9", "Oslo"), finish="tool_use"),
    "parallel tools": answer(call("call_8", "Paris"), call("call_9", "Oslo"), finish="tool_use"),
    "reasoning": answer(THOUGHT, {"text": "Because."}, used=usage(12, 30)),
    "structured": answer({"text": '{"city":"Paris"}'}),
    "usage": answer({"text": "Fine, thanks."}, used=usage(100, 4, 60)),
    "planted": answer({"text": PLANTED}, call("call_9", ADDRESS), finish="tool_use"),
}


def event(name: str, payload: Json) -> bytes:
    return frames.frame("event", name, json.dumps({**payload, "p": "abc"}).encode())


def block(index: int, start: Json | None, *deltas: Json) -> bytes:
    at = {"contentBlockIndex": index}
    began = event("contentBlockStart", {**at, "start": start}) if start else b""
    pieces = b"".join(event("contentBlockDelta", {**at, "delta": each}) for each in deltas)
    return began + pieces + event("contentBlockStop", at)


def written(index: int, *pieces: str) -> bytes:
    return block(index, None, *({"text": each} for each in pieces))


def called(index: int, id_: str, city: str) -> bytes:
    spelled = json.dumps({"city": city})
    pieces = ["", *(spelled[at : at + 7] for at in range(0, len(spelled), 7))]
    start = {"toolUse": {"toolUseId": id_, "name": "weather"}}
    return block(index, start, *({"toolUse": {"input": each}} for each in pieces))


def stream(*blocks: bytes, finish: str = "end_turn", used: Json | None = None) -> bytes:
    told = {"usage": used or usage(), "metrics": {"latencyMs": 700}}
    began = event("messageStart", {"role": "assistant"})
    ended = event("messageStop", {"stopReason": finish})
    return b"".join((began, *blocks, ended, event("metadata", told)))


THOUGHTS = ({"text": "Hm. "}, {"text": "Well."}, {"signature": SIGNATURE})
STREAMS = {
    "text": stream(written(0, "Fine", ", thanks.")),
    "cut": stream(written(0, "Fine", ", th"), finish="max_tokens"),
    "tools": stream(written(0, "Let me ", "look."), called(1, "call_9", "Oslo"), finish="tool_use"),
    "parallel tools": stream(
        called(0, "call_8", "Paris"), called(1, "call_9", "Oslo"), finish="tool_use"
    ),
    "reasoning": stream(
        block(0, None, *({"reasoningContent": each} for each in THOUGHTS)),
        written(1, "Because."),
        used=usage(12, 30),
    ),
    "structured": stream(written(0, '{"city":', '"Paris"}')),
    "usage": stream(written(0, "Fine, thanks."), used=usage(100, 4, 60)),
    "planted": stream(
        written(0, *pieces(PLANTED)), called(1, "call_9", ADDRESS), finish="tool_use"
    ),
}
ERRORS = {
    400: {"__type": "ValidationException", "message": "Too many words."},
    404: {"__type": "ResourceNotFoundException", "message": "No such model."},
    429: {"__type": "ThrottlingException", "message": "Slow down."},
    500: {"__type": "InternalServerException", "message": "It broke."},
    503: {"__type": "ServiceUnavailableException", "message": "Overloaded."},
}


def again(request: Json, answer: Json, words: str) -> Json:
    """The message goes back as it came: `messages.append(response["output"]["message"])`."""
    message = answer["output"]["message"]
    calls = [each["toolUse"]["toolUseId"] for each in message["content"] if "toolUse" in each]
    told = [result(each, words) for each in calls] or [{"text": words}]
    return request | {"messages": [*request["messages"], message, user(*told)]}


def failing() -> bytes:
    began = event("messageStart", {"role": "assistant"})
    piece = event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "Fine"}})
    said = json.dumps({"message": "Overloaded."}).encode()
    return began + piece + frames.frame("exception", "serviceUnavailableException", said)


FIXTURES = Fixtures(
    "BedrockConverse",
    MODEL,
    REQUESTS,
    ANSWERS,
    STREAMS,
    {status: json.dumps(body).encode() for status, body in ERRORS.items()},
    failing(),
    again,
)
