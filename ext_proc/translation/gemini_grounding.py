"""Gemini's grounding and citation metadata, read and written: what an answer's words rest on.

Bytes are counted there, of one part or, as its servers do in fact, of all words together; so the
segment's own text decides. Source: `GroundingMetadata` and `CitationMetadata` of the Gemini API
reference, which every candidate may have.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ext_proc.translation.citations import Citation
from ext_proc.translation.cited import Held, moved, spanning
from ext_proc.translation.gemini_fields import known
from ext_proc.translation.neutral import Json, Part, Refusal, Text
from ext_proc.translation.values import string

_STEP = 1024
_MOST_SEARCHED = 64
_MOST_KEPT = 16 * 1024 * 1024
_MOST_QUOTED = 1024 * 1024
"""Characters of words that segments repeat; many may be of the same words."""
_SOURCES = ("web", "retrievedContext", "maps")


class Count:
    """A text's characters by its bytes, and its bytes by its characters."""

    def __init__(self, text: str) -> None:
        self._text, self._raw = text, text.encode(errors="replace")
        self._marks = [0]
        """The byte at which every so many characters begin."""
        for at in range(0, len(text), _STEP):
            length = len(text[at : at + _STEP].encode(errors="replace"))
            self._marks.append(self._marks[-1] + length)
        self.searched = 0
        """How often all of the text was searched."""
        self._shift = 0

    def byte_of(self, character: int) -> int:
        """The byte at which a character begins."""
        mark = character // _STEP
        rest = self._text[mark * _STEP : character]
        return self._marks[mark] + len(rest.encode(errors="replace"))

    def span(self, start: Any, end: Any, said: str) -> tuple[int, int] | None:
        """The characters of a segment; None: it is not of this text."""
        if type(start) is not int or type(end) is not int or not 0 <= start < end:
            return None
        words = said.encode(errors="replace")
        at = self._found(start, words) if words else start
        end = at + (len(words) or end - start)
        if at < 0 or end > len(self._raw):
            return None
        return self._characters(at), self._characters(end)

    def _found(self, start: int, words: bytes) -> int:
        """Where words begin that should begin there; all may be counted from another place."""
        for at in (start, start + self._shift):
            if at >= 0 and self._raw.startswith(words, at):
                return at
        if self.searched == _MOST_SEARCHED:
            return -1
        self.searched += 1
        at = self._raw.find(words)
        self._shift = at - start if at >= 0 else self._shift
        return at

    def _characters(self, byte: int) -> int:
        if len(self._raw) == len(self._text):
            return byte
        mark = bisect_right(self._marks, byte) - 1
        rest = self._raw[self._marks[mark] : byte].decode(errors="ignore")
        return min(mark * _STEP + len(rest), len(self._text))


def read(candidate: Json, count: Count, begins: Sequence[int], held: Held) -> Iterator[Citation]:
    """Read the citations of a candidate, by the characters of all its words.

    `begins` are the bytes at which its parts begin. Raise UnreadableError.
    """
    grounding = known(candidate.get("groundingMetadata")) or {}
    chunks = [_chunk(each) for each in _listed(grounding, "groundingChunks")]
    supports = _listed(grounding, "groundingSupports")
    if not supports:
        yield from (held.hold(each) for each in chunks if each is not None)
    for support in supports:
        segment = known(support.get("segment")) or {}
        span = _segment(segment, count, begins)
        for number in _numbers(support.get("groundingChunkIndices"), len(chunks)):
            if (cited := chunks[number]) is not None:
                yield held.hold(spanning(cited, *(span or (None, None))))
    metadata = known(candidate.get("citationMetadata")) or {}
    for each in (*_listed(metadata, "citations"), *_listed(metadata, "citationSources")):
        found = Citation(string(each.get("uri")), string(each.get("title")))
        span = count.span(each.get("startIndex", 0), each.get("endIndex"), "")
        if found != Citation():
            yield held.hold(spanning(found, *(span or (None, None))))


def _listed(owner: Json, name: str) -> list[Json]:
    value = owner.get(name)
    found = map(known, value) if isinstance(value, list) else ()
    return [each for each in found if each is not None]


def _chunk(chunk: Json) -> Citation | None:
    source = next((told for name in _SOURCES if (told := known(chunk.get(name)))), {})
    uri, title, text = (string(source.get(name)) for name in ("uri", "title", "text"))
    return Citation(uri, title, text) if uri or title else None


