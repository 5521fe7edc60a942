"""Which endpoint a request meets: what Envoy is told, and that all turns of a conversation agree."""

import json

import pytest

from crds.plan import AFFINITY_HEADER, Guards, StickinessPlan
from ext_proc import stickiness
from ext_proc.call import Line
from ext_proc.events import RequestBody
from ext_proc.formats.table import DIALECTS
from tests.exchange import harness
from tests.exchange.test_serving import A, B, bench

USER, TALK = StickinessPlan(by="User"), StickinessPlan(by="Conversation")


def told(world, headers=(), **body):
    """What Envoy is told of the endpoint; None: nothing."""
    exchange = world.exchange()
    harness.receive(exchange, harness.headers("/v1/chat/completions", **dict(headers)))
    whole = {"model": "x", "messages": [{"role": "user", "content": "Hi"}], **body}
    (verdict,) = harness.receive(exchange, RequestBody(json.dumps(whole).encode()))
    exchange.close("gone")
    return dict(verdict.set_headers).get(AFFINITY_HEADER)


def test_a_rule_without_ring_hash_tells_nothing():
    assert told(bench(A, stickiness=USER), user="jane") is None


def test_equal_keys_are_told_alike_and_without_a_key_nothing_is():
    world = bench(A, B, stickiness=USER, affinity=USER)
    jane = told(world, user="jane")
    assert len(jane) == 32
    assert told(world, user="jane", temperature=1) == jane
    assert told(world, user="john") not in (jane, None)
    assert told(world) is None


def test_the_key_is_not_in_what_is_told():
    told_of = told(bench(A, stickiness=USER, affinity=USER), user="jane")
    key = stickiness.key(USER, "ns/r/only", {}, call("OpenAIChat", {**CHAT, "user": "jane"}))
    assert told_of == stickiness.affinity(key)
    assert told_of not in key.hex()


def test_the_conversation_is_read_before_it_is_redacted():
    pii = {"name": "p", "policy": "ns/p", "type": "PII", "action": "Redact", "entities": ["Email"]}
    world = bench(A, guards=Guards(request=(pii,)), affinity=TALK)
    one, other = (
        told(world, messages=[{"role": "user", "content": f"I am {name}@example.org"}])
        for name in ("jane", "john")
    )
    assert one != other


def call(spoken, document):
    found = DIALECTS[spoken].decode_request(json.dumps(document).encode(), Line("m"))
    assert hasattr(found, "texts"), found
    return found


def key(spoken, document):
    return stickiness.key(TALK, "ns/r/only", {}, call(spoken, document))


def said(role, text):
    return {"role": role, "content": text}


def parts(role, text):
    return {"role": role, "parts": [{"text": text}]}


def blocks(role, text):
    return {"role": role, "content": [{"text": text}]}


CHAT = {"model": "m", "messages": [said("system", "S"), said("user", "U")]}
SYSTEM_PARTS = {"parts": [{"text": "S"}]}
CONVERSATIONS = {
    "OpenAIChat": ({"model": "m"}, "messages", [said("system", "S")], said, "assistant"),
    "AnthropicMessages": (
        {"model": "m", "max_tokens": 9, "system": "S"},
        "messages",
        [],
        said,
        "assistant",
    ),
    "OpenAIResponses": ({"model": "m", "instructions": "S"}, "input", [], said, "assistant"),
    "GeminiContent": ({"systemInstruction": SYSTEM_PARTS}, "contents", [], parts, "model"),
    "BedrockConverse": ({"system": [{"text": "S"}]}, "messages", [], blocks, "assistant"),
}


@pytest.mark.parametrize("spoken", CONVERSATIONS)
def test_all_turns_of_a_conversation_have_the_key_of_the_first(spoken):
    rest, field, before, say, model = CONVERSATIONS[spoken]
    turns = [*before, say("user", "U")]
    first = key(spoken, {**rest, field: turns})
    assert first is not None
    for number in range(3):
        turns = [*turns, say(model, f"A {number}"), say("user", f"U {number}")]
        assert key(spoken, {**rest, field: turns}) == first
    assert key(spoken, {**rest, field: [*before, say("user", "V")]}) != first


def test_formats_agree_on_a_conversation():
    found = {
        key(spoken, {**rest, field: [*before, say("user", "U")]})
        for spoken, (rest, field, before, say, _) in CONVERSATIONS.items()
    }
    assert len(found) == 1


def test_the_systems_words_and_each_part_of_the_turn_count():
    plain = key("OpenAIChat", CHAT)
    for messages in (
        [said("system", "T"), said("user", "U")],
        [said("user", "U")],
        [said("system", "S"), said("user", [{"type": "text", "text": t} for t in ("U", "V")])],
        [said("system", "SU")],
        [said("system", ""), said("user", "SU")],
    ):
        assert key("OpenAIChat", {**CHAT, "messages": messages}) != plain


def test_a_tools_turn_does_not_end_the_conversation():
    called = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    more = [
        {"role": "assistant", "content": None, "tool_calls": [called]},
        {"role": "tool", "tool_call_id": "c", "content": "r"},
        said("user", "And then?"),
    ]
    assert key("OpenAIChat", {**CHAT, "messages": [*CHAT["messages"], *more]}) == key(
        "OpenAIChat", CHAT
    )


def test_a_picture_alone_has_no_key():
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    messages = [said("system", "S"), said("user", [picture])]
    assert key("OpenAIChat", {**CHAT, "messages": messages}) is None
