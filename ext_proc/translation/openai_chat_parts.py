"""Messages of OpenAI chat completions in neutral parts, both ways.

System messages stand apart in neutral values; one that comes between others is moved to the front,
as every provider without such messages would have it. Results of tools are messages of their own
here and parts of the user's turn there.
"""

from collections.abc import Iterator
from typing import Any

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
    ToolCall,
    ToolResult,
)
from ext_proc.translation.values import data_url, listed, mapping, objects, string, text

_SYSTEM = ("system", "developer")
_RESULTS = ("tool", "function")
_FORMATS = {"wav": "audio/wav", "mp3": "audio/mpeg"}
_OF_TYPES = {media: name for name, media in _FORMATS.items()}


def read_messages(document: Json) -> tuple[tuple[Text, ...], tuple[Message, ...]]:
    """The system's texts, and the turns."""
    system: list[Text] = []
    messages: list[Message] = []
    for where, message in objects(document.get("messages"), "messages"):
        role = message.get("role")
        if role in _SYSTEM:
            system += _system(message, where)
        elif role in _RESULTS:
            messages.append(Message("user", (_result(message, where),), where))
        elif role == "assistant":
            messages.append(Message("assistant", (*_said(message, where),), where))
        else:
            messages.append(Message("user", (*_content(message.get("content"), where),), where))
    return tuple(system), tuple(messages)


def _system(message: Json, where: str) -> Iterator[Text]:
    for part in _content(message.get("content"), where):
        if not isinstance(part, Text):
            raise UnspeakableError(f"{where}.content", "a system message must be text")
        yield part


def _content(content: Any, where: str) -> Iterator[Part]:
    if isinstance(content, str):
        yield Text(content)
        return
    for place, part in objects(content, f"{where}.content"):
        yield _part(part, place)


def _part(part: Json, where: str) -> Part:
    cached = "cache_control" in part
    match part.get("type"):
        case "text":
            return Text(text(part.get("text"), f"{where}.text"), cached)
        case "refusal":
            return Refusal(text(part.get("refusal"), f"{where}.refusal"))
        case "image_url":
            return _image(part.get("image_url"), where, cached=cached)
        case "input_audio":
            sound = mapping(part.get("input_audio"))
            kind = _FORMATS.get(string(sound.get("format")), "audio/wav")
            return Media("audio", kind, data=text(sound.get("data"), f"{where}.input_audio.data"))
        case "file":
            return _file(mapping(part.get("file")), cached=cached)
    raise UnspeakableError(f"{where}.type", "is not known to be translated")


def _image(given: Any, where: str, *, cached: bool) -> Media:
    url = text(given if isinstance(given, str) else mapping(given).get("url"), f"{where}.image_url")
    detail = string(mapping(given).get("detail"))
    if found := data_url(url):
        return Media("image", found[0], data=found[1], detail=detail, cached=cached)
    return Media("image", url=url, detail=detail, cached=cached)


def _file(file: Json, *, cached: bool) -> Media:
    name = string(file.get("filename"))
    if found := data_url(string(file.get("file_data"))):
        return Media("document", found[0], data=found[1], name=name, cached=cached)
    return Media("document", file_id=string(file.get("file_id")), name=name, cached=cached)


def _result(message: Json, where: str) -> ToolResult:
    parts = tuple(part for part in _content(message.get("content"), where) if _shown(part))
    name = string(message.get("name"))
    return ToolResult(string(message.get("tool_call_id")) or name, parts, name=name)  # type: ignore[arg-type]


def _shown(part: Part) -> bool:
    return isinstance(part, Text | Media)


def _said(message: Json, where: str) -> Iterator[Part]:
    yield from _thinking(message)
    yield from _content(message.get("content"), where)
    if refusal := string(message.get("refusal")):
        yield Refusal(refusal)
    yield from _calls(message)


def _thinking(message: Json) -> Iterator[Thinking]:
    """What was thought; a stream has shown the text beside the details that sign it."""
    plain = string(message.get("reasoning_content") or message.get("reasoning"))
    details = listed(message.get("reasoning_details"))
    spelled = any(each.get("text") or each.get("summary") for each in details)
    for each in details:
        told = string(each.get("text") or each.get("summary"))
        redacted = string(each.get("data"))
        unspelled = plain if not spelled and not redacted else ""
        plain = "" if unspelled else plain
        yield Thinking(told or unspelled, string(each.get("signature")), redacted)
    if plain and not spelled:
        yield Thinking(plain)


