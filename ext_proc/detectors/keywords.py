"""A user's own words and phrases: whole words, any case, compatibility forms alike.

A hundred thousand of them cost a text no more than ten, so this is a tree of words and not a
Hyperscan database. In scripts written without spaces every character counts as a word.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ext_proc.detectors.span import Span, SpanDetector
from ext_proc.detectors.view import codes, unspaced

_BMP = 0x10000
_SEPARATOR = "\0"  # between the keywords of a list; stands in none
_END = ""  # in a node: a keyword ends here
Node = dict[str, "Node"]
_LEAF: Final[Node] = {_END: {}}


def _folded(code: int) -> int:
    """Return what a character compares as: one for one, so that offsets stay exact."""
    character = chr(code)
    if character.isspace():
        return 0x20
    for form in (unicodedata.normalize("NFKC", character).lower(), character.lower()):
        if len(form) == 1:
            return ord(form)
    return code


def _is_word(code: int) -> bool:
    character = chr(code)
    return (
        character.isalnum() or character == "_" or unicodedata.combining(character) > 0
    ) and not unspaced(code)


@cache
def _fold_table() -> NDArray[np.uint32]:
    return np.fromiter(map(_folded, range(_BMP)), np.uint32, _BMP)


@cache
def _word_table() -> NDArray[np.bool_]:
    return np.fromiter(map(_is_word, range(_BMP)), np.bool_, _BMP)


class _Words:
    """A text cut into words and single other characters."""

    def __init__(self, text: str) -> None:
        points = codes(text)
        capped = np.minimum(points, _BMP - 1)
        folded = np.where(points < _BMP, _fold_table()[capped], points).astype("<u4")
        self.text = folded.tobytes().decode("utf-32-le", "surrogatepass")
        inside = np.concatenate(([False], _word_table()[_capped(folded)], [False]))
        edges = np.flatnonzero(inside[1:] != inside[:-1])
        self._ends: dict[int, int] = dict(
            zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
        )
        self._inside = inside[1:-1]

    def starts(self, others: NDArray[np.uint32]) -> list[int]:
        """Return where words start, and where the given other characters stand."""
        points = codes(self.text)
        alone = (
            np.flatnonzero(~self._inside & np.isin(points, others)).tolist() if others.size else []
        )
        return sorted((*self._ends, *alone)) if alone else list(self._ends)

    def end(self, start: int) -> int:
        """Return where the word that starts here ends, or the single character."""
        return self._ends.get(start, start + 1)


def _capped(points: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Bring code points beyond the tables to one that is no word."""
    return np.where(points < _BMP, points, _BMP - 1)


class _Keywords:
    """The tree, and the walk through it."""

    entities: tuple[str, ...] = ("Keyword",)
    before = 1

    def __init__(self, words: Sequence[str]) -> None:
        self._root: Node = {}
        self._longest = max(map(len, words), default=0)
        tokens: list[str] = []
        for token in _tokens(_Words(_SEPARATOR.join((*words, "")))):
            if token != _SEPARATOR:
                tokens.append(token)
                continue
            self._add(tokens)
            tokens = []
        alone = {ord(t[0]) for t in self._root if not _is_word(ord(t[0]))}
        self._others = np.array(sorted(alone), np.uint32)

    def _add(self, tokens: Sequence[str]) -> None:
        node = self._root
        for token in tokens[:-1]:
            child = node.get(token)
            if child is None or child is _LEAF:
                child = node[token] = dict(child or {})
            node = child
        last = node.setdefault(tokens[-1], _LEAF)
        if last is not _LEAF:
            last[_END] = {}

    def find(self, text: str) -> list[Span]:
        words = _Words(text)
        return [
            Span(start, end, "Keyword", 1.0)
            for start in words.starts(self._others)
            if (node := self._root.get(words.text[start : words.end(start)])) is not None
            and (end := self._walk(words, node, words.end(start))[0])
        ]

    def hold(self, text: str) -> int:
        """Hold an unfinished last word, and a phrase that may go on."""
        if not self._root:
            return 0
        words = _Words(text[-self._longest - 2 :])
        size = len(words.text)
        for start in words.starts(self._others):
            first = words.end(start)
            if size - start > self._longest:
                continue
            if first == size and first - start <= self._longest:
                return size - start
            node = self._root.get(words.text[start:first])
            if node is not None and self._walk(words, node, first)[1]:
                return size - start
        return 0

    def _walk(self, words: _Words, node: Node, position: int) -> tuple[int, bool]:
        """Return the end of the longest keyword (0: none), and whether the text ended first."""
        found, size = 0, len(words.text)
        while True:
            if _END in node:
                found = position
            if len(node) == (_END in node):
                return found, position == size  # the last word may still grow
            if position >= size:
                return found, True
            end = words.end(position)
            following = node.get(words.text[position:end])
            if following is None:
                return found, end == size
            node, position = following, end


def _tokens(words: _Words) -> Iterator[str]:
    position = 0
    while position < len(words.text):
        end = words.end(position)
        yield words.text[position:end]
        position = end


def detector(words: tuple[str, ...]) -> SpanDetector:
    """Return a detector of these words; a list of a megabyte takes a second or two."""
    plain = (" ".join(word.replace(_SEPARATOR, " ").split()) for word in words)
    return _Keywords([word for word in plain if word])
