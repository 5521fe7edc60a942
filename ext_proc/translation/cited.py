"""Cited: how citations and the texts they stand by fit together.

Formats that number the characters of an answer count all of its text, or a part of it; neutral
texts have their own citations, and those of a whole text no numbers. Formats whose citations stand
by blocks get a text cut into such blocks.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate, chain
from typing import Any

from ext_proc.translation.citations import Citation
from ext_proc.translation.codec import UnreadableError
from ext_proc.translation.neutral import Loss, Media, Message, Part, Request, Text, ToolResult

_MOST_HELD = 16 * 1024 * 1024
_LEAST_HELD = 256
"""Characters that a citation counts at least, as it takes memory."""


class Held:
    """Citations of a stream that wait, or are repeated at its end; bounded."""

    def __init__(self) -> None:
        self._held = 0

    def hold(self, citation: Citation) -> Citation:
        """Count one. Raise UnreadableError."""
        texts = len(citation.url) + len(citation.title) + len(citation.words)
        self._held += max(texts, _LEAST_HELD)
        if self._held > _MOST_HELD:
            raise UnreadableError("The citations of the provider's stream are too large.")
        return citation


def spanning(citation: Citation, start: Any, end: Any) -> Citation:
    """A citation of these characters; of all there are, where they are no such numbers."""
    if type(start) is not int or type(end) is not int or not 0 <= start < end:
        return replace(citation, start=None, end=None)
    return replace(citation, start=start, end=end)


def moved(citation: Citation, by: int, until: int) -> Citation:
    """A citation of a text that begins `by` characters later and ends at `until`: where it does."""
    start, end = by + (citation.start or 0), min(by + (citation.end or until), until)
    return spanning(citation, start, end) if start < end else spanning(citation, by, until)


def attached(parts: Sequence[Part], citations: Iterable[Citation]) -> tuple[Part, ...]:
    """Parts with citations that count the characters of all their texts.

    Each stands by the text in which it begins, and one without numbers by the last.
    """
    texts = [(at, part) for at, part in enumerate(parts) if isinstance(part, Text) and part.text]
    begins = [0, *accumulate(len(part.text) for _, part in texts)]
    given: dict[int, list[Citation]] = {}
    for each in citations if texts else ():
        number = len(texts) if each.start is None else bisect_right(begins, each.start)
        at, text = texts[min(number, len(texts)) - 1]
        given.setdefault(at, []).append(_within(each, begins[number - 1], len(text.text)))
    cited = {
        at: replace(text, citations=(*text.citations, *given[at]))
        for at, text in texts
        if at in given
    }
    return tuple(cited.get(at, part) for at, part in enumerate(parts))


def on(text: Text, citations: Iterable[Citation]) -> Text:
    """A text with citations that count its own characters."""
    length = len(text.text)
    return replace(text, citations=tuple(_within(each, 0, length) for each in citations if length))


def _within(citation: Citation, before: int, length: int) -> Citation:
    """A citation of one text; without numbers if it is of all of it."""
    if citation.start is None or citation.end is None:
        return citation
    start, end = citation.start - before, min(citation.end - before, length)
    return spanning(citation, *((None, None) if (start, end) == (0, length) else (start, end)))


def counted(parts: Iterable[Part]) -> Iterator[Citation]:
    """The citations of all texts, which count the characters of them together."""
    before = 0
    for part in parts:
        if isinstance(part, Text):
            until = before + len(part.text)
            yield from (moved(each, before, until) for each in part.citations)
            before = until


@dataclass(slots=True)
class _Piece:
    """Of a text: where it ends, and what it rests on."""

    end: int
    citations: list[Citation] = field(default_factory=list)


def blocks(text: Text) -> Iterator[Text]:
    """Cut a text so that each piece rests on all of its citations; their numbers are gone.

    Citations whose words overlap share a piece. No piece is blank, but for a text that is.
    """
    pieces: list[_Piece] = []
    at = 0
    if not text.text:
        return
    for each in sorted((moved(c, 0, len(text.text)) for c in text.citations), key=_order):
        start, end = _order(each)
        if not pieces or start >= at:
            if start > at:
                pieces.append(_Piece(start))
            pieces.append(_Piece(end))
        pieces[-1].end = at = max(pieces[-1].end, end)
        pieces[-1].citations.append(spanning(each, None, None))
    if at < len(text.text):
        pieces.append(_Piece(len(text.text)))
    yield from _spoken(text, pieces)


def _order(citation: Citation) -> tuple[int, int]:
    return citation.start or 0, citation.end or 0


def _spoken(text: Text, pieces: list[_Piece]) -> Iterator[Text]:
    """The texts; what is blank goes with what stands before it, or else after it."""
    begin, last = 0, len(pieces) - 1
    said, citations = "", list[Citation]()
    for number, piece in enumerate(pieces):
        words, begin = text.text[begin : piece.end], piece.end
        if words.strip() and said.strip():  # the longer one is looked at last
            yield Text(said, citations=tuple(citations))
            said, citations = "", []
        said += words
        citations += piece.citations
        if number == last:
            yield replace(text, text=said, citations=tuple(citations))


def unasked(request: Request) -> tuple[Loss, ...]:
    """The losses of a writer that cannot ask for citations of documents."""
    parts = (part for message in request.messages for part in message.parts)
    inner = (each for part in parts for each in _inside(part))
    return tuple(Loss(each.cites) for each in inner if isinstance(each, Media) and each.cites)


def _inside(part: Part) -> tuple[Part, ...]:
    return part.parts if isinstance(part, ToolResult) else (part,)


def unshown(
    request: Request, message: Message, shown: Callable[[Citation], bool]
) -> tuple[Loss, ...]:
    """The loss of a writer that cannot show all citations of an earlier answer again."""
    texts = (part for part in message.parts if isinstance(part, Text))
    if all(shown(each) for text in texts for each in text.citations):
        return ()
    return (Loss(f"{message.where}.{request.said.get('citations', 'citations')}"),)


def lost(request: Request) -> tuple[Loss, ...]:
    """The losses of a writer that knows no citations."""
    shown = (unshown(request, each, lambda _: False) for each in request.messages)
    return (*unasked(request), *chain.from_iterable(shown))
