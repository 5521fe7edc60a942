"""Parts of messages of OpenAI chat completions, both ways, and whole answers."""

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

from ext_proc.translation import call_ids, cited, openai_citations
from ext_proc.translation.codec import Json, UnspeakableError
from ext_proc.translation.neutral import (
    Media,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
)
from ext_proc.translation.values import (
    GEMINI_SIGNED,
    as_text,
    data_url,
    listed,
    mapping,
    objects,
    string,
    text,
)

_FORMATS = {"wav": "audio/wav", "mp3": "audio/mpeg"}
_LONGEST_ID = 40
OURS = "dragoman"
"""The `format` of reasoning that was translated: no server of this format wrote it."""
_OF_TYPES = {media: name for name, media in _FORMATS.items()}


def content(said: Any, where: str) -> Iterator[Part]:
    """What a message says: a string, or parts."""
    if isinstance(said, str):
        yield Text(said)
        return
    for place, part in objects(said, f"{where}.content"):
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
            format_ = text(sound.get("format"), f"{where}.input_audio.format") or "wav"
            kind = _FORMATS.get(format_, f"audio/{format_}")
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


def thinking(message: Json) -> Iterator[Thinking]:
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


def calls(message: Json, name_call: Callable[[str, str], str]) -> Iterator[ToolCall]:
    """The calls; `name_call` gives the id of one by its name and the id it may have."""
    for each in listed(message.get("tool_calls")):
        function = mapping(each.get("function") or each.get("custom"))
        extra = mapping(mapping(each.get("extra_content")).get("google"))
        name = string(function.get("name"))
        yield ToolCall(
            id=name_call(name, string(each.get("id"))),
            name=name,
            arguments=arguments_of(function) or string(function.get("input")),
            signature=string(extra.get("thought_signature")).removeprefix(GEMINI_SIGNED),
        )
    if isinstance(called := message.get("function_call"), dict):
        name = string(called.get("name"))
        yield ToolCall(name_call(name, ""), name, arguments_of(called))


def arguments_of(function: Json) -> str:
    """JSON as text; some servers leave it an object."""
    given = function.get("arguments")
    return as_text(given) if isinstance(given, dict) else string(given)


def read_answer(message: Json, name_call: Callable[[int, str], str]) -> tuple[Part, ...]:
    """The parts of an answer; what is not as it should be is not there.

    `name_call` makes up the id of a call that has none, by its number and name.
    """
    numbers = count()

    def call_id(name: str, given: str) -> str:
        number = next(numbers)
        return given or name_call(number, name)

    said = [*spoken(message.get("content"))]
    refused = [Refusal(refusal)] if (refusal := string(message.get("refusal"))) else []
    answer = (*thinking(message), *said, *refused, *calls(message, call_id))
    return cited.attached(answer, openai_citations.read_chat(message.get("annotations")))


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


def write(part: Part) -> Json | None:
    """Write one part of a user's message; None if it cannot be said in one."""
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
    if cites := openai_citations.write_chat(cited.counted(parts)):
        message["annotations"] = cites
    if calls:
        message["tool_calls"] = [write_call(each) for each in calls]
    return message


def detail(thought: Thinking) -> Json:
    """A piece of reasoning that must come back unchanged, and is another provider's."""
    if thought.redacted:
        return {"type": "reasoning.encrypted", "data": thought.redacted, "format": OURS}
    signed = {"signature": thought.signature} if thought.signature else {}
    return {"type": "reasoning.text", "text": thought.text, **signed, "format": OURS}


def write_call(call: ToolCall) -> Json:
    """A tool call; Gemini's signature travels where Google's own servers of this format put it."""
    function = {"name": call.name, "arguments": call.arguments or "{}"}
    extra = {"google": {"thought_signature": GEMINI_SIGNED + call.signature}}
    signed = {"extra_content": extra} if call.signature else {}
    return {"id": tool_id(call.id), "type": "function", "function": function, **signed}


def tool_id(stated: str) -> str:
    """An id that is not too long: the stated one, or always the same other one."""
    return call_ids.spelled(stated, "", _LONGEST_ID, "call_")
