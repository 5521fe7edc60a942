"""What another provider signed is taken out of a body that needs no translation."""

import json

import pytest

from crds.plan import PromptPlan, QuirksPlan
from ext_proc.call import Line
from ext_proc.translation import gemini_parts, requests
from ext_proc.translation.bedrock_carried import carry
from ext_proc.translation.neutral import Loss, Thinking
from ext_proc.translation.requests import Spoken
from ext_proc.translation.responses_reasoning import Sealed, seal
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
