"""Images, documents and sounds of Bedrock's content blocks, read and written.

A block names a format (`png`, `docx`) where others name a media type, and a document has a name,
of few characters, that no other document of the request has. What lies in S3 only AWS can read, and
what lies elsewhere Bedrock does not fetch. Source: `ImageBlock`, `DocumentBlock` and `AudioBlock`
of the Amazon Bedrock Runtime API reference.
"""

from base64 import b64encode
from collections.abc import Mapping
from typing import Literal

from ext_proc.translation.bedrock_fields import fields, items, needed, text, union
from ext_proc.translation.codec import Json
from ext_proc.translation.neutral import Loss, Media
from ext_proc.translation.values import decoded

Kind = Literal["image", "document", "audio"]
_OFFICE = "application/vnd.openxmlformats-officedocument."
_TYPES: Mapping[Kind, Mapping[str, str]] = {
    "image": {each: f"image/{each}" for each in ("png", "jpeg", "gif", "webp")},
    "document": {
        "pdf": "application/pdf",
        "csv": "text/csv",
        "doc": "application/msword",
        "docx": f"{_OFFICE}wordprocessingml.document",
        "xls": "application/vnd.ms-excel",
        "xlsx": f"{_OFFICE}spreadsheetml.sheet",
        "html": "text/html",
        "txt": "text/plain",
        "md": "text/markdown",
    },
    "audio": {
        "mp3": "audio/mpeg",
        "mka": "audio/x-matroska",
        **{each: f"audio/{each}" for each in ("wav", "opus", "aac", "flac", "mp4", "ogg")},
        **{each: f"audio/{each}" for each in ("m4a", "pcm", "webm")},
    },
}
"""The media type of each format, by kind."""
_ALIASES = {
    "image/jpg": "jpeg",
    "audio/mp3": "mp3",
    "audio/x-wav": "wav",
    "audio/wave": "wav",
    "audio/x-m4a": "m4a",
    "text/x-markdown": "md",
}
_FORMATS = {kind: {v: k for k, v in types.items()} for kind, types in _TYPES.items()}
_FALLBACKS: Mapping[Kind, str] = {"image": "png", "document": "pdf", "audio": "wav"}
"""Where a caller names no media type."""
_READABLE = frozenset({"txt", "md", "csv", "html"})
_NAMING = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-()[] ")
_LONGEST_NAME = 150
"""Bedrock takes 200; what makes a name unique comes after it."""


def read(kind: Kind, value: object, where: str) -> Media | None:
    """Read a block; None: it lies where no other provider can read it."""
    stated = fields(value, where)
    how, held = union(stated.get("source"), f"{where}.source")
    format_ = text(stated, "format", where)
    media_type = _TYPES[kind].get(format_, f"{kind}/{format_}" if format_ else "")
    name = text(stated, "name", where) if kind == "document" else ""
    cites = f"{where}.citations" if kind == "document" and _cites(stated, where) else ""
    match how:
        case "bytes":
            data = needed({"bytes": held}, "bytes", f"{where}.source")
            plain = kind == "document" and format_ in _READABLE
            words = (decoded(data) or "") if plain else ""
            data = "" if words else data
            return Media(kind, media_type, data=data, text=words, name=name, cites=cites)
        case "text" if kind == "document":
            words = needed({"text": held}, "text", f"{where}.source")
            return Media(kind, media_type or "text/plain", text=words, name=name, cites=cites)
        case "content" if kind == "document":
            pieces = [fields(each, where) for each in items(held, f"{where}.source.content")]
            words = "\n".join(needed(each, "text", f"{where}.source.content") for each in pieces)
            return Media(kind, media_type or "text/plain", text=words, name=name) if words else None
        case _:
            return None


def unsaid(kind: Kind, value: object, where: str) -> tuple[Loss, ...]:
    """What a block says besides its media; words about a document are essential.

    Of one that comes in pieces no place could be told as the caller counts it.
    """
    stated = fields(value, where)
    told = [Loss(f"{where}.context", essential=True)] if stated.get("context") else []
    if _cites(stated, where) and "content" in fields(stated.get("source"), f"{where}.source"):
        told.append(Loss(f"{where}.citations"))
    return tuple(told) if kind == "document" else ()


def _cites(stated: Json, where: str) -> bool:
    return fields(stated.get("citations"), f"{where}.citations").get("enabled") is True


class Documents:
    """Names of the documents of one request."""

    def __init__(self) -> None:
        self._used: set[str] = set()
        self._numbers: dict[str, int] = {}
        """The last number of each name."""

    def name(self, wanted: str) -> str:
        """A name of Bedrock's characters that was not used before; the same in every turn."""
        kept = "".join(each if each in _NAMING else " " for each in wanted)
        base = " ".join(kept.split())[:_LONGEST_NAME].strip() or "Document"
        number = self._numbers.get(base, 0) + 1
        name = base if number == 1 else f"{base} {number}"
        while name in self._used:
            number += 1
            name = f"{base} {number}"
        self._numbers[base] = number
        self._used.add(name)
        return name


def write(media: Media, documents: Documents) -> Json | None:
    """Write a block; None: Bedrock cannot be given it."""
    format_ = _format(media)
    data = media.data or b64encode(media.text.encode()).decode()
    if not data or format_ is None:
        return None
    named: Json = {"name": documents.name(media.name)} if media.kind == "document" else {}
    if media.kind == "document" and media.cites:
        named["citations"] = {"enabled": True}
    return {media.kind: {"format": format_, **named, "source": {"bytes": data}}}


def _format(media: Media) -> str | None:
    stated = media.media_type.partition(";")[0].strip().lower()
    if not stated:
        return "txt" if media.text else _FALLBACKS[media.kind]
    return _FORMATS[media.kind].get(stated) or _ALIASES.get(stated)
