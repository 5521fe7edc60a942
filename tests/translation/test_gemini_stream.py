"""Gemini's streams and neutral deltas, both ways; recorded ones cut anywhere."""

import contextlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ext_proc.call import Usage
from ext_proc.translation.codec import Asked, UnreadableError
from ext_proc.translation.gemini import CODEC
from ext_proc.translation.neutral import (
    Began,
    CallBegan,
    CallPiece,
    Failed,
    Finished,
    RefusalPiece,
    TextPiece,
    ThinkingPiece,
    Used,
)

RECORDED = Path(__file__).parent / "recorded" / "gemini"
STREAMS = sorted(RECORDED.glob("*.sse"))
ASKED = Asked("chat", "req-1", 0)


def deltas(raw, cuts=()):
    reader, found, start = CODEC.reader(), [], 0
    for cut in [*sorted(cuts), len(raw)]:
        found += reader.feed(raw[start:cut])
        start = cut
    found += reader.end()
    return found, reader


def recorded(name):
    return deltas((RECORDED / f"{name}.sse").read_bytes())[0]


def written(said):
    writer = CODEC.writer(ASKED)
    return b"".join(writer.write(delta) for delta in said) + writer.end()


def events(raw):
    return [json.loads(block.removeprefix(b"data: ")) for block in raw.split(b"\n\n") if block]


@pytest.mark.parametrize("path", STREAMS, ids=lambda path: path.stem)
@given(data=st.data())
@settings(max_examples=15, deadline=None)
def test_any_chunking_gives_the_same_deltas(path, data):
    raw = path.read_bytes()
    cuts = data.draw(st.lists(st.integers(0, len(raw)), max_size=40))
    whole, reader = deltas(raw)
    assert deltas(raw, cuts)[0] == deltas(raw, range(1, len(raw)))[0] == whole
    assert deltas(raw.replace(b"\n", b"\r\n"), cuts)[0] == whole
    assert not reader.usage_invalid


def test_thoughts_text_and_a_signature():
    assert recorded("thinking_then_text_signed") == [
        Began("s1gned", "gemini-3-pro-preview"),
        ThinkingPiece("**Considering**\n\nThe user "),
        ThinkingPiece("wants a greeting."),
        TextPiece("Hello"),
        TextPiece(", wörld 😀"),
        ThinkingPiece(signature="gemini_EqQKCqEKAXLI2n"),
        Finished("stop"),
        Used(Usage(7, 25, reasoning_tokens=20)),
    ]


def test_parallel_calls():
    _, text, *calls, finished, used = recorded("parallel_calls")
    assert text == TextPiece("Looking.")
    assert [replace(c, id="") if isinstance(c, CallBegan) else c for c in calls] == [
        CallBegan(0, "", "weather", "CsoBAXLI2nw="),
        CallPiece(0, '{"city":"Paris"}'),
        CallBegan(1, "", "weather"),
        CallPiece(1, '{"city":"Rome"}'),
    ]
    assert calls[0].id != calls[2].id
    assert (finished, used) == (Finished("tool_calls"), Used(Usage(60, 20)))


def test_calls_are_named_as_in_a_whole_answer():
    raw = (RECORDED / "parallel_calls.sse").read_bytes()
    whole = CODEC.read_response(events(raw)[1])
    named = [delta.id for delta in recorded("parallel_calls") if isinstance(delta, CallBegan)]
    assert [part.id for part in whole.choices[0].parts] == named


def test_two_candidates():
    assert recorded("two_candidates")[1:] == [
        TextPiece("He", 0),
        TextPiece("Good", 1),
        TextPiece("llo", 0),
        TextPiece(" day", 1),
        Finished("stop", choice=0),
        Finished("length", choice=1),
        Used(Usage(3, 4)),
    ]


def test_errors_and_blocked_prompts():
    assert recorded("error_in_the_middle")[-1] == Failed(
        503, "The model is overloaded. Please try again later."
    )
    assert recorded("error_without_framing")[1:] == [
        TextPiece("Once"),
        Failed(429, "Resource has been exhausted (e.g. check quota)."),
    ]
    assert recorded("prompt_blocked")[1:] == [Finished("content_filter"), Used(Usage(5, 0))]


@pytest.mark.parametrize("name", ["two_candidates", "thinking_then_text_signed"])
def test_a_stream_that_breaks_off_is_no_answer(name):
    raw = (RECORDED / f"{name}.sse").read_bytes()
    with pytest.raises(UnreadableError):
        deltas(raw[: raw.rstrip().rindex(b"data:")])


