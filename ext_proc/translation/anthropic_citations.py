"""Citations of Anthropic's texts, read and written.

A page of the web has there what only Anthropic's own search gives it (`encrypted_index`), so those
of other providers are marked, and never shown to Anthropic. Source: the API reference of messages.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from ext_proc.translation.citations import Citation, Unit, placed
from ext_proc.translation.codec import Json
from ext_proc.translation.values import MARKED, listed, string

_WEB = "web_search_result_location"
_TYPES: Mapping[str, tuple[Unit, str, str, str]] = MappingProxyType(
    {
        "char_location": (
            "characters",
            *("document_index", "start_char_index", "end_char_index"),
        ),
        "page_location": ("pages", "document_index", "start_page_number", "end_page_number"),
        "content_block_location": (
            "blocks",
            *("document_index", "start_block_index", "end_block_index"),
        ),
        "search_result_location": (
            "results",
            *("search_result_index", "start_block_index", "end_block_index"),
        ),
    }
)
"""By type: what is counted, and the fields of the document, the beginning and the end."""
_UNITS = {unit: (type_, fields) for type_, (unit, *fields) in _TYPES.items()}


def read(stated: Any) -> tuple[Citation, ...]:
    """Read the citations of a text; those of other types say nothing here."""
    found = (_read(each) for each in listed(stated))
    return tuple(each for each in found if each is not None)


def _read(stated: Json) -> Citation | None:
    kind, words = string(stated.get("type")), string(stated.get("cited_text"))
    url = string(stated.get("url"))
    if kind == _WEB and url:
        return Citation(url, string(stated.get("title")), words)
    if kind not in _TYPES:
        return None
    unit, *fields = _TYPES[kind]
    place = placed(unit, map(stated.get, fields))
    if place is None:
        return None
    if unit == "results":
        return Citation(string(stated.get("source")), string(stated.get("title")), words, place)
    return Citation("", string(stated.get("document_title")), words, place)


def can_name(citation: Citation) -> bool:
    """Tell whether this format has words for it, in an answer."""
    return citation.place is not None or bool(citation.link)


def is_known(citation: Citation) -> bool:
    """Tell whether Anthropic can make sense of it, in an earlier answer: it is of a document."""
    return citation.is_documents


def write(citation: Citation) -> Json:
    """Write a citation that can be named."""
    place, title = citation.place, citation.title or None
    if place is None:
        page: Json = {"type": _WEB, "cited_text": citation.words, "url": citation.url}
        return {**page, "title": title, "encrypted_index": MARKED}
    kind, fields = _UNITS[place.unit]
    numbers = zip(fields, (place.document, place.start, place.end), strict=True)
    said: Json = {"type": kind, "cited_text": citation.words, **dict(numbers)}
    if place.unit == "results":
        return {**said, "source": citation.url, "title": title}
    return {**said, "document_title": title}


def own(stated: Iterable[Any]) -> list[Any]:
    """Citations without those that were made here for other providers' pages of the web."""
    return [each for each in stated if not _is_marked(each)]


def _is_marked(citation: Any) -> bool:
    return isinstance(citation, dict) and citation.get("encrypted_index") == MARKED
