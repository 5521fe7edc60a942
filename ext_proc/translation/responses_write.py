"""Neutral requests, written as OpenAI's Responses format.

Nothing is stored there (`store: false`): callers of other formats bring their whole conversation.
"""

from typing import Any

from ext_proc.translation import call_ids, cited, efforts, responses_parts, responses_tools
from ext_proc.translation.codec import Json, Written
from ext_proc.translation.losses import lost
from ext_proc.translation.neutral import (
    Loss,
    Message,
    Output,
    Part,
    Reasoning,
    Request,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from ext_proc.translation.responses_reasoning import to_openai

_UNSAID = ("top_k", "frequency_penalty", "presence_penalty", "seed", "stop")
_LONGEST_ID = 64


def write_request(request: Request) -> Written:
    """Write a request."""
    items: list[Json] = []
    losses = [*lost(request, *_UNSAID), *cited.lost(request)]
    if request.choices > 1:
        losses.append(Loss(request.said.get("choices", "choices"), essential=True))
    for message in request.messages:
        _message(message, items, losses)
    document: Json = {
        "model": request.model,
        **_system(request, items),
        "input": items,
        "store": False,
        "stream": request.stream or None,
        "tools": responses_tools.write(request.tools) or None,
        "tool_choice": responses_tools.write_choice(request),
        "parallel_tool_calls": request.parallel_tool_calls,
        "max_output_tokens": request.max_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "text": request.output and {"format": _format(request.output)},
        "user": request.user or None,
        **_reasoning(request.reasoning),
    }
    said = {name: value for name, value in document.items() if value is not None}
    return Written(said, tuple(losses))


def _system(request: Request, items: list[Json]) -> Json:
    """One text is instructions; several stand apart, before all else."""
    texts = [part.text for part in request.system]
    if len(texts) == 1:
        return {"instructions": texts[0]}
    if texts:
        content = [{"type": "input_text", "text": text} for text in texts]
        items.insert(0, {"type": "message", "role": "developer", "content": content})
    return {}


def _message(message: Message, items: list[Json], losses: list[Loss]) -> None:
    """Add a message's items; what a user says between two others is one item.

    The model's words are strings: as a list they would need an id of OpenAI's.
    """
    said: list[Json] = []
    for part in message.parts:
        if isinstance(part, Text) and message.role == "assistant":
            said = []
            items.append({"type": "message", "role": "assistant", "content": part.text})
            continue
        written = responses_parts.write(part, message.role)
        if written is not None:
            if not said:
                items.append({"type": "message", "role": message.role, "content": said})
            said.append(written)
            continue
        if item := _item(part, message.where, losses):
            said = []
            items.append(item)


def _item(part: Part, where: str, losses: list[Loss]) -> Json | None:
    match part:
        case ToolCall(call_id, name, arguments):
            called = {"call_id": _id(call_id), "name": name, "arguments": arguments or "{}"}
            return {"type": "function_call", **called}
        case ToolResult():
            output = _output(part, where, losses)
            return {"type": "function_call_output", "call_id": _id(part.id), "output": output}
        case Thinking(text) if encrypted := to_openai(part):
            summary = [{"type": "summary_text", "text": text}] if text else []
            return {"type": "reasoning", "summary": summary, "encrypted_content": encrypted}
    losses.append(Loss(where, essential=not isinstance(part, Thinking)))
    return None


def _id(stated: str) -> str:
    """An id that is not too long: the stated one, or always the same other one."""
    return call_ids.spelled(stated, "", _LONGEST_ID, "call_")


def _output(result: ToolResult, where: str, losses: list[Loss]) -> Any:
    """A result's text alone, or its parts; that it is an error is said in words."""
    written = [responses_parts.write(part, "user") for part in result.parts]
    losses += [Loss(where, essential=True) for each in written if each is None]
    said = [each for each in written if each is not None]
    if result.is_error:
        said = [{"type": "input_text", "text": "Error:"}, *said]
    texts = [each["text"] for each in said if each["type"] == "input_text"]
    whole = len(texts) == len(said) and (len(said) < 2 or result.is_error)
    return " ".join(texts) if whole else said


def _format(output: Output) -> Json:
    if output.schema is None:
        return {"type": "json_object"}
    named = {"description": output.description} if output.description else {}
    strict = {"strict": output.strict} if output.strict is not None else {}
    return {
        "type": "json_schema",
        "name": output.name,
        **named,
        "schema": output.schema,
        **strict,
    }


def _reasoning(reasoning: Reasoning | None) -> Json:
    """Reasoning that is asked for is to come back in the next request: so it is encrypted."""
    if reasoning is None:
        return {}
    effort = efforts.effort(reasoning)
    stated = {"effort": effort, "summary": "auto" if reasoning.shown else None}
    said = {name: value for name, value in stated.items() if value is not None}
    included = {} if effort == "none" else {"include": ["reasoning.encrypted_content"]}
    return {"reasoning": said, **included}
