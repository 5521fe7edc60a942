"""Citations: on their texts, between formats, in earlier turns, and where a text was redacted."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from anthropic.lib.streaming._messages import accumulate_event
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.lib.streaming._deltas import accumulate_delta

from crds.plan import QuirksPlan
from ext_proc.call import Line, Reject
from ext_proc.formats import strict
from ext_proc.translation import cited, gemini_grounding, gemini_stream, requests
from ext_proc.translation.answers import Answer
from ext_proc.translation.citations import Citation, CitationPiece, Place
from ext_proc.translation.codec import Asked, UnreadableError
from ext_proc.translation.neutral import (
    Choice,
    Loss,
    Response,
    Text,
    TextPiece,
    Thinking,
)
from ext_proc.translation.table import CODECS
from ext_proc.wires import Wire
from tests.formats.test_streams import events
from tests.translation.matrix import bedrock_converse, cells, citations
from tests.translation.matrix.cells import FORMATS
from tests.translation.matrix.features import CITED, GRASS, SKY

RECORDED = Path(__file__).parent / "recorded"
ASKED = Asked("m", "req-1", 1)
CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
PAGE = Citation("https://a.example/", "A")
OTHER = Citation("https://b.example/", "B")
WORDS = Citation("", "Lawn", "The grass is green. ", Place("characters", 0, 0, 20))
DOCUMENTS = (
    WORDS,
    Citation("", "", "Water is essential", Place("pages", 1, 5, 6)),
    Citation("", "Findings", "These are important findings.", Place("blocks", 2, 0, 1)),
    Citation("https://docs.example/hours", "Hours", "Open at nine.", Place("results", 0, 0, 1)),
)


def on(text, *citations):
    return Text(text, citations=citations)


def span(citation, start, end):
    return replace(citation, start=start, end=end)


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        (on("Yes.", PAGE), [on("Yes.", PAGE)]),
        (on("Yes. No.", span(PAGE, 0, 4)), [on("Yes.", PAGE), on(" No.")]),
        (on("Yes. No.", span(PAGE, 5, 7)), [on("Yes. "), on("No", PAGE), on(".")]),
        (
            on("Yes. No.", span(PAGE, 0, 4), span(OTHER, 5, 8)),
            [on("Yes. ", PAGE), on("No.", OTHER)],
        ),
        (on("Yes. No.", span(PAGE, 0, 6), span(OTHER, 3, 8)), [on("Yes. No.", PAGE, OTHER)]),
        (on("  Yes.", span(PAGE, 2, 6)), [on("  Yes.", PAGE)]),
        (on("Yes.", span(PAGE, 9, 12)), [on("Yes.", PAGE)]),
        (on("  ", PAGE), [on("  ", PAGE)]),
        (on("", PAGE), []),
    ],
)
def test_a_text_is_cut_into_blocks(text, pieces):
    assert list(cited.blocks(text)) == pieces


SPANS = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=6)


@given(words=st.text("ab \n", max_size=12), spans=SPANS)
def test_blocks_say_the_text_and_each_citation_once(words, spans):
    numbered = [cited.spanning(replace(PAGE, title=str(n)), *s) for n, s in enumerate(spans)]
    pieces = list(cited.blocks(Text(words, citations=tuple(numbered))))
    assert "".join(each.text for each in pieces) == words
    titles = [each.title for piece in pieces for each in piece.citations]
    assert sorted(titles) == sorted(each.title for each in numbered if words)
    assert all(each.text.strip() for each in pieces) or len(pieces) == 1


@given(texts=st.lists(st.text("ab", max_size=4), max_size=4), spans=SPANS)
def test_numbers_of_all_texts_are_numbers_of_each_and_back(texts, spans):
    parts = [*map(Text, texts), Thinking("hm")]
    whole = "".join(texts)
    inside = [s for s in spans if s[0] < s[1] <= len(whole)]
    placed = cited.attached(parts, [cited.spanning(PAGE, *each) for each in inside])
    assert len(placed) == len(parts)
    read = sorted((each.start, whole[each.start : each.end]) for each in cited.counted(placed))
    for (start, words), (wanted, end) in zip(read, sorted(inside), strict=True):
        assert start == wanted
        assert whole[wanted:end].startswith(words)


@given(
    text=st.text("a–é😀b ", min_size=1, max_size=3000),
    data=st.data(),
)
@settings(max_examples=60, deadline=None)
def test_bytes_are_counted_as_characters_and_back(text, data):
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    count = gemini_grounding.Count(text)
    first, last = count.byte_of(start), count.byte_of(end)
    assert text.encode()[first:last] == text[start:end].encode()
    assert count.span(first, last, "") == (start, end)
    assert count.span(first, last, text[start:end]) == (start, end)


def test_a_segments_own_text_decides():
    """Google's servers count from the first part, or leave out which part they mean."""
    count = gemini_grounding.Count("Ja – nein. Doch.")
    assert count.span(7, 12, "Doch.") == (11, 16)
    assert count.span(0, 5, "gibt es nicht") is None
    assert count.span(0, 900, "") is None


