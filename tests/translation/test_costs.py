"""What a long body costs: no more than its length, however it is made."""

import json
import sys

import pytest

from ext_proc.call import Line
from ext_proc.translation.codec import UnspeakableError
from ext_proc.translation.neutral import Media, Message, Request, Text
from ext_proc.translation.table import CODECS

SAYS = Message("user", (Text("a"),), "messages[0]")
SHOWS = Message("user", (Media("document", "text/plain", text="a", name="n"),), "messages[0]")
CALLS = {"functionCall": {"name": "f"}}


def steps(work):
    """Lines of Python that some work takes."""
    count = 0

    def trace(*_):
        nonlocal count
        count += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def stream_of(calls):
    """A stream of chat completions that calls a tool in each chunk, without an index."""
    reader = CODECS["OpenAIChat"].reader()
    for number in range(calls):
        call = {"id": f"c{number}", "function": {"name": "f", "arguments": "{}"}}
        chunk = {"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]}
        list(reader.feed(b"data: %b\n\n" % json.dumps(chunk).encode()))


WORK = {
    "calls of a stream": stream_of,
    "turns of one role": lambda n: CODECS["AnthropicMessages"].write_request(
        Request("m", (SAYS,) * n)
    ),
    "documents of one name": lambda n: CODECS["BedrockConverse"].write_request(
        Request("m", (SHOWS,) * n)
    ),
    "calls without ids": lambda n: CODECS["GeminiContent"].read_response(
        {"candidates": [{"content": {"parts": [CALLS] * n}, "finishReason": "STOP"}]}
    ),
}


@pytest.mark.parametrize("work", WORK.values(), ids=WORK)
def test_twice_the_length_is_twice_the_work(work):
    """Not four times."""
    work(1)
    assert steps(lambda: work(400)) < 3 * steps(lambda: work(200))


def test_the_place_of_an_error_is_not_as_long_as_a_key():
    """Every schema below would repeat it."""
    schema = {"properties": {"k" * 1000: {"properties": {"inner": {"type": "no such"}}}}}
    declared = {"functionDeclarations": [{"name": "f", "parameters": schema}]}
    document = {"contents": [{"parts": [{"text": "hi"}]}], "tools": [declared]}
    with pytest.raises(UnspeakableError) as refused:
        CODECS["GeminiContent"].read_request(document, Line("m"))
    assert refused.value.field.endswith(".properties.inner.type")
    assert len(refused.value.field) < 200
