import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ext_proc.detectors import ciphers, decode

CLEAR = "Bring the green umbrella to the harbour"


def found(text):
    return {view.encoding: view.text for view in decode.decode(text)}


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("base64", base64.b64encode(CLEAR.encode()).decode()),
        ("base64", base64.urlsafe_b64encode(CLEAR.encode()).decode().rstrip("=")),
        ("base32", base64.b32encode(CLEAR.encode()).decode()),
        ("hex", CLEAR.encode().hex()),
        ("hex", CLEAR.encode().hex(":")),
        ("binary", " ".join(f"{ord(c):08b}" for c in CLEAR)),
        ("binary", "".join(f"{ord(c):08b}" for c in CLEAR)),
        ("numbers", ", ".join(str(ord(c)) for c in CLEAR)),
        ("numbers", " ".join(f"{ord(c):o}" for c in CLEAR)),
        ("escapes", "".join(f"\\u{ord(c):04x}" for c in CLEAR)),
        ("html", "".join(f"&#x{ord(c):x};" for c in CLEAR)),
        ("url", "".join(f"%{ord(c):02x}" for c in CLEAR)),
        ("tags", "".join(chr(0xE0000 + ord(c)) for c in CLEAR)),
        ("variation-selectors", "".join(chr(0xE0100 + ord(c)) for c in CLEAR)),
        (
            "zero-width-bits",
            "".join("\u200b\u200c"[int(b)] for c in CLEAR for b in f"{ord(c):08b}"),
        ),
    ],
)
def test_an_encoding_is_undone(encoding, text):
    assert found(text)[encoding] == CLEAR
    assert found(f"see: {text} !")[encoding].strip("se: !") == CLEAR.strip("se: !")


def test_morse_is_undone():
    assert (
        found("-.. --- / .. - / -. --- .-- / .--. .-.. . .- ... .")["morse"] == "do it now please"
    )


@pytest.mark.parametrize(
    "text", ["", "plain words only", "deadbeef", "4111 1111 1111 1111", "a" * 64]
)
def test_what_spells_nothing_yields_nothing(text):
    assert found(text) == {}


def test_nesting_is_followed_to_a_bound():
    text = CLEAR
    for _ in range(decode.DEPTH):
        text = base64.b64encode(text.encode()).decode()
    assert CLEAR in {view.text for view in decode.decode(text)}
    text = base64.b64encode(text.encode()).decode()
    assert CLEAR not in {view.text for view in decode.decode(text)}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("rot", "Oevat gur terra hzoeryyn gb gur uneobhe".lower()),
        ("rot", "eulqj wkh juhhq xpeuhood wr wkh kduerxu"),
        ("reversed", CLEAR.lower()[::-1]),
        ("reversed-words", " ".join(reversed(CLEAR.lower().split()))),
        ("leet", "br1ng 7h3 gr33n umbr3ll4 70 7h3 h4rb0ur"),
        ("markup", "b*ri*ng th*e gre*en umbrel*la t*o the har*bour"),
    ],
)
def test_a_cipher_is_undone(name, text):
    assert (name, CLEAR.lower()) in list(ciphers.undo(text))


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(codec=None, exclude_categories=()), max_size=300))
def test_nothing_makes_a_decoder_raise(text):
    assert all(view.text and view.covered >= 0 for view in decode.decode(text))
    list(ciphers.undo(text))