def test_a_model_that_failed_is_no_answer():
    reader = CODEC.reader()
    chunk = {
        "candidates": [{"finishReason": "MALFORMED_FUNCTION_CALL"}],
        "usageMetadata": {"promptTokenCount": 4},
    }
    list(reader.feed(b"data: " + json.dumps(chunk).encode() + b"\n\n"))
    with pytest.raises(UnreadableError):
        list(reader.end())
    assert reader.usage == Usage(4)


@pytest.mark.parametrize(
    "data",
    [
        b"data: [1]\n\n",
        b"data: {\n\n",
        b'data: {"candidates":[{"index":"0"}]}\n\n',
        b'data: {"candidates":[{"content":{"parts":7}}]}\n\n',
        b"x" * 9000000,
        b'data: {"candidates":[{"content":{"parts":[{"inlineData":{"mimeType":"image/png","data":"QUJD"}}]}}]}\n\n',
    ],
)
def test_what_is_no_stream_is_unreadable(data):
    with pytest.raises(UnreadableError):
        list(CODEC.reader().feed(data))


def test_usage_that_cannot_be_is_invalid():
    reader = CODEC.reader()
    list(reader.feed(b'data: {"usageMetadata":{"promptTokenCount":-1}}\n\n'))
    assert (reader.usage, reader.usage_invalid) == (None, True)


SAID = [
    Began("r", "gpt"),
    ThinkingPiece("Hm."),
    ThinkingPiece(signature="theirs"),
    TextPiece("Hel"),
    TextPiece("lo"),
    CallBegan(0, "call_a", "f"),
    CallPiece(0, '{"a":'),
    CallBegan(1, "call_b", "g"),
    CallPiece(1, ""),
    CallPiece(0, "1}"),
    Finished("tool_calls"),
    Used(Usage(9, 5, reasoning_tokens=2)),
]


def test_what_is_written_reads_the_same():
    again, _ = deltas(written(SAID))
    assert again == [
        *SAID[:5],
        CallBegan(0, "call_a", "f"),
        CallPiece(0, '{"a":1}'),
        CallBegan(1, "call_b", "g"),
        CallPiece(1, "{}"),
        *SAID[-2:],
    ]


def test_pieces_go_out_as_they_come():
    writer = CODEC.writer(ASKED)
    assert events(writer.write(TextPiece("Hel"))) == [
        {
            "candidates": [{"content": {"parts": [{"text": "Hel"}], "role": "model"}, "index": 0}],
            "modelVersion": "chat",
            "responseId": "req-1",
        }
    ]
    assert writer.write(CallBegan(0, "a", "f")) == b""
    assert b"No." in writer.write(RefusalPiece("No."))


def test_a_stream_ends_with_reasons_and_usage():
    said = [TextPiece("a", 0), TextPiece("b", 1), Finished("stop"), Finished("length", choice=1)]
    last = events(written([*said, Used(Usage(3, 2))]))[-1]
    assert [each["finishReason"] for each in last["candidates"]] == ["STOP", "MAX_TOKENS"]
    assert last["usageMetadata"]["totalTokenCount"] == 5


def test_an_error_is_the_last_word():
    raw = written([TextPiece("a"), Failed(429, "Too much.")])
    error = events(raw)[-1]["error"]
    assert (error["code"], error["status"]) == (429, "RESOURCE_EXHAUSTED")
    assert error["message"] == "Too much."


@pytest.mark.parametrize(
    "endless",
    [
        lambda _: CallPiece(0, "x" * 1_000_000),
        lambda n: CallBegan(n, "a", "f", "x" * 1_000_000),
    ],
)
def test_calls_without_end_are_refused(endless):
    writer = CODEC.writer(ASKED)
    writer.write(CallBegan(0, "a", "f"))
    with pytest.raises(UnreadableError):
        for number in range(20):
            writer.write(endless(number))


JUNK = st.recursive(
    st.sampled_from([None, 0, -1, 1.5, True, "", "STOP", "x", 10**20]),
    lambda inside: (
        st.lists(inside, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "candidates",
                    "content",
                    "parts",
                    "text",
                    "thought",
                    "functionCall",
                    "name",
                    "args",
                    "index",
                    "finishReason",
                    "usageMetadata",
                    "promptTokenCount",
                    "error",
                    "code",
                    "message",
                    "promptFeedback",
                    "blockReason",
                    "thoughtSignature",
                ]
            ),
            inside,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(chunks=st.lists(JUNK, max_size=4))
@settings(max_examples=300, deadline=None)
def test_junk_is_refused_or_read_but_never_breaks(chunks):
    raw = b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks)
    with contextlib.suppress(UnreadableError):
        written(deltas(raw)[0])