def test_segments_repeat_their_words_within_a_bound():
    """A thousand citations of nearly all words do not become a thousand times as many words."""
    text = "a" * 100_000
    grounding = gemini_grounding.Grounding()
    grounding.add([span(PAGE, 0, end) for end in range(99_000, 100_000)], text)
    written = grounding.written()["groundingMetadata"]["groundingSupports"]
    segments = [each["segment"] for each in written]
    assert [each["endIndex"] for each in segments] == [*range(99_000, 100_000)]
    quoted = [each["text"] for each in segments if "text" in each]
    assert quoted[0] == text[:99_000]
    assert len("".join(quoted)) <= 1024 * 1024


def test_events_that_cite_nothing_do_not_gather_the_words_so_far(monkeypatch):
    """Else a stream of many events would be copied as often."""
    gathered = []
    text = gemini_grounding.Said.text

    def counted(said, choice):
        gathered.append(choice)
        return text(said, choice)

    monkeypatch.setattr(gemini_grounding.Said, "text", counted)
    reader = CODECS["GeminiContent"].reader()
    said = {"candidates": [{"content": {"parts": [{"text": "Yes. "}]}, "index": 0}]}
    chunks = [{"web": {"uri": PAGE.url, "title": PAGE.title}}]
    cites = {"candidates": [{"groundingMetadata": {"groundingChunks": chunks}, "index": 0}]}
    for event in (said, said, cites, said):
        deltas = [*reader.feed(b"data: %b\n\n" % strict.dumps(event))]
        cited_ = [each.citation for each in deltas if isinstance(each, CitationPiece)]
        assert cited_ == ([span(PAGE, 0, 10)] if event is cites else [])
    assert gathered == [0]


def test_a_stream_is_looked_through_for_citations_within_a_bound(monkeypatch):
    """Segments whose words are not there are looked for in all of the text."""
    monkeypatch.setattr(gemini_stream, "_MOST_READ", 1000)
    reader = CODECS["GeminiContent"].reader()
    absent = {"segment": {"endIndex": 1, "text": "No."}, "groundingChunkIndices": [0]}
    chunks = [{"web": {"uri": PAGE.url, "title": PAGE.title}}]

    def heard(**candidate):
        event = {"candidates": [{**candidate, "index": 0}]}
        deltas = [*reader.feed(b"data: %b\n\n" % strict.dumps(event))]
        return [each for each in deltas if isinstance(each, CitationPiece)]

    def cites(supports):
        metadata = {"groundingChunks": chunks, "groundingSupports": supports}
        return heard(groundingMetadata=metadata)

    assert heard(content={"parts": [{"text": "Yes. " * 20}]}) == []
    assert cites([absent]) != []
    heard(content={"parts": [{"text": "Yes."}]})
    assert cites([absent] * 20) != []
    heard(content={"parts": [{"text": "Yes."}]})
    assert cites([absent]) == []


def whole(provider, caller, name):
    body = (RECORDED / name).with_suffix(".json").read_bytes()
    written = Answer(provider, caller, ASKED).whole(body)
    assert isinstance(written, bytes)
    return json.loads(written)


def streamed(provider, caller, name):
    answer = Answer(provider, caller, ASKED)
    raw = (RECORDED / name).with_suffix(".sse").read_bytes()
    return answer.feed(raw) + answer.end()


def found(format_, document):
    """What an answer's words rest on, without their own words."""
    [choice] = CODECS[format_].read_response(strict.loads(json.dumps(document).encode())).choices
    text = "".join(part.text for part in choice.parts if isinstance(part, Text))
    return [(text[c.start : c.end], span(c, None, None)) for c in cited.counted(choice.parts)]


def heard(format_, raw):
    reader = CODECS[format_].reader()
    deltas = [*reader.feed(raw), *reader.end()]
    text = "".join(each.text for each in deltas if isinstance(each, TextPiece))
    cites = [each.citation for each in deltas if type(each).__name__ == "CitationPiece"]
    return [(text[c.start : c.end], span(c, None, None)) for c in cites]


