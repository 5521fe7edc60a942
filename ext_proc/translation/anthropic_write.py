"""A messages request of Anthropic, written from neutral values.

Source: the API reference of messages.
"""

from ext_proc.translation import anthropic_blocks as blocks
from ext_proc.translation import call_ids, claude_thinking
from ext_proc.translation.codec import Json, Written
from ext_proc.translation.losses import beside_media, lost
from ext_proc.translation.neutral import (
    Loss,
    Request,
    Tool,
)
from ext_proc.translation.values import (
    as_text,
)

MAX_TOKENS = 4096
"""Where the caller sets no limit: this format must have one."""


def write_request(request: Request) -> Written:
    """Write a request.

    Anthropic wants tools wherever a conversation has calls of some: those that the caller no longer
    offers are declared, and not to be called.
    """
    messages, losses = blocks.write_messages(request)
    limit = MAX_TOKENS if request.max_tokens is None else request.max_tokens
    written: Json = {"model": request.model, "max_tokens": limit, "messages": messages}
    if request.system:
        written["system"] = [blocks.write_text(each) for each in request.system]
    if request.tools:
        written["tools"] = [_tool(each) for each in request.tools]
        written |= _choice(request)
    elif undeclared := dict.fromkeys(call_ids.named(request).values()):
        written["tools"] = [_tool(Tool(name)) for name in undeclared]
        written["tool_choice"] = {"type": "none"}
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
    return written | blocks.cache(cached=tool.cached)


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
