"""Cited streams: the words of a streamed answer, where citations stand by blocks of them.

Readers of such formats tell what a citation is of by counting what was said; their writers tell by
the same count whether the block that is open is what a citation is of.
"""

from collections.abc import Iterator

from ext_proc.translation.citations import Citation, CitationPiece
from ext_proc.translation.cited import Held, spanning
from ext_proc.translation.neutral import TextPiece


class Words:
    """Read: blocks of words and what they rest on. Bounded: raises UnreadableError."""

    def __init__(self, *, follow: bool) -> None:
        self._follow = follow
        """Citations are of the words between them; else each is of all of its block."""
        self._said = self._start = 0
        self._before = (0, 0)
        """The last words that can have citations, if none came since."""
        self._apart = self._cited = False
        self._waiting: list[Citation] = []
        self._held = Held()

    def begin(self) -> Iterator[CitationPiece]:
        """A block begins, and the one before it is complete."""
        yield from self.end()
        self._next()

    def say(self, text: str) -> TextPiece:
        """Words of the block."""
        if self._cited:
            self._next()
        apart, self._apart = self._apart and bool(text), self._apart and not text
        self._said += len(text)
        return TextPiece(text, apart=apart)

    def cite(self, citation: Citation) -> Iterator[CitationPiece]:
        """What words of the block rest on."""
        self._waiting.append(self._held.hold(citation))
        if self._follow and self._said > self._start:
            yield from self.end()
            self._cited = True

    def end(self) -> Iterator[CitationPiece]:
        """The block is complete."""
        words = (self._start, self._said) if self._said > self._start else self._before
        waiting, self._waiting = self._waiting, []
        for each in waiting if words[1] else ():
            yield CitationPiece(spanning(each, *words))

    def _next(self) -> None:
        if self._said > self._start:
            self._before = self._start, self._said
            self._start, self._apart = self._said, True
        self._cited = False


class Block:
    """Written: the block of words that is open."""

    def __init__(self) -> None:
        self._said = self._start = 0

    def begin(self) -> None:
        """A block begins."""
        self._start = self._said

    def say(self, text: str) -> None:
        """Words of it."""
        self._said += len(text)

    def within(self, citation: Citation) -> Citation | None:
        """The citation, counted from the first character of the block; None: it is of others."""
        start, end = citation.start or 0, min(citation.end or self._said, self._said)
        if start >= end or end <= self._start:
            return None
        return spanning(citation, max(start - self._start, 0), end - self._start)
