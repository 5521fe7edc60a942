"""A user's own words: whole, any case, exact offsets, and lists of any size."""

import pytest

from ext_proc.detectors import keywords

WORDS = ("Project Falcon", "falcon", "C++", "机密", "straße", "#beta", "naïve plan")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("the PROJECT\nFALCON flies", ["PROJECT\nFALCON", "FALCON"]),
        ("falconry is no Falcon.", ["Falcon"]),
        ("in C++ or c++20", ["C++", "c++"]),
        ("这是机密文件", ["机密"]),
        ("Straße, STRASSE", ["Straße"]),
        ("ＦＡＬＣＯＮ", ["ＦＡＬＣＯＮ"]),
        ("a#beta #betamax", ["#beta"]),
        ("NAÏVE\u00a0PLAN", ["NAÏVE\u00a0PLAN"]),
        ("nothing", []),
        ("", []),
    ],
)
def test_find(text, wanted):
    assert [text[s.start : s.end] for s in keywords.detector(WORDS).find(text)] == wanted


def test_a_list_of_a_megabyte():
    words = tuple(f"codename {n:06d} alpha" for n in range(50_000))
    detector = keywords.detector(words)
    text = "so Codename 012345 ALPHA it is, codename 012345 beta not"
    assert [text[s.start : s.end] for s in detector.find(text)] == ["Codename 012345 ALPHA"]
    assert detector.hold("the codename 01") == len("codename 01")
    assert detector.hold("the codename 999999 ") == 0


def test_no_words_find_nothing():
    detector = keywords.detector(("", " \t"))
    assert detector.find("anything") == []
    assert detector.hold("anything") == 0
