"""What a text says once its encodings are undone: the second step of the prompt-injection detector.

`decode` yields views: the name of an encoding and the words found under it. Every decoder is linear
in the text and never makes it longer; its output goes back to the others until `DEPTH` is reached,
so nesting is followed and bounded. A decoder only finds words; whether they are
an attack is decided in `injection`. Letter shifts and reversals of whole texts are in `ciphers`.
"""

import base64
import binascii
import html.entities
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import re2

DEPTH: Final = 3
SLICE: Final = 262_144
OVERLAP: Final = 8_192
"""Longer texts are read in slices; an encoded payload up to the overlap is whole in one of them."""
SHORTEST: Final = 6
NESTED: Final = 32
"""From this length on, printable characters without a space may be another encoding."""


class View(NamedTuple):
    """Words found under an encoding, and how many characters of the text spelled them."""

    encoding: str
    text: str
    covered: int


Decoder = Callable[[str], tuple[str, int]]

_BASE64: Final = re2.compile(rb"[A-Za-z0-9+/_-]{12,}")
_BASE64_LINES: Final = re2.compile(rb"[A-Za-z0-9+/]{60,76}(?:\r?\n[A-Za-z0-9+/]{4,76})+")
_BASE32: Final = re2.compile(rb"\b[A-Z2-7]{16,}\b")
_HEX: Final = re2.compile(rb"(?i)(?:\b|\\x)(?:(?:\\x|0x|%)?[0-9a-f]{2}(?:, ?|[ :;\n])?){8,}")
_BINARY: Final = re2.compile(rb"\b[01]{7,8}(?:[ ,\n]*[01]{7,8}){3,}\b")
_NUMBERS: Final = re2.compile(rb"\b[0-9]{2,3}(?:[ ,;\n]+[0-9]{2,3}){5,}\b")
_MORSE: Final = re2.compile(rb"[.\-]{1,6}(?:[ /|\n]+[.\-]{1,6}){5,}")
_ENTITY: Final = re2.compile(rb"(?i)&(?:#x[0-9a-f]{1,6}|#[0-9]{1,7}|[a-z][a-z0-9]{1,30});")
_PERCENT: Final = re2.compile(rb"%[0-9A-Fa-f]{2}")
_ESCAPE: Final = re2.compile(rb"(?i)\\(?:u[0-9a-f]{4}|u\{[0-9a-f]{1,6}\}|x[0-9a-f]{2})")

_SIGNS: Final = """
.- -... -.-. -.. . ..-. --. .... .. .--- -.- .-.. -- -. --- .--. --.- .-. ... - ..- ...- .-- -..-
-.-- --.. ----- .---- ..--- ...-- ....- ..... -.... --... ---.. ----. .-.-.- --..-- ..--.. -.-.--
-..-. -....- .----.
"""
_MORSE_CODE: Final = dict(
    zip(_SIGNS.split(), "abcdefghijklmnopqrstuvwxyz0123456789.,?!/-'", strict=True)
)


def decode(text: str, depth: int = DEPTH) -> Iterator[View]:
    """Yield what each encoding in a text spells, the encodings inside it after it."""
    for at in range(0, max(1, len(text)), SLICE):
        part = text[at : at + SLICE + OVERLAP]
        for name, decoder in DECODERS if len(part) >= SHORTEST else ():
            words, covered = decoder(part)
            if len(words) < SHORTEST:
                continue
            yield View(name, words, covered)
            if depth > 1:
                yield from (View(name, v.text, covered) for v in decode(words, depth - 1))


def _runs(pattern: re2._Regexp, text: str) -> list[bytes]:
    """The runs a pattern finds: all of them, so that a thousand decoys hide nothing."""
    runs: list[bytes] = pattern.findall(text.encode("utf-8", "replace"))
    return runs


def _each(pattern: re2._Regexp, text: str, undo: Callable[[bytes], bytes]) -> tuple[str, int]:
    """Undo every run on its own and keep what reads like words."""
    found = []
    covered = 0
    for run in _runs(pattern, text):
        words = _prose(undo(run))
        if words:
            found.append(words)
            covered += len(run)
    return "\n".join(found), covered


