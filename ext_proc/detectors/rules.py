"""The engine under the PII and secret detectors: a table of `Rule`s becomes a `SpanDetector`.

One Hyperscan pass tells which rules occur at all, re2 says where for those alone, then context
words and check digits decide. A second, reversed database tells how much of a text's end is
undecided. What the rules are is in `identifiers`, `national` and `secrets`.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import hyperscan
import re2

from ext_proc.detectors import pattern
from ext_proc.detectors.database import Database
from ext_proc.detectors.span import LOOKS_BACK, Span, SpanDetector, order, tail_end
from ext_proc.detectors.view import view

# Takes what a rule's core matched; returns how many of its characters the span has, 0 for no span.
Check = Callable[[str], int | bool]

_TOGETHER = 12  # expressions in one database
NEAR = 64  # how far before a match its context words may stand
# Not inside a longer number, word, decimal or dotted name; a sentence's own punctuation is fine.
LEFT = r"(?:\A|[^0-9A-Za-z_.\-/]|(?:\A|[^0-9A-Za-z_])[.\-/])"
RIGHT = r"(?:\z|[^0-9A-Za-z_.\-/]|[.\-/](?:\z|[^0-9A-Za-z]))"


class Rule(NamedTuple):
    """`core` is the span; `left` must end where it starts, `right` must follow it.

    Write `left` so that it can end in one way only: not with what the core may start with.
    """

    entity: str
    core: str
    left: str = r"\b"
    right: str = r"\b"
    check: Check | None = None
    context: str = ""  # an alternation of words, any case: one must stand near before
    near: int = NEAR
    unless: str = ""  # likewise, but none may stand there
    score: float = 0.9
    tail: str = ""
    hint: str = ""  # cheaper to look for than the whole rule, and in every match


class _Compiled(NamedTuple):
    """A rule ready to run."""

    rule: Rule
    find: "re2._Regexp"
    context: "re2._Regexp | None"
    unless: "re2._Regexp | None"
    before: int
    longest: int


class _Scanner:
    """Expressions in databases of a few each: in one, the automata of shapes of digits multiply."""

    def __init__(self, expressions: Sequence[str], flags: int) -> None:
        written = [expression.encode("latin-1") for expression in expressions]
        self._databases = [
            (first, Database(written[first : first + _TOGETHER], flags))
            for first in range(0, len(written), _TOGETHER)
        ]

    def ends(self, data: bytes) -> dict[int, int]:
        """Return, for each expression that occurs, the last end reported."""
        return {
            first + id_: end
            for first, database in self._databases
            for id_, end in database.ends(data).items()
        }


def _regexp(written: str) -> "re2._Regexp":
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.log_errors = False
    return re2.compile(written.encode("latin-1"), options)


def _compile(rule: Rule) -> _Compiled:
    left, core, right = (pattern.parse(p) for p in (rule.left, rule.core, rule.right))
    written = f"(?:{pattern.text(left)})({pattern.text(core)})(?:{pattern.text(right)})"
    reach = pattern.longest(left)
    near = rule.near if rule.context or rule.unless else 0
    return _Compiled(
        rule,
        _regexp(written),
        _regexp(rf"(?i)\b(?:{rule.context})") if rule.context else None,
        _regexp(f"(?i){rule.unless}") if rule.unless else None,
        max(reach, near, LOOKS_BACK if rule.tail else 0) + 1,
        reach + pattern.longest(core) + pattern.longest(right) + 1,
    )


def _occurs(rule: Rule) -> str:
    return rule.hint or f"(?:{rule.left})(?:{rule.core})(?:{rule.right})"


def _undecided(rule: Rule) -> str:
    r"""Return, for reversed text, a pattern of every beginning of a match, from the very end."""
    begun = pattern.begun(pattern.parse(f"(?:{rule.core})(?:{rule.right})"))
    if begun is None:
        raise pattern.PatternError(f"matches nothing: {rule.core}")
    left = pattern.mirrored(pattern.parse(rule.left))
    return rf"\A(?:{pattern.text(pattern.mirrored(begun))})(?:{pattern.text(left)})"


class _Rules:
    """A table of rules as a detector."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = [_compile(rule) for rule in rules]
        self.entities = tuple(dict.fromkeys(rule.entity for rule in rules))
        self.before = max((c.before for c in self._rules), default=0)
        self._longest = max((c.longest for c in self._rules), default=0)
        self._occurs = _Scanner(
            [_occurs(rule) for rule in rules],
            hyperscan.HS_FLAG_SINGLEMATCH | hyperscan.HS_FLAG_DOTALL,
        )
        self._undecided = _Scanner([_undecided(rule) for rule in rules], hyperscan.HS_FLAG_DOTALL)

    def find(self, text: str) -> list[Span]:
        data = view(text)
        hits = self._occurs.ends(data)
        return sorted((s for i in hits for s in _spans(self._rules[i], text, data)), key=order)

    def hold(self, text: str) -> int:
        last = view(text[-self._longest - 2 :])[::-1]
        ends = self._undecided.ends(last)
        return max((min(end, self._rules[i].longest) for i, end in ends.items()), default=0)


def _spans(compiled: _Compiled, text: str, data: bytes) -> Iterable[Span]:
    """Yield a rule's spans: each place is judged by itself, so that no match hides another."""
    rule, position, seen = compiled.rule, 0, set[int]()
    run = range(0)  # the last tail
    while (found := compiled.find.search(data, position)) is not None:
        start, end = found.span(1)
        position = found.start() + 1
        if start in seen or not _in_context(compiled, data, start):
            continue
        seen.add(start)
        if rule.check is not None:
            end = start + _accepted(rule.check, data[start:end].decode("latin-1"))
        if end == start:
            continue
        if rule.tail:
            if not run.start <= end <= run.stop:
                run = range(end, tail_end(text, end, rule.tail))
            end = run.stop
        yield Span(start, end, rule.entity, rule.score, rule.tail)


def _accepted(check: Check, value: str) -> int:
    verdict = check(value)
    return len(value) if verdict is True else int(verdict)


def _in_context(compiled: _Compiled, data: bytes, start: int) -> bool:
    if compiled.context is None and compiled.unless is None:
        return True
    near = data[max(0, start - compiled.rule.near) : start]
    if compiled.unless is not None and compiled.unless.search(near) is not None:
        return False
    return compiled.context is None or compiled.context.search(near) is not None


def detector(rules: Sequence[Rule]) -> SpanDetector:
    """Compile a table of rules: seconds for a few hundred, nearly all without the GIL."""
    return _Rules(rules)
