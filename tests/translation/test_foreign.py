"""What another provider signed is taken out of a body that needs no translation."""

import json

import pytest

from crds.plan import PromptPlan, QuirksPlan
from ext_proc.call import Line
from ext_proc.translation import gemini_parts, requests
from ext_proc.translation.bedrock_carried import carry
from ext_proc.translation.codec import Asked
from ext_proc.translation.neutral import Choice, Loss, Response, Text, Thinking, ToolCall
from ext_proc.translation.requests import Spoken
from ext_proc.translation.responses_reasoning import Sealed, seal
from ext_proc.translation.table import CODECS
from ext_proc.wires import Wire

OURS = {"type": "reasoning", "summary": [], "encrypted_content": seal(Sealed("c2ln"))}
OPENAIS = {"type": "reasoning", "summary": [], "encrypted_content": "gAAAAABo"}


def fitted(format_, document):
    wire = Wire(format_, "m", "/", QuirksPlan())
    body, losses = requests.fit(json.dumps(document).encode(), wire)
    return json.loads(body), losses


def test_openai_gets_its_own_reasoning_alone():
    items = [{"role": "user", "content": "hi"}, OURS, OPENAIS]
    sent, losses = fitted("OpenAIResponses", {"model": "x", "input": items})
    assert sent == {"model": "m", "input": [items[0], OPENAIS]}
    assert losses == (Loss("reasoning"),)


@pytest.mark.parametrize(
    "block",
    [
        {"type": "thinking", "thinking": "Hm.", "signature": "OpenAIResponses1gAAAAABo"},
        {"type": "thinking", "thinking": "Hm.", "signature": "gemini_c2ln"},
        {"type": "redacted_thinking", "data": "OpenAIResponses1gAAAAABo"},
    ],
)
def test_anthropic_gets_its_own_thinking_alone(block):
    own = {"type": "thinking", "thinking": "Hm.", "signature": "EqQB"}
    said = [block, own, {"type": "text", "text": "Yes."}]
    messages = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": said}]
    sent, losses = fitted("AnthropicMessages", {"model": "x", "messages": messages})
    assert sent["messages"][1]["content"] == said[1:]
    assert losses == (Loss("messages[1].reasoning"),)


def test_a_mark_in_a_text_changes_nothing():
    items = [{"role": "user", "content": seal(Sealed("c2ln"))}]
    sent, losses = fitted("OpenAIResponses", {"model": "m", "input": items})
    assert (sent["input"], losses) == (items, ())


@pytest.mark.parametrize(
    "held",
    [
        {"reasoningText": {"text": "Hm.", "signature": "gemini_c2ln"}},
        {"reasoningText": {"text": "Hm.", "signature": "OpenAIResponses1gAAAAABo"}},
        {"redactedContent": carry("redacted", "OpenAIResponses1gAAAAABo")},
        {"redactedContent": carry("call", "c2ln")},
    ],
)
def test_bedrock_gets_its_own_reasoning_alone(held):
    own = [
        {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "EqQB"}}},
        {"reasoningContent": {"redactedContent": "RW1wdHk="}},
        {"text": "Yes."},
    ]
    said = [{"reasoningContent": held}, *own]
    document = {"messages": [{"role": "assistant", "content": said}]}
    sent, losses = fitted("BedrockConverse", document)
    assert sent == {"messages": [{"role": "assistant", "content": own}]}
    assert losses == (Loss("messages[0].reasoning"),)


@pytest.mark.parametrize("name", ["thoughtSignature", "thought_signature"])
def test_gemini_gets_its_own_thoughts_alone(name):
    """A thought goes whole; what else bears another's signature only loses that."""
    other = gemini_parts.shown(Thinking("", "EqQB"))
    call = {"functionCall": {"name": "f", "args": {}}}
    own = [{"text": "Hm.", "thought": True, name: "c2ln"}, {**call, name: "c2ln"}]
    said = [{"text": "Hm.", "thought": True, name: other}, {name: other}, {**call, name: other}]
    sent, losses = fitted("GeminiContent", {"contents": [{"role": "model", "parts": said + own}]})
    assert sent["contents"] == [{"role": "model", "parts": [call, *own]}]
    assert losses == (Loss("contents[0].reasoning"),)


