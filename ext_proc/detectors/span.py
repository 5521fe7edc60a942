"""What span detectors share: the `Span`, the detector protocol, several as one, and redaction.

That is redaction of a whole text; streams are in `stream`, and where patterns come from is in
`rules`.
"""

from collections.abc import Iterable, Iterator, Sequence
from string import ascii_letters, digits
from typing import NamedTuple, Protocol

# Characters that carry a span on, however long it gets: a token needs only a bounded anchor.
TAILS: dict[str, frozenset[str]] = {
    "word": frozenset(ascii_letters + digits + "_"),
    "token": frozenset(ascii_letters + digits + "_-"),
    "jwt": frozenset(ascii_letters + digits + "_-."),
    "base64": frozenset(ascii_letters + digits + "+/=_-"),
    "pem": frozenset(ascii_letters + digits + "+/=-\\\r\n"),
}
_STRIP = {name: "".join(sorted(characters)) for name, characters in TAILS.items()}
_WRAPPED = frozenset({"pem"})  # tails of lines, which may be indented or joined by blanks
_LINE = 40  # so many characters without a blank are a line of a key, not a word
LOOKS_BACK = _LINE
"""How far before its start the rest of a tail depends on the text."""
_BLANKS = frozenset(" \t")
_INDENTS = frozenset("\r\n \t")


class Span(NamedTuple):
    """One match: code-point offsets, half-open; `tail` names the characters that prolong it."""

    start: int
    end: int
    entity: str
    score: float
    tail: str = ""


class SpanDetector(Protocol):
    """Finds spans, and says how much of a text's end is still undecided."""

    entities: tuple[str, ...]
    before: int

    def find(self, text: str) -> list[Span]:
        """Return every span, sorted by start; they may overlap."""
        ...

    def hold(self, text: str) -> int:
        """Return how many trailing characters could still start, or be part of, another match.

        A span that starts before them is final, but for what its tail goes on to swallow.
        """
        ...


class Cover(NamedTuple):
    """Overlapping spans as one stretch, named after the first."""

    start: int
    end: int
    entity: str


def order(span: Span) -> tuple[int, float, str]:
    """Sort by start, then surest first; never by end, for a tail may still grow."""
    return (span.start, -span.score, span.entity)


def covers(spans: Iterable[Span]) -> Iterator[Cover]:
    """Merge overlapping spans, left to right; those that merely touch stay apart."""
    cover: Cover | None = None
    for span in sorted(spans, key=order):
        if cover is not None and span.start < cover.end:
            cover = cover._replace(end=max(cover.end, span.end))
            continue
        if cover is not None:
            yield cover
        cover = Cover(span.start, span.end, span.entity)
    if cover is not None:
        yield cover


def marker(entity: str) -> str:
    """Return what stands in a redacted text for a span."""
    return f"[REDACTED:{entity}]"


def redact(text: str, spans: Iterable[Span]) -> tuple[str, tuple[str, ...]]:
    """Replace each cover by its marker; also return the covers' entities, in order."""
    pieces: list[str] = []
    entities: list[str] = []
    done = 0
    for cover in covers(spans):
        pieces += (text[done : cover.start], marker(cover.entity))
        entities.append(cover.entity)
        done = cover.end
    pieces.append(text[done:])
    return "".join(pieces), tuple(entities)


def tail_end(text: str, start: int, tail: str) -> int:
    """Return where a tail of which a part ends at `start` ends."""
    end = _run_end(text, start, _STRIP[tail])
    while tail in _WRAPPED and _goes_on(text, end):
        end = _run_end(text, _run_end(text, end, " \t"), _STRIP[tail])
    return end


def _goes_on(text: str, end: int) -> bool:
    """Tell whether a blank indents a key's next line, or stands where a line of it was broken."""
    if text[end : end + 1] not in _BLANKS:
        return False
    before = text[max(0, end - _LINE) : end]
    line = len(before) == _LINE and TAILS["base64"].issuperset(before)
    return line or before[-1:] in _INDENTS


def _run_end(text: str, start: int, characters: str) -> int:
    size = 64
    while start < len(text):
        piece = text[start : start + size]
        rest = len(piece.lstrip(characters))
        start += len(piece) - rest
        if rest:
            break
        size *= 2
    return start


class _AllOf:
    """Several detectors as one."""

    def __init__(self, detectors: Sequence[SpanDetector]) -> None:
        self._detectors = tuple(detectors)
        self.entities = tuple(dict.fromkeys(e for d in detectors for e in d.entities))
        self.before = max((d.before for d in detectors), default=0)

    def find(self, text: str) -> list[Span]:
        return sorted((s for d in self._detectors for s in d.find(text)), key=order)

    def hold(self, text: str) -> int:
        return max((d.hold(text) for d in self._detectors), default=0)


def all_of(detectors: Sequence[SpanDetector]) -> SpanDetector:
    """Return one detector that finds what any of these finds."""
    return detectors[0] if len(detectors) == 1 else _AllOf(detectors)
