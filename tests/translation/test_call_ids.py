"""Ids of tool calls: made up where a server gives none, and spelled as each format takes them."""

import json

import pytest

from ext_proc.call import Line
from ext_proc.formats import sse
from ext_proc.translation.answers import Answer
from ext_proc.translation.codec import Asked
from ext_proc.translation.neutral import (
    CallBegan,
    CallPiece,
    Message,
    Request,
    Text,
    ToolCall,
    ToolResult,
)
from ext_proc.translation.table import CODECS

CHAT = CODECS["OpenAIChat"]
ASKED = Asked("m", "req-1", 1)
NO_IDS = [{}, {"id": ""}, {"id": None}]
UNSPELLED = "functions.weather:0"


def call(no_id, name="f", arguments="{}", **more):
    return {**no_id, **more, "function": {"name": name, "arguments": arguments}}


def completion(calls, created=1):
    message = {"role": "assistant", "content": None, "tool_calls": calls}
    return {"created": created, "choices": [{"message": message, "finish_reason": "tool_calls"}]}


def ids_of(document):
    (choice,) = CHAT.read_response(document).choices
    return [part.id for part in choice.parts]


@pytest.mark.parametrize("no_id", NO_IDS, ids=str)
def test_calls_of_an_answer_have_ids_of_their_own(no_id):
    """Two calls of one answer differ, and so do those of two answers; a reading does not."""
    answer = completion([call(no_id), call(no_id)])
    ids = ids_of(answer)
    assert len(set(ids)) == 2
    assert all(ids)
    assert ids_of(answer) == ids
    assert not {*ids_of(completion([call(no_id)], created=2))} & {*ids}


def streamed(*deltas, created=1, finish="stop"):
    """What is read of a stream of deltas."""
    reader = CHAT.reader()
    chunks = [
        {"created": created, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
        for delta in deltas
    ]
    end = {"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]}
    sent = b"".join(sse.encode(json.dumps(each).encode()) for each in (*chunks, end))
    return [*reader.feed(sent), *reader.end()]


def called(*pieces, **more):
    """The calls of a stream: each delta has these; as id, name and arguments, by number."""
    read = streamed(*({"tool_calls": each} for each in pieces), **more)
    calls = {each.index: [each.id, each.name, ""] for each in read if isinstance(each, CallBegan)}
    assert list(calls) == list(range(len(calls)))
    for each in read:
        if isinstance(each, CallPiece):
            calls[each.index][2] += each.arguments
    return list(calls.values())


@pytest.mark.parametrize("no_id", NO_IDS, ids=str)
def test_calls_of_a_stream_have_ids_of_their_own(no_id):
    pieces = [call(no_id, index=0)], [call(no_id, index=1)]
    ids = [each[0] for each in called(*pieces)]
    assert len(set(ids)) == 2
    assert [each[0] for each in called(*pieces)] == ids
    assert not {each[0] for each in called(*pieces, created=2)} & {*ids}


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param(
            ([call({"id": "a"}, "f", "{}", index=0)], [call({"id": "b"}, "g", "[]", index=0)]),
            id="one index for all calls",
        ),
        pytest.param(
            ([call({"id": "a"}, "f", "{}"), call({"id": "b"}, "g", "[]")],), id="no index"
        ),
        pytest.param(
            (
                [call({"id": "a"}, "f", "{", index=0)],
                [call({"id": "x"}, None, "}", index=0)],
                [call({"id": "b"}, "g", "[]", index=1)],
            ),
            id="an id for each piece",
        ),
        pytest.param(
            (
                [call({"id": "a"}, "f", "{", index=0)],
                [call({"id": "a"}, "f", "}", index=0)],
                [call({"id": "b"}, "g", "[]", index=4)],
            ),
            id="named again in each piece, and numbers that are left out",
        ),
    ],
)
def test_servers_that_number_calls_in_their_own_way(pieces):
    assert called(*pieces) == [["a", "f", "{}"], ["b", "g", "[]"]]


def test_calls_without_ids_and_indexes():
    """A name begins the next call, once the last has arguments."""
    told = called([call({}, "f", "{"), call({}, None, "}")], [call({}, "f", "[]")])
    assert [each[1:] for each in told] == [["f", "{}"], ["f", "[]"]]


