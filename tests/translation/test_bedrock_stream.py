"""ConverseStream, both ways: recorded streams cut anywhere, and streams that boto3 reads."""

import json
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ext_proc.call import Usage
from ext_proc.translation.bedrock import CODEC
from ext_proc.translation.citations import Citation, CitationPiece
from ext_proc.translation.codec import Asked, UnreadableError
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
from tests.translation import bedrock_sdk
from tests.translation.frames import STREAMS, frame, read

ASKED = Asked("m", "req-1", 1)
SIGNED = "EqQBCgIYAhIkNmU3+/abc=="
BLOB = "RW1wdHlSZWRhY3RlZA=="
BEGAN = Began("", "")
SAID = {
    "text": [
        BEGAN,
        TextPiece("The capital"),
        TextPiece(" of France is Paris — "),
        TextPiece("voilà 😀."),
        Finished("stop"),
        Used(Usage(14, 10)),
    ],
    "thinking_parallel_tools": [
        BEGAN,
        ThinkingPiece("Two cities, "),
        ThinkingPiece("so two calls."),
        ThinkingPiece(signature=SIGNED),
        ThinkingPiece(redacted=BLOB),
        TextPiece("I will look both up."),
        CallBegan(0, "tooluse_kZJMlvQmRJ6eAyJE5GIl7Q", "weather"),
        CallPiece(0, '{"city": "Par'),
        CallPiece(0, 'is", "unit": "C"}'),
        CallBegan(1, "tooluse_Kx1zmuZTQxyjdGxoyzVwaA", "clock"),
        CallPiece(1, "{}"),
        Finished("tool_calls"),
        Used(Usage(2112, 95, 2000, 100)),
    ],
    "citations_server_tool": [
        BEGAN,
        TextPiece("Grass is green"),
        CitationPiece(Citation("https://grass.example", start=0, end=14)),
        TextPiece(", it says.", apart=True),
        Finished("stop_sequence", "\n\n"),
        Used(Usage(610, 21)),
    ],
    "throttled_midway": [
        BEGAN,
        TextPiece("The capital"),
        Failed(429, "Too many tokens, please wait before trying again."),
    ],
}
CUT = "cut"
WHOLE = next(path for path in STREAMS if path.stem == "thinking_parallel_tools")


def deltas(stream, cuts=()):
    reader = CODEC.reader()
    said = []
    for start, end in pairwise([0, *sorted(cuts), len(stream)]):
        said += reader.feed(stream[start:end])
    said += reader.end()
    return said, reader


@pytest.mark.parametrize("path", STREAMS, ids=lambda path: path.stem)
def test_recorded_streams_say_what_they_say_however_they_are_cut(path):
    stream = read(path)
    for cuts in ((), range(1, len(stream))):
        if path.stem == CUT:
            with pytest.raises(UnreadableError, match="ended before"):
                deltas(stream, cuts)
        else:
            assert deltas(stream, cuts)[0] == SAID[path.stem]


@pytest.mark.parametrize("path", STREAMS, ids=lambda path: path.stem)
@given(data=st.data())
@settings(max_examples=15, deadline=None)
def test_any_split(path, data):
    stream = read(path)
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=30))
    if path.stem != CUT:
        assert deltas(stream, cuts)[0] == SAID[path.stem]


def test_usage_is_known_when_it_came():
    reader = deltas(read(WHOLE))[1]
    assert reader.usage == Usage(2112, 95, 2000, 100)
    assert not reader.usage_invalid
    wrong = frame("event", "metadata", b'{"usage": {"inputTokens": "x"}}')
    reader = CODEC.reader()
    assert list(reader.feed(wrong)) == []
    assert reader.usage_invalid
    assert reader.usage is None


def test_a_stream_cut_within_a_message_ended_early():
    stream = read(WHOLE)
    reader = CODEC.reader()
    list(reader.feed(stream[:-1]))
    with pytest.raises(UnreadableError, match="ended before"):
        reader.end()


@pytest.mark.parametrize(
    ("kind", "name", "failed"),
    [
        ("exception", "validationException", Failed(400, "why")),
        ("exception", "serviceUnavailableException", Failed(503, "The provider answered with an error.")),
        ("exception", "modelStreamErrorException", Failed(502, "The provider answered with an error.")),
        ("exception", "ofNextYear", Failed(500, "The provider answered with an error.")),
        ("error", "InternalFailure", Failed(500, "The provider answered with an error.")),
    ],
)  # fmt: skip
def test_errors_within_a_stream(kind, name, failed):
    said, _ = deltas(frame(kind, name, b'{"message": "why"}') + read(WHOLE))
    assert said == [failed]


HOSTILE = {
    "no event stream": b"data: {}\n\n",
    "no JSON": frame("event", "messageStart", b"{"),
    "no index": frame("event", "contentBlockDelta", b'{"delta": {"text": "a"}}'),
    "no delta": frame("event", "contentBlockDelta", b'{"contentBlockIndex": 0}'),
    "a call that never began": frame(
        "event", "contentBlockDelta", b'{"contentBlockIndex": 0, "delta": {"toolUse": {"input": ""}}}'
    ),
    "a call without name": frame(
        "event", "contentBlockStart", b'{"contentBlockIndex": 0, "start": {"toolUse": {}}}'
    ),
    "two ends": frame("event", "messageStop", b'{"stopReason": "end_turn"}') * 2,
    "an endless signature": frame(
        "event",
        "contentBlockDelta",
        json.dumps(
            {"contentBlockIndex": 0, "delta": {"reasoningContent": {"signature": "a" * 100_000}}}
        ).encode(),
    )
    * 11,
}  # fmt: skip


