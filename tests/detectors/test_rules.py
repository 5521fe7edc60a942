"""The rule tables keep what the engine relies on."""

import random
import threading

import pytest
import re2

from ext_proc.detectors import national, pattern, pii, rules, secrets
from ext_proc.detectors.pattern import Alt, At, Node, One, Rep, Seq
from ext_proc.detectors.span import Span, covers, redact, tail_end

TABLE = (*pii.RULES, *secrets.RULES)


def sample(node: Node, draw: random.Random) -> str:
    match node:
        case One():
            one = rules._regexp(node.text)
            return draw.choice(
                [
                    chr(c)
                    for c in (9, 10, 13, *range(32, 127), 0x80, 0xE1)
                    if one.fullmatch(bytes([c]))
                ]
            )
        case At():
            return ""
        case Seq():
            return "".join(sample(i, draw) for i in node.items)
        case Alt():
            return sample(draw.choice(node.items), draw)
        case Rep():
            high = node.low + 3 if node.high is None else min(node.high, node.low + 12)
            return "".join(sample(node.item, draw) for _ in range(draw.randint(node.low, high)))


@pytest.mark.parametrize(
    "rule", [r for r in TABLE if r.check is not None], ids=lambda r: f"{r.entity}-{r.core[:12]}"
)
def test_a_check_never_fails_on_what_its_shape_lets_through(rule):
    draw, core = random.Random(rule.core), pattern.parse(rule.core)
    for _ in range(60):
        value = sample(core, draw)
        assert 0 <= rules._accepted(rule.check, value) <= len(value)


@pytest.mark.parametrize("rule", TABLE, ids=lambda r: f"{r.entity}-{r.core[:12]}")
def test_every_beginning_of_a_match_is_undecided(rule):
    """The prefix pattern, which `hold` stands on, accepts each prefix of sampled matches."""
    draw, core = random.Random(rule.core), pattern.parse(rule.core)
    begun = pattern.begun(core)
    accepts = rules._regexp(pattern.text(begun))
    backwards = rules._regexp(pattern.text(pattern.mirrored(begun)))
    for _ in range(6):
        value = sample(core, draw).encode("latin-1")
        assert len(value) <= pattern.longest(core)
        for end in range(1, len(value) + 1):
            assert accepts.fullmatch(value[:end])
            assert backwards.fullmatch(value[:end][::-1])


@pytest.mark.parametrize("rule", [r for r in TABLE if r.hint], ids=lambda r: r.entity)
def test_a_hint_is_in_every_match(rule):
    draw, core = random.Random(1), pattern.parse(rule.core)
    hint = re2.compile(rule.hint)
    assert all(hint.search(sample(core, draw).replace("\xe1", "a")) for _ in range(200))


@pytest.mark.parametrize("text", ["a+", "a*", "(a)", "a{2,", "(?:a", "?"])
def test_a_pattern_without_bound_or_end_is_refused(text):
    with pytest.raises((pattern.PatternError, ValueError)):
        pattern.parse(text)


def test_optional_entities_exist():
    assert {rule.entity for rule in national.RULES} >= national.OPTIONAL


def test_find_is_safe_in_threads():
    detector = pii.detector(("Email", "CreditCard"))
    text = "a@b.example 4111111111111111 " * 200
    expected, results = detector.find(text), []
    threads = [
        threading.Thread(target=lambda: results.append(detector.find(text))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [expected] * 8


def test_overlapping_spans_become_one_cover_named_after_the_first():
    spans = [Span(2, 6, "B", 0.5), Span(0, 4, "A", 0.9), Span(6, 8, "C", 0.9), Span(0, 3, "D", 0.1)]
    assert [tuple(c) for c in covers(spans)] == [(0, 6, "A"), (6, 8, "C")]
    assert redact("abcdefghij", spans) == ("[REDACTED:A][REDACTED:C]ij", ("A", "C"))


def test_a_tail_ends_where_its_characters_end():
    assert tail_end("x" * 5000 + "!", 3, "word") == 5000
    assert tail_end("ab", 2, "word") == 2
