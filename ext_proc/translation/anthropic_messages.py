"""Anthropic messages in neutral values, both ways; its streams are in `anthropic_stream`.

Source: the API reference of messages. Structured output is `output_config.format`, reasoning is
`thinking` with a budget, or adaptive with `output_config.effort`.
"""

from typing import Any

from ext_proc.call import Line
from ext_proc.formats import usage
from ext_proc.translation import anthropic_parts as parts
from ext_proc.translation import anthropic_stream as stream
from ext_proc.translation import anthropic_stream_writer as writer
from ext_proc.translation import claude_thinking, unread
from ext_proc.translation.codec import Asked, Codec, Json, UnreadableError, Written
from ext_proc.translation.losses import beside_media, lost
from ext_proc.translation.neutral import (
    Choice,
    Effort,
    Loss,
    Output,
    Reasoning,
    Request,
    Response,
    Tool,
    ToolChoice,
)
from ext_proc.translation.values import (
    as_text,
    flag,
    mapping,
    number,
    objects,
    string,
    text,
    texts,
    whole,
)

_THINKING = ("enabled", "adaptive", "disabled")
MAX_TOKENS = 4096
"""Where the caller sets no limit: this format must have one."""
_SAID = {
    "max_tokens": "max_tokens",
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "stop": "stop_sequences",
    "tools": "tools",
    "tool_choice": "tool_choice",
    "reasoning": "thinking",
    "user": "metadata",
}
_KNOWN = {*_SAID.values(), "model", "messages", "system", "stream", "output_config"}
_EFFORTS: dict[str, Effort] = {
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "xhigh",
    "max": "xhigh",
}


def read_request(document: Json, line: Line) -> Request:
    """Read a request; the guard's dialect has checked roles and shapes."""
    choice = mapping(document.get("tool_choice"))
    parallel = flag(choice.get("disable_parallel_tool_use"))
    config = mapping(document.get("output_config"))
    said = {field: name for field, name in _SAID.items() if document.get(name) is not None}
    said["name"] = "title"
    output = _output(_format(document))
    if output:
        said["output"] = "output_config.format"
    tools, missing = _tools(document)
    return Request(
        model=line.model,
        messages=parts.read_messages(document),
        stream=line.stream,
        system=parts.read_system(document.get("system")),
        tools=tools,
        tool_choice=_tool_choice(choice),
        parallel_tool_calls=None if parallel is None else not parallel,
        max_tokens=whole(document.get("max_tokens"), "max_tokens"),
        temperature=number(document.get("temperature"), "temperature"),
        top_p=number(document.get("top_p"), "top_p"),
        top_k=number(document.get("top_k"), "top_k"),
        stop=texts(document.get("stop_sequences"), "stop_sequences"),
        reasoning=_reasoning(mapping(document.get("thinking")), config.get("effort")),
        output=output,
        user=string(mapping(document.get("metadata")).get("user_id")),
        said=said,
        lost=(
            *missing,
            *parts.unsaid(document),
            *_lost(document),
            *unread.losses("AnthropicMessages", document),
        ),
    )


def _lost(document: Json) -> list[Loss]:
    known = _KNOWN | {"output_format"}
    missing = [name for name, value in document.items() if name not in known and value is not None]
    essential = ("mcp_servers", "container")
    lost = [Loss(name, essential=name in essential and bool(document[name])) for name in missing]
    return [*lost, *_unknown(document)]


def _unknown(document: Json) -> list[Loss]:
    """Values of which there are new ones from time to time."""
    thinking, config = mapping(document.get("thinking")), mapping(document.get("output_config"))
    choice, wanted = mapping(document.get("tool_choice")), _format(document)
    chosen, (tools, unusable) = _tool_choice(choice), _tools(document)
    demanded = chosen is not None and chosen.demands() and unusable and not tools
    effort = config.get("effort")
    unknown = {
        Loss("thinking"): thinking and thinking.get("type") not in _THINKING,
        Loss("output_config.effort"): effort and string(effort) not in _EFFORTS,
        Loss("tool_choice", essential=True): demanded or (choice and chosen is None),
        Loss("output_config.format", essential=True): wanted and _output(wanted) is None,
    }
    return [loss for loss, is_unknown in unknown.items() if is_unknown]


def _format(document: Json) -> Any:
    """The wanted output, which was a field of its own once."""
    config = mapping(document.get("output_config"))
    return config.get("format") or document.get("output_format")


def _tools(document: Json) -> tuple[tuple[Tool, ...], list[Loss]]:
    """The caller's own tools; those that Anthropic itself would run are lost."""
    tools: list[Tool] = []
    missing: list[Loss] = []
    for where, each in objects(document.get("tools"), "tools"):
        if each.get("type", "custom") not in ("custom", None):
            missing.append(Loss(where))
            continue
        tools.append(
            Tool(
                name=text(each.get("name"), f"{where}.name"),
                description=string(each.get("description")),
                parameters=mapping(each.get("input_schema")),
                strict=flag(each.get("strict")),
                cached="cache_control" in each,
            )
        )
    return tuple(tools), missing


def _tool_choice(choice: Json) -> ToolChoice | None:
    match choice:
        case {"type": "tool", "name": str(name)}:
            return ToolChoice("named", name)
        case {"type": "any"}:
            return ToolChoice("required")
        case {"type": "auto"}:
            return ToolChoice("auto")
        case {"type": "none"}:
            return ToolChoice("none")
    return None