def _calls(message: Json) -> Iterator[ToolCall]:
    for each in listed(message.get("tool_calls")):
        function = mapping(each.get("function") or each.get("custom"))
        extra = mapping(mapping(each.get("extra_content")).get("google"))
        yield ToolCall(
            id=string(each.get("id")),
            name=string(function.get("name")),
            arguments=string(function.get("arguments") or function.get("input")),
            signature=string(extra.get("thought_signature")),
        )
    if isinstance(called := message.get("function_call"), dict):
        name = string(called.get("name"))
        yield ToolCall(name, name, string(called.get("arguments")))


def read_answer(message: Json) -> tuple[Part, ...]:
    """The parts of an answer; what is not as it should be is not there."""
    said = [*spoken(message.get("content"))]
    refused = [Refusal(refusal)] if (refusal := string(message.get("refusal"))) else []
    return (*_thinking(message), *said, *refused, *_calls(message))


def spoken(content: Any) -> Iterator[Text | Thinking]:
    """What an answer's content says: words, or parts, as Mistral's reasoning models have it."""
    if isinstance(content, str) and content:
        yield Text(content)
    for part in listed(content):
        match part:
            case {"type": "text", "text": str(words)} if words:
                yield Text(words)
            case {"type": "thinking", "thinking": thought}:
                inner = (string(each.get("text")) for each in listed(thought))
                if words := string(thought) or "".join(inner):
                    yield Thinking(words)


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
    written = write_answer(spoken)
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
    return {"role": "tool", "tool_call_id": result.id, "content": content}


def _contents(parts: list[Part], message: Message, losses: list[Loss]) -> str | list[Json]:
    if all(isinstance(part, Text) for part in parts) and len(parts) == 1:
        return parts[0].text  # type: ignore[union-attr]
    written = [_write_part(part) for part in parts]
    if None in written:
        losses.append(Loss(f"{message.where}.content", essential=True))
    return [part for part in written if part is not None]


def _write_part(part: Part) -> Json | None:
    match part:
        case Text():
            return {"type": "text", "text": part.text}
        case Media(kind="image", file_id=""):
            url = part.url or f"data:{part.media_type or 'image/png'};base64,{part.data}"
            image: Json = {"url": url} | ({"detail": part.detail} if part.detail else {})
            return {"type": "image_url", "image_url": image}
        case Media(kind="audio") if part.data and part.media_type in _OF_TYPES:
            sound = {"data": part.data, "format": _OF_TYPES[part.media_type]}
            return {"type": "input_audio", "input_audio": sound}
        case Media(kind="document") if part.text:
            return {"type": "text", "text": part.text}
        case Media(kind="document") if part.data:
            data = f"data:{part.media_type or 'application/pdf'};base64,{part.data}"
            return {"type": "file", "file": {"filename": part.name or "file", "file_data": data}}
        case Media(kind="document") if part.file_id:
            return {"type": "file", "file": {"file_id": part.file_id}}
        case Refusal():
            return {"type": "text", "text": part.text}
    return None


def write_answer(parts: tuple[Part, ...]) -> Json:
    """The message of an answer, or of a turn of the assistant's."""
    said = [part.text for part in parts if isinstance(part, Text)]
    refused = [part.text for part in parts if isinstance(part, Refusal)]
    thoughts = [part for part in parts if isinstance(part, Thinking)]
    calls = [part for part in parts if isinstance(part, ToolCall)]
    message: Json = {
        "role": "assistant",
        "content": "".join(said) if said or not calls else None,
        "refusal": "".join(refused) or None,
    }
    if thought := "".join(each.text for each in thoughts):
        message["reasoning_content"] = thought
    if any(each.signature or each.redacted for each in thoughts):
        message["reasoning_details"] = [detail(each) for each in thoughts]
    if calls:
        message["tool_calls"] = [write_call(each) for each in calls]
    return message


def detail(thought: Thinking) -> Json:
    """A piece of reasoning that must come back unchanged."""
    if thought.redacted:
        return {"type": "reasoning.encrypted", "data": thought.redacted}
    signed = {"signature": thought.signature} if thought.signature else {}
    return {"type": "reasoning.text", "text": thought.text, **signed}


def write_call(call: ToolCall) -> Json:
    """A tool call; Gemini's signature travels where Google's own servers of this format put it."""
    function = {"name": call.name, "arguments": call.arguments or "{}"}
    extra = {"google": {"thought_signature": call.signature}}
    signed = {"extra_content": extra} if call.signature else {}
    return {"id": call.id, "type": "function", "function": function, **signed}
