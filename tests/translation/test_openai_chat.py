"""Chat completions and what other formats have no words for: named, never left out in silence."""

import json

import pytest

from ext_proc.call import Line
from ext_proc.formats import sse, strict
from ext_proc.translation.answers import Answer
from ext_proc.translation.codec import Asked
from ext_proc.translation.neutral import Loss, Media, Message, Request, Text, ToolResult
from ext_proc.translation.table import CODECS

HELLO = [{"role": "user", "content": "hi"}]


def read(**fields):
    document = strict.loads(json.dumps({"messages": HELLO, **fields}).encode())
    return CODECS["OpenAIChat"].read_request(document, Line("m", stream=False))


@pytest.mark.parametrize(
    ("loss", "fields"),
    [
        (Loss("tools[0]"), {"tools": [{"type": "custom", "custom": {"name": "f"}}]}),
        (
            Loss("tool_choice", essential=True),
            {"tool_choice": {"type": "custom", "custom": {"name": "f"}}},
        ),
        (
            Loss("tool_choice", essential=True),
            {"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "required"}}},
        ),
        (Loss("response_format", essential=True), {"response_format": {"type": "grammar"}}),
        (
            Loss("messages[0].audio", essential=True),
            {"messages": [{"role": "assistant", "audio": {"id": "audio_1"}}]},
        ),
    ],
)
def test_what_has_no_place_is_named(loss, fields):
    """A tool, a demand or an answer that no other provider knows is a loss of its own."""
    assert read(**fields).lost == (loss,)


def test_what_asks_for_nothing_else_is_no_loss():
    """Words that mean what everybody does lose nothing."""
    asked = read(
        tools=[{"type": "function", "function": {"name": "f"}}],
        tool_choice=None,
        function_call="auto",
        response_format={"type": "text"},
    )
    assert asked.lost == ()
    assert [tool.name for tool in asked.tools] == ["f"]
    assert asked.tool_choice.mode == "auto"


@pytest.mark.parametrize(
    "part", [Media("image", "image/png", data="aGk="), ToolResult("c", (Text("1"),))]
)
def test_an_earlier_answer_is_words_and_calls(part):
    """A picture the model made cannot be shown to it again: that is another question."""
    turn = Message("assistant", (Text("see"), part), "contents[0]")
    written = CODECS["OpenAIChat"].write_request(Request("m", (turn,)))
    assert written.losses == (Loss("contents[0].content", essential=True),)


CALLED = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}


@pytest.mark.parametrize(
    ("reason", "calls", "finish"),
    [
        ("stop", [CALLED], "tool_use"),
        ("stop", [], "end_turn"),
        ("length", [CALLED], "max_tokens"),
        ("tool_calls", [CALLED], "tool_use"),
    ],
)
def test_a_call_is_why_an_answer_ended(reason, calls, finish):
    """OpenAI says `stop` where the caller named the tool; others say that it was called."""
    asked = Asked("m", "req-1", 1)
    message = {"role": "assistant", "content": "a", "tool_calls": calls}
    answer = {"choices": [{"message": message, "finish_reason": reason}]}
    whole = Answer("OpenAIChat", "AnthropicMessages", asked).whole(strict.dumps(answer))
    assert json.loads(whole)["stop_reason"] == finish
    chunk = {"choices": [{"index": 0, "delta": message, "finish_reason": reason}]}
    streamed = Answer("OpenAIChat", "AnthropicMessages", asked)
    written = streamed.feed(sse.encode(strict.dumps(chunk))) + streamed.end()
    assert f'"stop_reason":"{finish}"'.encode() in written


def test_content_in_parts_is_read():
    """Mistral's reasoning models answer in parts, and stream them so."""
    asked = Asked("m", "req-1", 1)
    content = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]},
        {"type": "text", "text": "Yes."},
    ]
    answer = {"choices": [{"message": {"content": content}, "finish_reason": "stop"}]}
    whole = Answer("OpenAIChat", "AnthropicMessages", asked).whole(strict.dumps(answer))
    assert json.loads(whole)["content"] == [
        {"type": "thinking", "thinking": "Hm.", "signature": ""},
        {"type": "text", "text": "Yes."},
    ]
    chunk = {"choices": [{"index": 0, "delta": {"content": content}, "finish_reason": "stop"}]}
    streamed = Answer("OpenAIChat", "AnthropicMessages", asked)
    written = streamed.feed(sse.encode(strict.dumps(chunk))) + streamed.end()
    assert b'{"type":"thinking_delta","thinking":"Hm."}' in written
    assert b'{"type":"text_delta","text":"Yes."}' in written


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (Loss("messages[0].name"), {"role": "user", "content": "a", "name": "Ana"}),
        (
            Loss("messages[0].content[0].image_url.colours"),
            {
                "role": "user",
                "content": [
                    {"type": "image_url", "image_url": {"url": "https://e.test/a", "colours": 2}}
                ],
            },
        ),
    ],
)
def test_what_is_said_beside_a_message_is_named(loss, message):
    assert read(messages=[message]).lost == (loss,)


def test_a_demand_for_a_tool_that_has_no_place_is_essential():
    """Else the answer would come without the call."""
    custom = {"type": "custom", "custom": {"name": "f"}}
    asked = read(tools=[custom], tool_choice="required")
    assert asked.lost == (Loss("tools[0]"), Loss("tool_choice", essential=True))


def test_a_choice_without_tools_is_not_written():
    """OpenAI refuses one."""
    written = CODECS["OpenAIChat"].write_request(read(tool_choice="auto"))
    assert "tool_choice" not in written.document


def test_the_name_of_a_document_of_words_is_named():
    """It travels as text, and is called as the caller called it."""
    source = {"type": "text", "media_type": "text/plain", "data": "a"}
    block = {"type": "document", "source": source, "title": "Contract"}
    document = {"messages": [{"role": "user", "content": [block]}]}
    asked = CODECS["AnthropicMessages"].read_request(document, Line("m"))
    assert CODECS["OpenAIChat"].write_request(asked).losses == (Loss("messages[0].title"),)
