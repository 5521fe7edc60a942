"""Tools of a Converse request, read and written.

Bedrock cannot be told to use no tool, and wants tools wherever a conversation has calls of some.
Source: `ToolConfiguration` of the Amazon Bedrock Runtime API reference.
"""

from dataclasses import replace
from typing import Any

from ext_proc.translation import bedrock_models, call_ids
from ext_proc.translation.bedrock_fields import fields, items, needed, text, union
from ext_proc.translation.codec import Json, UnspeakableError
from ext_proc.translation.neutral import Loss, Request, Tool, ToolChoice

SAID = {"tools": "toolConfig.tools", "tool_choice": "toolConfig.toolChoice"}
_CHOICES = {"auto": "auto", "required": "any"}
_CACHE_POINT: Json = {"cachePoint": {"type": "default"}}


def read(value: Any) -> tuple[tuple[Tool, ...], ToolChoice | None, tuple[Loss, ...]]:
    """Read `toolConfig`. Raise UnspeakableError."""
    stated = fields(value, "toolConfig")
    tools: list[Tool] = []
    losses = [Loss(f"toolConfig.{name}") for name in stated if name not in ("tools", "toolChoice")]
    for position, each in enumerate(items(stated.get("tools"), "toolConfig.tools")):
        where = f"toolConfig.tools[{position}]"
        kind, held = union(each, where)
        if kind == "toolSpec":
            tools.append(_tool(held, f"{where}.toolSpec"))
        elif kind == "cachePoint" and tools:
            tools[-1] = replace(tools[-1], cached=True)
        else:
            losses.append(Loss(f"{where}.{kind}", essential=kind != "cachePoint"))
    choice = _choice(stated["toolChoice"]) if "toolChoice" in stated else None
    return tuple(tools), choice, tuple(losses)


def _tool(held: Any, where: str) -> Tool:
    stated = fields(held, where)
    how, schema = union(stated.get("inputSchema"), f"{where}.inputSchema")
    strict = stated.get("strict")
    if how != "json" or not isinstance(schema, dict):
        raise UnspeakableError(f"{where}.inputSchema.json", "must be a JSON Schema")
    if not isinstance(strict, bool | None):
        raise UnspeakableError(f"{where}.strict", "must be true or false")
    name, description = needed(stated, "name", where), text(stated, "description", where)
    return Tool(name, description, schema, strict)


def _choice(value: Any) -> ToolChoice:
    match union(value, "toolConfig.toolChoice"):
        case ("auto", _):
            return ToolChoice("auto")
        case ("any", _):
            return ToolChoice("required")
        case ("tool", held):
            where = "toolConfig.toolChoice.tool"
            return ToolChoice("named", needed(fields(held, where), "name", where))
    raise UnspeakableError("toolConfig.toolChoice", "must be auto, any or tool")


def write(request: Request, document: Json) -> tuple[Loss, ...]:
    """Add the tools to a document; return what cannot be said."""
    used = dict.fromkeys(call_ids.named(request).values())
    forbidden = request.tool_choice is not None and request.tool_choice.mode == "none"
    tools = request.tools
    if forbidden and not used:
        tools = ()
    if not tools:
        tools = tuple(Tool(name) for name in used)
    losses = []
    if tools:
        caches = bedrock_models.caches(request.model, "tools")
        blocks = [block for tool in tools for block in _blocks(tool, caches=caches)]
        document["toolConfig"] = {"tools": blocks}
        if choice := _chosen(request.tool_choice if request.tools else None):
            document["toolConfig"]["toolChoice"] = choice
        if forbidden:
            losses.append(Loss(request.said.get("tool_choice", "tool_choice")))
    if request.parallel_tool_calls is False and request.tools:
        losses.append(Loss(request.said.get("parallel_tool_calls", "parallel_tool_calls")))
    return tuple(losses)


def _blocks(tool: Tool, *, caches: bool) -> list[Json]:
    spec: Json = {"name": tool.name}
    if tool.description.strip():
        spec["description"] = tool.description
    spec["inputSchema"] = {"json": tool.parameters or {"type": "object", "properties": {}}}
    if tool.strict is not None:
        spec["strict"] = tool.strict
    return [{"toolSpec": spec}, *([_CACHE_POINT] if tool.cached and caches else [])]


def _chosen(choice: ToolChoice | None) -> Json | None:
    if choice is None or choice.mode == "none":
        return None
    if choice.mode == "named":
        return {"tool": {"name": choice.name}}
    return {_CHOICES[choice.mode]: {}}