def _numbers(value: Any, most: int) -> list[int]:
    stated = value if isinstance(value, list) else ()
    return [each for each in stated if type(each) is int and 0 <= each < most]


def _segment(segment: Json, count: Count, begins: Sequence[int]) -> tuple[int, int] | None:
    start, end = segment.get("startIndex", 0), segment.get("endIndex")
    part = segment.get("partIndex")
    if type(part) is int and 0 <= part < len(begins) and type(start) is type(end) is int:
        start, end = start + begins[part], end + begins[part]
    return count.span(start, end, string(segment.get("text")))


class Said:
    """The words of each choice of a stream, kept as long as they are not too many."""

    def __init__(self) -> None:
        self._pieces: dict[int, list[str]] = {}
        self._kept = 0

    def add(self, choice: int, text: str) -> None:
        """Take more words."""
        self._kept += len(text)
        if self._kept <= _MOST_KEPT:
            self._pieces.setdefault(choice, []).append(text)
        else:
            self._pieces.clear()

    def text(self, choice: int) -> str:
        """The words so far; nothing if they were not kept."""
        pieces = self._pieces.get(choice)
        if not pieces:
            return ""
        pieces[:] = ["".join(pieces)]
        return pieces[0]


class Grounding:
    """Grounding metadata, as far as it is written."""

    def __init__(self) -> None:
        self._chunks: dict[Citation, int] = {}
        """Sources, without numbers."""
        self._supports: dict[tuple[int, int, int], list[int]] = {}
        """By part and bytes."""
        self._texts: dict[tuple[int, int, int], str] = {}
        self._quoted = 0

    def add(self, citations: Iterable[Citation], text: str, part: int = 0) -> None:
        """Add citations that count the characters of a text, which is this part."""
        count: Count | None = None
        for each in citations:
            number = self._chunks.setdefault(spanning(each, None, None), len(self._chunks))
            if each.start is None or each.end is None:
                continue
            count = count or Count(text)
            place = part, count.byte_of(each.start), count.byte_of(each.end)
            if place not in self._supports:
                self._quote(place, text, each)
            self._supports.setdefault(place, []).append(number)

    def _quote(self, place: tuple[int, int, int], text: str, citation: Citation) -> None:
        """Keep the words of a segment, unless all together are too many."""
        words = text[citation.start : citation.end]
        self._quoted += len(words)
        if self._quoted <= _MOST_QUOTED:
            self._texts[place] = words

    def written(self) -> Json:
        """The candidate's field; nothing where there are no citations."""
        if not self._chunks:
            return {}
        supports = [
            {
                "segment": _written(place, self._texts.get(place, "")),
                "groundingChunkIndices": numbers,
            }
            for place, numbers in self._supports.items()
        ]
        metadata: Json = {"groundingChunks": [_source(each) for each in self._chunks]}
        if supports:
            metadata["groundingSupports"] = supports
        return {"groundingMetadata": metadata}


def _written(place: tuple[int, int, int], text: str) -> Json:
    part, start, end = place
    named: Json = {"partIndex": part} if part else {}
    quoted: Json = {"text": text} if text else {}
    return {**named, "startIndex": start, "endIndex": end, **quoted}


def _source(citation: Citation) -> Json:
    titled: Json = {"title": citation.title} if citation.title else {}
    if citation.link:
        return {"web": {"uri": citation.url, **titled}}
    said = {"text": citation.words} if citation.words else {}
    place = citation.place
    paged = {"pageNumber": place.start} if place is not None and place.unit == "pages" else {}
    return {"retrievedContext": {**titled, **said, **paged}}


def written(parts: Iterable[Part], said: Sequence[Json]) -> Json:
    """The grounding metadata of a whole answer, whose parts are written as `said`."""
    places = [at for at, each in enumerate(said) if each.get("text") and not each.get("thought")]
    texts = [part for part in parts if isinstance(part, Text | Refusal) and part.text]
    grounding = Grounding()
    for place, text in zip(places, texts, strict=True):
        if isinstance(text, Text):
            numbered = (moved(each, 0, len(text.text)) for each in text.citations)
            grounding.add(numbered, text.text, place)
    return grounding.written()
