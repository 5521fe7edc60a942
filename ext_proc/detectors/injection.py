"""Is this text trying to take over the model? One score between 0 and 1, with reasons.

The order: `normalise` what the reader sees, `decode` what is hidden in it, undo `ciphers`, search
all of these for the rule families of `injection_rules`, and add the evidence up. The whole text is
searched, however long. Nothing here knows about policies, messages or actions; a reason names a
rule family or an encoding, never a piece of the text.
"""

import math
from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from ext_proc.detectors import ciphers, injection_rules
from ext_proc.detectors.decode import decode
from ext_proc.detectors.normalise import Normal, normalise

BIAS: Final = -3.2
DISGUISE: Final = 3.8
"""What it is worth that most of a text is written in a code that spells words."""
CONVINCING: Final = 2.0
"""Weight from which a rule is believed in a text that had to be deciphered first."""


class Verdict(NamedTuple):
    """How sure we are that a text is an attack, and what speaks for it."""

    score: float
    reasons: tuple[str, ...]


class Evidence(NamedTuple):
    """What was found in one text."""

    plain: frozenset[int]  # rules in the text as written
    hidden: frozenset[int]  # further rules under an encoding or a cipher
    encodings: tuple[str, ...]  # what hid words
    signs: tuple[bool, ...]  # see SIGNS
    readings: tuple[str, ...]  # texts to judge by their words: as written, and as decoded


SIGNS: Final = ("mostly-encoded", "enciphered", "invisible", "much-invisible", "mixed-scripts", "partly-encoded", "hidden-rule")


class Detector:
    """Rules compiled once; `score` may be called from several threads."""

    def __init__(self, rules: injection_rules.Rules) -> None:
        self._rules = rules
        self._trusted = frozenset(
            number for number, rule in enumerate(rules.rules) if rule.weight >= CONVINCING
        )

    def score(self, text: str) -> Verdict:
        """Score one text of any length and content."""
        evidence = self.evidence(text)
        return Verdict(self._probability(evidence), self._reasons(evidence))

    def evidence(self, text: str) -> Evidence:
        """Collect what speaks for an attack."""
        normal = normalise(text)
        plain = self._rules.search(normal.text)
        readings = [normal.text]
        hidden: set[int] = set()
        encodings: set[str] = set()
        clear = ciphers.readable(normal.text)
        enciphered = False
        for name, words in self._views(normal):
            found = (self._rules.search(words) & self._trusted) - plain
            legible = name not in ("markup","homoglyphs","reversed-words") and ciphers.readable(words) > max(0.2, 2 * clear)
            if found or legible:
                hidden |= found
                encodings.add(name)
                readings.append(words)
                enciphered |= legible
        squashed = (self._rules.search_squashed(normal.text) & self._trusted) - plain
        if squashed:
            hidden |= squashed
            encodings.add("spacing")
        covered = 0
        for view in decode(text):
            words = normalise(view.text).text
            hidden |= self._rules.search(words) - plain
            encodings.add(view.encoding)
            readings.append(words)
            covered = max(covered, view.covered)
        share = covered / max(1, len(text))
        signs = (
            share > 0.7,
            enciphered,
            normal.invisible > 0,
            normal.invisible > 8,
            normal.mixed > 2,
            covered > 40,
            bool(hidden),
        )
        return Evidence(frozenset(plain), frozenset(hidden), tuple(sorted(encodings)), signs, tuple(readings))

    def _views(self, normal: Normal) -> Iterator[tuple[str, str]]:
        if normal.skeleton:
            yield "homoglyphs", normal.skeleton
        yield from ciphers.undo(normal.text)

    def vector(self, evidence: Evidence) -> npt.NDArray[np.float32]:
        """Return evidence as the model reads it: rules found, rules found hidden, signs."""
        count = len(self._rules.rules)
        vector = np.zeros(2 * count + len(SIGNS), np.float32)
        vector[[*evidence.plain, *evidence.hidden]] = 1
        vector[[count + number for number in evidence.hidden]] = 1
        vector[2 * count :] = evidence.signs
        return vector

    def prior(self, evidence: Evidence) -> float:
        """Return the log-odds that the rules alone give."""
        rules = self._rules.rules
        found = evidence.plain | evidence.hidden
        disguised = evidence.signs[0] or evidence.signs[1]
        return BIAS + sum(rules[number].weight for number in found) + DISGUISE * disguised

    def weight_of(self, normal: str) -> float:
        """Return what the rules in one piece of normalised text weigh together."""
        return sum(self._rules.rules[number].weight for number in self._rules.search(normal))

    def _probability(self, evidence: Evidence) -> float:
        logit = self.prior(evidence)
        return 1 / (1 + math.exp(-max(-30.0, min(30.0, logit))))

    def _reasons(self, evidence: Evidence) -> tuple[str, ...]:
        rules = self._rules.rules
        families = {rules[number].family for number in evidence.plain | evidence.hidden}
        encoded = {f"encoded:{name}" for name in evidence.encodings}
        return (*sorted(families), *sorted(encoded))


def detector() -> Detector:
    """Load the rules; call this once, at start-up."""
    return Detector(injection_rules.Rules(injection_rules.load()))
