"""OpenAI chat completions in neutral values, both ways; its streams are in `openai_chat_stream`.

Source: the API reference of chat completions. Reasoning has no place in it, so it travels as other
servers of this format have it: `reasoning_content`, and `reasoning_details` for what must come
back unchanged in the next request.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from ext_proc.call import Line
from ext_proc.formats import usage
from ext_proc.translation import call_ids, cited, efforts, unread
from ext_proc.translation import openai_chat_parts as parts
from ext_proc.translation import openai_chat_stream as stream
from ext_proc.translation import openai_chat_stream_writer as writer
from ext_proc.translation import openai_chat_tools as chat_tools
from ext_proc.translation import openai_chat_turns as turns
from ext_proc.translation.codec import Asked, Codec, Json, UnreadableError, Written
from ext_proc.translation.efforts import EFFORTS
from ext_proc.translation.losses import beside_media, lost
from ext_proc.translation.neutral import (
    Choice,
    Loss,
    Output,
    Reasoning,
    Request,
    Response,
    ToolCall,
)
from ext_proc.translation.values import (
    flag,
    listed,
    mapping,
    number,
    objects,
    string,
    texts,
    whole,
)

_SAID = {
    "max_tokens": ("max_completion_tokens", "max_tokens"),
    "temperature": ("temperature",),
    "top_p": ("top_p",),
    "top_k": ("top_k",),
    "frequency_penalty": ("frequency_penalty",),
    "presence_penalty": ("presence_penalty",),
    "seed": ("seed",),
    "stop": ("stop",),
    "choices": ("n",),
    "reasoning": ("reasoning_effort",),
    "output": ("response_format",),
    "user": ("user", "safety_identifier"),
    "tools": ("tools", "functions"),
    "tool_choice": ("tool_choice", "function_call"),
    "parallel_tool_calls": ("parallel_tool_calls",),
}
_NUMBERS = ("temperature", "top_p", "top_k", "frequency_penalty", "presence_penalty", "seed")
_KNOWN = {name for names in _SAID.values() for name in names} | {
    *("model", "messages", "stream", "stream_options"),
}
_ESSENTIAL = {"audio", "modalities", "prediction", "tool_choice", "response_format"}
_ANSWERED = {"modalities": ["text"]}


def read_request(document: Json, line: Line) -> Request:
    """Read a request; the guard's dialect has checked roles and shapes."""
    system, messages = turns.read_messages(document)
    tools, unusable = chat_tools.read(document)
    said = {
        field: next(name for name in names if document.get(name) is not None)
        for field, names in _SAID.items()
        if any(document.get(name) is not None for name in names)
    }
    said["name"] = "filename"
    effort = EFFORTS.get(string(document.get("reasoning_effort")))
    limit = document.get("max_completion_tokens") or document.get("max_tokens")
    return Request(
        model=line.model,
        messages=messages,
        stream=line.stream,
        system=system,
        tools=tools,
        tool_choice=chat_tools.choice(document),
        parallel_tool_calls=flag(document.get("parallel_tool_calls")),
        max_tokens=whole(limit, said.get("max_tokens", "")),
        stop=texts(document.get("stop"), "stop"),
        choices=document.get("n") or 1,
        reasoning=Reasoning(effort=effort) if effort else None,
        output=_output(document.get("response_format")),
        user=string(document.get("user") or document.get("safety_identifier")),
        said={**said, "citations": "annotations"},
        lost=(*unusable, *_lost(document), *unread.losses("OpenAIChat", document)),
        **{name: number(document.get(name), name) for name in _NUMBERS},
    )


