"""YAML itself: what values mean, where they stand, and how much is too much."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crds.documents import ALIAS_LIMIT, SIZE_LIMIT, Number, Unreadable, line_of, read
from crds.load import load


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("hello", "hello"),
        ("''", ""),
        ("~", None),
        ("", None),
        ("Null", None),
        ("yes", True),
        ("OFF", False),
        ("'yes'", "yes"),
        ("12", 12),
        ("-3", -3),
        ("+3", 3),
        ("0x1F", 31),
        ("017", 15),
        ("0o17", 15),
        ("12:30:45", "12:30:45"),
        ("2026-01-01", "2026-01-01"),
        ("1.2.3", "1.2.3"),
        ("-x", "-x"),
        ("!!str 12", "12"),
        ("!!int 12", 12),
        ("|\n  a\n  b\n", "a\nb\n"),
    ],
)
def test_plain_values(text, value) -> None:
    (document,) = read(f"a: {text}")
    assert document.value["a"] == value
    assert type(document.value["a"]) is type(value)


@pytest.mark.parametrize("text", ["2.50", "1e3", ".5", "1_000", "9" * 5000, "08"])
def test_other_numbers_keep_their_text(text) -> None:
    (document,) = read(f"a: {text}")
    assert isinstance(document.value["a"], Number)
    assert document.value["a"].text == text


def test_not_a_number() -> None:
    assert math.isnan(read("a: .nan")[0].value["a"])


def test_merge_keys_and_aliases() -> None:
    (document,) = read("a: &x {b: 1, c: 2}\nd: {<<: *x, c: 3}\ne: *x\nf: {<<: [*x, {g: 4}]}\n")
    assert document.value["d"] == {"b": 1, "c": 3}
    assert document.value["e"] == {"b": 1, "c": 2}
    assert document.value["f"] == {"b": 1, "c": 2, "g": 4}
    with pytest.raises(Unreadable, match="<< needs an alias"):
        read("a: {<<: 3}")


def test_anchors_end_with_their_document() -> None:
    with pytest.raises(Unreadable, match="without an anchor"):
        read("a: &x 1\n---\nb: *x\n")


def test_lines() -> None:
    (document,) = read("a:\n  b:\n  - c: 1\n  - d: 2\n")
    assert line_of(document.value, ("a", "b", 1, "d"), 0) == 4
    assert line_of(document.value, ("a", "b", 0, "missing"), 0) == 3
    assert line_of(document.value, ("zzz",), 7) == 7


def test_alias_bombs_are_refused_before_they_grow() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    with pytest.raises(Unreadable, match="aliases stand for too much"):
        read("\n".join(lines))
    wide = "a: &a [" + "x, " * 1000 + "]\nb: [" + "*a, " * (ALIAS_LIMIT // 1000) + "]"
    with pytest.raises(Unreadable, match="aliases stand for too much"):
        read(wide)


@pytest.mark.parametrize("text", ["[" * 100_000, "{a: " * 100_000, "- " * 5_000, "? " * 50_000])
def test_depth_ends(text) -> None:
    with pytest.raises(Unreadable):
        read(text)


def test_depth_is_said() -> None:
    with pytest.raises(Unreadable, match="nested deeper than 64"):
        read("[" * 70 + "]" * 70)


def test_size_ends() -> None:
    with pytest.raises(Unreadable, match="larger than 10 MiB"):
        read(b"#" * (SIZE_LIMIT + 1))
    assert read(b"#" * SIZE_LIMIT) == ()


def test_encodings() -> None:
    assert read("\ufeffa: ä".encode())[0].value == {"a": "ä"}
    with pytest.raises(Unreadable, match="not UTF-8") as refused:
        read(b"a: 1\nb: \xff\n")
    assert refused.value.line == 2


def test_errors_do_not_quote_the_text() -> None:
    for text in ("apiKey: 'planted", "apiKey: *planted", "apiKey: !planted x", "{apiKey: planted"):
        with pytest.raises(Unreadable) as refused:
            read(text)
        assert "planted" not in str(refused.value)


yaml_like = st.text(st.sampled_from("ab:-[]{}&*!|>'\"#%@`\n \t,?<~1.\x00é\u2028"), max_size=60)


@given(yaml_like | st.binary(max_size=60))
def test_no_text_raises(content) -> None:
    load(content, "f", {})
