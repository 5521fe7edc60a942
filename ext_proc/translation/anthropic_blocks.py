"""Messages and answers in Anthropic's blocks, written from neutral values.

Results of tools stand in the user's turn, before all else in it. Blank texts are refused by this
format and left out; neighbours of one role are one turn.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from string import ascii_letters, digits

from ext_proc.translation import anthropic_citations, call_ids, cited
from ext_proc.translation.citations import Citation
from ext_proc.translation.codec import Json
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
    data_url,
    decoded,
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


def _write_texts(part: Text, named: Callable[[Citation], bool]) -> Iterator[Json]:
    """Blocks of a text, each with its citations, as far as they can be named."""
    known = tuple(filter(named, part.citations))
    for piece in cited.blocks(replace(part, citations=known)):
        citations = [*map(anthropic_citations.write, piece.citations)]
        yield {**write_text(piece), **({"citations": citations} if citations else {})}


def write_messages(request: Request) -> tuple[list[Json], list[Loss]]:
    """The turns, and what of them cannot be said."""
    losses: list[Loss] = []
    turns: list[tuple[Role, list[Json]]] = []
    for message in request.messages:
        blocks = [*_blocks(message, losses)]
        losses += cited.unshown(request, message, anthropic_citations.is_known)
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
        if isinstance(part, Text):
            yield from _write_texts(part, anthropic_citations.is_known)
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
    asked = {"citations": {"enabled": True}} if part.kind == "document" and part.cites else {}
    return {"type": part.kind, "source": source, **named, **asked, **cache(cached=part.cached)}


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
    blocks: list[Json | None] = []
    for part in parts:
        if isinstance(part, Text):
            blocks += _write_texts(part, anthropic_citations.can_name)
        else:
            blocks.append(_write(part))
    return [block for block in blocks if block is not None]
