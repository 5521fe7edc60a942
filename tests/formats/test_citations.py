"""Citations under guards: all they say is read, and their numbers are right or not there.

An answer is written in each format from one neutral answer; guards redact addresses.
"""

import json
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ext_proc.call import Line
from ext_proc.detectors import pii
from ext_proc.detectors.span import redact
from ext_proc.detectors.stream import Redactor
from ext_proc.formats import strict
from ext_proc.formats.table import DIALECTS
from ext_proc.translation import cited
from ext_proc.translation.answers import Answer
from ext_proc.translation.citations import Citation, CitationPiece, Place
from ext_proc.translation.codec import Asked
from ext_proc.translation.neutral import (
    Began,
    Choice,
    Finished,
    Response,
    Text,
    TextPiece,
)
from ext_proc.translation.table import CODECS
from tests.translation.matrix import bedrock_converse as bedrock
from tests.translation.matrix.cells import FORMATS

DETECTOR = pii.detector(("Email",))
ASKED = Asked("m", "req-1", 1)
NUMBERED = ("OpenAIChat", "OpenAIResponses", "GeminiContent")
"""Formats whose citations count the characters of the text."""
PAGE = Citation("https://a.example/?q=ana@mail.example", "By bob@mail.example", "ana@mail.example")
PLACE = Citation("", "bob@mail.example", "ana@mail.example wrote", Place("characters", 0, 0, 22))
WORDS = "see the page"
CLEAN, PLANTED = f"Yes – {WORDS}.", f"Write to cyd@mail.example – {WORDS}."


class Scan:
    """A guard that redacts."""

    blocked = False

    def __init__(self):
        self.redactor = Redactor(DETECTOR)

    def push(self, text):
        return self.redactor.push(text)

    def finish(self):
        return self.redactor.finish()


def citations(text):
    start = text.index(WORDS)
    return tuple(replace(each, start=start, end=start + len(WORDS)) for each in (PAGE, PLACE))


def whole(format_, text):
    said = (Text(text, citations=citations(text)),)
    document = CODECS[format_].write_response(
        Response("r", "m", (Choice(said, "stop"),), None), ASKED
    )
    return strict.dumps(document)


def stream(format_, text):
    """The words of the citations are a block of their own, where there are blocks."""
    at = text.index(WORDS)
    pieces = [TextPiece(each) for each in text[:at]]
    pieces += [TextPiece(each, apart=not n) for n, each in enumerate(text[at : at + len(WORDS)])]
    pieces += map(CitationPiece, citations(text))
    deltas = [Began("r", "m"), *pieces, TextPiece(text[at + len(WORDS) :], apart=True)]
    writer = CODECS[format_].writer(ASKED)
    return b"".join(map(writer.write, [*deltas, Finished("stop")])) + writer.end()


def redacted(format_, body):
    response = DIALECTS[format_].decode_response(body)
    for text in response.texts:
        released = redact(text.value, DETECTOR.find(text.value))[0]
        if released != text.value:
            text.replace(released)
    return response.encode()


def inspected(format_, raw, cuts):
    fixtures = FORMATS[format_]
    body = json.dumps(fixtures.requests["stream"]).encode()
    call = DIALECTS[format_].decode_request(body, Line(fixtures.model, stream=True))
    codec = DIALECTS[format_].stream(call, lambda _: Scan(), len)
    places = [0, *sorted(cuts), len(raw)]
    out = b"".join(codec.feed(raw[a:b]) for a, b in pairwise(places))
    out += codec.end()
    assert codec.failed is None
    return out


def read(format_, body):
    """The text of an answer, and the words that it cites something for, with what it cites."""
    [choice] = CODECS[format_].read_response(strict.loads(body)).choices
    text = "".join(part.text for part in choice.parts if isinstance(part, Text))
    return text, [(text[c.start : c.end], c) for c in cited.counted(choice.parts)]


def heard(format_, raw):
    reader = CODECS[format_].reader()
    deltas = [*reader.feed(raw), *reader.end()]
    text = "".join(each.text for each in deltas if isinstance(each, TextPiece))
    found = [each.citation for each in deltas if isinstance(each, CitationPiece)]
    return text, [(text[c.start : c.end], c) for c in found]


def check(format_, got, before):
    """What is cited is redacted; words that are named are those that were meant."""
    text, found = got
    assert text == redact(before, DETECTOR.find(before))[0]
    kept = format_ not in NUMBERED or text == before
    if kept:
        assert {words for words, _ in found} == {WORDS}
    elif format_ == "GeminiContent":  # the sources stay, and which words they are of is not said
        assert {words for words, _ in found} == {text}
    else:
        assert found == []
    for _, each in found:
        assert each.title in ("By [REDACTED:Email]", "[REDACTED:Email]")
        assert each.words in ("", "[REDACTED:Email]", "[REDACTED:Email] wrote")


@pytest.mark.parametrize("text", [CLEAN, PLANTED])
@pytest.mark.parametrize("format_", FORMATS)
def test_whole_answers(format_, text):
    body = whole(format_, text)
    assert b"bob@mail" in body
    got = redacted(format_, body)
    assert b"@mail.example" not in got
    check(format_, read(format_, got), text)


