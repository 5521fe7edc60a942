"""Messages and answers in Anthropic's blocks, read into neutral parts."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from ext_proc.translation import anthropic_citations
from ext_proc.translation.codec import Json, UnreadableError, UnspeakableError
from ext_proc.translation.neutral import (
    Loss,
    Media,
    Message,
    Part,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from ext_proc.translation.values import (
    as_text,
    flag,
    listed,
    mapping,
    objects,
    string,
    text,
)


def read_system(system: Any) -> tuple[Text, ...]:
    """The system's texts."""
    if isinstance(system, str):
        return (Text(system),)
    return tuple(
        Text(text(each.get("text"), f"{where}.text"), "cache_control" in each)
        for where, each in objects(system, "system")
    )


def read_messages(document: Json) -> tuple[Message, ...]:
    """The turns."""
    return tuple(
        Message(
            "assistant" if message.get("role") == "assistant" else "user",
            (*_content(message.get("content"), where),),
            where,
        )
        for where, message in objects(document.get("messages"), "messages")
    )


def _content(content: Any, where: str) -> Iterator[Part]:
    if isinstance(content, str):
        yield Text(content)
        return
    for place, block in objects(content, f"{where}.content"):
        part = read_block(block, place)
        if part is None:
            raise UnspeakableError(f"{place}.type", "is not known to be translated")
        yield part


def unsaid(document: Json) -> Iterator[Loss]:
    """What documents say beside their content; words about one are essential."""
    for where, message in objects(document.get("messages"), "messages"):
        for position, block in enumerate(listed(message.get("content"))):
            inner = listed(block.get("content")) if block.get("type") == "tool_result" else ()
            place = f"{where}.content[{position}]"
            for each in (block, *inner):
                if each.get("type") != "document":
                    continue
                if each.get("context"):
                    yield Loss(f"{place}.context", essential=True)


def read_block(block: Json, where: str) -> Part | None:
    """One block; None if its type has no place in neutral values."""
    cached = "cache_control" in block
    match block.get("type"):
        case "text":
            citations = anthropic_citations.read(block.get("citations"))
            return Text(text(block.get("text"), f"{where}.text"), cached, citations)
        case "image":
            return _media("image", block, where)
        case "document":
            cites = mapping(block.get("citations")).get("enabled")
            asked = f"{where}.citations" if cites else ""
            return replace(_media("document", block, where), cites=asked)
        case "tool_use":
            arguments = as_text(mapping(block.get("input")))
            name = string(block.get("name"))
            return ToolCall(string(block.get("id")), name, arguments, cached=cached)
        case "tool_result":
            return _result(block, where)
        case "thinking":
            return Thinking(string(block.get("thinking")), string(block.get("signature")))
        case "redacted_thinking":
            return Thinking(redacted=string(block.get("data")))
    return None


def _media(kind: Any, block: Json, where: str) -> Media:
    source = mapping(block.get("source"))
    cached, name = "cache_control" in block, string(block.get("title"))
    media_type = string(source.get("media_type"))
    match source.get("type"):
        case "base64":
            data = text(source.get("data"), f"{where}.source.data")
            return Media(kind, media_type, data=data, name=name, cached=cached)
        case "url":
            url = text(source.get("url"), f"{where}.source.url")
            return Media(kind, url=url, name=name, cached=cached)
        case "file":
            return Media(kind, file_id=string(source.get("file_id")), name=name, cached=cached)
        case "text":
            written = text(source.get("data"), f"{where}.source.data")
            return Media(kind, "text/plain", text=written, name=name, cached=cached)
    raise UnspeakableError(f"{where}.source.type", "is not known to be translated")


def _result(block: Json, where: str) -> ToolResult:
    parts = [*_content(block.get("content"), where)]
    if not all(isinstance(part, Text | Media) for part in parts):
        raise UnspeakableError(f"{where}.content", "holds more than text, images and documents")
    return ToolResult(
        string(block.get("tool_use_id")),
        tuple(part for part in parts if isinstance(part, Text | Media)),
        flag(block.get("is_error")) or False,
        cached="cache_control" in block,
    )


def read_answer(content: Iterable[Any]) -> tuple[Part, ...]:
    """The parts of an answer; blocks of Anthropic's own tools have no place and are left out.

    Raise UnreadableError.
    """
    blocks = [each for each in content if isinstance(each, dict)]
    spoken = (*("text", "thinking", "redacted_thinking", "tool_use"),)
    known = [each for each in blocks if each.get("type") in spoken]
    try:
        return tuple(part for each in known if (part := read_block(each, "")) is not None)
    except UnspeakableError:
        raise UnreadableError("A block of the provider's answer is not text.") from None
