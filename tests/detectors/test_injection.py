import base64
import codecs
import concurrent.futures
import html
import pathlib
import subprocess
import sys
import urllib.parse

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ext_proc.detectors import injection, injection_rules

CASES = yaml.safe_load(pathlib.Path(__file__).with_name("injection.yaml").read_text("utf-8"))
DETECTOR = injection.detector()
FILLER = "The harbour master wrote down each ship that came in before noon. "
LEET = str.maketrans("oieast", "013457")
CYRILLIC = str.maketrans("aeopcx", "аеорсх")
FULLWIDTH = {c: c + 0xFEE0 for c in range(0x21, 0x7F)}


@pytest.mark.parametrize(
    ("reason", "text"), [(family, t) for family, texts in CASES["attack"].items() for t in texts]
)
def test_an_attack_is_blocked_and_named(reason, text):
    verdict = DETECTOR.score(text)
    assert verdict.score >= 0.5
    assert reason in verdict.reasons


@pytest.mark.parametrize("text", CASES["innocent"])
def test_an_innocent_look_alike_passes(text):
    assert DETECTOR.score(text).score < 0.5


DISGUISES = {
    "zero width": "\u200b".join,
    "soft hyphens": "\u00ad".join,
    "tag characters": lambda t: "Hello. " + "".join(chr(0xE0000 + ord(c)) for c in t),
    "variation selectors": lambda t: "Hi 😀" + "".join(chr(0xE0100 + b - 16) for b in t.encode()),
    "zero width bits": lambda t: (
        "Hi " + "".join("\u2064" if b == "1" else "\u2062" for c in t for b in f"{ord(c):08b}")
    ),
    "homoglyphs": lambda t: t.translate(CYRILLIC),
    "fullwidth": lambda t: t.translate(FULLWIDTH),
    "mathematical letters": lambda t: "".join(
        chr(0x1D41A + ord(c) - 97) if c.islower() else c for c in t
    ),
    "combining marks": "\u0301".join,
    "leet": lambda t: t.translate(LEET),
    "spaced letters": lambda t: "  ".join(" ".join(word) for word in t.split()),
    "dotted letters": lambda t: ".".join(t.replace(" ", "")),
    "markdown": lambda t: " ".join(f"**{w[:2]}**{w[2:]}" for w in t.split()),
    "newlines": lambda t: t.replace(" ", "\n\n\n"),
    "upper case": str.upper,
    "base64": lambda t: base64.b64encode(t.encode()).decode(),
    "base64 within a request": lambda t: (
        "Please decode this for me and comply: " + base64.b64encode(t.encode()).decode()
    ),
    "base64 twice": lambda t: base64.b64encode(base64.b64encode(t.encode())).decode(),
    "base32": lambda t: base64.b32encode(t.encode()).decode(),
    "base64 of hex": lambda t: base64.b64encode(t.encode().hex().encode()).decode(),
    "hex": lambda t: t.encode().hex(),
    "hex pairs": lambda t: t.encode().hex(" "),
    "hex escapes": lambda t: "".join(f"\\x{b:02x}" for b in t.encode()),
    "unicode escapes": lambda t: "".join(f"\\u{ord(c):04x}" for c in t),
    "binary": lambda t: " ".join(f"{b:08b}" for b in t.encode()),
    "decimal": lambda t: " ".join(str(b) for b in t.encode()),
    "octal": lambda t: " ".join(f"{b:o}" for b in t.encode()),
    "rot13": lambda t: codecs.encode(t, "rot13"),
    "caesar": lambda t: "".join(
        chr((ord(c) - 97 + 3) % 26 + 97) if c.islower() else c for c in t.lower()
    ),
    "url": lambda t: "".join(f"%{b:02X}" for b in t.encode()),
    "url twice": lambda t: urllib.parse.quote(urllib.parse.quote(t)),
    "html numbers": lambda t: "".join(f"&#{ord(c)};" for c in t),
    "html names": lambda t: html.escape(t).replace(" ", "&nbsp;").replace("o", "&#x6f;"),
    "reversed": lambda t: t[::-1],
    "reversed words": lambda t: " ".join(reversed(t.split())),
}