@pytest.mark.parametrize("text", [CLEAN, PLANTED])
@pytest.mark.parametrize("format_", FORMATS)
@given(data=st.data())
@settings(max_examples=20, deadline=None)
def test_streams(format_, text, data):
    raw = stream(format_, text)
    cuts = data.draw(st.sets(st.integers(1, len(raw) - 1), max_size=30))
    got = inspected(format_, raw, cuts)
    assert b"@mail.example" not in got
    check(format_, heard(format_, got), text)


@pytest.mark.parametrize("provider", FORMATS)
@pytest.mark.parametrize("caller", FORMATS)
@given(data=st.data())
@settings(max_examples=8, deadline=None)
def test_nothing_passes_in_citations_of_another_format(caller, provider, data):
    if caller == provider:
        return
    raw = stream(provider, PLANTED)
    cuts = data.draw(st.sets(st.integers(1, len(raw) - 1), max_size=10))
    answer = Answer(provider, caller, ASKED)
    pieces = [raw[a:b] for a, b in pairwise([0, *sorted(cuts), len(raw)])]
    translated = b"".join(map(answer.feed, pieces)) + answer.end()
    assert b"bob@mail.example" in translated
    got = inspected(caller, translated, ())
    assert b"@mail.example" not in got
    assert heard(caller, got)[0] == redact(PLANTED, DETECTOR.find(PLANTED))[0]
    body = answer.whole(whole(provider, PLANTED))
    assert b"bob@mail.example" in body
    assert b"@mail.example" not in redacted(caller, body)


@pytest.mark.parametrize("format_", FORMATS)
def test_a_stream_of_which_nothing_is_redacted_cites_the_same(format_):
    plain = replace(PAGE, url="https://a.example/", title="A", words="a")
    said = [Began("r", "m"), TextPiece(CLEAN), CitationPiece(replace(plain, start=0, end=3))]
    writer = CODECS[format_].writer(ASKED)
    raw = b"".join(map(writer.write, [*said, Finished("stop")])) + writer.end()
    assert heard(format_, inspected(format_, raw, ())) == heard(format_, raw)
    assert heard(format_, raw)[1]


@pytest.mark.parametrize("format_", [each for each in FORMATS if each != "GeminiContent"])
def test_earlier_answers(format_):
    fixtures = FORMATS[format_]
    asked = json.loads(
        json.dumps(
            fixtures.again(fixtures.requests["text"], json.loads(whole(format_, CLEAN)), "?")
        )
    )
    if format_ == "OpenAIChat":
        asked["messages"][3] = json.loads(whole(format_, CLEAN))["choices"][0]["message"]
    call = DIALECTS[format_].decode_request(json.dumps(asked).encode(), Line(fixtures.model))
    texts = [each.value for each in call.texts]
    assert "By bob@mail.example" in texts
    assert PAGE.url in texts
    assert not {"unknown", "encrypted"} & {*call.unscanned}


def test_lists_of_annotations_may_come_in_several_chunks():
    """Other servers of chat completions send each when they know it."""
    page = {"type": "url_citation", "url_citation": {"url": "https://a.example/", "title": "A"}}
    deltas = [{"content": "Yes."}, {"annotations": [page]}, {"annotations": [page]}]
    chunks = [{"choices": [{"index": 0, "delta": each}]} for each in deltas]
    chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    raw = b"".join(b"data: " + json.dumps(each).encode() + b"\n\n" for each in chunks)
    sent = inspected("OpenAIChat", raw, ())
    [annotated] = [each for each in sent.split(b"\n\n") if b"annotations" in each]
    delta = json.loads(annotated.removeprefix(b"data: "))["choices"][0]["delta"]
    assert delta == {"annotations": [page, page]}


def test_annotations_of_content_that_is_a_list_are_dropped():
    said = [{"type": "text", "text": "Write to cyd@mail.example – see the page."}]
    page = {"url": "https://a.example/", "title": "A", "start_index": 28, "end_index": 40}
    noted = [{"type": "url_citation", "url_citation": page}]
    deltas = [{"content": said}, {"annotations": noted}]
    chunks = [{"choices": [{"index": 0, "delta": each}]} for each in deltas]
    raw = b"".join(b"data: " + json.dumps(each).encode() + b"\n\n" for each in chunks)
    sent = inspected("OpenAIChat", raw, ())
    assert b"[REDACTED:Email]" in sent
    assert b"annotations" not in sent


def test_what_a_citation_quotes_may_not_come_in_pieces():
    """Bedrock's reference allows it; a guard would see none of the pieces for what it is."""
    first = {"citation": {"title": "T", "sourceContent": [{"text": "ana@"}]}}
    more = {"citation": {"sourceContent": [{"text": "mail.example"}]}}
    raw = bedrock.stream(bedrock.block(0, None, {"text": "Yes."}, first, more))
    fixtures = FORMATS["BedrockConverse"]
    body = json.dumps(fixtures.requests["stream"]).encode()
    call = DIALECTS["BedrockConverse"].decode_request(body, Line(fixtures.model, stream=True))
    codec = DIALECTS["BedrockConverse"].stream(call, lambda _: Scan(), len)
    out = codec.feed(raw) + codec.end()
    assert codec.failed is not None
    assert b"mail.example" not in out
