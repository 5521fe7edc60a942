r"""JSON that stands in a string (tool-call arguments, structured answers) as detectors read it.

`Reader` undoes the escapes inside JSON strings, so that `\u0065mail` reads `email` and a line
break is one; `Writer` puts back the escapes JSON needs, and quotes a redaction marker that took
the place of a bare number. Both take text in pieces. An escaped quote reads as the private
character QUOTE, so that it is not taken for the end of a string. Nothing is parsed here: half a
document can be read as well.
"""

from ext_proc.formats import strict

QUOTE = "\ue022"
REDACTED = '{"redacted":true}'
"""Stands for JSON that a redaction would have broken."""
_MARKER = "[REDACTED:"
_UNESCAPED = {
    '"': QUOTE,
    "\\": "\\",
    "/": "/",
    "n": "\n",
    "t": "\t",
    "r": "\r",
    "b": "\b",
    "f": "\f",
}
_ESCAPES = str.maketrans(
    {
        **{chr(code): f"\\u{code:04x}" for code in range(32)},
        "\n": "\\n",
        "\t": "\\t",
        "\r": "\\r",
        "\\": "\\\\",
        QUOTE: '\\"',
    }
)
_UNKNOWN = "\ufffd"
_HEX = frozenset("0123456789abcdefABCDEF")


def read(text: str) -> str:
    """Return a whole JSON text as detectors read it."""
    if "\\" not in text:
        return text.replace(QUOTE, _UNKNOWN)
    reader = Reader()
    return reader.push(text) + reader.finish()


def write(text: str) -> str:
    """Return the JSON text of what `read` returned, after changes."""
    writer = Writer()
    return writer.push(text) + writer.finish()


def write_valid(text: str) -> str:
    """As `write`, but what is no longer JSON is given up whole."""
    written = write(text)
    return written if strict.is_json(written) else REDACTED


class Reader:
    """From JSON text to what detectors read, piece by piece."""

    def __init__(self) -> None:
        self._held = ""

    def push(self, text: str) -> str:
        """Take the next piece; an escape that is cut waits for its end."""
        text = self._held + text.replace(QUOTE, _UNKNOWN)
        pieces = []
        position = 0
        while (at := text.find("\\", position)) >= 0:
            pieces.append(text[position:at])
            character, position = _unescape(text, at)
            if position < 0:
                self._held = text[at:]
                return "".join(pieces)
            pieces.append(character)
        self._held = ""
        pieces.append(text[position:])
        return "".join(pieces)

    def finish(self) -> str:
        """Return a cut escape as it stands."""
        held, self._held = self._held, ""
        return _UNKNOWN if held.startswith("\\u") else held


class Writer:
    """From what detectors read to JSON text, piece by piece."""

    def __init__(self) -> None:
        self._inside = False
        self._held = ""

    def push(self, text: str) -> str:
        """Take the next piece; what may become a marker waits for its end."""
        pieces = []
        text = self._held + text
        self._held = ""
        first, *others = text.split('"')
        pieces.append(self._part(first, last=not others))
        for count, part in enumerate(others, 1):
            self._inside = not self._inside
            pieces += ('"', self._part(part, last=count == len(others)))
        return "".join(pieces)

    def finish(self) -> str:
        """Return what waited."""
        held, self._held = self._held, ""
        return held

    def _part(self, part: str, *, last: bool) -> str:
        """Write what stands between two quotes."""
        if self._inside:
            return part.translate(_ESCAPES)
        if "[" not in part:
            return part
        if last:
            cut = part.rfind("[")
            tail = part[cut:]
            if _MARKER.startswith(tail) or (tail.startswith(_MARKER) and "]" not in tail):
                part, self._held = part[:cut], tail
        pieces = part.split(_MARKER)
        return pieces[0] + "".join(_quoted(piece) for piece in pieces[1:])


def _quoted(piece: str) -> str:
    """Quote the marker whose opening stood before this piece."""
    entity, _, rest = piece.partition("]")
    return f'"{_MARKER}{entity}]"{rest}'


def _unescape(text: str, at: int) -> tuple[str, int]:
    """Return an escape's character and where it ends; -1 if it is cut."""
    letter = text[at + 1 : at + 2]
    if letter in _UNESCAPED:
        return _UNESCAPED[letter], at + 2
    unit = _unit(text, at) if letter == "u" else -1
    if unit is None or not letter:
        return "", -1
    if 0xD800 <= unit < 0xDC00:
        return _pair(text, at, unit)
    if 0xDC00 <= unit < 0xE000 or unit == ord(QUOTE):
        return _UNKNOWN, at + 6
    if unit < 0:
        return "\\", at + 1
    return (QUOTE if unit == ord('"') else chr(unit)), at + 6


def _pair(text: str, at: int, high: int) -> tuple[str, int]:
    """Join the two halves of a character beyond 16 bits."""
    following = text[at + 6 : at + 8]
    if "\\u".startswith(following) and len(following) < 2:
        return "", -1
    low = _unit(text, at + 6) if following == "\\u" else -1
    if low is None:
        return "", -1
    if 0xDC00 <= low < 0xE000:
        return chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00)), at + 12
    return _UNKNOWN, at + 6


def _unit(text: str, at: int) -> int | None:
    r"""Return the number of a `\uXXXX`, -1 if it is none, None if it is cut."""
    digits = text[at + 2 : at + 6]
    if not _HEX.issuperset(digits):
        return -1
    return int(digits, 16) if len(digits) == 4 else None
