"""Tools of OpenAI chat completions, both ways; those that are no functions have no other place."""

from typing import Any

from ext_proc.translation.codec import Json
from ext_proc.translation.neutral import Loss, Tool, ToolChoice
from ext_proc.translation.values import flag, mapping, objects, string, text


def read(document: Json) -> tuple[tuple[Tool, ...], list[Loss]]:
    """The caller's functions; tools of other kinds are lost."""
    listed_ = [*objects(document.get("tools"), "tools")]
    named = [
        (where, each.get("function"))
        for where, each in listed_
        if each.get("type", "function") == "function"
    ]
    unusable = [
        Loss(where) for where, each in listed_ if each.get("type", "function") != "function"
    ]
    named += [(where, each) for where, each in objects(document.get("functions"), "functions")]
    tools = tuple(
        Tool(
            name=text(mapping(function).get("name"), f"{where}.function.name"),
            description=string(mapping(function).get("description")),
            parameters=mapping(mapping(function).get("parameters")),
            strict=flag(mapping(function).get("strict")),
        )
        for where, function in named
    )
    return tools, unusable


def _stated_choice(document: Json) -> Any:
    return document.get("tool_choice") or document.get("function_call")


def choice(document: Json) -> ToolChoice | None:
    """The choice; None: there is none, or it cannot be said elsewhere."""
    match _stated_choice(document):
        case ("auto" | "none" | "required") as mode:
            return ToolChoice(mode)
        case {"function": {"name": str(name)}} | {"name": str(name)}:
            return ToolChoice("named", name)
    return None


def unsaid_choice(document: Json) -> bool:
    """Whether the choice cannot be said elsewhere, or no tool that it demands."""
    chosen, (tools, unusable) = choice(document), read(document)
    if chosen is None:
        return _stated_choice(document) is not None
    return chosen.demands() and bool(unusable) and not tools


def write(tool: Tool) -> Json:
    """Write a tool."""
    function: Json = {"name": tool.name, "description": tool.description or None}
    function |= {"parameters": tool.parameters or None, "strict": tool.strict}
    kept = {name: value for name, value in function.items() if value is not None}
    return {"type": "function", "function": kept}


def write_choice(choice: ToolChoice) -> str | Json:
    """Write `tool_choice`."""
    if choice.mode == "named":
        return {"type": "function", "function": {"name": choice.name}}
    return choice.mode
