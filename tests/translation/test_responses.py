"""OpenAI's Responses format, translated: requests, answers and streams, by round trips and records."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ext_proc.call import Line, Usage
from ext_proc.formats import strict
from ext_proc.translation.codec import Asked, UnreadableError, UnspeakableError
from ext_proc.translation.neutral import (
    Began,
    CallBegan,
    CallPiece,
    Choice,
    Failed,
    Finished,
    Loss,
    Media,
    Message,
    Output,
    Reasoning,
    Refusal,
    RefusalPiece,
    Request,
    Response,
    Text,
    TextPiece,
    Thinking,
    ThinkingPiece,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Used,
)
from ext_proc.translation.openai_responses import CODEC
from tests.translation.deltas import pieces

RECORDED = Path(__file__).parent / "recorded" / "responses"
STREAMS = sorted(RECORDED.glob("*.sse"))
WHOLE = sorted(path for path in RECORDED.glob("*.json") if path.with_suffix(".sse").exists())
BROKEN = {"error_event", "error_event_wrapped", "failed_rate_limit", "cut_off"}
ASKED = Asked("claude-x", "req-1", 1_757_500_000)
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
HI = (Message("user", (Text("hi"),)),)


def read(document, model="m", *, stream=False):
    written = strict.loads(json.dumps({"model": "alias", "input": "hi", **document}).encode())
    return CODEC.read_request(written, Line(model, stream))


def bare(request):
    """A request without what only names places in a document."""
    messages = tuple(replace(message, where="") for message in request.messages)
    return replace(request, messages=messages, said={}, lost=())


REQUESTS = {
    "text": Request("m", HI),
    "stream": Request("m", HI, stream=True),
    "system": Request("m", HI, system=(Text("Be brief."),)),
    "system in parts": Request("m", HI, system=(Text("Be brief."), Text("Be kind."))),
    "sampling": Request("m", HI, max_tokens=64, temperature=1, top_p=0, user="u-1"),
    "turns": Request(
        "m",
        (
            *HI,
            Message("assistant", (Text("Hello."), Refusal("No."), Text("But yes."))),
            Message("user", (Text("a"), Text("b"))),
        ),
    ),
    "parallel tools": Request(
        "m",
        (
            *HI,
            Message("assistant", (Text("Look:"), ToolCall("c1", "f", '{"a":1}'), ToolCall("c2", "g", "{}"))),
            Message("user", (ToolResult("c1", (Text("one"),)), ToolResult("c2", (Text("x"), Text("y"))))),
            Message("assistant", (Text("Both."),)),
            Message("user", (Text("thanks"),)),
        ),
        tools=(Tool("f", "does f", SCHEMA, strict=True), Tool("g", "", SCHEMA, strict=False)),
        tool_choice=ToolChoice("auto"),
        parallel_tool_calls=False,
    ),
    "named tool": Request("m", HI, tools=(Tool("f", "", SCHEMA, strict=False),), tool_choice=ToolChoice("named", "f")),
    "pictures and files": Request(
        "m",
        (
            Message(
                "user",
                (
                    Media("image", "image/png", data="QUJD", detail="low"),
                    Media("image", url="https://example.com/a.png", detail="auto"),
                    Media("image", file_id="file-1", detail="high"),
                    Media("document", "application/pdf", data="QUJD", name="a.pdf"),
                    Media("document", url="https://example.com/a.pdf"),
                    Media("document", file_id="file-2"),
                ),
            ),
        ),
    ),
    "picture from a tool": Request(
        "m",
        (
            *HI,
            Message("assistant", (ToolCall("c1", "f", "{}"),)),
            Message("user", (ToolResult("c1", (Text("see"), Media("image", "image/png", data="QUJD", detail="auto"))),)),
        ),
    ),
    "schema": Request("m", HI, output=Output(SCHEMA, "city", "A city.", strict=True)),
    "json": Request("m", HI, output=Output()),
    "reasoning": Request("m", HI, reasoning=Reasoning("high", shown=True)),
}  # fmt: skip


@pytest.mark.parametrize("name", REQUESTS)
def test_requests_round_trip(name):
    request = REQUESTS[name]
    written = CODEC.write_request(request)
    assert written.losses == ()
    assert written.document["store"] is False
    again = CODEC.read_request(written.document, Line("m", request.stream))
    assert bare(again) == request
    assert again.lost == ()


def test_what_a_reader_makes_of_a_conversation():
    request = read(
        {
            "instructions": "Be brief.",
            "input": [
                {"role": "developer", "content": "Be kind."},
                {"role": "user", "content": [{"type": "input_text", "text": "weather?"}]},
                {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [{"type": "output_text", "text": "Looking.", "annotations": []}]},
                {"id": "fc_1", "type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}", "status": "completed"},
                {"type": "function_call_output", "call_id": "c1", "output": "rain"},
            ],
        }
    )  # fmt: skip
    assert request.system == (Text("Be brief."), Text("Be kind."))
    assert request.messages == (
        Message("user", (Text("weather?"),), "input[1]"),
        Message("assistant", (Text("Looking."), ToolCall("c1", "f", "{}")), "input[2]"),
        Message("user", (ToolResult("c1", (Text("rain"),)),), "input[4]"),
    )


@pytest.mark.parametrize(
    ("document", "field", "essential"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id", True),
        ({"conversation": {"id": "conv_1"}}, "conversation", True),
        ({"background": True}, "background", True),
        ({"prompt": {"id": "p"}}, "prompt", True),
        ({"store": True}, "store", False),
        ({"truncation": "auto"}, "truncation", False),
        ({"metadata": {"a": "b"}}, "metadata", False),
        ({"include": ["message.output_text.logprobs"]}, "include", False),
        ({"text": {"verbosity": "low"}}, "text.verbosity", False),
        ({"service_tier": "flex"}, "service_tier", False),
        ({"something_new": 1}, "something_new", False),
        ({"tools": [{"type": "web_search"}]}, "tools[0]", False),
        ({"tools": [{"type": "web_search"}], "tool_choice": {"type": "web_search"}}, "tool_choice", True),
        ({"tools": [{"type": "web_search"}], "tool_choice": "required"}, "tool_choice", True),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0]", True),
        ({"input": [{"type": "web_search_call", "id": "ws_1"}]}, "input[0]", False),
        ({"input": [{"role": "user", "content": [{"type": "input_audio"}]}]}, "input[0].content[0]", True),
        ({"input": [{"role": "system", "content": [{"type": "input_image", "file_id": "file-1"}]}]}, "input[0]", True),
        ({"input": [{"type": "reasoning", "summary": [], "encrypted_content": "gAAA"}]}, "input[0].encrypted_content", False),
    ],
)  # fmt: skip
def test_what_a_reader_cannot_tell_others(document, field, essential):
    lost = read({"instructions": "x", **document}).lost
    assert Loss(field, essential) in lost


def test_what_needs_no_telling():
    plain = {
        "store": False,
        "truncation": "disabled",
        "service_tier": "auto",
        "background": False,
        "include": ["reasoning.encrypted_content"],
        "stream_options": {"include_obfuscation": False},
        "metadata": {},
        "previous_response_id": None,
        "text": {"format": {"type": "text"}, "verbosity": None},
    }
    assert read(plain).lost == ()


def test_only_allowed_tools():
    tools = [{"type": "function", "name": name, "parameters": SCHEMA} for name in ("f", "g")]
    allowed = [{"type": "function", "name": "g"}]
    choice = {"type": "allowed_tools", "mode": "required", "tools": allowed}
    request = read({"tools": tools, "tool_choice": choice})
    assert [tool.name for tool in request.tools] == ["g"]
    assert request.tool_choice == ToolChoice("required")
    nothing = {**choice, "tools": [{"type": "mcp", "server_label": "x"}]}
    assert (
        Loss("tool_choice", essential=True) in read({"tools": tools, "tool_choice": nothing}).lost
    )


@pytest.mark.parametrize(
    ("request_", "losses"),
    [
        (Request("m", HI, top_k=4, seed=1, stop=("x",), said={"top_k": "topK"}), (Loss("topK"), Loss("seed"), Loss("stop"))),
        (Request("m", HI, choices=2, said={"choices": "n"}), (Loss("n", essential=True),)),
        (Request("m", (Message("user", (Media("audio", data="QUJD"),), "messages[0]"),)), (Loss("messages[0]", essential=True),)),
        (Request("m", (Message("user", (Media("image", file_id="file_anthropic"),), "messages[0]"),)), (Loss("messages[0]", essential=True),)),
        (Request("m", (Message("assistant", (Thinking("hm", "c2lnbmVk"),), "messages[0]"),)), (Loss("messages[0]"),)),
    ],
)  # fmt: skip
def test_what_this_format_cannot_say(request_, losses):
    assert CODEC.write_request(request_).losses == losses


def test_a_tools_error_is_said_in_words():
    result = ToolResult("c", (Text("no such city"),), is_error=True)
    sent = CODEC.write_request(Request("m", (*HI, Message("user", (result,))))).document["input"]
    assert sent[-1]["output"] == "Error: no such city"


@pytest.mark.parametrize(
    ("reasoning", "stated"),
    [
        (Reasoning("minimal"), {"effort": "minimal"}),
        (Reasoning(budget_tokens=0), {"effort": "none"}),
        (Reasoning(budget_tokens=2000), {"effort": "low"}),
        (Reasoning(budget_tokens=8000), {"effort": "medium"}),
        (Reasoning(budget_tokens=30000, shown=True), {"effort": "high", "summary": "auto"}),
        (Reasoning(budget_tokens=-1), {}),
    ],
)
def test_reasoning_by_effort(reasoning, stated):
    document = CODEC.write_request(Request("m", HI, reasoning=reasoning)).document
    assert document["reasoning"] == stated
    hidden = stated.get("effort") == "none"
    assert document.get("include") == (None if hidden else ["reasoning.encrypted_content"])


@pytest.mark.parametrize(
    "document",
    [
        {"input": 3},
        {"input": []},
        {"input": [3]},
        {"input": [{"role": "robot", "content": "x"}]},
        {"input": [{"role": "user"}]},
        {"input": [{"role": "user", "content": [{"type": "input_image"}]}]},
        {"input": [{"type": "function_call", "name": "f", "arguments": "{}"}]},
        {"input": [{"type": "function_call_output", "output": "x"}]},
        {"tools": "f"},
        {"tools": [{"type": "function"}]},
        {"tool_choice": 3},
        {"tool_choice": {"type": "function"}},
        {"reasoning": {"effort": "extreme"}},
        {"text": {"format": {"type": "xml"}}},
        {"text": {"format": {"type": "json_schema"}}},
        {"max_output_tokens": 0},
        {"temperature": "hot"},
        {"parallel_tool_calls": 1},
        {"instructions": ["x"]},
    ],
)
def test_requests_without_meaning(document):
    with pytest.raises(UnspeakableError):
        read(document)


ANSWERS = {
    "text": Choice((Text("Hello."),), "stop"),
    "refusal": Choice((Refusal("No."),), "refusal"),
    "cut": Choice((Text("Hel"),), "length"),
    "filtered": Choice((Text("Hel"),), "content_filter"),
    "tools": Choice((Text("Look:"), ToolCall("c1", "f", '{"a":1}'), ToolCall("c2", "g", "{}")), "tool_calls"),
}  # fmt: skip


@pytest.mark.parametrize("name", ANSWERS)
def test_answers_round_trip(name):
    usage = Usage(20, 9, cache_read_tokens=4, cache_write_tokens=2, reasoning_tokens=3)
    response = Response("resp_1", "claude-x", (ANSWERS[name],), usage)
    assert CODEC.read_response(CODEC.write_response(response, ASKED)) == response


THOUGHT = {
    "signed": (Thinking("Hm.", "c2lnbmVk"), Text("Yes.")),
    "redacted": (Thinking(redacted="aGlkZGVu"), Text("Yes.")),
    "unsigned": (Thinking("Hm."), Text("Yes.")),
    "two": (Thinking("Hm.", "c2ln"), Thinking("Aha.", "bmVk"), ToolCall("c1", "f", "{}")),
    "calls": (ToolCall("c1", "f", "{}", signature="c2ln"), ToolCall("c2", "g", "{}")),
    "between": (Text("a"), Thinking("Hm.", "c2ln"), Text("b")),
}


def written(deltas, asked=ASKED):
    writer = CODEC.writer(asked)
    return b"".join(writer.write(delta) for delta in deltas) + writer.end()


def events(raw):
    blocks = [block.split("\n") for block in raw.decode().split("\n\n") if block]
    for name, data in blocks:
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        yield event


@pytest.mark.parametrize("name", THOUGHT)
@pytest.mark.parametrize("streamed", [False, True])
def test_reasoning_of_others_comes_back(name, streamed):
    """What the caller was shown, sent again as items, is what the provider signed."""
    parts = THOUGHT[name]
    response = Response("msg_9", "claude-x", (Choice(parts, "stop"),), None)
    document = CODEC.write_response(response, ASKED)
    if streamed:
        document = list(events(written(pieces(response))))[-1]["response"]
    again = read({"input": [{"role": "user", "content": "hi"}, *document["output"]]})
    assert again.lost == ()
    assert again.messages[1].parts == parts


def test_a_seal_holds_no_reasoning():
    response = Response("r", "m", (Choice((Thinking("secret thought", "c2ln"),), "stop"),), None)
    item = CODEC.write_response(response, ASKED)["output"][0]
    item["summary"] = [{"type": "summary_text", "text": "[REDACTED]"}]
    assert read({"input": [item]}).messages[0].parts == (Thinking("[REDACTED]", "c2ln"),)


@pytest.mark.parametrize(
    "content", ["dragoman-1-", "dragoman-1-!!", "dragoman-1-WzFd", "dragoman-1-eyJzIjoxfQ=="]
)
def test_a_seal_that_was_tampered_with_is_lost(content):
    item = {"type": "reasoning", "summary": [], "encrypted_content": content}
    assert read({"instructions": "x", "input": [item]}).lost == (
        Loss("input[0].encrypted_content"),
    )


@pytest.mark.parametrize(
    "name", ["reasoning_encrypted", "reasoning_without_summary", "parallel_tools_after_reasoning"]
)
def test_reasoning_of_openai_comes_back(name):
    document = json.loads((RECORDED / f"{name}.json").read_text())
    parts = CODEC.read_response(document).choices[0].parts
    sent = CODEC.write_request(Request("m", (*HI, Message("assistant", parts)))).document["input"]
    item, back = document["output"][0], sent[1]
    assert back["encrypted_content"] == item["encrypted_content"]
    assert "".join(part["text"] for part in back["summary"]) == "\n\n".join(
        part["text"] for part in item["summary"]
    )


def deltas(path, cuts=()):
    raw, reader = path.read_bytes(), CODEC.reader()
    out, start = [], 0
    for cut in [*sorted(cuts), len(raw)]:
        out += reader.feed(raw[start:cut])
        start = cut
    try:
        out += reader.end()
    except UnreadableError as error:
        out.append(str(error))
    return out, reader.usage


def folded(read_deltas):
    """The parts that deltas make."""
    parts, calls, thinking = [], {}, None
    for delta in read_deltas:
        match delta:
            case ThinkingPiece(text, signature, redacted):
                thinking = thinking or Thinking()
                thinking = Thinking(thinking.text + text, signature, redacted)
                if signature or redacted:
                    parts.append(thinking)
                    thinking = None
                continue
            case TextPiece(text):
                kind = Text
            case RefusalPiece(text):
                kind = Refusal
            case CallBegan(index, call_id, name):
                calls[index] = len(parts)
                parts.append(ToolCall(call_id, name, ""))
                continue
            case CallPiece(index, arguments):
                call = parts[calls[index]]
                parts[calls[index]] = replace(call, arguments=call.arguments + arguments)
                continue
            case _:
                continue
        if thinking:
            parts.append(thinking)
            thinking = None
        if parts and isinstance(parts[-1], kind):
            parts[-1] = kind(parts[-1].text + text)
        else:
            parts.append(kind(text))
    return tuple(parts)


@pytest.mark.parametrize("path", STREAMS, ids=lambda path: path.stem)
def test_one_byte_at_a_time(path):
    assert deltas(path, range(path.stat().st_size)) == deltas(path)


@pytest.mark.parametrize("path", STREAMS, ids=lambda path: path.stem)
@given(data=st.data())
@settings(max_examples=15, deadline=None)
def test_any_chunking(path, data):
    cuts = data.draw(st.lists(st.integers(0, path.stat().st_size), max_size=30))
    assert deltas(path, cuts) == deltas(path)


@pytest.mark.parametrize("path", WHOLE, ids=lambda path: path.stem)
def test_a_stream_says_what_the_whole_says(path):
    response = CODEC.read_response(strict.loads(path.read_bytes()))
    streamed, usage = deltas(path.with_suffix(".sse"))
    parts = tuple(
        replace(part, citations=()) if isinstance(part, Text) else part
        for part in response.choices[0].parts
    )
    assert folded(streamed) == parts
    assert streamed[0] == Began(response.id, response.model)
    assert streamed[-2:] == [Finished(response.choices[0].finish), Used(response.usage)]
    assert usage == response.usage


def test_why_answers_end():
    ends = {
        path.stem: CODEC.read_response(strict.loads(path.read_bytes())).choices[0].finish
        for path in WHOLE
    }
    assert ends["text"] == ends["reasoning_encrypted"] == "stop"
    assert ends["parallel_tools_after_reasoning"] == ends["text_and_tool"] == "tool_calls"
    assert ends["cut_at_max_output_tokens"] == "length"
    assert ends["filtered"] == "content_filter"
    assert ends["refusal"] == "refusal"


@pytest.mark.parametrize(
    ("name", "last"),
    [
        ("error_event", Failed(500, "The server had an error.")),
        ("error_event_wrapped", Failed(500, "The server had an error.")),
        ("failed_rate_limit", Failed(429, "Rate limit reached for gpt-5.")),
        ("cut_off", "The provider's stream ended before its answer did."),
    ],
)
def test_streams_that_fail(name, last):
    assert deltas(RECORDED / f"{name}.sse")[0][-1] == last


def test_an_answer_that_failed_is_none():
    with pytest.raises(UnreadableError):
        CODEC.read_response(strict.loads((RECORDED / "failed.json").read_bytes()))


@pytest.mark.parametrize("path", WHOLE, ids=lambda path: path.stem)
def test_what_a_writer_streams_a_reader_reads(path):
    streamed, _ = deltas(path.with_suffix(".sse"))
    raw = written(streamed)
    sent = list(events(raw))
    assert [event["sequence_number"] for event in sent] == list(range(len(sent)))
    reader = CODEC.reader()
    again = [*reader.feed(raw), *reader.end()]
    said = [part for part in folded(again) if not isinstance(part, Thinking)]
    assert said == [part for part in folded(streamed) if not isinstance(part, Thinking)]
    assert again[-2:] == streamed[-2:]


def test_calls_whose_pieces_come_mixed():
    mixed = [
        Began("x", "m"),
        CallBegan(0, "c1", "f"),
        CallBegan(1, "c2", "g"),
        CallPiece(0, '{"a"'),
        CallPiece(1, '{"b"'),
        CallPiece(0, ":1}"),
        CallPiece(1, ":2}"),
        Finished("tool_calls"),
    ]
    output = list(events(written(mixed)))[-1]["response"]["output"]
    assert [item["arguments"] for item in output] == ['{"a":1}', '{"b":2}']


def test_a_failure_ends_the_stream():
    writer = CODEC.writer(ASKED)
    raw = writer.write(Began("x", "m")) + writer.write(TextPiece("Half"))
    raw += writer.write(Failed(529, "Overloaded."))
    assert writer.write(TextPiece("more")) + writer.end() == b""
    last = list(events(raw))[-1]
    assert (last["type"], last["message"], last["sequence_number"]) == ("error", "Overloaded.", 5)


JUNK = st.sampled_from(
    [None, True, -1, 10**6, "x", "", [], {}, [None], [[]], {"type": []}, {"a": 1}]
)


def places(node, path=()):
    yield path
    children = (
        node if isinstance(node, dict) else dict(enumerate(node if isinstance(node, list) else ()))
    )
    for key, value in children.items():
        yield from places(value, (*path, key))


def spoiled(document, path, junk):
    if not path:
        return junk
    copy = document.copy()
    copy[path[0]] = spoiled(document[path[0]], path[1:], junk)
    return copy


@pytest.mark.parametrize("name", REQUESTS)
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_junk_in_requests(name, data):
    document = CODEC.write_request(REQUESTS[name]).document
    at = data.draw(st.sampled_from([path for path in places(document) if path]))
    spoilt = spoiled(document, at, data.draw(JUNK))
    try:
        request = CODEC.read_request(spoilt, Line("m"))
    except UnspeakableError:
        return
    CODEC.write_request(request)


@pytest.mark.parametrize("path", WHOLE, ids=lambda path: path.stem)
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_junk_in_answers(path, data):
    document = json.loads(path.read_text())
    at = data.draw(st.sampled_from([place for place in places(document) if place]))
    try:
        response = CODEC.read_response(spoiled(document, at, data.draw(JUNK)))
    except UnreadableError:
        return
    strict.dumps(CODEC.write_response(response, ASKED))


@pytest.mark.parametrize("path", STREAMS, ids=lambda path: path.stem)
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_junk_in_streams(path, data):
    said = [
        json.loads(each.partition("data: ")[2])
        for each in path.read_text().split("\n\n")
        if "data: {" in each
    ]
    position = data.draw(st.integers(0, len(said) - 1))
    at = data.draw(st.sampled_from(list(places(said[position]))))
    said[position] = spoiled(said[position], at, data.draw(JUNK))
    reader, writer = CODEC.reader(), CODEC.writer(ASKED)
    try:
        for event in said:
            for delta in reader.feed(b"data: %b\n\n" % json.dumps(event).encode()):
                writer.write(delta)
        for delta in reader.end():
            writer.write(delta)
    except UnreadableError:
        return
    writer.end()


@pytest.mark.parametrize(
    "endless",
    [
        lambda _: TextPiece("x" * 2**20),
        lambda _: ThinkingPiece("x" * 2**20),
        lambda _: ThinkingPiece(signature="x" * 2**20),
        lambda _: ThinkingPiece(redacted="x" * 2**20),
        lambda n: CallBegan(n, "x" * 2**20, "f"),
        lambda n: CallBegan(n, "c", "f", "x" * 2**20),
    ],
)
def test_what_is_kept_of_a_stream_is_bounded(endless):
    """Signatures and names, too: all of it is said again at the end."""
    writer = CODEC.writer(ASKED)
    with pytest.raises(UnreadableError):
        for number in range(40):
            writer.write(endless(number))


def test_a_stream_without_end_is_bounded():
    reader = CODEC.reader()
    endless = (
        b'data: {"type":"response.output_item.added","output_index":%d,"item":{"type":"function_call","call_id":"c","name":"f"}}\n\n' % index
        for index in range(5000)
    )  # fmt: skip
    with pytest.raises(UnreadableError):
        for event in endless:
            list(reader.feed(event))