def test_a_call_of_whose_arguments_nothing_came_has_none():
    told = called([{"index": 0, "id": "a", "function": {"name": "f"}}])
    assert told == [["a", "f", "{}"]]


def test_a_call_that_was_cut_off_is_not_completed():
    began = {"index": 0, "id": "a", "function": {"name": "f"}}
    assert called([began], finish="length") == [["a", "f", ""]]


@pytest.mark.parametrize("no_id", NO_IDS, ids=str)
def test_the_next_turn_of_a_caller_matches(no_id):
    """What an Anthropic caller answers comes back as the result of that call."""
    answer = Answer("OpenAIChat", "AnthropicMessages", ASKED)
    message = json.loads(answer.whole(json.dumps(completion([call(no_id)] * 2)).encode()))
    results = [
        {"type": "tool_result", "tool_use_id": block["id"], "content": "1"}
        for block in message["content"]
    ]
    turns = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": message["content"]},
    ]
    document = {"messages": [*turns, {"role": "user", "content": results}]}
    read = CODECS["AnthropicMessages"].read_request(document, Line("m"))
    _, said, *answered = CHAT.write_request(read).document["messages"]
    assert [each["id"] for each in said["tool_calls"]] == [
        each["tool_call_id"] for each in answered
    ]
    assert len({each["id"] for each in said["tool_calls"]}) == 2


def paired(messages):
    """The ids of calls and of results that were read."""
    read = CHAT.read_request({"messages": messages}, Line("m")).messages
    parts = [part for message in read for part in message.parts]
    return (
        [part.id for part in parts if isinstance(part, ToolCall)],
        [part.id for part in parts if isinstance(part, ToolResult)],
    )


def test_results_without_ids_answer_the_calls_in_their_order():
    """A conversation that a server without ids has begun goes on at one that wants them."""
    said = {"role": "assistant", "tool_calls": [call({}, "f"), call({}, "g")]}
    results = [{"role": "tool", "content": "1"}, {"role": "tool", "content": "2"}]
    calls, answered = paired([said, *results, said, *reversed(results)])
    assert answered == calls
    assert len(set(calls)) == 4


def test_functions_of_old_are_answered_by_name():
    turns = [
        message
        for name in ("f", "g", "f")
        for message in (
            {
                "role": "assistant",
                "content": None,
                "function_call": {"name": name, "arguments": "{}"},
            },
            {"role": "function", "name": name, "content": "1"},
        )
    ]
    calls, answered = paired(turns)
    assert answered == calls
    assert len(set(calls)) == 3


def test_a_result_without_a_call_has_an_id_all_the_same():
    assert paired([{"role": "tool", "content": "1"}]) == ([], ["call_1"])


LONG = "x" * 300


@pytest.mark.parametrize("stated", [UNSPELLED, LONG, ""])
@pytest.mark.parametrize(
    ("target", "characters", "longest"),
    [
        ("AnthropicMessages", "_-", 256),
        ("BedrockConverse", "_-.:", 64),
        ("OpenAIChat", "_-.:", 40),
        ("OpenAIResponses", "_-.:", 64),
    ],
)
def test_ids_are_spelled_as_the_target_takes_them(target, characters, longest, stated):
    """A call and its result have the same id."""
    turns = (
        Message("user", (Text("hi"),), "messages[0]"),
        Message("assistant", (ToolCall(stated, "f", "{}"),), "messages[1]"),
        Message("user", (ToolResult(stated, (Text("1"),)),), "messages[2]"),
    )
    written = CODECS[target].write_request(Request("m", turns)).document
    names = ("id", "toolUseId", "call_id", "tool_use_id", "tool_call_id")
    ids = [value for name, value in pairs(written) if name in names]
    assert len(ids) == 2
    assert len({*ids}) == 1
    assert ids[0].translate(dict.fromkeys(map(ord, characters))).isalnum()
    assert len(ids[0]) <= longest


def pairs(value):
    """Every field of a document."""
    if isinstance(value, dict):
        yield from value.items()
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from pairs(each)


def test_arguments_that_are_an_object_are_not_lost():
    """Some servers do not write them as text."""
    (choice,) = CHAT.read_response(completion([call({}, arguments={"a": 1})])).choices
    assert choice.parts[0].arguments == '{"a":1}'
    assert called([call({"id": "a"}, "f", {"a": 1}, index=0)]) == [["a", "f", '{"a":1}']]
