"""Is this text trying to take over the model? One score between 0 and 1, with reasons.

The order: `normalise` what the reader sees, `decode` what is hidden in it, undo `ciphers`, search
all of these for the rules of `injection_rules`, and add up what they weigh. The whole text is
searched, however long. Nothing here knows about policies, messages or actions; a reason names a
rule family or an encoding, never a piece of the text.
"""

import math
from collections.abc import Iterator
from typing import Final, NamedTuple

from ext_proc.detectors import ciphers, injection_rules
from ext_proc.detectors.decode import decode
from ext_proc.detectors.normalise import Normal, normalise

BIAS: Final = -2.5
"""Log-odds without any evidence: set so that 0.5 blocks about 1 % of innocent texts."""
CONVINCING: Final = 2.0
"""Weight from which a rule is believed in a text that had to be deciphered first."""
PLAINEST: Final = 3.8
"""The same where words are only put in another order, which leaves the words of the innocent:
there only an override is believed."""
PROSE: Final = 24
"""Characters from which decoded words count as a message of their own."""
WEIGHTS: Final = {
    "disguised": 3.0,  # most of the text is written in a code or cipher that spells words
    "invisible": 2.6,  # many characters that show nothing and are no part of any script's spelling
    "mixed-scripts": 2.0,  # look-alike letters inside Latin words
}
_LOSSY: Final = frozenset({"markup", "homoglyphs", "reversed-words"})
"""Views that read like the text itself: that they are readable says nothing."""


class Verdict(NamedTuple):
    """How sure we are that a text is an attack, and what speaks for it."""

    score: float
    reasons: tuple[str, ...]


class Evidence(NamedTuple):
    """What was found in one text."""

    rules: frozenset[int]
    encodings: frozenset[str]  # what rules or whole messages were found under
    signs: frozenset[str]  # keys of WEIGHTS


class Detector:
    """Rules compiled once; `score` may be called from several threads."""

    def __init__(self, rules: injection_rules.Rules) -> None:
        self._rules = rules
        self._convincing = _from_weight(rules, CONVINCING)
        self._plainest = frozenset(
            number
            for number in _from_weight(rules, PLAINEST)
            if rules.rules[number].family == "override"
        )

    def score(self, text: str) -> Verdict:
        """Score one text of any length and content."""
        evidence = self.evidence(text)
        rules = [self._rules.rules[number] for number in evidence.rules]
        logit = BIAS + math.fsum(rule.weight for rule in rules)
        logit += math.fsum(WEIGHTS[sign] for sign in evidence.signs)
        families = {rule.family for rule in rules}
        encoded = {f"encoded:{name}" for name in evidence.encodings}
        return Verdict(
            1 / (1 + math.exp(-min(logit, 30.0))),
            (*sorted(families), *sorted(encoded), *sorted(evidence.signs)),
        )

    def evidence(self, text: str) -> Evidence:
        """Collect what speaks for an attack."""
        normal = normalise(text)
        plain = self._rules.search(normal.text)
        undone, ciphers_used, legible = self._undone(normal, plain)
        decoded, codes_used, share = self._decoded(text)
        signs = {
            "disguised": legible or share > 0.7,
            "invisible": normal.invisible > 8,
            "mixed-scripts": normal.mixed > 3,
        }
        return Evidence(
            frozenset(plain | undone | decoded),
            frozenset(ciphers_used | codes_used),
            frozenset(sign for sign, seen in signs.items() if seen),
        )

    def _undone(self, normal: Normal, plain: set[int]) -> tuple[set[int], set[str], bool]:
        """Search the text with ciphers undone; say too if one turned it into a language."""
        found: set[int] = set()
        used: set[str] = set()
        legible = False
        clear = ciphers.readable(normal.text)
        for name, words in _views(normal):
            believed = self._plainest if name == "reversed-words" else self._convincing
            new = (self._rules.search(words) & believed) - plain
            reads = name not in _LOSSY and ciphers.readable(words) > max(0.2, 2 * clear)
            legible |= reads
            found |= new
            if new or reads:
                used.add(name)
        new = (self._rules.search_apart(normal.text) & self._convincing) - plain
        if new:
            used.add("spacing")
        return found | new, used, legible

    def _decoded(self, text: str) -> tuple[set[int], set[str], float]:
        """Search what encodings spell; say too how much of the text spelled a message."""
        found: set[int] = set()
        used: set[str] = set()
        covered = 0
        for view in decode(text):
            words = normalise(view.text).text
            new = self._rules.search(words)
            found |= new
            if _is_message(words):
                covered = max(covered, view.covered)
                used.add(view.encoding)
            if new:
                used.add(view.encoding)
        return found, used, covered / max(1, len(text))


def _is_message(words: str) -> bool:
    """Tell prose from tables of bytes and further codes."""
    return len(words) >= PROSE and sum(map(str.isalpha, words)) + words.count(" ") > 0.8 * len(
        words
    )


def _from_weight(rules: injection_rules.Rules, least: float) -> frozenset[int]:
    return frozenset(number for number, rule in enumerate(rules.rules) if rule.weight >= least)


def _views(normal: Normal) -> Iterator[tuple[str, str]]:
    if normal.skeleton:
        yield "homoglyphs", normal.skeleton
    yield from ciphers.undo(normal.text)


def detector() -> Detector:
    """Load the rules; call this once, at start-up."""
    return Detector(injection_rules.Rules(injection_rules.load()))