GREEN, WATER = "the grass is green – always", "water is essential"
WANTED = [(GREEN, DOCUMENTS[0]), *((WATER, each) for each in DOCUMENTS[1:])]


@pytest.mark.parametrize("caller", ["AnthropicMessages", "BedrockConverse"])
def test_places_in_documents_reach_callers_that_have_words_for_them(caller):
    name = "anthropic/documents_cited"
    assert heard("AnthropicMessages", (RECORDED / f"{name}.sse").read_bytes()) == WANTED
    if caller != "AnthropicMessages":
        assert found(caller, whole("AnthropicMessages", caller, name)) == WANTED
        assert heard(caller, streamed("AnthropicMessages", caller, name)) == WANTED
        back = Answer(caller, "AnthropicMessages", ASKED)
        body = back.whole(json.dumps(whole("AnthropicMessages", caller, name)).encode())
        assert found("AnthropicMessages", json.loads(body)) == WANTED
        back = Answer(caller, "AnthropicMessages", ASKED)
        raw = back.feed(streamed("AnthropicMessages", caller, name)) + back.end()
        assert heard("AnthropicMessages", raw) == WANTED


@pytest.mark.parametrize("caller", ["OpenAIChat", "OpenAIResponses"])
def test_places_in_documents_are_left_out_where_only_pages_of_the_web_are_known(caller):
    """But the source of a search result may be such a page."""
    name, page = "anthropic/documents_cited", Citation(DOCUMENTS[3].url, "Hours")
    assert found(caller, whole("AnthropicMessages", caller, name)) == [(WATER, page)]
    assert heard(caller, streamed("AnthropicMessages", caller, name)) == [(WATER, page)]


def test_a_document_is_retrieved_context_to_gemini():
    document = whole("AnthropicMessages", "GeminiContent", "anthropic/documents_cited")
    chunks = document["candidates"][0]["groundingMetadata"]["groundingChunks"]
    assert chunks == [
        {"retrievedContext": {"title": "Lawn", "text": "The grass is green. "}},
        {"retrievedContext": {"text": "Water is essential", "pageNumber": 5}},
        {"retrievedContext": {"title": "Findings", "text": "These are important findings."}},
        {"web": {"uri": "https://docs.example/hours", "title": "Hours"}},
    ]


REDIRECT = "https://vertexaisearch.cloud.google.com/grounding-api-redirect/AUZ"
WON = "Spanien gewann 2024 – 2:1 gegen England."
TITLES = "Es war der vierte Titel."
GROUNDED = [(WON, f"{REDIRECT}1", "uefa.com"), (WON, f"{REDIRECT}2", "aljazeera.com")]


@pytest.mark.parametrize("caller", [each for each in FORMATS if each != "GeminiContent"])
def test_gemini_counts_bytes_and_its_thoughts_do_not_count(caller):
    name = "gemini/grounded_after_thoughts"
    read = found(caller, whole("GeminiContent", caller, name))
    assert [(words.strip(), c.url, c.title) for words, c in read][:2] == GROUNDED
    file = [(TITLES, Citation("", "Titel.pdf", "1964, 2008, 2012 und 2024"))]
    assert read[2:] == (file if caller == "BedrockConverse" else [])
    coarse = cells.coarse(caller, "GeminiContent", cells.Says((f"{WON} {TITLES}",), cites=GROUNDED))
    read = heard(caller, streamed("GeminiContent", caller, name))
    assert tuple((words, c.url, c.title) for words, c in read)[:2] == tuple(coarse.cites)


def test_a_whole_answer_and_a_stream_of_chat_completions_cite_the_same():
    name = "openai_chat/web_search_annotations"
    link = "([nasa.example](https://nasa.example/moon))"
    wanted = [(link, Citation("https://nasa.example/moon", "Moon facts"))]
    assert heard("OpenAIChat", (RECORDED / f"{name}.sse").read_bytes()) == wanted
    document = json.loads((RECORDED / f"{name}.json").read_bytes())
    assert found("OpenAIChat", document) == wanted


def test_novas_citations_stand_behind_the_words_they_are_of():
    page = {"location": {"web": {"url": "https://a.example/", "domain": "a.example"}}}
    content = [{"text": "Yes."}, {"citationsContent": {"citations": [page, page]}}, {"text": "No."}]
    message = {"role": "assistant", "content": content}
    document = {"output": {"message": message}, "stopReason": "end_turn"}
    bare = Citation("https://a.example/")
    assert found("BedrockConverse", document) == [("Yes.", bare), ("Yes.", bare)]


