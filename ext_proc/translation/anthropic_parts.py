"""Messages of Anthropic in neutral parts, both ways.

Results of tools stand in the user's turn, before all else in it. Blank texts are refused by this
format and left out; neighbours of one role are one turn.
"""

from collections.abc import Iterable, Iterator
from string import ascii_letters, digits
from typing import Any

from ext_proc.translation import call_ids
from ext_proc.translation.codec import Json, UnreadableError, UnspeakableError
from ext_proc.translation.neutral import (
    Loss,
    Media,
    Message,
    Part,
    Refusal,
    Request,
    Role,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from ext_proc.translation.responses_reasoning import OPENAI_SIGNED
from ext_proc.translation.values import (
    GEMINI_SIGNED,
    as_object,
    as_text,
    data_url,
    decoded,
    flag,
    listed,
    mapping,
    objects,
    string,
    text,
)

_IMAGES = ("image/png", "image/jpeg", "image/gif", "image/webp")
_PDF = "application/pdf"
_ID = f"{ascii_letters}{digits}_-"
_LONGEST_ID = 256
FOREIGN_SIGNED = (GEMINI_SIGNED, OPENAI_SIGNED)
"""How signatures begin that other providers wrote, as their readers mark them."""


def cache(*, cached: bool) -> Json:
    """The mark of a prompt that is worth caching."""
    return {"cache_control": {"type": "ephemeral"}} if cached else {}


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
                if mapping(each.get("citations")).get("enabled"):
                    yield Loss(f"{place}.citations")


def read_block(block: Json, where: str) -> Part | None:
    """One block; None if its type has no place in neutral values."""
    cached = "cache_control" in block
    match block.get("type"):
        case "text":
            citations = tuple(listed(block.get("citations")))
            return Text(text(block.get("text"), f"{where}.text"), cached, citations)
        case "image":
            return _media("image", block, where)
        case "document":
            return _media("document", block, where)
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


def thinks(message: Message) -> bool:
    """A turn with thoughts that can be shown to their provider again."""
    thoughts = (part for part in message.parts if isinstance(part, Thinking))
    return any(_signed(each) for each in thoughts)


def _signed(thought: Thinking) -> bool:
    """Claude's own: others mark what they signed."""
    marked = thought.signature or thought.redacted
    return bool(marked) and not marked.startswith(FOREIGN_SIGNED)


def write_text(part: Text) -> Json:
    """A block of text."""
    return {"type": "text", "text": part.text, **cache(cached=part.cached)}


def write_messages(request: Request) -> tuple[list[Json], list[Loss]]:
    """The turns, and what of them cannot be said."""
    losses: list[Loss] = []
    turns: list[tuple[Role, list[Json]]] = []
    for message in request.messages:
        blocks = [*_blocks(message, losses)]
        if not blocks:
            continue
        if turns and turns[-1][0] == message.role:
            turns[-1][1].extend(blocks)
        else:
            turns.append((message.role, blocks))
    return [{"role": role, "content": _ordered(blocks)} for role, blocks in turns], losses


def _ordered(blocks: list[Json]) -> list[Json]:
    """Results of tools first: this format wants them right after the calls."""
    return sorted(blocks, key=lambda block: block["type"] != "tool_result")


def _blocks(message: Message, losses: list[Loss]) -> Iterator[Json]:
    for part in message.parts:
        if isinstance(part, Text | Refusal) and not part.text.strip():
            continue
        if isinstance(part, Thinking) and not _signed(part):
            losses.append(Loss(f"{message.where}.reasoning"))  # nobody else's thoughts are taken
            continue
        written = _write(part)
        if written is None:
            losses.append(Loss(f"{message.where}.content", essential=True))
        else:
            yield written


def _write(part: Part) -> Json | None:
    match part:
        case Text():
            return write_text(part)
        case Refusal():
            return {"type": "text", "text": part.text}
        case Media():
            return _write_media(part)
        case ToolCall():
            call = {"id": tool_id(part.id), "name": part.name, "input": as_object(part.arguments)}
            return {"type": "tool_use", **call, **cache(cached=part.cached)}
        case ToolResult():
            inner = [_write(each) for each in part.parts if not _blank(each)]
            if None in inner:
                return None
            error = {"is_error": True} if part.is_error else {}
            result: Json = {
                "type": "tool_result",
                "tool_use_id": tool_id(part.id),
                "content": inner,
            }
            return {**result, **error, **cache(cached=part.cached)}
        case Thinking():
            return _thought(part)


def tool_id(stated: str) -> str:
    """An id of this format's characters: the stated one, or always the same other one."""
    return call_ids.spelled(stated, _ID, _LONGEST_ID, "toolu_")


def _blank(part: Text | Media) -> bool:
    return isinstance(part, Text) and not part.text.strip()


def _thought(part: Thinking) -> Json:
    if part.redacted:
        return {"type": "redacted_thinking", "data": part.redacted}
    return {"type": "thinking", "thinking": part.text, "signature": part.signature}


def _write_media(part: Media) -> Json | None:
    source = _source(part)
    if source is None or part.kind == "audio":
        return None
    named = {"title": part.name} if part.kind == "document" and part.name else {}
    return {"type": part.kind, "source": source, **named, **cache(cached=part.cached)}


def _source(part: Media) -> Json | None:
    match part:
        case Media(text=written) if written:
            return {"type": "text", "media_type": "text/plain", "data": written}
        case Media(file_id=file_id) if file_id:
            return None  # another provider's file
        case Media(url=url) if url:
            return {"type": "url", "url": url} if data_url(url) is None else None
        case Media(kind="image", media_type=media_type, data=data) if media_type in _IMAGES:
            return {"type": "base64", "media_type": media_type, "data": data}
        case Media(kind="document", media_type=media_type, data=data):
            if media_type in (_PDF, ""):
                return {"type": "base64", "media_type": _PDF, "data": data}
            plain = decoded(data) if media_type.startswith("text/") else None
            return {"type": "text", "media_type": "text/plain", "data": plain} if plain else None
    return None


def write_answer(parts: Iterable[Part]) -> list[Json]:
    """The blocks of an answer; what thinks without a signature is shown all the same."""
    written = (_write(part) for part in parts if not (isinstance(part, Text) and not part.text))
    return [block for block in written if block is not None]
