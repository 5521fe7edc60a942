"""Streams whose pieces come mixed: to every caller each call and all words arrive whole."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ext_proc.formats import sse
from ext_proc.translation import block_order
from ext_proc.translation.answers import Answer
from ext_proc.translation.block_order import BlockOrder
from ext_proc.translation.codec import Asked, UnreadableError
from ext_proc.translation.neutral import (
    Began,
    CallBegan,
    CallPiece,
    Finished,
    RefusalPiece,
    TextPiece,
    ThinkingPiece,
)
from ext_proc.translation.table import CODECS
from tests.formats.test_streams import events as sse_data
from tests.translation import bedrock_sdk
from tests.translation.test_costs import steps

ASKED = Asked("m", "req-1", 1)
BLOCKS = ("AnthropicMessages", "BedrockConverse")
CALLERS = (*BLOCKS, "OpenAIResponses", "GeminiContent", "OpenAIChat")
WORDS = st.lists(st.text("ab é", min_size=1, max_size=3), max_size=4)
ARGUMENTS = st.dictionaries(
    st.text('a"{}\\', max_size=3), st.integers() | st.text('}"]', max_size=4)
)
CALLS = st.lists(
    st.tuples(st.text("abc", min_size=1, max_size=5), ARGUMENTS), min_size=1, max_size=4
)  # fmt: skip


def mixed(data, calls, words):
    """The pieces of calls and words, in any order in which each call begins before it goes on."""
    queues = [[TextPiece(word) for word in words]]
    for index, (name, arguments) in enumerate(calls):
        text = json.dumps(arguments)
        cuts = data.draw(st.lists(st.integers(0, len(text)), max_size=3))
        pieces = [CallPiece(index, text[a:b]) for a, b in pairwise([0, *sorted(cuts), len(text)])]
        queues.append([CallBegan(index, f"id{index}", name), *pieces])
    said = []
    while waiting := [queue for queue in queues if queue]:
        said.append(data.draw(st.sampled_from(waiting)).pop(0))
    return said


def chunk(piece):
    """As a server of chat completions says it."""
    match piece:
        case TextPiece(text):
            delta = {"content": text}
        case CallBegan(index, id_, name):
            delta = {"tool_calls": [{"index": index, "id": id_, "function": {"name": name}}]}
        case CallPiece(index, arguments):
            delta = {"tool_calls": [{"index": index, "function": {"arguments": arguments}}]}
    choice = {"index": 0, "delta": delta, "finish_reason": None}
    return sse.encode(json.dumps({"choices": [choice]}).encode())


END = sse.encode(
    b'{"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}'
) + sse.encode(b"[DONE]")


def one_block_at_a_time(caller, raw):
    """Look at the stream's own events: none goes on with a block that was closed."""
    if caller == "BedrockConverse":
        said = [next(iter(each.items())) for each in bedrock_sdk.events(raw)]
        told = [(name.removeprefix("contentBlock"), body.get("contentBlockIndex")) for name, body in said]  # fmt: skip
    else:
        read = [json.loads(each) for each in sse_data(raw)]
        told = [(each["type"].rpartition("_")[2].title(), each.get("index")) for each in read]
    told = [(name, index) for name, index in told if index is not None]
    indexes = [index for _, index in told]
    assert indexes == sorted(indexes)
    assert [index for name, index in told if name == "Stop"] == list(range(max(indexes) + 1))


@pytest.mark.parametrize("caller", CALLERS)
@given(calls=CALLS, words=WORDS, data=st.data())
@settings(max_examples=60, deadline=None)
def test_every_call_and_all_words_arrive_whole(caller, calls, words, data):
    said = mixed(data, calls, words)
    if caller == "OpenAIChat":
        writer = CODECS[caller].writer(ASKED)
        whole = [Began("", ""), *said, Finished("tool_calls")]
        raw = b"".join(map(writer.write, whole)) + writer.end()
    else:
        answer = Answer("OpenAIChat", caller, ASKED)
        raw = b"".join(answer.feed(chunk(piece)) for piece in said) + answer.feed(END)
        raw += answer.end()
        assert answer.failed is None
    if caller in BLOCKS:
        one_block_at_a_time(caller, raw)
    reader = CODECS[caller].reader()
    read = [*reader.feed(raw), *reader.end()]
    began = [each for each in read if isinstance(each, CallBegan)]
    assert sorted(each.index for each in began) == list(range(len(calls)))
    arguments = {
        each.index: "".join(
            more.arguments
            for more in read
            if isinstance(more, CallPiece) and more.index == each.index
        )
        for each in began
    }
    assert {each.id: (each.name, json.loads(arguments[each.index])) for each in began} == {
        f"id{index}": call for index, call in enumerate(calls)
    }
    assert "".join(each.text for each in read if isinstance(each, TextPiece)) == "".join(words)
    assert [each.finish for each in read if isinstance(each, Finished)] == ["tool_calls"]


