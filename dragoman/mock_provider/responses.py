"""OpenAI's `POST /v1/responses`, as JSON and as a stream."""

from typing import Any

from dragoman.mock_provider import answer, saying
from dragoman.mock_provider.answer import Answer, Event, Json
from dragoman.mock_provider.chat import CREATED
from dragoman.mock_provider.saying import Question, Saying, Tool, text_of

ENCRYPTED = "gAAAAABtb2Nr"


def question(body: Json, speaker: str) -> Question:
    """The request in the words of `saying`."""
    asked = body.get("input")
    items = [{"role": "user", "content": asked}] if isinstance(asked, str) else _objects(asked)
    users = [text_of(item.get("content")) for item in items if item.get("role") == "user"]
    results = [_result(item) for item in items if item.get("type") == "function_call_output"]
    last = items[-1].get("type") if items else None
    return Question(
        model=str(body.get("model")),
        speaker=speaker,
        texts=(
            text_of(body.get("instructions")),
            *(text_of(item.get("content")) for item in items),
            *results,
        ),
        last_user=users[-1] if users else "",
        tool_result=results[-1] if last == "function_call_output" else None,
        tools=tuple(_tools(body.get("tools"))),
        tool_choice=_choice(body.get("tool_choice")),
    )


def _objects(items: Any) -> list[Json]:
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def _result(item: Json) -> str:
    return text_of(item.get("output"))


def _tools(tools: Any) -> list[Tool]:
    functions = [tool for tool in _objects(tools) if tool.get("type") == "function"]
    return [Tool(str(tool.get("name")), tool.get("parameters")) for tool in functions]


def _choice(choice: Any) -> str:
    match choice:
        case str():
            return choice
        case {"type": "function", "name": str(name)}:
            return name
    return "auto"


def respond(body: Json, asked: Question, said: Saying, token: str) -> Answer:
    """The answer; `token` makes its identifiers unique to the request."""
    output = _output(body, said, token)
    response: Json = {
        "id": f"resp_{token}",
        "object": "response",
        "created_at": CREATED,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "instructions": body.get("instructions"),
        "metadata": {},
        "model": asked.model,
        "output": output,
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": body.get("tool_choice") or "auto",
        "tools": body.get("tools") or [],
        "top_p": 1.0,
        "usage": _usage(saying.count(asked, said)),
    }
    if body.get("stream"):
        return answer.stream(_events(response, said))
    return Answer(response)


def _output(body: Json, said: Saying, token: str) -> list[Json]:
    """The items; what a model thought is encrypted for those who ask for it."""
    output: list[Json] = []
    if said.thoughts:
        summary = [{"type": "summary_text", "text": "".join(said.thoughts)}]
        wanted = "reasoning.encrypted_content" in (body.get("include") or ())
        encrypted = {"encrypted_content": ENCRYPTED} if wanted else {}
        output.append({"id": f"rs_{token}", "type": "reasoning", "summary": summary, **encrypted})
    if said.call:
        called: Json = {"id": f"fc_{token}", "type": "function_call", "status": "completed"}
        called |= {"call_id": f"call_{token}", "name": said.call.name}
        output.append({**called, "arguments": "".join(said.arguments())})
    else:
        part = {"type": "output_text", "text": "".join(said.text), "annotations": []}
        message = {"id": f"msg_{token}", "type": "message", "status": "completed"}
        output.append({**message, "role": "assistant", "content": [part]})
    return output


def _events(response: Json, said: Saying) -> list[Event]:
    begun = response | {"status": "in_progress", "output": [], "usage": None}
    steps: list[Json] = [
        {"type": "response.created", "response": begun},
        {"type": "response.in_progress", "response": begun},
    ]
    for index, item in enumerate(response["output"]):
        place = {"item_id": item["id"], "output_index": index}
        inner = [{**step, **place} for step in _STEPS[item["type"]](item, said)]
        added = {"status": "in_progress"} if "status" in item else {}
        start = item | added | {name: _EMPTY[name] for name in _EMPTY if name in item}
        steps.append({"type": "response.output_item.added", "output_index": index, "item": start})
        steps += inner
        steps.append({"type": "response.output_item.done", "output_index": index, "item": item})
    steps.append({"type": "response.completed", "response": response})
    return [Event(s | {"sequence_number": n}, s["type"]) for n, s in enumerate(steps)]


_EMPTY: Json = {"content": [], "summary": [], "arguments": ""}
"""What an item has of these when it begins."""


def _thought(item: Json, said: Saying) -> list[Json]:
    part, kind = item["summary"][0], "response.reasoning_summary"
    steps = [
        {"type": f"{kind}_part.added", "part": part | {"text": ""}},
        *({"type": f"{kind}_text.delta", "delta": piece} for piece in said.thoughts),
        {"type": f"{kind}_text.done", "text": part["text"]},
        {"type": f"{kind}_part.done", "part": part},
    ]
    return [{**step, "summary_index": 0} for step in steps]


def _called(item: Json, said: Saying) -> list[Json]:
    kind = "response.function_call_arguments"
    done = {"name": item["name"], "arguments": item["arguments"]}
    pieces = [{"type": f"{kind}.delta", "delta": piece} for piece in said.arguments()]
    return [*pieces, {"type": f"{kind}.done", **done}]


def _spoken(item: Json, said: Saying) -> list[Json]:
    part = item["content"][0]
    steps = [
        {"type": "response.content_part.added", "part": part | {"text": ""}},
        *(
            {"type": "response.output_text.delta", "delta": piece, "logprobs": []}
            for piece in said.text
        ),
        {"type": "response.output_text.done", "text": part["text"], "logprobs": []},
        {"type": "response.content_part.done", "part": part},
    ]
    return [{**step, "content_index": 0} for step in steps]


_STEPS = {"reasoning": _thought, "function_call": _called, "message": _spoken}


def _usage(usage: saying.Usage) -> Json:
    return {
        "input_tokens": usage.input,
        "input_tokens_details": {"cached_tokens": usage.cached},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.thoughts},
        "total_tokens": usage.input + usage.output,
    }
