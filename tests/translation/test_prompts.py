"""A target's own prompt stands in the caller's format, and the caller's document stays as it was."""

import copy
import json

import pytest

from crds.plan import PathPlan, PromptPlan, QuirksPlan
from ext_proc.call import Line
from ext_proc.translation import prompts, requests
from ext_proc.translation.requests import Spoken
from ext_proc.wires import Wire

USER = {"role": "user", "content": "x"}
SYSTEM = {
    "OpenAIChat": lambda *texts: {
        "messages": [*({"role": "system", "content": text} for text in texts), USER]
    },
    "AnthropicMessages": lambda *texts: {
        "messages": [USER],
        "system": [{"type": "text", "text": text} for text in texts],
    },
    "GeminiContent": lambda *texts: {
        "contents": [{"parts": [{"text": "x"}]}],
        "systemInstruction": {"parts": [{"text": text} for text in texts]},
    },
    "BedrockConverse": lambda *texts: {
        "messages": [{"role": "user", "content": [{"text": "x"}]}],
        "system": [{"text": text} for text in texts],
    },
    "OpenAIResponses": lambda *texts: {"input": "x", "instructions": "\n\n".join(texts)},
}


@pytest.mark.parametrize("mode", ["Prepend", "Append", "Replace"])
@pytest.mark.parametrize("format_", SYSTEM)
def test_the_prompt_stands_where_the_system_speaks(format_, mode):
    wanted = {"Prepend": ("OWN", "theirs"), "Append": ("theirs", "OWN"), "Replace": ("OWN",)}
    given = SYSTEM[format_]("theirs")
    kept = copy.deepcopy(given)
    found = prompts.apply(given, format_, PromptPlan(name="p", mode=mode, text="OWN"))
    assert found == SYSTEM[format_](*wanted[mode])
    assert given == kept


@pytest.mark.parametrize("format_", SYSTEM)
def test_the_prompt_stands_alone_where_the_caller_says_nothing(format_):
    given = {k: v for k, v in SYSTEM[format_]("x").items() if not k.startswith(("s", "ins"))}
    if format_ == "OpenAIChat":
        given = {"messages": [USER]}
    found = prompts.apply(given, format_, PromptPlan(name="p", mode="Append", text="OWN"))
    assert found == {**given, **SYSTEM[format_]("OWN")}


@pytest.mark.parametrize(
    ("format_", "given", "wanted"),
    [
        ("AnthropicMessages", {"system": "theirs"}, {"system": [{"type": "text", "text": "OWN"}, {"type": "text", "text": "theirs"}]}),
        ("GeminiContent", {"system_instruction": "theirs"}, {"system_instruction": {"parts": [{"text": "OWN"}, {"text": "theirs"}]}}),
        ("GeminiContent", {"systemInstruction": {"role": "user", "parts": {"text": "theirs"}}}, {"systemInstruction": {"role": "user", "parts": [{"text": "OWN"}, {"text": "theirs"}]}}),
        ("OpenAIChat", {"messages": [{"role": "developer", "content": "a"}, USER, {"role": "system", "content": "b"}]}, {"messages": [{"role": "system", "content": "OWN"}, {"role": "developer", "content": "a"}, USER, {"role": "system", "content": "b"}]}),
        ("OpenAIEmbeddings", {"input": "x"}, {"input": "x"}),
    ],
)  # fmt: skip
def test_every_spelling_is_known(format_, given, wanted):
    assert prompts.apply(given, format_, PromptPlan(name="p", mode="Prepend", text="OWN")) == wanted


def test_a_later_system_message_is_replaced_too():
    given = {"messages": [USER, {"role": "system", "content": "b"}]}
    found = prompts.apply(given, "OpenAIChat", PromptPlan(name="p", mode="Replace", text="OWN"))
    assert found == {"messages": [{"role": "system", "content": "OWN"}, USER]}


def test_each_target_is_sent_its_own_prompt():
    body = json.dumps({"model": "m", "messages": [USER], "temperature": 1.50}).encode()
    spoken = Spoken("OpenAIChat", Line("m"))
    path = PathPlan(call="/", stream="/").call
    sent = {}
    for text in ("one", "two"):
        prompt = PromptPlan(name="p", mode="Prepend", text=text)
        for format_ in ("OpenAIChat", "AnthropicMessages"):
            wire = Wire(format_, "m", path, QuirksPlan(), prompt)
            sent[text, format_] = requests.rewrite(body, spoken, wire)
    assert b'"content":"one"' in sent["one", "OpenAIChat"]
    assert b'"text":"two"' in sent["two", "AnthropicMessages"]
    assert b"one" not in sent["two", "OpenAIChat"]