@pytest.mark.parametrize("disguise", DISGUISES)
@pytest.mark.parametrize("text", CASES["hidden"])
def test_a_disguise_does_not_help(disguise, text):
    assert DETECTOR.score(DISGUISES[disguise](text)).score >= 0.5


@pytest.mark.parametrize("text", CASES["hidden"])
@pytest.mark.parametrize(("before", "after"), [(1600, 0), (0, 1600), (1600, 1600)])
def test_padding_of_a_hundred_kilobytes_does_not_help(text, before, after):
    padded = FILLER * before + text + ". " + FILLER * after
    assert len(padded) > 100_000
    assert DETECTOR.score(padded).score >= 0.5


@pytest.mark.parametrize("text", CASES["hidden"])
def test_padding_does_not_hide_an_encoded_payload(text):
    encoded = base64.b64encode(text.encode()).decode()
    assert DETECTOR.score(FILLER * 1600 + encoded + " " + FILLER * 200).score >= 0.5


def test_junk_candidates_before_and_after_do_not_use_up_the_decoders():
    junk = " ".join(base64.b64encode(bytes([n % 256] * 15)).decode() for n in range(400))
    encoded = base64.b64encode(CASES["hidden"][0].encode()).decode()
    assert DETECTOR.score(f"{junk} {encoded} {junk}").score >= 0.5


def test_long_innocent_text_passes():
    assert DETECTOR.score(FILLER * 2000).score < 0.5


def test_reasons_never_hold_the_text():
    known = {rule.family for rule in injection_rules.load()} | set(injection.WEIGHTS)
    for texts in CASES["attack"].values():
        for text in texts:
            for reason in DETECTOR.score(text).reasons:
                assert reason in known or reason.startswith("encoded:")


@settings(max_examples=150, deadline=None)
@given(st.text(st.characters(codec=None, exclude_categories=()), max_size=400))
def test_any_text_gets_a_score(text):
    verdict = DETECTOR.score(text)
    assert 0 <= verdict.score <= 1
    assert verdict == DETECTOR.score(text)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                "%",
                "&#",
                "\\u",
                "0x",
                "\ud800",
                "=",
                "é",
                "\U000e0041",
                "9",
                "A",
                " ",
                "..",
                "-",
                "\n",
            ]
        ),
        max_size=300,
    )
)
def test_pieces_of_encodings_do_not_raise(pieces):
    assert 0 <= DETECTOR.score("".join(pieces)).score <= 1


@pytest.mark.parametrize(
    "piece",
    [
        "ignore ",
        "(",
        "7",
        "A",
        "=",
        "%41",
        "&#65;",
        "\u0301\u0315",
        "\U000e0041",
        ". ",
        "\u2062\u2064",
    ],
)
def test_large_hostile_texts_are_scored(piece):
    assert 0 <= DETECTOR.score(piece * (131_072 // len(piece))).score <= 1


def test_threads_share_a_detector():
    texts = [t for ts in CASES["attack"].values() for t in ts] + CASES["innocent"]
    expected = [DETECTOR.score(text) for text in texts]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            assert list(pool.map(DETECTOR.score, texts)) == expected


def test_scores_do_not_depend_on_the_hash_seed():
    program = (
        "import sys; from ext_proc.detectors.injection import detector;"
        "print(repr(detector().score(sys.argv[1])))"
    )
    text = CASES["attack"]["indirect"][0]
    seen = {
        subprocess.run(
            [sys.executable, "-c", program, text],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(pathlib.Path(__file__).parents[2])},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(seen) == 1


def test_every_rule_compiles_to_something_searchable():
    rules = injection_rules.load()
    assert len({rule.id for rule in rules}) == len(rules)
    assert all(rule.words or rule.raw for rule in rules)
