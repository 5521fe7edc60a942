"""Messages of OpenAI chat completions in neutral parts, both ways.

System messages stand apart in neutral values; one that comes between others is moved to the front,
as every provider without such messages would have it. Results of tools are messages of their own
here and parts of the user's turn there.
"""

from collections.abc import Iterator

from ext_proc.translation import cited, openai_citations
from ext_proc.translation import openai_chat_parts as parts
from ext_proc.translation.call_ids import Calls
from ext_proc.translation.codec import Json, UnspeakableError
from ext_proc.translation.neutral import (
    Loss,
    Media,
    Message,
    Part,
    Refusal,
    Request,
    Text,
    Thinking,
    ToolResult,
)
from ext_proc.translation.values import objects, string

_SYSTEM = ("system", "developer")
_RESULTS = ("tool", "function")


def read_messages(document: Json) -> tuple[tuple[Text, ...], tuple[Message, ...]]:
    """The system's texts, and the turns."""
    system: list[Text] = []
    messages: list[Message] = []
    ids = Calls()
    for where, message in objects(document.get("messages"), "messages"):
        role = message.get("role")
        if role in _SYSTEM:
            system += _system(message, where)
        elif role in _RESULTS:
            messages.append(Message("user", (_result(message, where, ids),), where))
        elif role == "assistant":
            annotations = openai_citations.read_chat(message.get("annotations"))
            said_before = cited.attached((*_said(message, where, ids),), annotations)
            messages.append(Message("assistant", said_before, where))
        else:
            said = parts.content(message.get("content"), where)
            messages.append(Message("user", (*said,), where))
    return tuple(system), tuple(messages)


def _system(message: Json, where: str) -> Iterator[Text]:
    for part in parts.content(message.get("content"), where):
        if not isinstance(part, Text):
            raise UnspeakableError(f"{where}.content", "a system message must be text")
        yield part


def _result(message: Json, where: str, ids: Calls) -> ToolResult:
    said = parts.content(message.get("content"), where)
    shown = tuple(part for part in said if isinstance(part, Text | Media))
    name = string(message.get("name"))
    id_ = ids.answered(name, string(message.get("tool_call_id")))
    return ToolResult(id_, shown, name=name)


def _said(message: Json, where: str, ids: Calls) -> Iterator[Part]:
    yield from parts.thinking(message)
    yield from parts.content(message.get("content"), where)
    if refusal := string(message.get("refusal")):
        yield Refusal(refusal)
    yield from parts.calls(message, ids.called)


def write_messages(request: Request) -> tuple[list[Json], list[Loss]]:
    """The messages, and what of them cannot be said."""
    losses: list[Loss] = []
    written: list[Json] = []
    if request.system:
        written.append({"role": "system", "content": _joined(request.system)})
    for message in request.messages:
        if message.role == "assistant":
            written.append(_said_before(message, losses))
        else:
            written += _turn(message, losses)
    return written, losses


def _said_before(message: Message, losses: list[Loss]) -> Json:
    """An earlier answer; servers of this format refuse reasoning that is shown to them again."""
    spoken = tuple(part for part in message.parts if not isinstance(part, Thinking))
    if len(spoken) < len(message.parts):
        losses.append(Loss(f"{message.where}.content"))
    if any(isinstance(part, Media | ToolResult) for part in spoken):
        losses.append(Loss(f"{message.where}.content", essential=True))
    written = parts.write_answer(spoken)
    written.pop("annotations", None)
    for call in written.get("tool_calls", ()):
        call.pop("extra_content", None)
    return {name: value for name, value in written.items() if name != "refusal" or value}


def _joined(texts: tuple[Text, ...]) -> str | list[Json]:
    if len(texts) == 1:
        return texts[0].text
    return [{"type": "text", "text": each.text} for each in texts]


def _turn(message: Message, losses: list[Loss]) -> Iterator[Json]:
    """Results of tools come first, each in a message of its own; then what the user says."""
    rest: list[Part] = []
    for part in message.parts:
        if isinstance(part, ToolResult):
            yield _result_message(part, rest)
        else:
            rest.append(part)
    if rest:
        yield {"role": "user", "content": _contents(rest, message, losses)}


def _result_message(result: ToolResult, rest: list[Part]) -> Json:
    """A tool's result is text alone here; its pictures follow as the user's."""
    texts = [part.text for part in result.parts if isinstance(part, Text)]
    rest += [part for part in result.parts if isinstance(part, Media)]
    said = "\n".join(texts)
    content = f"Error: {said}" if result.is_error else said
    return {"role": "tool", "tool_call_id": parts.tool_id(result.id), "content": content}


def _contents(said: list[Part], message: Message, losses: list[Loss]) -> str | list[Json]:
    match said:
        case [Text(text)]:
            return text
    written = [parts.write(part) for part in said]
    if None in written:
        losses.append(Loss(f"{message.where}.content", essential=True))
    return [part for part in written if part is not None]