def _lost(document: Json) -> list[Loss]:
    missing = [
        name
        for name, value in document.items()
        if name not in _KNOWN and value is not None and value != _ANSWERED.get(name)
    ]
    effort = document.get("reasoning_effort")
    if effort is not None and string(effort) not in EFFORTS:
        missing.append("reasoning_effort")
    if chat_tools.unsaid_choice(document):
        missing.append("tool_choice")
    output = document.get("response_format")
    if output not in (None, {"type": "text"}) and _output(output) is None:
        missing.append("response_format")
    kept_sounds = [
        Loss(f"{where}.audio", essential=True)
        for where, message in objects(document.get("messages"), "messages")
        if message.get("audio") is not None
    ]
    return [*(Loss(name, essential=name in _ESSENTIAL) for name in missing), *kept_sounds]


def _output(given: Any) -> Output | None:
    match given:
        case {"type": "json_object"}:
            return Output()
        case {"type": "json_schema", "json_schema": dict(wanted)}:
            return Output(
                schema=mapping(wanted.get("schema")),
                name=string(wanted.get("name")) or "answer",
                description=string(wanted.get("description")),
                strict=flag(wanted.get("strict")),
            )
    return None


def write_request(request: Request) -> Written:
    """Write a request."""
    written: Json = {"model": request.model}
    messages, losses = turns.write_messages(request)
    written["messages"] = messages
    if request.tools:
        written["tools"] = [chat_tools.write(each) for each in request.tools]
    if request.tool_choice is not None and request.tools:
        written["tool_choice"] = chat_tools.write_choice(request.tool_choice)
    given: Json = {
        "parallel_tool_calls": request.parallel_tool_calls if request.tools else None,
        "max_completion_tokens": request.max_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "frequency_penalty": request.frequency_penalty,
        "presence_penalty": request.presence_penalty,
        "seed": request.seed,
        "stop": list(request.stop) or None,
        "n": request.choices if request.choices > 1 else None,
        "reasoning_effort": efforts.effort(request.reasoning),
        "response_format": _format(request.output),
        "user": request.user or None,
    }
    written |= {name: value for name, value in given.items() if value is not None}
    unnamed = beside_media(request, "name", words_only=True)
    if request.stream:
        written |= {"stream": True, "stream_options": {"include_usage": True}}
    return Written(written, (*losses, *cited.lost(request), *lost(request, "top_k"), *unnamed))


def _format(output: Output | None) -> Json | None:
    if output is None:
        return None
    if output.schema is None:
        return {"type": "json_object"}
    schema: Json = {"name": output.name, "schema": output.schema}
    if output.description:
        schema["description"] = output.description
    if output.strict is not None:
        schema["strict"] = output.strict
    return {"type": "json_schema", "json_schema": schema}


def read_response(document: Json) -> Response:
    """Read a completion."""
    choices = listed(document.get("choices"))
    if not choices:
        raise UnreadableError("The provider's answer has no choices.")
    name_call = call_ids.namer(document)
    stated = document.get("usage")
    used = usage.openai(stated)
    return Response(
        id=string(document.get("id")),
        model=string(document.get("model")),
        choices=tuple(
            _read_choice(each, partial(name_call, at)) for at, each in enumerate(choices)
        ),
        usage=used,
        usage_invalid=stated is not None and used is None,
    )


def _read_choice(choice: Json, name_call: Callable[[int, str], str]) -> Choice:
    said = parts.read_answer(mapping(choice.get("message")), name_call)
    calls = any(isinstance(part, ToolCall) for part in said)
    return Choice(said, stream.finish(choice.get("finish_reason"), calls=calls))


def write_response(response: Response, asked: Asked) -> Json:
    """Write a completion."""
    return {
        "id": response.id or asked.request_id,
        "object": "chat.completion",
        "created": asked.created,
        "model": response.model or asked.model,
        "choices": [
            {
                "index": index,
                "message": parts.write_answer(choice.parts),
                "logprobs": None,
                "finish_reason": writer.REASONS[choice.finish or "stop"],
            }
            for index, choice in enumerate(response.choices)
        ],
        **({"usage": writer.stated(response.usage)} if response.usage else {}),
    }


CODEC = Codec(
    read_request=read_request,
    write_request=write_request,
    read_response=read_response,
    write_response=write_response,
    reader=stream.Reader,
    writer=writer.Writer,
)
