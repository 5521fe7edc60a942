"""A caller's generateContent request, read into neutral values.

Source: `models.generateContent` of the Gemini API reference and of Vertex AI's. Which model, and
whether as a stream, stands in the path.
"""

from typing import Any

from ext_proc.call import Line
from ext_proc.formats import strict
from ext_proc.translation import gemini_config, gemini_parts, gemini_tools, unread
from ext_proc.translation.call_ids import Calls
from ext_proc.translation.codec import UnspeakableError
from ext_proc.translation.gemini_fields import fields, items, known
from ext_proc.translation.neutral import (
    Json,
    Loss,
    Media,
    Message,
    Request,
    Role,
    Text,
    ToolResult,
)
from ext_proc.translation.values import text

_ROLES: dict[str, Role] = {
    "user": "user",
    "function": "user",
    "model": "assistant",
}
_READ = frozenset(
    {"model", "contents", "systemInstruction", "tools", "toolConfig", "generationConfig"}
)
_ESSENTIAL = frozenset({"cachedContent"})


def read(document: Json, line: Line) -> Request:
    """Read a request. Raise UnspeakableError."""
    named = fields(document, "request")
    conversation = _Conversation()
    messages = [
        conversation.message(content, f"contents[{n}]")
        for n, content in enumerate(items(named.get("contents"), "contents"))
    ]
    if not messages:
        raise UnspeakableError("contents", "must be a list that is not empty")
    request = Request(
        model=line.model,
        stream=line.stream,
        messages=tuple(messages),
        system=_system(named.get("systemInstruction")),
        said={"system": "systemInstruction", "name": "displayName"},
        lost=(
            *conversation.lost,
            *(Loss(name, name in _ESSENTIAL) for name in named if name not in _READ),
            *unread.losses("GeminiContent", document),
        ),
    )
    request = gemini_config.read(named.get("generationConfig"), request)
    return gemini_tools.read(named.get("tools"), named.get("toolConfig"), request)


def _system(value: Any) -> tuple[Text, ...]:
    where = "systemInstruction"
    parts = fields(value, where).get("parts") if value is not None else None
    texts = [
        text(fields(part, f"{where}.parts[{n}]").get("text"), f"{where}.parts[{n}].text")
        for n, part in enumerate(parts if isinstance(parts, list) else [parts] if parts else [])
    ]
    return tuple(Text(each) for each in texts if each)


class _Conversation:
    """The turns of one request; gives ids to calls and to results that have none."""

    def __init__(self) -> None:
        self.lost: list[Loss] = []
        self._calls = Calls()

    def message(self, content: Any, where: str) -> Message:
        """Read one turn."""
        named = fields(content, where)
        role = named.get("role", "user")
        if not isinstance(role, str) or role not in _ROLES:
            raise UnspeakableError(f"{where}.role", f"must be one of {', '.join(_ROLES)}")
        parts = gemini_parts.Parts()
        given = named.get("parts", [])
        for n, part in enumerate(given if isinstance(given, list) else [given]):
            self._part(part, f"{where}.parts[{n}]", parts)
        return Message(_ROLES[role], parts.read(), where)

    def _part(self, part: Any, where: str, out: gemini_parts.Parts) -> None:
        named = fields(part, where)
        if "functionResponse" in named:
            out.append(self._result(named["functionResponse"], f"{where}.functionResponse"))
            return
        left = gemini_parts.read(named, out, self._calls.called)
        if left is None:
            kind = gemini_parts.kind_of(named)
            self.lost.append(Loss(f"{where}.{kind}" if kind else where, essential=True))
            return
        self.lost += [Loss(f"{where}.{name}") for name in left]

    def _result(self, value: Any, where: str) -> ToolResult:
        named = fields(value, where)
        name = text(named.get("name"), f"{where}.name")
        response = named.get("response", {})
        if not isinstance(response, dict):
            raise UnspeakableError(f"{where}.response", "must be an object")
        said, is_error = _said(response)
        parts: list[Text | Media] = [Text(said)] if said else []
        for n, part in enumerate(items(named.get("parts"), f"{where}.parts")):
            media = gemini_parts.media_of((known(part) or {}).get("inlineData"))
            if media is None:
                self.lost.append(Loss(f"{where}.parts[{n}]", essential=True))
            else:
                parts.append(media)
        id_ = self._calls.answered(name, text(named.get("id"), f"{where}.id"))
        return ToolResult(id_, tuple(parts), is_error, name)


def _said(response: Json) -> tuple[str, bool]:
    """What a tool answered, and whether that is an error; by the two names of the reference."""
    if len(response) == 1:
        name, value = next(iter(response.items()))
        if name in ("output", "error"):
            is_text = isinstance(value, str)
            return (value if is_text else strict.dumps(value).decode()), name == "error"
    return strict.dumps(response).decode() if response else "", False
