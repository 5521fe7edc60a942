"""Text as a reader would see it: the first step of the prompt-injection detector.

Compatibility forms, accents, invisible characters, bidirectional controls and runs of white space
are ways to write a word that a pattern no longer finds. `normalise` takes them away and says how
much it took. What hidden characters *spell* is read in `decode`; what the words mean is decided in
`injection`. Nothing here keeps offsets: detectors that need spans read the original text.
"""

import unicodedata
from typing import Final, NamedTuple

import re2

SLICE: Final = 512
"""Characters normalised at a time: sorting a run of combining marks takes quadratic time."""


class Normal(NamedTuple):
    """A text ready for patterns, and what had to be removed to get there."""

    text: str  # lower case, no accents, no invisible characters, single spaces, single newlines
    skeleton: str  # the same with look-alike letters made Latin; "" where no word mixes scripts
    invisible: int  # characters that show nothing and have no business inside a prompt
    mixed: int  # places where a Latin letter touches a look-alike from another script


ZERO_WIDTH: Final = "\u00ad\u034f\u061c\u180e\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"
OPERATORS: Final = "\u2061\u2062\u2063\u2064\u115f\u1160\u17b4\u17b5\u3164\uffa0"
BIDI: Final = (
    "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u206a\u206b\u206c\u206d\u206e\u206f"
)
TAGS: Final = range(0xE0000, 0xE0080)
SELECTORS: Final = (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))

LOOKALIKES: Final = {
    "a": "\u0430\u03b1\u0251\u1d00\u237a",
    "b": "\u0184\u042c\u044c\u0299\u0432\u03b2\u13cf",
    "c": "\u0441\u03f2\u1d04\u2ca5",
    "d": "\u0501\u1d05\u13e7\u146f",
    "e": "\u0435\u0454\u03b5\u1d07\u212e\u04bd\u2c9f",
    "f": "\u0192\u03dd\ua730\u0584",
    "g": "\u0261\u0262\u050d\u0581",
    "h": "\u04bb\u029c\u043d\u0570\u03b7",
    "i": "\u0456\u0131\u03b9\u026a\u0269\u04cf\u2170\u03af",
    "j": "\u0458\u03f3\u1d0a",
    "k": "\u043a\u03ba\u1d0b",
    "l": "\u029f\u217c\u01c0\u2113",
    "m": "\u043c\u1d0d\u217f\u03bc",
    "n": "\u0578\u057c\u0274\u043f\u03c0",
    "o": "\u043e\u03bf\u03c3\u1d0f\u0585\u00f8\u0c66\u0966\u2c9f",
    "p": "\u0440\u03c1\u1d18\u2ca3",
    "q": "\u051b\u0563",
    "r": "\u0433\u0280\u1d26\u0433",
    "s": "\u0455\ua731\u0282",
    "t": "\u0442\u03c4\u1d1b",
    "u": "\u057d\u03c5\u1d1c\u0446",
    "v": "\u0475\u03bd\u1d20\u2174",
    "w": "\u051d\u0461\u03c9\u1d21\u0448",
    "x": "\u0445\u03c7\u04b3",
    "y": "\u0443\u04af\u03b3\u028f\u04ae",
    "z": "\u0290\u1d22",
}
LETTERS_APART: Final = {
    "\u00f8": "o", "\u0111": "d", "\u0142": "l", "\u0131": "i", "\u00df": "ss", "\u00e6": "ae",
    "\u0153": "oe", "\u00fe": "th", "\u00f0": "d", "\u0127": "h", "\u2019": "'", "\u2018": "'",
    "\u201b": "'", "\u02bc": "'", "\u00b4": "'", "\u201c": '"', "\u201d": '"', "\u201e": '"',
    "\u00ab": '"', "\u00bb": '"', "\u2013": "-", "\u2014": "-", "\u2010": "-", "\u2011": "-",
}  # fmt: skip


def _accents() -> dict[int, str]:
    """Latin letters with marks, each with its letter alone."""
    blocks = (*range(0xC0, 0x250), *range(0x1E00, 0x1F00))
    bare = {point: unicodedata.normalize("NFD", chr(point))[0] for point in blocks}
    return {point: letter for point, letter in bare.items() if letter != chr(point)}


def _boxed() -> dict[int, str]:
    """Letters in boxes, circles and flags, which compatibility forms leave alone."""
    starts = (0x1F110, 0x1F130, 0x1F150, 0x1F170, 0x1F1E6)
    return {start + i: chr(ord("a") + i) for start in starts for i in range(26)}


INVISIBLE: Final[dict[int, None]] = dict.fromkeys(
    [*map(ord, ZERO_WIDTH + OPERATORS + BIDI), *TAGS, *SELECTORS, *range(0x300, 0x370)]
) | dict.fromkeys(i for i in range(0x20) if chr(i) not in "\t\n\r\f\v\x1c\x1d\x1e\x1f")
FOLD: Final[dict[int, str | None]] = {
    **INVISIBLE, **_accents(), **{ord(k): v for k, v in LETTERS_APART.items()}, **_boxed()
}  # fmt: skip
SKELETON: Final = {ord(odd): letter for letter, odds in LOOKALIKES.items() for odd in odds}

_ODD = "".join(SKELETON_CHAR for odds in LOOKALIKES.values() for SKELETON_CHAR in odds)
_MIXED: Final = re2.compile(f"[a-z][{_ODD}]|[{_ODD}][a-z]".encode())
_HIDDEN: Final = re2.compile(
    "[\U000e0000-\U000e007f\U000e0100-\U000e01ef\u202d\u202e\u2061-\u2064\u206a-\u206f]+".encode()
)
_INSIDE: Final = re2.compile(
    "[A-Za-z0-9]([\u00ad\u200b-\u200f\u2060\ufeff\ufe00-\ufe0f]+)[A-Za-z0-9]".encode()
)
FLAG: Final = "\U0001f3f4"  # followed by six tag characters it is the flag of a region


def normalise(text: str) -> Normal:
    """Fold a text to what its reader sees; takes time linear in its length."""
    if text.isascii() and text.isprintable():
        return Normal(" ".join(text.lower().split()), "", 0, 0)
    odd = 0
    if not text.isascii():
        raw = text.encode("utf-8", "replace")
        hidden = b"".join([*_HIDDEN.findall(raw), *_INSIDE.findall(raw)]).decode()
        odd = max(0, len(hidden) - 6 * text.count(FLAG))
        text = "".join(
            unicodedata.normalize("NFKC", text[at : at + SLICE])
            for at in range(0, len(text), SLICE)
        )
    text = "\n".join(line for line in map(_folded, text.lower().split("\n")) if line)
    if text.isascii():
        return Normal(text, "", odd, 0)
    mixed = len(_MIXED.findall(text.encode("utf-8", "replace")))
    return Normal(text, text.translate(SKELETON) if mixed else "", odd, mixed)


def _folded(line: str) -> str:
    """Take the marks off one line; plain ones, which are most, have none."""
    if not (line.isascii() and line.isprintable()):
        line = line.translate(FOLD)
    return " ".join(line.split())
