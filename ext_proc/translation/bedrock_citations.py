"""Citations of Bedrock's `citationsContent`, read and written.

Pages are counted as Anthropic counts them. Source: `Citation` and `CitationsDelta` of the Amazon
Bedrock Runtime API reference.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from ext_proc.translation import cited
from ext_proc.translation.citations import Citation, Place, Unit, placed
from ext_proc.translation.codec import Json
from ext_proc.translation.neutral import Text
from ext_proc.translation.values import listed, mapping, string

_LOCATIONS: Mapping[str, tuple[Unit, str]] = MappingProxyType(
    {
        "documentChar": ("characters", "documentIndex"),
        "documentPage": ("pages", "documentIndex"),
        "documentChunk": ("blocks", "documentIndex"),
        "searchResultLocation": ("results", "searchResultIndex"),
    }
)
"""By the field of a location: what is counted, and the field of the document."""
_UNITS = {unit: (name, document) for name, (unit, document) in _LOCATIONS.items()}


def read(stated: Any) -> Citation | None:
    """Read a citation, of an answer or a stream; None: it names nothing."""
    told = mapping(stated)
    location = mapping(told.get("location"))
    words = "".join(string(each.get("text")) for each in listed(told.get("sourceContent")))
    url = string(mapping(location.get("web")).get("url")) or string(told.get("source"))
    title = string(told.get("title"))
    place = next((place for name in _LOCATIONS if (place := _place(location, name))), None)
    return Citation(url, title, words, place) if url or title or place else None


def _place(location: Json, name: str) -> Place | None:
    unit, document = _LOCATIONS[name]
    told = mapping(location.get(name))
    return placed(unit, map(told.get, (document, "start", "end")))


def write_text(text: Text) -> Iterator[Json]:
    """Write the blocks of a text."""
    for piece in cited.blocks(text):
        said: Json = {"content": [{"text": piece.text}]}
        said["citations"] = [*map(write, piece.citations)]
        yield {"citationsContent": said} if piece.citations else {"text": piece.text}


def write(citation: Citation) -> Json:
    """Write a citation, of an answer or a stream."""
    place = citation.place
    said: Json = {"title": citation.title} if citation.title else {}
    if citation.words:
        said["sourceContent"] = [{"text": citation.words}]
    if place is not None:
        name, document = _UNITS[place.unit]
        numbers = {document: place.document, "start": place.start, "end": place.end}
        said["location"] = {name: numbers}
        return said | ({"source": citation.url} if citation.url else {})
    if citation.link:
        return {**said, "location": {"web": {"url": citation.url}}}
    return said | ({"source": citation.url} if citation.url else {})
