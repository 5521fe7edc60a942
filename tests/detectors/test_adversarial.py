"""Hostile texts of 128 kB: work grows with the text, not faster, and streams hold back little."""

import pytest

from ext_proc.detectors import keywords, pii, rules, secrets
from ext_proc.detectors.span import all_of
from ext_proc.detectors.stream import Redactor

SIZE = 128 * 1024
SEEDS = (
    "1", "1 ", "12-", "-", "@", "a.", "a@", "a@b.", "(", "((1", ":", "::1", "1.", "0 12 ", "+1", "A1", "DE89 ", "sk-",
    "eyJ", "key=", "password: ", 'token="', "://a:", "-----BEGIN ", "4111 1111 ", "415-555-0132 ", "a", "é", "机", "\u200b",
    "1234567890", "ssn 512-34-", "Bearer ", "AKIA", "=", '"', "\\", "0x", "bc1", "11111111111 ",
)  # fmt: skip


@pytest.fixture(scope="module")
def detector():
    entities = (
        "Email",
        "Phone",
        "CreditCard",
        "IBAN",
        "IPAddress",
        "MACAddress",
        "Crypto",
        "USSSN",
        "UKNHS",
        "EUVAT",
    )
    return all_of(
        [
            pii.detector(entities),
            secrets.detector(),
            keywords.detector(("a b a", "机 密", "falcon")),
        ]
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_work_is_linear(detector, monkeypatch, seed):
    """Places looked at, per character, do not grow with the length of the text."""
    looked = []
    real = rules._in_context
    monkeypatch.setattr(rules, "_in_context", lambda *a: looked.append(1) or real(*a))

    def work(size: int) -> int:
        looked.clear()
        detector.find((seed * size)[:size])
        return len(looked)

    assert work(SIZE) <= 8 * work(SIZE // 8) + 400


@pytest.mark.parametrize("seed", SEEDS)
def test_streams_hold_back_little(detector, seed):
    text = (seed * SIZE)[: SIZE // 8]
    redactor = Redactor(detector)
    held = 0
    for i in range(0, len(text), 1024):
        redactor.push(text[i : i + 1024])
        held = max(held, len(redactor._text))
    redactor.finish()
    assert held <= 4096
