"""Streaming redaction equals redaction of the whole, for every way to cut a text."""

from functools import cache
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ext_proc.detectors import keywords, pii, secrets
from ext_proc.detectors.span import Span, SpanDetector, all_of, redact
from ext_proc.detectors.stream import Redactor

ENTITIES = (
    "Email", "Phone", "CreditCard", "IBAN", "IPAddress", "MACAddress", "Crypto", "USSSN", "URL", "MBI",
    "MedicalRecord", "GermanyTaxNumber", "UKNINO", "SpainNIF", "KoreaBRN", "BelgiumNN",
)  # fmt: skip
WORDS = ("Project Falcon", "falcon", "C++", "内部", "straße 9", "#beta", "falcon nest egg")

# Whole positives, near misses and the stuff that joins them, cut and chained at will.
PIECES = (
    "ana.lopez@mail.example", "bob@", "@x.org", "a.a.a.a", "Ünal@bücher.example", "....", "@@",
    "+44 20 7946 0958", "(415) 555-0132", "415-555-0132", "415-555-", "0132-415-555-0132", "phone ", "call 555 0100 22",
    "4111 1111 1111 1111", "4111111111111111", "41111111111111112", "1111 ", "4111-1111-", "5500 0000 0000 0004",
    "DE89 3704 0044 0532 0130 00", "DE89370400440532013000", "DE89", "GB82 WEST 1234 5698 7654 32", " 00",
    "10.0.0.1", "10.0.0.256", "192.168.0.1.1", "::1", "fe80::1%eth0", "2001:db8::8a2e:370:7334", "::", ":",
    "00:1a:2b:3c:4d:5e", "00-1A-2B-3C-4D-5E", "00:1a:", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
    "1BoatSLRHtKNngkdXEeobR76b53LETtpyT", "SSN 512-34-6789", "512-34-6789", "ssn: 512 34 6789", "512-34-", "MRN 123456",
    "181/815/08155", "AB 12 34 56 C", "12345678Z", "104-82-13138", "01.49.07.001-85",
    "https://a.example/x?y=1.", "www.b.example", "1EG4-TE5-MK73",
    "sk-proj-aB3dE6gH9jK2mN5pQ8sT1vW4", "sk-", "ghp_0123456789abcdefghijABCDEFGHIJ012345", "AKIAQ3EGRXJ7KPLMTZ4W",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl", "eyJhbGciOi", ".eyJ",
    "-----BEGIN RSA PRIVATE KEY-----", "-----END RSA PRIVATE KEY-----", "-----BEGIN ", "MIIEowIBAAKCAQEA0Z3VS5\n",
    "\n    ", "\t", "MIIEowIBAAKCAQEA0Z3VS5Zt9oQnBc2dX4Yw7LmPq ", "\nVersion: GnuPG v2\n",
    'password = "', "hunter2!x", "passwd: S3cr3t-pass", "the password is t0p-Secr3t ", "api_key=", "Zx81kQ0pLm42Vb77",
    "token: ", "Authorization: Bearer ", "postgres://joe:", "p4ss@db", "AccountKey=", "key", "secret_key", "==", "=",
    "Project", " Falcon", "falcon", " nest", "egg", "C+", "+", "内部", "Straße\t9", "ＦＡＬＣＯＮ", "#beta", "#",
    " ", "  ", "\n", "-", ".", ",", "_", "x", "é", "中", "\u200b", "\u00a0", "😀", "0", "7", "1234567890", '"', "'",
    "Hello there, ", "see you at 10:30 on 2024-05-06. ", "٣٤٥", "４１１１", "\ud800",
)  # fmt: skip


@cache
def everything() -> SpanDetector:
    return all_of([pii.detector(ENTITIES), secrets.detector(), keywords.detector(WORDS)])


def streamed(detector: SpanDetector, pieces: list[str]) -> str:
    redactor = Redactor(detector)
    return "".join(map(redactor.push, pieces)) + redactor.finish()


def cut(text: str, places: list[int]) -> list[str]:
    edges = [0, *sorted({p % (len(text) + 1) for p in places}), len(text)]
    return [text[a:b] for a, b in pairwise(edges)]


texts = st.lists(st.sampled_from(PIECES), max_size=14).map("".join)
few = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])


@few
@given(texts, st.lists(st.integers(0, 500), max_size=12))
def test_any_cut_gives_what_the_whole_gives(text, places):
    detector = everything()
    assert streamed(detector, cut(text, places)) == redact(text, detector.find(text))[0]


