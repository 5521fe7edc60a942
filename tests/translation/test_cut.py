"""Streams that a provider ends before it said why: an error, never an answer that looks whole."""

import json

import pytest

from ext_proc.formats import sse
from ext_proc.translation.answers import Answer
from ext_proc.translation.codec import Asked

ASKED = Asked("m", "req-1", 1)


def chunk(index=0, finish=None, **delta):
    return {"choices": [{"index": index, "delta": delta, "finish_reason": finish}]}


SAID = chunk(content="Hel")
BEGUN = {"type": "message_start", "message": {"id": "a", "model": "m"}}
PIECE = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hel"}}
STOP = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}
BROKE = {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}
OTHERS = {"OpenAIChat": "AnthropicMessages", "AnthropicMessages": "OpenAIChat"}


def answer(provider, *events):
    read = Answer(provider, OTHERS[provider], ASKED)
    sent = b"".join(
        sse.encode(e if isinstance(e, bytes) else json.dumps(e).encode()) for e in events
    )
    return read, read.feed(sent) + read.end()


@pytest.mark.parametrize(
    ("provider", "events"),
    [
        ("OpenAIChat", ()),
        ("OpenAIChat", (SAID,)),
        ("OpenAIChat", (SAID, chunk(1, "stop", content="a"))),
        ("AnthropicMessages", ()),
        ("AnthropicMessages", (BEGUN,)),
        ("AnthropicMessages", (BEGUN, PIECE)),
    ],
)
def test_a_stream_that_is_cut_is_an_error(provider, events):
    """Nothing says that the answer is complete."""
    read, written = answer(provider, *events)
    assert read.failed is not None
    assert read.failed.code == "provider_bad_response"
    assert b"message_stop" not in written
    assert b"[DONE]" not in written


@pytest.mark.parametrize(
    ("provider", "events"),
    [
        ("OpenAIChat", (SAID, chunk(finish="stop"))),
        ("OpenAIChat", (SAID, b"[DONE]")),
        ("OpenAIChat", (SAID, {"error": {"message": "busy"}})),
        ("AnthropicMessages", (BEGUN, PIECE, STOP)),
        ("AnthropicMessages", (BEGUN, PIECE, BROKE, PIECE)),
    ],
)
def test_a_stream_that_says_its_end_is_none(provider, events):
    """A reason, the last word or an error of the provider's own ends it; nothing follows."""
    read, written = answer(provider, *events)
    assert read.failed is None
    assert written.count(b"Hel") == 1