def test_thoughts_and_refusals_wait_as_words_do():
    order = BlockOrder()
    words = [ThinkingPiece("a"), ThinkingPiece(signature="s"), RefusalPiece("no")]
    assert [*order.put(CallBegan(0, "a", "f"))] == [CallBegan(0, "a", "f")]
    assert [piece for word in words for piece in order.put(word)] == []
    assert [*order.put(CallPiece(0, "{}"))] == [CallPiece(0, "{}"), *words]


@pytest.mark.parametrize("value", ["}", "{", '"}', '\\"}', "]["])
def test_a_bracket_within_a_string_ends_no_call(value):
    """The next call waits for the end of the arguments, not for what looks like it."""
    text = json.dumps({"a": value})
    order, after = BlockOrder(), CallBegan(1, "b", "g")
    said = [CallBegan(0, "a", "f"), CallPiece(0, text[:-1]), after, CallPiece(0, text[-1:])]
    assert [[*order.put(each)] for each in said] == [[said[0]], [said[1]], [], [said[3], after]]


def test_arguments_that_are_no_json_wait_for_the_end():
    order = BlockOrder()
    said = [CallBegan(0, "a", "f"), CallPiece(0, "{x"), TextPiece("b"), CallPiece(0, "y")]
    before = [piece for each in said for piece in order.put(each)]
    assert before == [said[0], said[1], said[3]]
    assert [*order.rest()] == [said[2]]


def test_blanks_after_a_call_are_dropped_and_more_is_refused():
    """Its block is closed, so nothing else can be said of it."""
    order = BlockOrder()
    for each in (CallBegan(0, "a", "f"), CallPiece(0, "{}"), TextPiece("b")):
        assert [*order.put(each)] == [each]
    assert [*order.put(CallPiece(0, " \n"))] == []
    with pytest.raises(UnreadableError):
        [*order.put(CallPiece(0, "{}"))]


def test_what_waits_for_a_call_is_bounded(monkeypatch):
    """A provider that never ends a call cannot fill the memory with what follows."""
    monkeypatch.setattr(block_order, "_MOST_HELD", 1000)
    order = BlockOrder()
    [*order.put(CallBegan(0, "a", "f"))]
    [*order.put(TextPiece("x" * 900))]
    with pytest.raises(UnreadableError):
        [*order.put(TextPiece("x" * 101))]


HOSTILE = {
    "calls that never end": lambda n: [CallBegan(i, "", "f") for i in range(n)],
    "pieces of two calls, in turns": lambda n: [
        *(CallBegan(0, "", "f"), CallBegan(1, "", "f")),
        *(CallPiece(i % 2, '{"a":' if i < 2 else "[") for i in range(n)),
    ],
    "words and calls, in turns": lambda n: [
        CallBegan(n, "", "f"),
        *(each for i in range(n) for each in (CallBegan(i, "", "f"), TextPiece("a"))),
    ],
}


@pytest.mark.parametrize("stream", HOSTILE.values(), ids=HOSTILE)
def test_twice_the_stream_is_twice_the_work(stream):
    def work(n):
        order = BlockOrder()
        for piece in stream(n):
            [*order.put(piece)]
        [*order.rest()]

    work(1)
    assert steps(lambda: work(400)) < 3 * steps(lambda: work(200))


RECORDED = Path(__file__).parent / "recorded" / "openai_chat"
CALLED = {
    "calls_mixed_with_words": [
        ("weather", {"city": "Paris}"}),
        ("clock", {"zone": "CET"}),
        ("now", {}),
    ],
    "calls_without_ids_or_indexes": [("weather", {"city": "Paris"}), ("weather", {"city": "Rome"})],
    "calls_all_numbered_zero": [("weather", {"city": "Paris"}), ("weather", {"city": "Rome"})],
}


@pytest.mark.parametrize("caller", [each for each in CALLERS if each != "OpenAIChat"])
@pytest.mark.parametrize("name", CALLED)
def test_streams_of_servers_that_go_their_own_ways(name, caller):
    """Every call arrives, with an id of its own; and the words between them."""
    answer = Answer("OpenAIChat", caller, ASKED)
    raw = answer.feed((RECORDED / f"{name}.sse").read_bytes()) + answer.end()
    assert answer.failed is None
    reader = CODECS[caller].reader()
    read = [*reader.feed(raw), *reader.end()]
    began = [each for each in read if isinstance(each, CallBegan)]
    told = [
        (each.name, json.loads("".join(m.arguments for m in read if isinstance(m, CallPiece) and m.index == each.index)))
        for each in began
    ]  # fmt: skip
    assert told == CALLED[name]
    assert len({each.id for each in began} - {""}) == len(began)
    words = "".join(each.text for each in read if isinstance(each, TextPiece))
    assert words == ("I look both up. One moment." if "words" in name else "")
    assert [each.finish for each in read if isinstance(each, Finished)] == ["tool_calls"]
