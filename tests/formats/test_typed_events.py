"""Streams of images, speech and transcripts: cut anywhere, each text comes out redacted as a whole."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ext_proc.call import Line, Reject
from ext_proc.detectors import pii
from ext_proc.detectors.stream import Redactor
from ext_proc.formats import multipart
from ext_proc.formats.multipart import File
from ext_proc.formats.table import DIALECTS

DETECTOR = pii.detector(("Email",))
USED = {"input_tokens": 20, "output_tokens": 9, "total_tokens": 29}
TRANSCRIPT = [
    {"type": "transcript.text.delta", "delta": "Write to ana@"},
    {
        "type": "transcript.text.delta",
        "delta": "mail.",
        "logprobs": [{"token": "mail.", "logprob": -0.1, "bytes": [109]}],
    },
    {
        "type": "transcript.text.segment",
        "id": "seg_1",
        "start": 0.0,
        "end": 1.25,
        "speaker": "A",
        "text": "to bob@corp.example",
    },
    {"type": "transcript.text.delta", "delta": "example or to li"},
    {"type": "transcript.text.delta", "delta": "sa@corp.example"},
    {
        "type": "transcript.text.done",
        "text": "Write to ana@mail.example or to lisa@corp.example",
        "logprobs": [{"token": "lisa@corp.example", "logprob": -0.1, "bytes": [109]}],
        "usage": {**USED, "type": "tokens", "input_token_details": {"audio_tokens": 14}},
    },
]
IMAGES = [
    {
        "type": "image_generation.partial_image",
        "b64_json": "QUJD",
        "partial_image_index": 0,
        "created_at": 1,
        "size": "1024x1024",
    },
    {
        "type": "image_generation.completed",
        "b64_json": "QUJDREVG",
        "safety_identifier": "ana@mail.example",
        "usage": {**USED, "input_tokens_details": {"text_tokens": 6, "image_tokens": 14}},
    },
]
SPEECH = [
    {"type": "speech.audio.delta", "audio": "QUJD"},
    {"type": "speech.audio.done", "usage": USED},
]
EDITS = [{**each, "type": each["type"].replace("generation", "edit")} for each in IMAGES]
STREAMS = {
    "OpenAITranscription": TRANSCRIPT,
    "OpenAIImages": IMAGES,
    "OpenAIImageEdits": EDITS,
    "OpenAISpeech": SPEECH,
}
FORMS = {
    "OpenAITranscription": {"file": File("a.mp3", "audio/mpeg", b"ID3")},
    "OpenAIImageEdits": {"prompt": "a", "image": File("a.png", "image/png", b"PNG")},
}
ASKED = {
    "OpenAIImages": {"model": "m", "prompt": "a", "stream": True},
    "OpenAISpeech": {"model": "m", "input": "a", "stream_format": "sse"},
}


class Scan:
    """A guard that redacts, or blocks at its first finding."""

    def __init__(self, blocks=False):
        self.redactor, self.blocked, self._blocks = Redactor(DETECTOR), False, blocks

    def push(self, text):
        return self._judge(self.redactor.push(text))

    def finish(self):
        return self._judge(self.redactor.finish())

    def _judge(self, released):
        self.blocked = self._blocks and bool(self.redactor.found)
        return "" if self.blocked else released


def redacting(_):
    return Scan()


def blocking(_):
    return Scan(blocks=True)


def call_of(name):
    if name in ASKED:
        return DIALECTS[name].decode_request(json.dumps(ASKED[name]).encode(), Line())
    form = {"model": "m", "stream": "true", **FORMS[name]}
    return DIALECTS[name].decode_request(multipart.dumps(form, "b"), Line(boundary="b"))


def raw(events):
    return b"".join(
        f"event: {each['type']}\ndata: {json.dumps(each)}\n\n".encode() for each in events
    )


def read(out):
    lines = [line for line in out.decode().split("\n") if line.startswith("data: ")]
    return [json.loads(line[6:]) for line in lines if line != "data: [DONE]"]


def run(name, data, cuts, open_field):
    call = call_of(name)
    assert call.stream
    codec = DIALECTS[name].stream(call, open_field, len)
    out, start = b"", 0
    for cut in [*sorted(cuts), len(data)]:
        out += codec.feed(data[start:cut])
        start = cut
    return out + codec.end(), codec


@pytest.mark.parametrize("name", STREAMS)
def test_without_guards_events_pass_as_they_are(name):
    data = raw(STREAMS[name])
    out, codec = run(name, data, [9, 70], None)
    assert out == data
    assert (codec.usage.input_tokens, codec.usage.output_tokens) == (20, 9)
    assert codec.usage.media_tokens == (0 if name == "OpenAISpeech" else 14)


@given(st.lists(st.integers(0, 900), max_size=30))
@settings(max_examples=40, deadline=None)
def test_a_transcript_is_one_text_however_it_is_cut(cuts):
    data = raw(TRANSCRIPT)
    out, codec = run("OpenAITranscription", data, cuts, redacting)
    assert codec.failed is None
    assert out == run("OpenAITranscription", data, [], redacting)[0]
    events = read(out)
    text = "".join(each.get("delta", "") for each in events)
    assert text == events[-1]["text"] == "Write to [REDACTED:Email] or to [REDACTED:Email]"
    assert [each["text"] for each in events if each["type"].endswith("segment")] == [
        "to [REDACTED:Email]"
    ]
    assert "logprobs" not in out.decode()
    assert events[-1]["type"] == "transcript.text.done"
    assert codec.usage.output_tokens == 9


def test_images_and_sound_pass_guards_and_the_text_beside_them_is_read():
    out, codec = run("OpenAIImages", raw(IMAGES), [], redacting)
    assert [each["b64_json"] for each in read(out)] == ["QUJD", "QUJDREVG"]
    assert read(out)[1]["safety_identifier"] == "[REDACTED:Email]"
    assert codec.usage.input_tokens == 20
    out, _ = run("OpenAISpeech", raw(SPEECH), [], redacting)
    assert read(out) == SPEECH


def test_what_is_blocked_ends_the_stream_with_an_error():
    out, codec = run("OpenAITranscription", raw(TRANSCRIPT), [], blocking)
    assert codec.blocked
    assert b"mail" not in out
    last = codec.abort(Reject(403, "blocked_by_policy", "Blocked."), "r")
    assert read(last)[0]["error"]["code"] == "blocked_by_policy"


@pytest.mark.parametrize(
    "events",
    [
        [{"type": "transcript.text.unheard_of", "piece": "ana@"}],
        [{"choices": [{"delta": {"content": "ana@"}}]}],
        [*TRANSCRIPT, {"type": "transcript.text.delta", "delta": "more"}],
    ],
)
def test_events_whose_texts_could_be_pieces_end_an_inspected_stream(events):
    out, codec = run(
        "OpenAITranscription", raw([{"type": "x", **e} for e in events]), [], redacting
    )
    assert codec.failed.status == 502
    assert b"ana@" not in out
    assert run("OpenAITranscription", raw([{"type": "x", **e} for e in events]), [], None)[0]


def test_an_error_in_the_stream_keeps_what_is_safe():
    error = {"type": "error", "error": {"message": "ask ana@mail.example", "code": "quota"}}
    out, codec = run("OpenAITranscription", raw([TRANSCRIPT[0], error]), [], redacting)
    assert codec.failed is None
    assert read(out)[-1]["error"]["message"] == "ask [REDACTED:Email]"
    assert "".join(each.get("delta", "") for each in read(out)) == "Write to ana@"


@given(st.lists(st.sampled_from([*TRANSCRIPT, *IMAGES]), max_size=4), st.data())
@settings(max_examples=40, deadline=None)
def test_odd_types_never_crash(events, data):
    junk = st.sampled_from([None, 1, True, [], {}, "", "text", [1], {"a": "b"}])
    odd = [{**each, data.draw(st.sampled_from(sorted(each))): data.draw(junk)} for each in events]
    body = b"".join(b"data: " + json.dumps(each).encode() + b"\n\n" for each in odd)
    for name in STREAMS:
        for guard in (None, redacting):
            run(name, body, [], guard)
