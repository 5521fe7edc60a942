"""A text as bytes, one per code point, so that byte engines answer in code-point offsets.

Characters that only look different (full-width digits, typographic dashes and quotes, no-break
spaces) become the ASCII ones; the rest is told apart only as far as patterns need. Undoing
deliberate obfuscation is the work of `normalise`, not done here.
"""

import unicodedata
from functools import cache

import numpy as np
from numpy.typing import NDArray

LETTER = 0xE1  # of a script that puts spaces between words
IDEOGRAPH = 0xE2  # of one that does not
IGNORABLE = 0x80  # zero width
OTHER = 0x81

_SINGLE = {
    **dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u00b4", "'"),
    **dict.fromkeys("\u201c\u201d\u201e\u201f\u00ab\u00bb\u2033", '"'),
    **dict.fromkeys("\u2028\u2029\u0085", "\n"),
    "\u2212": "-",
    "\u2044": "/",
}
_UNSPACED = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x2E80, 0x318F),  # CJK radicals, kana, bopomofo
    (0x31A0, 0x9FFF),  # CJK
    (0xAC00, 0xD7FF),  # Hangul particles cling to words
    (0xF900, 0xFAFF),
    (0xFF66, 0xFFDC),
)
_BMP = 0x10000


def unspaced(code: int) -> bool:
    """Tell whether a script writes its words without spaces."""
    return any(low <= code <= high for low, high in _UNSPACED)


def _byte(code: int) -> int:
    character = chr(code)
    if code < 0x80:
        return code
    if character in _SINGLE:
        return ord(_SINGLE[character])
    digit = unicodedata.decimal(character, None)
    if digit is not None:
        return ord("0") + digit
    plain = unicodedata.normalize("NFKC", character)
    if len(plain) == 1 and plain.isascii():
        return ord(plain)
    category = unicodedata.category(character)
    if category[0] in "LM":
        return IDEOGRAPH if unspaced(code) else LETTER
    return {"Pd": ord("-"), "Zs": ord(" "), "Cf": IGNORABLE}.get(category, OTHER)


@cache
def _table() -> NDArray[np.uint8]:
    return np.fromiter((_byte(code) for code in range(_BMP)), np.uint8, _BMP)


def codes(text: str) -> NDArray[np.uint32]:
    """Return the code points."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")


def view(text: str) -> bytes:
    """Return one byte for each code point."""
    if text.isascii():
        return text.encode("ascii")
    points = codes(text)
    found = _table()[np.minimum(points, _BMP - 1)]
    return np.where(points < _BMP, found, np.uint8(OTHER)).tobytes()
