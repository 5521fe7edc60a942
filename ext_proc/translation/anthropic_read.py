"""A caller's messages request of Anthropic, read into neutral values.

Source: the API reference of messages. Structured output is `output_config.format`, reasoning is
`thinking` with a budget, or adaptive with `output_config.effort`.
"""

from typing import Any

from ext_proc.call import Line
from ext_proc.translation import anthropic_parts as parts
from ext_proc.translation import unread
from ext_proc.translation.codec import Json
from ext_proc.translation.efforts import EFFORTS
from ext_proc.translation.neutral import (
    Loss,
    Output,
    Reasoning,
    Request,
    Tool,
    ToolChoice,
)
from ext_proc.translation.values import (
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
        Loss("output_config.effort"): effort and string(effort) not in EFFORTS,
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
    wanted = EFFORTS.get(string(effort))
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
