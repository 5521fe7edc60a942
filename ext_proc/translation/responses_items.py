"""Input items of a Responses request → neutral messages."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

from ext_proc.translation import responses_parts
from ext_proc.translation.codec import Json, UnspeakableError
from ext_proc.translation.neutral import (
    Loss,
    Media,
    Message,
    Part,
    Role,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from ext_proc.translation.responses_reasoning import unseal
from ext_proc.translation.values import text

_ROLES = ("user", "assistant", "system", "developer")
_TOLD = frozenset({"web_search_call", "file_search_call", "mcp_list_tools"})
"""Items whose outcome is in the answer that follows them."""


@dataclass(slots=True)
class _Turn:
    role: Role
    parts: list[Part]
    where: str
    open: bool
    """What the same side says next belongs to it."""


@dataclass(slots=True)
class _Items:
    """The items read so far."""

    system: list[Text] = field(default_factory=list)
    turns: list[_Turn] = field(default_factory=list)
    lost: list[Loss] = field(default_factory=list)
    signatures: dict[str, str] = field(default_factory=dict)
    """Of tool calls that follow, by id."""

    def add(self, role: Role, parts: list[Part], where: str, *, open_: bool) -> None:
        """Add what one side said; to its last turn, if that is open."""
        last = self.turns[-1] if self.turns else None
        if open_ and last is not None and last.open and last.role == role:
            last.parts += parts
        elif parts:
            self.turns.append(_Turn(role, parts, where, open_))


@dataclass(frozen=True, slots=True)
class Items:
    """What the items say."""

    system: tuple[Text, ...]
    messages: tuple[Message, ...]
    lost: tuple[Loss, ...]


def read(stated: Any) -> Items:
    """Read `input`. Raise UnspeakableError."""
    items = _Items()
    if isinstance(stated, str):
        items.add("user", [Text(stated)], "input", open_=False)
    elif not isinstance(stated, list):
        raise UnspeakableError("input", "must be a string or a list of items.")
    else:
        for position, item in enumerate(stated):
            _item(items, item, f"input[{position}]")
    messages = [Message(turn.role, tuple(turn.parts), turn.where) for turn in items.turns]
    return Items(tuple(items.system), tuple(messages), tuple(items.lost))


def _item(items: _Items, item: Any, where: str) -> None:
    if not isinstance(item, dict):
        raise UnspeakableError(where, "must be an object.")
    kind = text(item.get("type"), f"{where}.type") or "message"
    if reader := _READERS.get(kind):
        reader(items, item, where)
    else:
        items.lost.append(Loss(where, essential=kind not in _TOLD))


def _message(items: _Items, item: Json, where: str) -> None:
    role = item.get("role")
    if role not in _ROLES:
        raise UnspeakableError(f"{where}.role", f"must be one of {', '.join(_ROLES)}.")
    parts = _parts(items, item.get("content"), f"{where}.content")
    if role in ("user", "assistant"):
        items.add(cast("Role", role), parts, where, open_=role == "assistant")
        return
    items.system += [part for part in parts if isinstance(part, Text)]
    if not all(isinstance(part, Text) for part in parts):
        items.lost.append(Loss(where, essential=True))


def _parts(items: _Items, stated: Any, where: str) -> list[Part]:
    """Read a text, or a list of parts."""
    if isinstance(stated, str):
        return [Text(stated)]
    if not isinstance(stated, list):
        raise UnspeakableError(where, "must be a string or a list of parts.")
    places = [f"{where}[{position}]" for position in range(len(stated))]
    read_ = [responses_parts.read(*each) for each in zip(stated, places, strict=True)]
    items.lost += [
        Loss(place, essential=True) for part, place in zip(read_, places, strict=True) if not part
    ]
    return [part for part in read_ if part is not None]


def _call(items: _Items, item: Json, where: str) -> None:
    call_id, name = (
        text(item.get("call_id"), f"{where}.call_id"),
        text(item.get("name"), f"{where}.name"),
    )
    if not call_id or not name:
        raise UnspeakableError(where, "needs `call_id` and `name`.")
    signature = items.signatures.get(call_id, "")
    call = ToolCall(call_id, name, text(item.get("arguments"), f"{where}.arguments"), signature)
    items.add("assistant", [call], where, open_=True)


def _result(items: _Items, item: Json, where: str) -> None:
    call_id = text(item.get("call_id"), f"{where}.call_id")
    if not call_id:
        raise UnspeakableError(f"{where}.call_id", "is missing.")
    parts = _parts(items, item.get("output"), f"{where}.output")
    said = tuple(part for part in parts if isinstance(part, Text | Media))
    items.add("user", [ToolResult(call_id, said)], where, open_=True)


def _reasoning(items: _Items, item: Json, where: str) -> None:
    text = reasoning_text(item)
    content = item.get("encrypted_content")
    sealed = unseal(content)
    if sealed is None:
        if content:
            items.lost.append(Loss(f"{where}.encrypted_content"))
        thinking = Thinking(text)
    elif sealed.call:
        items.signatures[sealed.call] = sealed.signature
        return
    else:
        thinking = Thinking(text, sealed.signature, sealed.redacted)
    if thinking != Thinking():
        items.add("assistant", [thinking], where, open_=True)


def reasoning_text(item: Json) -> str:
    """The words of a reasoning item: its summary, or else its content."""
    for name in ("summary", "content"):
        stated = item.get(name)
        parts = [part for part in stated if isinstance(part, dict)] if type(stated) is list else []
        words = [part["text"] for part in parts if isinstance(part.get("text"), str)]
        if words:
            return "\n\n".join(words)
    return ""


_READERS: dict[str, Callable[[_Items, Json, str], None]] = {
    "message": _message,
    "function_call": _call,
    "function_call_output": _result,
    "reasoning": _reasoning,
}