@few
@given(texts)
def test_character_by_character(text):
    detector = everything()
    assert streamed(detector, list(text)) == redact(text, detector.find(text))[0]


@few
@given(texts, texts)
def test_hold_is_sound(text, later):
    """What starts before the held characters stays as it is, but for a growing tail."""
    detector = everything()
    limit = len(text) - detector.hold(text)

    def settled(spans: list[Span]) -> list[Span]:
        return [s._replace(end=0) if s.tail else s for s in spans if s.start < limit]

    assert settled(detector.find(text)) == settled(detector.find(text + later))


@few
@given(texts, texts)
def test_what_lies_before_the_context_does_not_matter(earlier, text):
    detector = everything()
    whole = earlier + text
    kept = whole[len(earlier) :]
    start = len(earlier) + detector.before
    expected = [s for s in detector.find(whole) if s.start >= start]
    found = [
        s._replace(start=s.start + len(earlier), end=s.end + len(earlier))
        for s in detector.find(kept)
    ]
    assert [s for s in found if s.start >= start] == expected


@few
@given(texts)
def test_a_caller_that_blocks_has_let_nothing_of_a_span_out(text):
    detector = everything()
    redactor = Redactor(detector)
    released = ""
    for character in text:
        piece = redactor.push(character)
        if redactor.found:
            break
        released += piece
    else:
        last = redactor.finish()
        released += "" if redactor.found else last
    spans = detector.find(text)
    first = min((s.start for s in spans), default=len(text))
    assert text.startswith(released)
    assert len(released) <= first


@pytest.mark.parametrize("size", [1, 7, 64, 4096])
def test_a_key_of_any_length_needs_little_memory(size):
    detector = secrets.detector()
    body = "A1b2C3d4/+" * 2000
    text = f"before -----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\nafter it"
    redactor = Redactor(detector)
    out, longest = "", 0
    for i in range(0, len(text), size):
        out += redactor.push(text[i : i + size])
        longest = max(longest, len(redactor._text))
    assert out + redactor.finish() == "before [REDACTED:PrivateKey]\nafter it"
    assert longest < 2000 + size


BODY = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj"
BEGIN, END = "-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----"
GONE = "[REDACTED:PrivateKey]"
KEYS = {
    "plain": (f"key\n{BEGIN}\n{BODY}\nab==\n{END}\nand so on", f"key\n{GONE}\nand so on"),
    "indented": (
        f"key: |\n    {BEGIN}\n    {BODY}\n    {BODY}\n    ab==\n    {END}\nnext: value",
        f"key: |\n    {GONE}\nnext: value",
    ),
    "far indented": (
        f"{BEGIN}\n{' ' * 90}{BODY}\n\t\t{END}\n\n    Is this one safe?",
        f"{GONE}\n\n    Is this one safe?",
    ),
    "on one line": (f"K={BEGIN} {BODY} {BODY} ab== {END} sent by me", f"K={GONE} {GONE} sent by me"),
    "escaped": (f'"{BEGIN}\\n{BODY}\\n{END}\\n", "b"', f'"{GONE}\\n", "b"'),
    "with headers": (
        f"{BEGIN}\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00FF\n\n{BODY}\n{END}\nend",
        f"{GONE}\nend",
    ),
    "cut short": (f"{BEGIN}\n{BODY}\n\n(more below, I hope)", f"{GONE}(more below, I hope)"),
    "only named": (f"A file that starts with {BEGIN} is secret.", f"A file that starts with {GONE} is secret."),
    "named and quoted": (f"`{BEGIN}` and `{END}` frame it", f"`{GONE}` and `{GONE}` frame it"),
}  # fmt: skip


@pytest.mark.parametrize("size", [1, 7, 4096])
@pytest.mark.parametrize("name", KEYS)
def test_a_key_goes_whole_and_what_follows_it_stays(name, size):
    text, expected = KEYS[name]
    pieces = [text[i : i + size] for i in range(0, len(text), size)]
    assert streamed(secrets.detector(), pieces) == expected
    assert redact(text, secrets.detector().find(text))[0] == expected


def test_plain_prose_is_not_held_back():
    detector = everything()
    held = [
        detector.hold(prefix)
        for prefix in ("Dear ", "Dear all, ", "We met in May. ", "Dear all, as agr")
    ]
    assert max(held) <= 16


def test_found_counts_covers_by_entity():
    redactor = Redactor(everything())
    redactor.push("a@b.example, c@d.example and 10.1.2.3 ")
    redactor.finish()
    assert redactor.found == {"Email": 2, "IPAddress": 1}
