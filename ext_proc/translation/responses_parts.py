"""Parts of a Responses message, both ways: text, pictures, files and refusals."""

import base64
from typing import Any

from ext_proc.translation import cited, openai_citations
from ext_proc.translation.codec import Json, UnspeakableError
from ext_proc.translation.neutral import Media, Part, Refusal, Text
from ext_proc.translation.values import data_url, text

_FILE_ID = "file-"
"""How OpenAI's own files are called; nobody else's can be named to it."""


def read(part: Any, where: str) -> Part | None:
    """Read one part of `content` or of an `output`; None if there is no place for it."""
    if not isinstance(part, dict):
        raise UnspeakableError(where, "must be an object with a `type`.")
    match part.get("type"):
        case "input_text" | "output_text" | "text":
            annotations = openai_citations.read(part.get("annotations"))
            return cited.on(Text(text(part.get("text"), f"{where}.text")), annotations)
        case "refusal":
            return Refusal(text(part.get("refusal"), f"{where}.refusal"))
        case "input_image":
            return _image(part, where)
        case "input_file":
            return _file(part, where)
    return None


def _image(part: Json, where: str) -> Media:
    detail = text(part.get("detail"), f"{where}.detail")
    if file_id := text(part.get("file_id"), f"{where}.file_id"):
        return Media("image", file_id=file_id, detail=detail)
    media_type, data, url = _located(text(part.get("image_url"), f"{where}.image_url"))
    if not data and not url:
        raise UnspeakableError(where, "needs `image_url` or `file_id`.")
    return Media("image", media_type, data, url, detail=detail)


def _file(part: Json, where: str) -> Media:
    name = text(part.get("filename"), f"{where}.filename")
    if file_id := text(part.get("file_id"), f"{where}.file_id"):
        return Media("document", file_id=file_id, name=name)
    if url := text(part.get("file_url"), f"{where}.file_url"):
        return Media("document", url=url, name=name)
    stated = text(part.get("file_data"), f"{where}.file_data")
    media_type, data, _ = _located(stated)
    if not stated:
        raise UnspeakableError(where, "needs `file_data`, `file_url` or `file_id`.")
    return Media("document", media_type, data or stated, name=name)


def _located(url: str) -> tuple[str, str, str]:
    """A media type and base64 of a data: URL, or the URL."""
    found = data_url(url)
    return (*found, "") if found else ("", "", url)


def write(part: Part, role: str) -> Json | None:
    """Write one part of a message; None if it cannot be said in one."""
    match part:
        case Text(text):
            return {"type": "input_text", "text": text}
        case Refusal(text):
            return {"type": "refusal", "refusal": text}
        case Media() if role != "assistant":
            return _media(part)
    return None


def _media(media: Media) -> Json | None:
    if media.file_id and not media.file_id.startswith(_FILE_ID):
        return None
    match media.kind:
        case "image":
            return _written_image(media)
        case "document":
            return _written_file(media)
    return None


def _written_image(image: Media) -> Json | None:
    written: Json = {"type": "input_image", "detail": image.detail or "auto"}
    if image.file_id:
        return {**written, "file_id": image.file_id}
    if image.url:
        return {**written, "image_url": image.url}
    if not image.data:
        return None
    return {**written, "image_url": f"data:{image.media_type or 'image/png'};base64,{image.data}"}


def _written_file(document: Media) -> Json:
    written: Json = {"type": "input_file"}
    if document.file_id:
        return {**written, "file_id": document.file_id}
    named = {"filename": document.name} if document.name else {}
    if document.url:
        return {**written, **named, "file_url": document.url}
    kind, data = document.media_type or "application/pdf", document.data
    if document.text:
        kind, data = "text/plain", base64.b64encode(document.text.encode()).decode()
    ending = ".txt" if kind == "text/plain" else ".pdf"
    located = f"data:{kind};base64,{data}"
    return {**written, "filename": document.name or f"document{ending}", "file_data": located}