def _prose(raw: bytes) -> str:
    """Bytes as text if they are words in some script or one more encoding, else nothing."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return ""
    if len(text) < SHORTEST:
        return ""
    shown = sum(map(str.isprintable, text)) + text.count("\n") + text.count("\t")
    if shown < 0.95 * len(text):
        return ""
    letters = sum(map(str.isalpha, text)) + text.count(" ")
    nested = len(text) >= NESTED and text.isascii() and " " not in text.strip()
    return text if letters >= 0.7 * len(text) or nested else ""


def _from_base64(run: bytes) -> bytes:
    run = run.translate(bytes.maketrans(b"-_", b"+/"), b"\r\n")
    run = run[: len(run) - (len(run) % 4 == 1)]
    try:
        return base64.b64decode(run + b"=" * (-len(run) % 4))
    except binascii.Error:
        return b""


def _from_base32(run: bytes) -> bytes:
    try:
        return base64.b32decode(run + b"=" * (-len(run) % 8))
    except binascii.Error:
        return b""


def _from_hex(run: bytes) -> bytes:
    digits = run.lower().replace(b"\\x", b"").replace(b"0x", b"").translate(None, b" ,:;\n%")
    return binascii.unhexlify(digits[: len(digits) // 2 * 2])


def _from_binary(run: bytes) -> bytes:
    groups = run.replace(b",", b" ").split()
    width = len(groups[0]) if len(groups) > 1 else 8
    bits = b"".join(groups)
    values = (int(bits[at : at + width], 2) for at in range(0, len(bits) - width + 1, width))
    return bytes(values)


def _from_numbers(run: bytes) -> bytes:
    """Character codes in decimal or, where no digit is above seven, in octal."""
    numbers = run.translate(bytes.maketrans(b",;", b"  ")).split()
    decimal = bytes(value for value in map(int, numbers) if value < 256)
    if _prose(decimal) or any(digit in run for digit in b"89"):
        return decimal
    return bytes(value for value in (int(n, 8) for n in numbers) if value < 256)


def _from_morse(run: bytes) -> bytes:
    words = run.decode().replace("\n", " / ").replace("|", "/").split("/")
    return " ".join(
        "".join(_MORSE_CODE.get(sign, "") for sign in word.split()) for word in words
    ).encode()


def _url(text: str) -> tuple[str, int]:
    if text.count("%") < 3:
        return "", 0
    count = len(_PERCENT.findall(text.encode("utf-8", "replace")))
    return (urllib.parse.unquote(text.replace("+", " ")), 3 * count) if count >= 3 else ("", 0)


def _character(entity: bytes) -> str:
    name = entity[1:].decode()
    if not name.startswith("#"):
        return html.entities.html5.get(name) or html.entities.html5.get(name.lower(), " ")
    point = int(name[2:-1], 16) if name[1] in "xX" else int(name[1:-1])
    return chr(point) if 0 < point < 0x110000 and not 0xD800 <= point < 0xE000 else " "


def _html(text: str) -> tuple[str, int]:
    if text.count("&") < 3 and "&#" not in text:
        return "", 0
    return _replace(_ENTITY, text, _character)


def _escapes(text: str) -> tuple[str, int]:
    if text.count("\\") < 3:
        return "", 0
    return _replace(_ESCAPE, text, lambda run: _character(b"&#x" + run[2:].strip(b"{}") + b";"))


def _replace(pattern: re2._Regexp, text: str, meaning: Callable[[bytes], str]) -> tuple[str, int]:
    """The whole text with every run replaced by its meaning."""
    raw = text.encode("utf-8", "replace")
    out: list[bytes] = []
    last = covered = 0
    for match in pattern.finditer(raw):
        start, end = match.span()
        out += raw[last:start], meaning(raw[start:end]).encode("utf-8", "replace")
        last, covered = end, covered + end - start
    return (b"".join([*out, raw[last:]]).decode("utf-8", "replace"), covered) if out else ("", 0)


def _in_plane_14(text: str) -> bool:
    """Tell whether a text has any tag or supplementary variation selector at all."""
    return not text.isascii() and b"\xf3\xa0" in text.encode("utf-8", "replace")


def _tags(text: str) -> tuple[str, int]:
    """ASCII written in Unicode's tag characters."""
    if not _in_plane_14(text):
        return "", 0
    points = [ord(c) - 0xE0000 for c in text if 0xE0020 <= ord(c) < 0xE007F]
    return _prose(bytes(points)), len(points)


def _selectors(text: str) -> tuple[str, int]:
    """Bytes written in variation selectors; two numberings are in use."""
    if not _in_plane_14(text):
        return "", 0
    high = [ord(c) - 0xE0100 for c in text if 0xE0100 <= ord(c) < 0xE01F0]
    if len(high) < SHORTEST:
        return "", 0
    for offset in (16, 0):
        words = _prose(bytes(byte + offset for byte in high))
        if words:
            return words, len(high)
    return "", 0


def _zero_width_bits(text: str) -> tuple[str, int]:
    """Bits written with two invisible characters, in either sense."""
    if text.isascii():
        return "", 0
    for zero, one in (("\u2062", "\u2064"), ("\u200b", "\u200c"), ("\u200c", "\u200d")):
        if min(text.count(zero), text.count(one)) < SHORTEST:
            continue
        bits = "".join("1" if c == one else "0" for c in text if c in (zero, one))
        for stream in (bits, bits.translate({48: "1", 49: "0"})):
            usable = len(stream) // 8 * 8
            words = _prose(int(stream[:usable], 2).to_bytes(usable // 8))
            if words:
                return words, len(bits)
    return "", 0


DECODERS: Final[tuple[tuple[str, Decoder], ...]] = (
    ("tags", _tags),
    ("variation-selectors", _selectors),
    ("zero-width-bits", _zero_width_bits),
    ("url", _url),
    ("html", _html),
    ("escapes", _escapes),
    ("base64", lambda text: _each(_BASE64, text, _from_base64)),
    ("base64", lambda text: _each(_BASE64_LINES, text, _from_base64)),
    ("base32", lambda text: _each(_BASE32, text, _from_base32)),
    ("hex", lambda text: _each(_HEX, text, _from_hex)),
    ("binary", lambda text: _each(_BINARY, text, _from_binary)),
    ("numbers", lambda text: _each(_NUMBERS, text, _from_numbers)),
    ("morse", lambda text: _each(_MORSE, text, _from_morse)),
)
