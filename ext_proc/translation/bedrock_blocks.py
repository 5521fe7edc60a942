"""Bedrock's content blocks, read: each becomes a part, or is named as lost.

A block is a union. What other formats have no words for (videos, files in S3, tools that the
provider runs itself) is an essential loss. Source: `ContentBlock` of the Amazon Bedrock Runtime API
reference.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from ext_proc.translation import bedrock_citations, bedrock_media
from ext_proc.translation.bedrock_carried import carried
from ext_proc.translation.bedrock_fields import fields, items, needed, text, union
from ext_proc.translation.bedrock_media import Kind
from ext_proc.translation.codec import UnspeakableError
from ext_proc.translation.neutral import Loss, Media, Part, Text, Thinking, ToolCall, ToolResult
from ext_proc.translation.values import as_text

_MARKABLE = (Text, Media, ToolCall, ToolResult)
"""Parts that can be the end of what is cached."""


@dataclass(slots=True)
class Blocks:
    """What the blocks read so far say."""

    parts: list[Part] = field(default_factory=list)
    lost: list[Loss] = field(default_factory=list)
    signature: str = ""
    """Of the tool call that comes next."""


Reader = Callable[[Blocks, Any, str], list[Part] | None]
"""Reads what a union holds; None: there is no saying it."""


def read(content: Any, where: str) -> Blocks:
    """Read a message's content. Raise UnspeakableError."""
    return _each(content, where, _MESSAGE)


def read_system(content: Any, where: str) -> Blocks:
    """Read system blocks. Raise UnspeakableError."""
    return _each(content, where, _SYSTEM)


def _each(content: Any, where: str, readers: dict[str, Reader]) -> Blocks:
    blocks = Blocks()
    for position, block in enumerate(items(content, where)):
        kind, held = union(block, f"{where}[{position}]")
        place = f"{where}[{position}].{kind}"
        reader = readers.get(kind)
        parts = reader(blocks, held, place) if reader is not None else None
        if parts is None:
            blocks.lost.append(Loss(place, essential=True))
        else:
            blocks.parts += parts
    return blocks


def _mark(blocks: Blocks, held: Any, where: str) -> list[Part]:
    """All up to here is worth caching."""
    last = blocks.parts[-1] if blocks.parts else None
    if isinstance(last, _MARKABLE):
        blocks.parts[-1] = replace(last, cached=True)
    else:
        blocks.lost.append(Loss(where))
    if fields(held, where).get("ttl", "5m") != "5m":
        blocks.lost.append(Loss(f"{where}.ttl"))
    return []


def _reasoning(blocks: Blocks, held: Any, where: str) -> list[Part] | None:
    kind, value = union(held, where)
    if kind == "reasoningText":
        stated = fields(value, f"{where}.{kind}")
        thinking = Thinking(text(stated, "text", where), text(stated, "signature", where))
        return [thinking] if thinking != Thinking() else []
    if kind != "redactedContent":
        return None
    purpose, told = carried(needed({kind: value}, kind, where))
    if purpose == "call":
        blocks.signature = told
        return []
    return [Thinking(redacted=told)]


def _text(_: Blocks, held: Any, where: str) -> list[Part]:
    if not isinstance(held, str):
        raise UnspeakableError(where, "must be a string")
    return [Text(held)]


def _call(blocks: Blocks, held: Any, where: str) -> list[Part] | None:
    stated = fields(held, where)
    if text(stated, "type", where):
        return None
    arguments = stated.get("input", {})
    if not isinstance(arguments, dict):
        raise UnspeakableError(f"{where}.input", "must be an object")
    signature, blocks.signature = blocks.signature, ""
    name, call_id = needed(stated, "name", where), needed(stated, "toolUseId", where)
    return [ToolCall(call_id, name, as_text(arguments), signature)]


def _result(blocks: Blocks, held: Any, where: str) -> list[Part] | None:
    stated = fields(held, where)
    if text(stated, "type", where):
        return None
    inside = _each(stated.get("content"), f"{where}.content", _RESULT)
    blocks.lost += inside.lost
    parts = tuple(part for part in inside.parts if isinstance(part, Text | Media))
    failed = text(stated, "status", where) == "error"
    return [ToolResult(needed(stated, "toolUseId", where), parts, is_error=failed)]


def _json(_: Blocks, held: Any, __: str) -> list[Part]:
    return [Text(as_text(held))]


def _media(kind: Kind) -> Reader:
    def read_media(blocks: Blocks, held: Any, where: str) -> list[Part] | None:
        media = bedrock_media.read(kind, held, where)
        blocks.lost += bedrock_media.unsaid(kind, held, where)
        return [media] if media is not None else None

    return read_media


def _guarded(blocks: Blocks, held: Any, where: str) -> list[Part] | None:
    """Read what a guardrail is to look at; as what it should is lost with the guardrail."""
    kind, value = union(held, where)
    if kind == "image":
        return _media("image")(blocks, value, f"{where}.image")
    if kind != "text":
        return None
    stated = fields(value, f"{where}.text")
    if stated.get("qualifiers"):
        blocks.lost.append(Loss(f"{where}.text.qualifiers"))
    return [Text(text(stated, "text", where))]


def _cited(blocks: Blocks, held: Any, where: str) -> list[Part]:
    """Read words with their citations; those without words are of the text before (Nova's)."""
    stated = fields(held, where)
    pieces = [fields(each, where) for each in items(stated.get("content"), f"{where}.content")]
    said = "".join(text(each, "text", where) for each in pieces)
    read_ = map(bedrock_citations.read, items(stated.get("citations"), f"{where}.citations"))
    citations = tuple(each for each in read_ if each is not None)
    if len(citations) < len(stated.get("citations", ())):
        blocks.lost.append(Loss(f"{where}.citations"))
    if said:
        return [Text(said, citations=citations)]
    last = blocks.parts[-1] if blocks.parts else None
    if isinstance(last, Text):
        blocks.parts[-1] = replace(last, citations=(*last.citations, *citations))
    return []


_SYSTEM: dict[str, Reader] = {"text": _text, "guardContent": _guarded, "cachePoint": _mark}
_RESULT: dict[str, Reader] = {
    "text": _text,
    "json": _json,
    "image": _media("image"),
    "document": _media("document"),
}
_MESSAGE: dict[str, Reader] = {
    "text": _text,
    "image": _media("image"),
    "document": _media("document"),
    "audio": _media("audio"),
    "toolUse": _call,
    "toolResult": _result,
    "guardContent": _guarded,
    "citationsContent": _cited,
    "reasoningContent": _reasoning,
    "cachePoint": _mark,
}