@pytest.mark.parametrize("stream", HOSTILE.values(), ids=HOSTILE)
def test_what_is_no_stream_of_converse_is_refused(stream):
    with pytest.raises(UnreadableError):
        deltas(stream)


NAMES = ("delta", "text", "reasoningContent", "signature", "redactedContent", "toolUse", "input")
NAMES += ("toolUseId", "name", "start", "contentBlockIndex", "stopReason", "usage", "inputTokens")
JUNK = st.recursive(
    st.sampled_from(["", "a", "end_turn", 0, 1, -1, 1.5, None, True]),
    lambda inside: st.lists(inside, max_size=2) | st.dictionaries(st.sampled_from(NAMES), inside),
    max_leaves=12,
)
EVENTS = ("messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop")
EVENTS += ("messageStop", "metadata", "throttlingException", "other")


@given(st.lists(st.tuples(st.sampled_from(EVENTS), st.dictionaries(st.sampled_from(NAMES), JUNK)), max_size=6))  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_junk_in_any_event_is_read_or_refused(events):
    stream = b"".join(
        frame("exception" if name.endswith("n") else "event", name, json.dumps(body).encode())
        for name, body in events
    )
    writer = CODEC.writer(ASKED)
    with suppress(UnreadableError):
        bedrock_sdk.events(b"".join(map(writer.write, deltas(stream)[0])) + writer.end())


def write(said):
    writer = CODEC.writer(ASKED)
    return b"".join(map(writer.write, said)) + writer.end()


def assembled(events):
    """The message as boto3's callers put it together: one block at a time, none of them twice."""
    content, open_, closed = [], None, set()
    for event in events:
        ((name, body),) = event.items()
        if name not in ("contentBlockStart", "contentBlockDelta", "contentBlockStop"):
            continue
        index = body["contentBlockIndex"]
        assert index not in closed
        assert open_ in (None, index)
        if open_ is None:
            content.append({})
        open_ = index
        if name == "contentBlockStart":
            content[-1] = {"toolUse": {**body["start"]["toolUse"], "input": ""}}
        elif name == "contentBlockStop":
            closed.add(index)
            open_ = None
        else:
            ((kind, piece),) = body["delta"].items()
            if kind == "toolUse":
                content[-1]["toolUse"]["input"] += piece["input"]
            elif kind == "text":
                content[-1]["text"] = content[-1].get("text", "") + piece
            else:
                ((field, value),) = piece.items()
                block = content[-1].setdefault(kind, {})
                block[field] = block[field] + value if field in block else value
    assert open_ is None
    return content


@pytest.mark.parametrize("name", [name for name in SAID if name != "throttled_midway"])
def test_boto3_reads_what_we_write_and_so_do_we(name):
    stream = write(SAID[name])
    events = bedrock_sdk.events(stream)
    assert [next(iter(event)) for event in events][::-1][:2] == ["metadata", "messageStop"]
    assert deltas(stream)[0] == SAID[name]


def test_the_words_and_figures_that_boto3_sees():
    events = bedrock_sdk.events(write(SAID["thinking_parallel_tools"]))
    assert events[0] == {"messageStart": {"role": "assistant"}}
    assert assembled(events) == [
        {"reasoningContent": {"text": "Two cities, so two calls.", "signature": SIGNED}},
        {"reasoningContent": {"redactedContent": b"EmptyRedacted"}},
        {"text": "I will look both up."},
        {
            "toolUse": {
                "toolUseId": "tooluse_kZJMlvQmRJ6eAyJE5GIl7Q",
                "name": "weather",
                "input": '{"city": "Paris", "unit": "C"}',
            }
        },
        {
            "toolUse": {
                "toolUseId": "tooluse_Kx1zmuZTQxyjdGxoyzVwaA",
                "name": "clock",
                "input": "{}",
            }
        },
    ]
    assert events[-2] == {"messageStop": {"stopReason": "tool_use"}}
    assert events[-1]["metadata"] == {
        "usage": {
            "inputTokens": 12,
            "outputTokens": 95,
            "totalTokens": 2207,
            "cacheReadInputTokens": 2000,
            "cacheWriteInputTokens": 100,
        },
        "metrics": {"latencyMs": 0},
    }


def test_an_error_is_the_last_thing_boto3_sees():
    said = [*SAID["throttled_midway"], TextPiece("more"), Used(Usage(1, 1))]
    events = bedrock_sdk.events(write(said))
    assert events[-1] == {
        "error": {
            "Code": "throttlingException",
            "Message": "Too many tokens, please wait before trying again.",
        }
    }
    assert len(events) == 3


def test_a_stream_that_nobody_began_or_ended_is_whole():
    names = [next(iter(event)) for event in bedrock_sdk.events(write([TextPiece("a")]))]
    assert names == ["messageStart", "contentBlockDelta", "contentBlockStop", "messageStop"]
    assert [next(iter(each)) for each in bedrock_sdk.events(write([]))] == [
        "messageStart",
        "messageStop",
    ]


def test_pieces_that_follow_one_another_are_not_held():
    writer = CODEC.writer(ASKED)
    assert writer.write(BEGAN)
    assert writer.write(BEGAN) == b""
    for said in (
        RefusalPiece("no"),
        ThinkingPiece("a"),
        CallBegan(0, "a", "f"),
        CallPiece(0, '{"a": {}'),
        CallPiece(0, "}"),
        CallBegan(1, "b", "f"),
        CallPiece(1, "{}"),
        TextPiece("b"),
    ):
        assert writer.write(said)
    assert writer.write(TextPiece("other choice", choice=1)) == b""
