"""Whole texts in another alphabet or order: letter shifts, mirrors, digits for letters.

Unlike the encodings in `decode`, nothing in the text says that a cipher was used, so each is simply
undone and the result searched like the text itself: a text that was no cipher turns into noise and
matches nothing. Every function is one or two passes in C over normalised text.
"""

from collections.abc import Iterator
from typing import Final

_COMMON: Final = """
the and you your for that this with are not have from all can what who how why when say tell into
will was one any of to in is it please ignore instructions previous response word words text
question answer der die das und ist nicht mit von ein eine auf ich les des est une que pour dans
los las con para por una del como gli che per sono non il la le el de en
"""
FAMILIAR: Final = frozenset(_COMMON.split())
_LETTERS: Final = b"abcdefghijklmnopqrstuvwxyz"
_FREQUENT: Final = b"etaoinshrdlu"
_ATBASH: Final = bytes.maketrans(_LETTERS, _LETTERS[::-1])
_FIGURES: Final = b"013457@$+8(|9!"
_LEET: Final = (
    bytes.maketrans(_FIGURES, b"oieastastbclgi"),
    bytes.maketrans(_FIGURES, b"oleastastbcigl"),
)
_MARKS: Final = b"*_`~|^\\"
_SHIFTS: Final = tuple(
    bytes.maketrans(_LETTERS, _LETTERS[shift:] + _LETTERS[:shift]) for shift in range(26)
)
ALWAYS: Final = (13,)


def undo(text: str) -> Iterator[tuple[str, str]]:
    """Yield the name of each cipher that may have been used, and the text without it."""
    raw = text.encode("utf-8", "replace")  # single bytes of it are ASCII, so this loses nothing
    for shift in {*ALWAYS, _likely_shift(raw)} - {0}:
        yield "rot", raw.translate(_SHIFTS[shift]).decode()
    yield "atbash", raw.translate(_ATBASH).decode()
    yield "reversed", text[::-1]
    yield "reversed-words", " ".join(reversed(text.split()))
    if any(figure in raw for figure in _FIGURES):
        for table in _LEET:
            yield "leet", raw.translate(table).decode()
    if any(mark in raw for mark in _MARKS):
        yield "markup", " ".join(raw.translate(None, _MARKS).decode().split())


def _likely_shift(raw: bytes) -> int:
    """The letter shift under which the text has most of a language's frequent letters."""
    counts = [raw.count(letter) for letter in _LETTERS]
    frequent = [_LETTERS.index(letter) for letter in _FREQUENT]

    def score(shift: int) -> int:
        return sum(counts[(letter - shift) % 26] for letter in frequent)

    return max(range(26), key=score)


def readable(text: str) -> float:
    """Return the share of familiar words among the first hundred; 0 where there are too few."""
    some = text[:800].split()[:100]
    familiar = sum(map(FAMILIAR.__contains__, some))
    return familiar / len(some) if familiar >= 3 and len(some) >= 5 else 0.0
