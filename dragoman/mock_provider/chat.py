"""OpenAI's `POST /v1/chat/completions`, as JSON and as a stream."""

from typing import Any

from dragoman.mock_provider import answer, saying
from dragoman.mock_provider.answer import Answer, Event, Json
from dragoman.mock_provider.saying import MAX_CHOICES, Question, Saying, Tool, text_of

CREATED = 1_700_000_000
"""The same time in every answer, so that answers can be compared."""


def question(body: Json, speaker: str) -> Question:
    """The request in the words of `saying`."""
    messages = [m for m in body.get("messages") or () if isinstance(m, dict)]
    users = [text_of(m.get("content")) for m in messages if m.get("role") == "user"]
    last = messages[-1] if messages else {}
    result = text_of(last.get("content")) if last.get("role") in ("tool", "function") else None
    number = body.get("n")
    return Question(
        model=str(body.get("model")),
        speaker=speaker,
        texts=tuple(text_of(m.get("content")) for m in messages),
        last_user=users[-1] if users else "",
        tool_result=result,
        tools=tuple(_tools(body.get("tools"))),
        tool_choice=_choice(body.get("tool_choice")),
        choices=min(MAX_CHOICES, number) if isinstance(number, int) and number > 0 else 1,
    )


def _tools(tools: Any) -> list[Tool]:
    functions = [t.get("function") for t in tools or () if isinstance(t, dict)]
    return [Tool(str(f.get("name")), f.get("parameters")) for f in functions if isinstance(f, dict)]


def _choice(choice: Any) -> str:
    match choice:
        case str():
            return choice
        case {"function": {"name": str(name)}}:
            return name
    return "auto"


def respond(body: Json, asked: Question, said: Saying, token: str) -> Answer:
    """The answer; `token` makes its identifiers unique to the request."""
    base: Json = {
        "id": f"chatcmpl-{token}",
        "object": "chat.completion",
        "created": CREATED,
        "model": asked.model,
        "system_fingerprint": "fp_mock",
    }
    usage = usage_of(saying.count(asked, said))
    if body.get("stream"):
        options = body.get("stream_options")
        wanted = isinstance(options, dict) and bool(options.get("include_usage"))
        return answer.stream(_events(base, asked, said, usage if wanted else None))
    choices = [
        {
            "index": index,
            "message": _message(said, token),
            "logprobs": None,
            "finish_reason": _finish(said),
        }
        for index in range(asked.choices)
    ]
    return Answer({**base, "choices": choices, "usage": usage})


def _message(said: Saying, token: str) -> Json:
    message: Json = {"role": "assistant", "content": "".join(said.text), "refusal": None}
    if said.thoughts:
        message["reasoning_content"] = "".join(said.thoughts)
    if said.call:
        function = {"name": said.call.name, "arguments": "".join(said.arguments())}
        message["content"] = None
        message["tool_calls"] = [{"id": f"call_{token}", "type": "function", "function": function}]
    return message


def _events(base: Json, asked: Question, said: Saying, usage: Json | None) -> list[Event]:
    frame = base | {"object": "chat.completion.chunk"} | ({"usage": None} if usage else {})
    steps: list[tuple[Json, str | None]] = [(delta, None) for delta in _deltas(said, base["id"])]
    steps.append(({}, _finish(said)))
    events = []
    for delta, finish in steps:
        for index in range(asked.choices):
            choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
            events.append(Event({**frame, "choices": [choice]}))
    if usage:
        events.append(Event({**frame, "choices": [], "usage": usage}))
    return [*events, Event("[DONE]")]


def _deltas(said: Saying, token: str) -> list[Json]:
    deltas: list[Json] = [
        {"role": "assistant", "content": None if said.call else "", "refusal": None}
    ]
    deltas += [{"reasoning_content": piece} for piece in said.thoughts]
    deltas += [{"content": piece} for piece in said.text]
    if said.call:
        function = {"name": said.call.name, "arguments": ""}
        start = {"index": 0, "id": f"call_{token}", "type": "function", "function": function}
        deltas.append({"tool_calls": [start]})
        deltas += [
            {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}
            for piece in said.arguments()
        ]
    return deltas


def _finish(said: Saying) -> str:
    return "tool_calls" if said.call else "stop"


def usage_of(usage: saying.Usage) -> Json:
    """Usage as OpenAI states it."""
    return {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": {"cached_tokens": usage.cached, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": usage.thoughts, "audio_tokens": 0},
    }