def test_the_sdks_put_our_streams_together():
    said = {}
    for each in events(streamed("GeminiContent", "OpenAIChat", "gemini/grounded_after_thoughts")):
        if each != "[DONE]" and json.loads(each)["choices"]:
            accumulate_delta(said, json.loads(each)["choices"][0]["delta"])
    assert [each["url_citation"]["title"] for each in said["annotations"]] == [
        "uefa.com",
        "aljazeera.com",
    ]
    snapshot = None
    raw = streamed("GeminiContent", "AnthropicMessages", "gemini/grounded_after_thoughts")
    for each in events(raw):
        event = json.loads(each)
        snapshot = accumulate_event(event=event, current_snapshot=snapshot, json_bufs={})
    assert [each.title for each in snapshot.content[-1].citations] == ["uefa.com", "aljazeera.com"]


def asked(caller, turn, document=None):
    """A request whose last turn but one is an earlier answer."""
    fixtures = FORMATS[caller]
    answer = document or fixtures.answers["text"]
    return fixtures.again(fixtures.requests["text"], answer, turn)


def written(caller, target, document, model=""):
    line = Line(FORMATS[caller].model)
    request = CODECS[caller].read_request(strict.loads(json.dumps(document).encode()), line)
    request = replace(request, model=model or FORMATS[target].model)
    result = CODECS[target].write_request(request)
    return json.loads(strict.dumps(result.document)), (*request.lost, *result.losses)


def answer_of(caller, *texts):
    return CODECS[caller].write_response(Response("r", "m", (Choice(texts, "stop"),), None), ASKED)


BOTH = ("AnthropicMessages", "BedrockConverse")


@pytest.mark.parametrize("caller", BOTH)
@pytest.mark.parametrize("target", [*FORMATS])
def test_earlier_answers_are_shown_with_what_cites_documents(caller, target):
    if caller == target:
        return
    text = on("The grass is green.", WORDS, DOCUMENTS[1])
    sent, losses = written(caller, target, asked(caller, "And?", answer_of(caller, text)))
    if target in BOTH:
        assert losses == ()
        back = {"role": "assistant", "content": sent["messages"][3]["content"]}
        message = (
            CODECS[target]
            .read_request({"messages": [back]}, Line(FORMATS[target].model))
            .messages[0]
        )
        assert message.parts == (text,)
    else:
        [loss] = [each for each in losses if "citations" in each.field]
        assert loss == Loss("messages[3].citations")
        assert "Lawn" not in json.dumps(sent)


@pytest.mark.parametrize("caller", FORMATS)
@pytest.mark.parametrize("target", FORMATS)
def test_pages_of_the_web_are_named_where_they_cannot_be_shown_again(caller, target):
    """Gemini's callers do not bring them back; and only Anthropic's own search has its index."""
    if caller in (target, "GeminiContent"):
        return
    document = answer_of(caller, on("Yes.", PAGE))
    following = asked(caller, "And?", document)
    if caller == "OpenAIChat":  # the whole message, as people dump it
        following["messages"][3] = document["choices"][0]["message"]
    sent, losses = written(caller, target, following)
    names = {"OpenAIChat": "messages[3].annotations", "OpenAIResponses": "input[3].annotations"}
    assert Loss(names.get(caller, "messages[3].citations")) in losses
    assert "a.example" not in json.dumps(sent)
    assert "Yes." in json.dumps(sent)


def test_anthropic_is_not_shown_what_another_provider_found():
    own = {"type": "web_search_result_location", "cited_text": "x", "title": "T"}
    own |= {"url": "https://c.example/", "encrypted_index": "Eo8B"}
    others = answer_of("AnthropicMessages", on("Yes.", PAGE))["content"]
    said = [*others, {"type": "text", "text": "No.", "citations": [own, *others[0]["citations"]]}]
    messages = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": said}]
    wire = Wire("AnthropicMessages", "m", "/", QuirksPlan())
    body, losses = requests.fit(json.dumps({"model": "x", "messages": messages}).encode(), wire)
    assert json.loads(body)["messages"][1]["content"] == [
        {"type": "text", "text": "Yes."},
        {"type": "text", "text": "No.", "citations": [own]},
    ]
    assert losses == (Loss("messages[1].citations"),) * 2


@pytest.mark.parametrize(
    ("caller", "target"), [("AnthropicMessages", "BedrockConverse"), BOTH[::-1]]
)
def test_documents_are_asked_to_be_cited(caller, target):
    sent, losses = written(caller, target, FORMATS[caller].requests["cited file"])
    assert '"citations": {"enabled": true}' in json.dumps(sent)
    assert losses == ()