def test_a_prompt_of_its_own_lets_nothing_through():
    """The document of a target with a prompt is written anew, and for no other target."""
    prompt = PromptPlan(name="p", text="Be brief.", mode="Append")
    wire = Wire("OpenAIResponses", "m", "/", QuirksPlan(), prompt)
    document = {"model": "x", "input": [OURS, OPENAIS]}
    written = requests.write(document, Spoken("OpenAIResponses", Line("x")), wire)
    assert written.document["input"] == [OPENAIS]
    assert written.losses == (Loss("reasoning"),)
    assert document["input"] == [OURS, OPENAIS]


TOLD = {"reasoning_content": "Hm."}
OPENROUTERS = {
    "type": "reasoning.text",
    "text": "Hm.",
    "format": "anthropic-claude-v1",
    "signature": "EqQB",
}
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}


@pytest.mark.parametrize(
    "thought",
    [Thinking("Hm.", "EqQB"), Thinking("Hm.", "gemini_c2ln"), Thinking(redacted="OpenAIResponses1gA")],
    ids=str,
)  # fmt: skip
def test_chat_completions_get_their_own_reasoning_alone(thought):
    """What we wrote for another provider goes, with the words it signs; a server's own stays."""
    answer = CODECS["OpenAIChat"].write_response(
        Response("r", "m", (Choice((thought, Text("Yes.")), "stop"),), None), Asked("m", "r", 1)
    )
    other = answer["choices"][0]["message"]
    own = {"role": "assistant", "content": "No.", "reasoning_details": [OPENROUTERS], **TOLD}
    messages = [{"role": "user", "content": "hi"}, other, own]
    sent, losses = fitted("OpenAIChat", {"model": "x", "messages": messages})
    assert sent["messages"][1] == {"role": "assistant", "content": "Yes.", "refusal": None}
    assert sent["messages"][2] == own
    assert losses == (Loss("messages[1].reasoning"),)


def test_chat_completions_get_no_signature_of_a_call_that_is_geminis():
    """As our writer shows it; what Google's own server of this format wrote stays."""
    part = ToolCall("c", "f", "{}", "c2ln")
    other = CODECS["OpenAIChat"].write_response(
        Response("r", "m", (Choice((part,), "tool_calls"),), None), Asked("m", "r", 1)
    )["choices"][0]["message"]
    read = CODECS["OpenAIChat"].read_request({"messages": [other]}, Line("m"))
    assert read.messages[0].parts == (part,)
    googles = {**CALL, "extra_content": {"google": {"thought_signature": "c2ln"}}}
    own = {"role": "assistant", "content": None, "tool_calls": [googles]}
    sent, losses = fitted("OpenAIChat", {"model": "x", "messages": [other, own]})
    assert sent["messages"][0]["tool_calls"] == [CALL]
    assert sent["messages"][1] == own
    assert losses == (Loss("messages[0].reasoning"),)


def gemini(model, parts):
    document = {"contents": [{"role": "model", "parts": parts}]}
    body = json.dumps(document).encode()
    wire = Wire("GeminiContent", model, "/", QuirksPlan())
    sent, losses = requests.fit(body, wire)
    again = requests.write(document, Spoken("GeminiContent", Line(model)), wire)
    assert (again.document, again.losses) == (json.loads(sent), losses)
    return json.loads(sent)["contents"][0]["parts"], losses


@pytest.mark.parametrize("name", ["functionCall", "function_call"])
def test_gemini_gets_a_stand_in_for_the_signature_of_calls_it_did_not_make(name):
    """Only the first of a turn, and only at models that demand one; nothing is lost by it."""
    calls = [{name: {"name": "f", "args": {}}}, {name: {"name": "g", "args": {}}}]
    unsigned = {"thoughtSignature": "skip_thought_signature_validator"}
    assert gemini("gemini-3-pro", calls) == ([{**calls[0], **unsigned}, calls[1]], ())
    assert gemini("gemini-2.5-pro", calls) == (calls, ())
    other = {"thought_signature": gemini_parts.shown(Thinking("", "EqQB"))}
    sent, losses = gemini("gemini-3-pro", [{**calls[0], **other}])
    assert sent == [{**calls[0], **unsigned}]
    assert losses == (Loss("contents[0].reasoning"),)


def test_a_call_that_gemini_signed_goes_as_it_came():
    """Byte for byte."""
    body = b'{"contents":[{"role":"model","parts":[{ "functionCall" :{"name":"f"}, "thoughtSignature":"c2ln"}]}]}'
    wire = Wire("GeminiContent", "gemini-3-pro", "/", QuirksPlan())
    assert requests.fit(body, wire) == (body, ())