def _reasoning(thinking: Json, effort: Any) -> Reasoning | None:
    wanted = _EFFORTS.get(string(effort))
    shown = thinking.get("display") != "omitted"
    match thinking.get("type"):
        case "enabled":
            budget = whole(thinking.get("budget_tokens"), "thinking.budget_tokens")
            return Reasoning(effort=wanted, budget_tokens=budget, shown=shown)
        case "adaptive":
            return Reasoning(effort=wanted, budget_tokens=None if wanted else -1, shown=shown)
        case "disabled":
            return Reasoning(effort="none", budget_tokens=0)
    return Reasoning(effort=wanted) if wanted else None


def _output(given: Any) -> Output | None:
    match given:
        case {"type": "json_schema", "schema": dict(schema)}:
            return Output(schema=schema, strict=True)
    return None


def write_request(request: Request) -> Written:
    """Write a request."""
    messages, losses = parts.write_messages(request)
    limit = MAX_TOKENS if request.max_tokens is None else request.max_tokens
    written: Json = {"model": request.model, "max_tokens": limit, "messages": messages}
    if request.system:
        written["system"] = [parts.write_text(each) for each in request.system]
    if request.tools:
        written["tools"] = [_tool(each) for each in request.tools]
        written |= _choice(request)
    given: Json = {
        "temperature": request.temperature,
        "top_p": request.top_p,
        "top_k": request.top_k,
        "stop_sequences": list(request.stop) or None,
        "metadata": {"user_id": request.user} if request.user else None,
        "stream": request.stream or None,
    }
    written |= {name: value for name, value in given.items() if value is not None}
    losses += _write_output(request, written)
    losses += _write_thinking(request, written)
    losses += _clamp(request, written)
    unsaid = ("frequency_penalty", "presence_penalty", "seed")
    choices = request.said.get("choices", "choices")
    many = [Loss(choices, essential=True)] if request.choices > 1 else []
    losses += beside_media(request, "detail")
    return Written(written, (*losses, *many, *lost(request, *unsaid)))


def _tool(tool: Tool) -> Json:
    schema = tool.parameters or {"type": "object", "properties": {}}
    written: Json = {"name": tool.name, "input_schema": schema}
    if tool.description:
        written["description"] = tool.description
    if tool.strict:
        written["strict"] = True
    return written | parts.cache(cached=tool.cached)


def _choice(request: Request) -> Json:
    chosen, parallel = request.tool_choice, request.parallel_tool_calls
    if chosen is None and parallel is None:
        return {}
    kinds = {"auto": "auto", "none": "none", "required": "any", "named": "tool"}
    choice: Json = {"type": kinds[chosen.mode if chosen else "auto"]}
    if chosen and chosen.mode == "named":
        choice["name"] = chosen.name
    if parallel is not None and choice["type"] != "none":
        choice["disable_parallel_tool_use"] = not parallel
    return {"tool_choice": choice}


def _write_output(request: Request, written: Json) -> list[Loss]:
    """A schema has its place; that an answer be any JSON is lost."""
    output = request.output
    if output is None:
        return []
    if output.schema is None:
        return [Loss(request.said.get("output", "output"))]
    written["output_config"] = {"format": {"type": "json_schema", "schema": output.schema}}
    said = request.said.get("output", "output")
    return [Loss(f"{said}.description")] if output.description else []


def _write_thinking(request: Request, written: Json) -> list[Loss]:
    """Thinking, within the limit of tokens; it goes with no other temperature or forced tool.

    Turns that call tools must begin with the thoughts they came from, else Anthropic refuses.
    """
    budget = claude_thinking.budget(request.reasoning)
    forced = written.get("tool_choice", {}).get("type") in ("any", "tool")
    if budget is None:
        return []
    if budget == 0:
        written["thinking"] = {"type": "disabled"}
        return []
    budget = claude_thinking.fitted(budget, request.max_tokens)
    if forced or budget == 0 or claude_thinking.thoughtless(request):
        return list(lost(request, "reasoning"))
    written["thinking"] = {"type": "enabled", "budget_tokens": budget}
    if request.max_tokens is None:
        written["max_tokens"] = max(MAX_TOKENS, budget + claude_thinking.LEAST_ANSWER)
    unsaid = [name for name in ("temperature", "top_k") if written.pop(name, None) is not None]
    return list(lost(request, *unsaid))


def _clamp(request: Request, written: Json) -> list[Loss]:
    """Other formats' temperatures reach 2, this one's 1."""
    given = written.get("temperature")
    if given is None or float(as_text(given)) <= 1:
        return []
    written["temperature"] = 1
    return list(lost(request, "temperature"))


def read_response(document: Json) -> Response:
    """Read a message."""
    if document.get("type") == "error" or not isinstance(document.get("content"), list):
        raise UnreadableError("The provider's answer is no message.")
    stated = document.get("usage")
    used = usage.anthropic(stated)
    choice = Choice(
        parts.read_answer(document["content"]),
        stream.FINISHES.get(string(document.get("stop_reason"))),
        string(document.get("stop_sequence")) or None,
    )
    return Response(
        id=string(document.get("id")),
        model=string(document.get("model")),
        choices=(choice,),
        usage=used,
        usage_invalid=stated is not None and used is None,
    )


def write_response(response: Response, asked: Asked) -> Json:
    """Write a message; this format has one answer alone."""
    choice = response.choices[0]
    return {
        "id": response.id or asked.request_id,
        "type": "message",
        "role": "assistant",
        "model": response.model or asked.model,
        "content": parts.write_answer(choice.parts),
        "stop_reason": writer.REASONS[choice.finish or "stop"],
        "stop_sequence": choice.stop_sequence,
        "usage": writer.stated(response.usage),
    }


CODEC = Codec(
    read_request=read_request,
    write_request=write_request,
    read_response=read_response,
    write_response=write_response,
    reader=stream.Reader,
    writer=writer.Writer,
)
