"""The words of the prompt-injection detector, made ready to search: YAML in, three databases out.

Patterns are written for people (`injection_rules.yaml` says how) and compiled here to three
Hyperscan databases: over words, over normalised text, over words written in pieces. A search takes
time linear in the text and reports which rules occur, never where: what a text matched must not
leave the process. How much each rule weighs is the business of `injection`.
"""

import importlib.resources
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

import hyperscan
import re2
import yaml

from ext_proc.detectors.database import Database

MAX_GAP: Final = 8
"""Longest word gap that is counted exactly; larger ones are cut to keep automata small."""


class Rule(NamedTuple):
    """One way to attack: the patterns that show it, and what it is worth on its own."""

    id: str
    family: str
    weight: float
    words: tuple[str, ...]  # over words with one space between them
    raw: tuple[str, ...]  # over normalised text, punctuation and all
    squashed: tuple[str, ...]  # over letters and digits with nothing between them


_GAP: Final = re2.compile(r"\(\?:~([0-9]+)\)|~([0-9]+)")
_CHARACTERS: Final = re2.compile(r"\.\.([0-9]+)")
_NAMES: Final = re2.compile(r"\{([a-z]+)\}")


def load() -> tuple[Rule, ...]:
    """Read the rules that ship with this package."""
    source = importlib.resources.files(__package__).joinpath("injection_rules.yaml")
    document = yaml.safe_load(source.read_text("utf-8"))
    lists = {name: f"(?:{alternatives})" for name, alternatives in document["words"].items()}
    return tuple(_rule(entry, lists) for entry in document["rules"])


def _rule(entry: dict[str, Any], lists: dict[str, str]) -> Rule:
    def spelled(key: str) -> list[str]:
        patterns = entry.get(key, [])
        return [_NAMES.sub(lambda m: lists[m.group(1)], pattern) for pattern in patterns]

    return Rule(
        id=entry["id"],
        family=entry["family"],
        weight=float(entry["weight"]),
        words=tuple(map(_words, spelled("any"))),
        raw=(*map(_raw, spelled("raw")), *map(_native, spelled("native"))),
        squashed=tuple(map(_squashed, spelled("any"))) if entry.get("squash") else (),
    )


def _gaps(pattern: str, gap: str, width: int) -> str:
    """Write out the gaps of up to so many words."""

    def written(match: re2._Match) -> str:
        return gap % (width * min(MAX_GAP, int(match.group(1) or match.group(2))))

    return str(_GAP.sub(written, pattern))


def _words(pattern: str) -> str:
    """Over words: a gap is counted in characters, which compiles to far less."""
    end = "" if pattern.endswith("b") else r"\b"
    return " " + _gaps(pattern, "(?:[^.]{0,%d} )?", 7) + end


def _raw(pattern: str) -> str:
    pattern = _gaps(pattern, r"(?:[^\s]+\s){0,%d}", 1)
    return str(_CHARACTERS.sub(lambda m: f".{{0,{m.group(1)}}}", pattern))


def _native(pattern: str) -> str:
    """Scripts without our word boundaries: gaps of characters, counted in bytes."""
    return str(_CHARACTERS.sub(lambda m: f"[^.\\n]{{0,{2 * int(m.group(1))}}}", pattern))


def _squashed(pattern: str) -> str:
    return _gaps(pattern.replace(" ", "").replace(r"\b", ""), "[a-z0-9]{0,%d}", 5)


class Matcher:
    """Which of some patterns occur in a text. Threads may share it."""

    def __init__(self, patterns: Iterable[tuple[int, str]]) -> None:
        numbered = list(patterns)
        flags = hyperscan.HS_FLAG_DOTALL | hyperscan.HS_FLAG_SINGLEMATCH
        self._numbers = [number for number, _ in numbered]
        self._database = Database([pattern.encode() for _, pattern in numbered], flags)

    def search(self, text: bytes) -> set[int]:
        """Return the numbers of the patterns that occur."""
        return {self._numbers[at] for at in self._database.ends(text)}


class Rules:
    """The rules, compiled; answers which of them occur in a text."""

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        self.rules = rules
        self._words = Matcher(_numbered(rule.words for rule in rules))
        self._raw = Matcher(_numbered(rule.raw for rule in rules))
        self._squashed = Matcher(_numbered(rule.squashed for rule in rules))

    def search(self, text: str) -> set[int]:
        """Return the rules that occur in normalised text, as written."""
        raw = text.encode("utf-8", "replace")
        return self._words.search(words(raw)) | self._raw.search(b"\n" + raw + b" ")

    def search_apart(self, text: str) -> set[int]:
        """Return the rules that occur where words are written in p i e c e s."""
        raw = text.encode("utf-8", "replace")
        pieces = b"\n".join(run.translate(None, _GLUE) for run in _PIECES.findall(raw))
        return self._squashed.search(pieces) if pieces else set()


_PIECES: Final = re2.compile(rb"(?:[a-z0-9]{1,3}[^a-z0-9]+){8,}[a-z0-9]*")
_GLUE: Final = bytes(set(range(128)) - set(b"abcdefghijklmnopqrstuvwxyz0123456789"))
_MARKS: Final = bytes.maketrans(
    bytes(_GLUE), bytes(b"."[0] if mark in b".!?;" else b" "[0] for mark in _GLUE)
)


def words(raw: bytes) -> bytes:
    """Return the words of a text with one space between them and a dot between sentences."""
    apart = raw.translate(_MARKS, b"'").replace(b".", b" . ")
    return b" " + b" ".join(apart.split()) + b" "


def _numbered(patterns: Iterable[tuple[str, ...]]) -> Iterator[tuple[int, str]]:
    for number, group in enumerate(patterns):
        for pattern in group:
            yield number, pattern