def test_only_claude_is_asked_on_bedrock():
    """Other models of Bedrock refuse such documents."""
    ask, target = FORMATS["AnthropicMessages"].requests["cited file"], "BedrockConverse"
    sent, losses = written("AnthropicMessages", target, ask, "us.amazon.nova-pro-v1:0")
    assert "enabled" not in json.dumps(sent)
    assert losses == (Loss("messages[0].content[1].citations"),)
    earlier = asked("AnthropicMessages", "And?", answer_of("AnthropicMessages", on("Yes.", WORDS)))
    sent, losses = written("AnthropicMessages", target, earlier, "us.amazon.nova-pro-v1:0")
    assert "citationsContent" not in json.dumps(sent)
    assert Loss("messages[3].citations") in losses


@pytest.mark.parametrize("caller", FORMATS)
def test_citations_beyond_all_measure_end_the_stream(caller):
    block = {"type": "content_block_start", "index": 0, "content_block": {"type": "text"}}
    large = {"type": "char_location", "cited_text": "x" * 4_000_000, "document_index": 0}
    large |= {"start_char_index": 0, "end_char_index": 9}
    delta = {"type": "citations_delta", "citation": large}
    event = {"type": "content_block_delta", "index": 0, "delta": delta}
    if caller == "AnthropicMessages":
        reader = CODECS[caller].reader()
        with pytest.raises(UnreadableError, match="citations"):
            for each in [block, *[event] * 5]:
                [*reader.feed(b"data: " + json.dumps(each).encode() + b"\n\n")]
        return
    answer = Answer("AnthropicMessages", caller, ASKED)
    for each in [block, *[event] * 5]:
        answer.feed(b"data: " + json.dumps(each).encode() + b"\n\n")
    assert answer.failed is not None


JUNK = st.sampled_from(
    [None, True, -1, 10**9, 10**30, "x", [], {}, [None], [[]], {"type": []}, [{"text": 5}]]
)


def places(node, path=()):
    yield path
    inside = node if isinstance(node, dict) else dict(enumerate(node if type(node) is list else ()))
    for key, value in inside.items():
        yield from places(value, (*path, key))


def spoiled(document, path, junk):
    if not path:
        return junk
    copy = document.copy()
    copy[path[0]] = spoiled(document[path[0]], path[1:], junk)
    return copy


@pytest.mark.parametrize("provider", FORMATS)
@given(data=st.data())
@settings(max_examples=80, deadline=None)
def test_junk_anywhere_in_a_whole_answer(provider, data):
    document, _ = citations.ANSWERS[provider]
    path = data.draw(st.sampled_from([each for each in places(document) if each]))
    body = json.dumps(spoiled(document, path, data.draw(JUNK))).encode()
    for caller in FORMATS:
        assert isinstance(Answer(provider, caller, ASKED).whole(body), bytes | Reject)


@pytest.mark.parametrize("provider", [each for each in FORMATS if each != "BedrockConverse"])
@given(data=st.data())
@settings(max_examples=80, deadline=None)
def test_junk_anywhere_in_a_stream(provider, data):
    said = [json.loads(e) for e in events(citations.ANSWERS[provider][1]) if e != "[DONE]"]
    path = data.draw(st.sampled_from([each for each in places(said) if len(each) > 1]))
    said = spoiled(said, path, data.draw(JUNK))
    raw = b"".join(b"data: " + json.dumps(each).encode() + b"\n\n" for each in said)
    for caller in FORMATS:
        answer = Answer(provider, caller, ASKED)
        assert answer.feed(raw) + answer.end() or answer.failed


@given(data=st.data())
@settings(max_examples=200, deadline=None)
def test_junk_anywhere_in_bedrocks_citations(data):
    location = {"documentPage": {"documentIndex": 0, "start": 1, "end": 2}}
    stated = {"title": "T", "source": "s", "sourceContent": [{"text": "x"}], "location": location}
    delta = {"text": "Yes.", "citation": stated}
    path = data.draw(st.sampled_from([each for each in places(delta) if len(each) > 1]))
    block = bedrock_converse.block(0, None, spoiled(delta, path, data.draw(JUNK)))
    raw = bedrock_converse.stream(block)
    for caller in FORMATS:
        answer = Answer("BedrockConverse", caller, ASKED)
        assert answer.feed(raw) + answer.end()
        assert answer.failed is None


def test_the_matrix_cites_what_it_says():
    assert CITED.index(GRASS[0]) == 0
    assert CITED.encode().index(SKY[0].encode()) != CITED.index(SKY[0])
