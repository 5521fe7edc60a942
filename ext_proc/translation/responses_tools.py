"""Tools of a Responses request, both ways; the ones that OpenAI runs itself have no other place."""

from typing import Any

from ext_proc.translation.codec import Json, UnspeakableError
from ext_proc.translation.neutral import Loss, Request, Tool, ToolChoice
from ext_proc.translation.values import text

_MODES = ("auto", "none", "required")
_EMPTY: Json = {"type": "object", "properties": {}}

Tools = tuple[Tool, ...]


def read(document: Json) -> tuple[Tools, ToolChoice | None, tuple[Loss, ...]]:
    """Read `tools` and `tool_choice`. Raise UnspeakableError."""
    stated = document.get("tools") or []
    if not isinstance(stated, list):
        raise UnspeakableError("tools", "must be a list.")
    tools: list[Tool] = []
    unusable: list[Loss] = []
    for position, tool in enumerate(stated):
        where = f"tools[{position}]"
        if not isinstance(tool, dict):
            raise UnspeakableError(where, "must be an object.")
        if tool.get("type") == "function":
            tools.append(_tool(tool, where))
        else:
            unusable.append(Loss(where))
    allowed, choice, demanded = _choice(document.get("tool_choice"), tools)
    if demanded or (choice and choice.mode == "required" and unusable and not tools):
        unusable.append(Loss("tool_choice", essential=True))
        choice = None
    return allowed, choice, tuple(unusable)


def _tool(tool: Json, where: str) -> Tool:
    name = text(tool.get("name"), f"{where}.name")
    parameters, strict = tool.get("parameters") or {}, tool.get("strict")
    if not name:
        raise UnspeakableError(f"{where}.name", "is missing.")
    if not isinstance(parameters, dict):
        raise UnspeakableError(f"{where}.parameters", "must be a JSON Schema.")
    if not isinstance(strict, bool | None):
        raise UnspeakableError(f"{where}.strict", "must be true or false.")
    return Tool(name, text(tool.get("description"), f"{where}.description"), parameters, strict)


def _choice(stated: Any, tools: list[Tool]) -> tuple[Tools, ToolChoice | None, bool]:
    """The tools that may be used, the choice, and whether an unnameable tool is demanded."""
    every = tuple(tools)
    match stated:
        case None:
            return every, None, False
        case "auto" | "none" | "required":
            return every, ToolChoice(stated), False
        case {"type": "function", "name": str(name)}:
            return every, ToolChoice("named", name), False
        case {"type": "allowed_tools", "mode": "auto" | "required" as mode, "tools": list(allowed)}:
            names = {each.get("name") for each in allowed if _is_function(each)}
            usable = tuple(tool for tool in tools if tool.name in names)
            demanded = mode == "required" and not usable
            return usable, ToolChoice(mode) if usable else None, demanded
        case {"type": str(kind)} if kind not in ("function", "allowed_tools"):
            return every, None, True
    raise UnspeakableError("tool_choice", f"must be {', '.join(_MODES)} or name a tool.")


def _is_function(tool: Any) -> bool:
    return (
        isinstance(tool, dict)
        and tool.get("type") == "function"
        and isinstance(tool.get("name"), str)
    )


def write(tools: Tools) -> list[Json]:
    """Write `tools`. This format is strict unless told otherwise, and others are not."""
    return [
        {
            "type": "function",
            "name": tool.name,
            **({"description": tool.description} if tool.description else {}),
            "parameters": tool.parameters or _EMPTY,
            "strict": bool(tool.strict),
        }
        for tool in tools
    ]


def write_choice(request: Request) -> Any:
    """Write `tool_choice`; None: there is nothing to choose."""
    choice = request.tool_choice if request.tools else None
    if choice is None:
        return None
    if choice.mode == "named":
        return {"type": "function", "name": choice.name}
    return choice.mode
