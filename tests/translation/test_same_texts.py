"""Guards read the same texts in every chat format, but for what a format cannot hold."""

from collections import Counter

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ext_proc.call import Line, Usage
from ext_proc.formats import strict
from ext_proc.formats.table import DIALECTS
from ext_proc.translation.codec import Asked
from ext_proc.translation.neutral import (
    Choice,
    Message,
    Request,
    Response,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
)
from ext_proc.translation.table import CODECS
from tests.translation.deltas import pieces
from tests.translation.matrix.test_chunking import pieces_of

FORMATS = (
    *("OpenAIChat", "OpenAIResponses", "AnthropicMessages", "GeminiContent", "BedrockConverse"),
)
ASKED = Asked("m", "r", 1)
LINE = Line("anthropic.claude", stream=False)
CITY = {"type": "object", "properties": {"city": {"type": "string", "description": "which town"}}}
CALLS = (
    ToolCall("c1", "weather", '{"city":"Paris"}'),
    ToolCall("c2", "clock", '{"zone":"CET"}'),
)
RESULTS = (
    ToolResult("c1", (Text("It rains."),)),
    ToolResult("c2", (Text("No clock."),), is_error=True),
)
REQUEST = Request(
    "anthropic.claude",
    (
        Message("user", (Text("Ask Ana."),), "messages[0]"),
        Message("assistant", (Thinking("Two.", "EqQB"), Text("I look."), *CALLS), "messages[1]"),
        Message("user", RESULTS, "messages[2]"),
        Message("user", (Text("And then?"),), "messages[3]"),
    ),
    system=(Text("Be kind."),),
    tools=(Tool("weather", "tells weather", CITY), Tool("clock", "tells time")),
)
ANSWER = Response(
    "r", "m", (Choice((Thinking("Hm.", "EqQB"), Text("Say this."), *CALLS), "tool_calls"),), Usage(1, 2)
)  # fmt: skip
CALLED = Counter(
    {
        ("ToolCalls", "weather"): 1,
        ("ToolCalls", '{"city":"Paris"}'): 1,
        ("ToolCalls", "clock"): 1,
        ("ToolCalls", '{"zone":"CET"}'): 1,
    }
)
ASKED_FOR = CALLED + Counter(
    {
        ("System", "Be kind."): 1,
        ("User", "Ask Ana."): 1,
        ("Reasoning", "Two."): 1,
        ("Assistant", "I look."): 1,
        ("ToolResults", "It rains."): 1,
        ("ToolResults", "No clock."): 1,
        ("User", "And then?"): 1,
    }
)
ANSWERED = CALLED + Counter({("Reasoning", "Hm."): 1, ("Assistant", "Say this."): 1})
DEFINED = ("weather", "tells weather", "city", "which town", "clock", "tells time")

REFUSED = "Chat completions and Responses take no reasoning again that they did not sign"
WORDS = "There is no field for errors, so a word says it"
WRAPPED = "A result is an object, and names its tool"
TWICE = "What is signed stands beside the words for those who show them"
APART = {
    ("OpenAIChat", "request"): {
        ("Reasoning", "Two."): (None, REFUSED),
        ("ToolResults", "No clock."): (("Error: No clock.",), WORDS),
    },
    ("OpenAIResponses", "request"): {
        ("Reasoning", "Two."): (None, REFUSED),
        ("ToolResults", "No clock."): (("Error: No clock.",), WORDS),
    },
    ("GeminiContent", "request"): {
        ("ToolResults", "It rains."): (("weather", '{"output":"It rains."}'), WRAPPED),
        ("ToolResults", "No clock."): (("clock", '{"error":"No clock."}'), WRAPPED),
    },
    ("OpenAIChat", "whole"): {("Reasoning", "Hm."): (("Hm.", '{"text":"Hm."}'), TWICE)},
}
"""By format and way: a text, the texts that stand for it there, and why."""
ECHOED = {"OpenAIResponses": ("ToolDefinitions", "auto")}
"""A response says again what the caller may have said; ours says the usual."""


def wanted(format_, way, texts):
    for (origin, text), (instead, why) in APART.get((format_, way), {}).items():
        assert why
        texts = texts - Counter({(origin, text): 1})
        texts = texts + Counter((origin, each) for each in instead or ())
    return texts


def says(text):
    """Whether there are words in a text, or only the names of fields that hold none."""
    try:
        held = orjson.loads(text)
    except ValueError:
        return bool(text)
    return not isinstance(held, dict) or any(held.values())


def heard(format_, texts):
    """What guards read, without what our own envelope says."""
    found = Counter(each for each in texts if says(each[1]))
    if format_ in ECHOED:
        found.pop(ECHOED[format_], None)
    return found


@pytest.mark.parametrize("format_", FORMATS)
def test_of_requests(format_):
    """Definitions of tools are read as JSON, in each format's own words around the caller's."""
    document = CODECS[format_].write_request(REQUEST).document
    call = DIALECTS[format_].decode_request(strict.dumps(document), LINE)
    texts = [(text.origin, text.value) for text in call.texts]
    defined = "".join(text for origin, text in texts if origin == "ToolDefinitions")
    said = Counter(each for each in texts if each[0] != "ToolDefinitions")
    assert said == wanted(format_, "request", ASKED_FOR)
    assert [each for each in DEFINED if each not in defined] == []
    assert call.unscanned == {}


@pytest.mark.parametrize("format_", FORMATS)
def test_of_whole_answers(format_):
    document = CODECS[format_].write_response(ANSWER, ASKED)
    response = DIALECTS[format_].decode_response(strict.dumps(document))
    texts = [(text.origin, text.value) for text in response.texts]
    assert heard(format_, texts) == wanted(format_, "whole", ANSWERED)


class Scan:
    """A guard that lets everything pass and remembers it, by field."""

    blocked = False

    def __init__(self, origin, seen):
        self.origin, self.seen, self.text = origin, seen, ""

    def push(self, text):
        self.text += text
        return text

    def finish(self):
        self.seen.append((self.origin, self.text))
        return ""


@pytest.mark.parametrize("format_", FORMATS)
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_of_streams_cut_anywhere(format_, data):
    """A field's pieces together are its text: the provider's pieces, and the network's."""
    writer = CODECS[format_].writer(ASKED)
    raw = b"".join(map(writer.write, pieces(ANSWER))) + writer.end()
    cuts = data.draw(st.sets(st.integers(1, len(raw) - 1), max_size=30))
    document = CODECS[format_].write_request(REQUEST).document
    call = DIALECTS[format_].decode_request(strict.dumps(document), LINE)
    seen = []
    codec = DIALECTS[format_].stream(call, lambda origin: Scan(origin, seen), len)
    for piece in pieces_of(raw, cuts):
        codec.feed(piece)
    codec.end()
    assert codec.failed is None
    assert heard(format_, seen) == wanted(format_, "stream", ANSWERED)
