"""Tools and `toolConfig`, both ways.

Source: `Tool`, `FunctionDeclaration` and `FunctionCallingConfig` of the Gemini API reference.
Tools that Google runs itself (search, code) cannot be said elsewhere.
"""

from dataclasses import replace
from typing import Any

from ext_proc.translation import gemini_schema
from ext_proc.translation.codec import UnspeakableError
from ext_proc.translation.gemini_fields import fields, items
from ext_proc.translation.neutral import Json, Loss, Request, Tool, ToolChoice
from ext_proc.translation.values import text

_DECLARED = frozenset({"name", "description", "parameters", "parametersJsonSchema"})
_DECLARATIONS = "functionDeclarations"
_CALLING = "toolConfig.functionCallingConfig"
_MODES = ("AUTO", "NONE", "ANY", "VALIDATED", "MODE_UNSPECIFIED")


def read(tools: Any, config: Any, request: Request) -> Request:
    """Add what is said. Raise UnspeakableError."""
    found: list[Tool] = []
    lost: list[Loss] = []
    for n, tool in enumerate(items(tools, "tools")):
        named = fields(tool, f"tools[{n}]")
        others = [name for name in named if name != _DECLARATIONS]
        lost += [Loss(f"tools[{n}].{name}", essential=True) for name in others]
        where = f"tools[{n}].{_DECLARATIONS}"
        for position, declared in enumerate(items(named.get(_DECLARATIONS), where)):
            found.append(_tool(declared, f"{where}[{position}]", lost))
    choice, allowed = _choice(config, lost)
    offered = frozenset(allowed or (tool.name for tool in found))
    kept = tuple(tool for tool in found if tool.name in offered)
    return replace(
        request,
        tools=kept,
        tool_choice=choice,
        said={**request.said, "tools": "tools", "tool_choice": _CALLING},
        lost=(*request.lost, *lost),
    )


def _tool(declared: Any, where: str, lost: list[Loss]) -> Tool:
    named = fields(declared, where)
    name = text(named.get("name"), f"{where}.name")
    if not name:
        raise UnspeakableError(f"{where}.name", "must not be empty")
    parameters = named.get("parametersJsonSchema", {})
    if "parameters" in named:
        parameters = gemini_schema.read(named["parameters"], f"{where}.parameters")
    if not isinstance(parameters, dict):
        raise UnspeakableError(f"{where}.parametersJsonSchema", "must be a schema")
    lost += [Loss(f"{where}.{other}") for other in named if other not in _DECLARED]
    return Tool(name, text(named.get("description"), f"{where}.description"), parameters)


def _choice(config: Any, lost: list[Loss]) -> tuple[ToolChoice | None, tuple[str, ...]]:
    """Return the choice, and the tools it is among where it is not among all."""
    if config is None:
        return None, ()
    named = fields(config, "toolConfig")
    lost += [Loss(f"toolConfig.{name}") for name in named if name != "functionCallingConfig"]
    calling = named.get("functionCallingConfig")
    if calling is None:
        return None, ()
    said = fields(calling, _CALLING)
    mode = text(said.get("mode"), f"{_CALLING}.mode") or "MODE_UNSPECIFIED"
    if mode not in _MODES:
        raise UnspeakableError(f"{_CALLING}.mode", f"must be one of {', '.join(_MODES)}")
    where = f"{_CALLING}.allowedFunctionNames"
    listed = items(said.get("allowedFunctionNames"), where)
    names = tuple(text(name, f"{where}[{n}]") for n, name in enumerate(listed))
    if mode == "ANY":
        choice = ToolChoice("named", names[0]) if len(names) == 1 else ToolChoice("required")
        return choice, names if len(names) > 1 else ()
    if mode == "NONE":
        return ToolChoice("none"), ()
    return (ToolChoice("auto") if mode != "MODE_UNSPECIFIED" else None), names


def write(request: Request) -> tuple[Json, list[Loss]]:
    """Say tools and choice; return what of them cannot be said."""
    written: Json = {}
    where = request.said.get("tools", "tools")
    lost = [Loss(f"{where}[{n}].strict") for n, tool in enumerate(request.tools) if tool.strict]
    if request.tools:
        written["tools"] = [{_DECLARATIONS: [_declared(tool) for tool in request.tools]}]
    if request.tool_choice is not None and request.tools:
        written["toolConfig"] = {"functionCallingConfig": _calling(request.tool_choice)}
    if request.parallel_tool_calls is False:
        lost.append(Loss(request.said.get("parallel_tool_calls", "parallel_tool_calls")))
    return written, lost


def _declared(tool: Tool) -> Json:
    said: Json = {"name": tool.name}
    if tool.description:
        said["description"] = tool.description
    if tool.parameters:
        said["parametersJsonSchema"] = tool.parameters
    return said


_WRITTEN = {"auto": "AUTO", "none": "NONE", "required": "ANY", "named": "ANY"}


def _calling(choice: ToolChoice) -> Json:
    named = {"allowedFunctionNames": [choice.name]} if choice.mode == "named" else {}
    return {"mode": _WRITTEN[choice.mode], **named}
