"""Messages of Anthropic: what else a document says, thinking within a limit, broken answers."""

import json

import pytest

from ext_proc.call import Line
from ext_proc.formats import strict
from ext_proc.translation.codec import UnreadableError
from ext_proc.translation.neutral import (
    Loss,
    Message,
    Reasoning,
    Request,
    Text,
    Tool,
    ToolCall,
    ToolResult,
)
from ext_proc.translation.table import CODECS

CODEC = CODECS["AnthropicMessages"]
HELLO = (Message("user", (Text("hi"),), "messages[0]"),)


def test_what_a_document_says_besides_is_named():
    """Words about a document are essential, also within the result of a tool."""
    source = {"type": "text", "media_type": "text/plain", "data": "a"}
    told = {"type": "document", "source": source, "context": "from the contract"}
    cited = {"type": "document", "source": source, "citations": {"enabled": True}}
    result = {"type": "tool_result", "tool_use_id": "t", "content": [told]}
    document = {"messages": [{"role": "user", "content": [result, told, cited]}]}
    read = CODEC.read_request(strict.loads(json.dumps(document).encode()), Line("m"))
    assert read.lost == (
        Loss("messages[0].content[0].context", essential=True),
        Loss("messages[0].content[1].context", essential=True),
    )
    assert read.messages[0].parts[2].cites == "messages[0].content[2].citations"


@pytest.mark.parametrize(
    ("limit", "budget", "sent"),
    [(None, 16384, 17408), (20000, 16384, 20000), (5000, 3976, 5000), (2048, 1024, 2048)],
)
def test_thinking_stays_within_the_limit(limit, budget, sent):
    """A limit, which may be an AIPolicy's, is never raised: thoughts count."""
    asked = Request("m", HELLO, max_tokens=limit, reasoning=Reasoning("high"))
    written = CODEC.write_request(asked)
    assert written.document["thinking"] == {"type": "enabled", "budget_tokens": budget}
    assert written.document["max_tokens"] == sent
    assert written.losses == ()


def test_a_limit_that_leaves_no_room_for_thoughts():
    """Then there are none, and the caller is told."""
    asked = Request("m", HELLO, max_tokens=2047, reasoning=Reasoning("high"))
    written = CODEC.write_request(asked)
    assert "thinking" not in written.document
    assert written.document["max_tokens"] == 2047
    assert written.losses == (Loss("reasoning"),)


def test_a_block_that_is_not_text_makes_the_answer_unreadable():
    """What cannot be read is no empty answer."""
    blocks = [{"type": "text", "text": "a"}, {"type": "text", "text": 5}]
    with pytest.raises(UnreadableError):
        CODEC.read_response({"type": "message", "content": blocks})


@pytest.mark.parametrize(
    ("loss", "fields"),
    [
        (Loss("thinking"), {"thinking": {"type": "dreaming"}}),
        (Loss("tool_choice", essential=True), {"tool_choice": {"type": "some"}}),
        (Loss("output_config.effort"), {"output_config": {"effort": "boundless"}}),
        (Loss("output_config.format", essential=True), {"output_config": {"format": {"type": "xml"}}}),
        (Loss("output_config.tone"), {"output_config": {"tone": "dry"}}),
        (
            Loss("system[0].cache_control.ttl"),
            {"system": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]},
        ),
        (
            Loss("tool_choice", essential=True),
            {"tools": [{"type": "web_search_20250305", "name": "s"}], "tool_choice": {"type": "any"}},
        ),
    ],
)  # fmt: skip
def test_what_has_no_place_is_named(loss, fields):
    """Values of next year, and what no other provider has."""
    asked = CODEC.read_request(
        {"messages": [{"role": "user", "content": "hi"}], **fields}, Line("m")
    )
    assert loss in asked.lost


def test_the_usual_asks_for_nothing():
    asked = CODEC.read_request(
        {
            "messages": [{"role": "user", "content": "hi"}],
            "system": [
                {"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": "5m"}}
            ],
            "tools": [{"type": "custom", "name": "f", "input_schema": {}, "defer_loading": False}],
            "thinking": {"type": "adaptive", "display": "omitted"},
        },
        Line("m"),
    )
    assert asked.lost == ()
    assert asked.reasoning.shown is False


def test_tools_that_were_called_are_declared():
    """Anthropic refuses calls of none; a caller who offers none wants none to be called."""
    turns = [
        Message("assistant", (ToolCall("a", "f", "{}"), ToolCall("b", "g", "{}")), "messages[1]"),
        Message("user", (ToolResult("a", (Text("1"),)), ToolResult("b", ())), "messages[2]"),
        Message("assistant", (ToolCall("c", "f", "{}"),), "messages[3]"),
        Message("user", (ToolResult("c", (Text("1"),)),), "messages[4]"),
    ]
    written = CODEC.write_request(Request("m", (*HELLO, *turns)))
    empty = {"type": "object", "properties": {}}
    assert written.document["tools"] == [{"name": name, "input_schema": empty} for name in "fg"]
    assert written.document["tool_choice"] == {"type": "none"}
    assert written.losses == ()
    offered = CODEC.write_request(Request("m", (*HELLO, *turns), tools=(Tool("h"),)))
    assert [each["name"] for each in offered.document["tools"]] == ["h"]
    assert "tool_choice" not in offered.document
