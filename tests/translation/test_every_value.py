"""Every neutral value is written to every target, or named as lost: nothing goes in silence."""

from dataclasses import replace

import pytest

from ext_proc.translation.neutral import (
    Media,
    Message,
    Output,
    Reasoning,
    Refusal,
    Request,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from ext_proc.translation.table import CODECS

SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
ASKED = Message("user", (Text("hi"),), "messages[0]")
CALLED = Message("assistant", (ToolCall("c", "f", "{}"),), "messages[1]")
F = Tool("f")
PLAIN = Request("m", (ASKED,))
TOOLS = replace(PLAIN, tools=(F,))
MODELS = {
    "OpenAIChat": "gpt",
    "OpenAIResponses": "gpt",
    "AnthropicMessages": "claude",
    "GeminiContent": "gemini-3-pro",
    "BedrockConverse": "anthropic.claude",
}


def shown(*parts):
    return replace(PLAIN, messages=(Message("user", (Text("hi"), *parts), "messages[0]"),))


def answered(result):
    return replace(TOOLS, messages=(ASKED, CALLED, Message("user", (result,), "messages[2]")))


def answering(**more):
    return replace(PLAIN, output=Output(SCHEMA, **more))


PNG = Media("image", "image/png", data="aGk=")
PDF = Media("document", "application/pdf", data="aGk=")
WORDS = Media("document", "text/plain", text="a")
RESULT = ToolResult("c", (Text("1"),))
ROWS = {
    "temperature": (PLAIN, replace(PLAIN, temperature=0.5)),
    "a hot temperature": (replace(PLAIN, temperature=1), replace(PLAIN, temperature=2)),
    "top_p": (PLAIN, replace(PLAIN, top_p=0.5)),
    "top_k": (PLAIN, replace(PLAIN, top_k=5)),
    "frequency_penalty": (PLAIN, replace(PLAIN, frequency_penalty=0.5)),
    "presence_penalty": (PLAIN, replace(PLAIN, presence_penalty=0.5)),
    "seed": (PLAIN, replace(PLAIN, seed=5)),
    "a seed of zero": (PLAIN, replace(PLAIN, seed=0)),
    "stop": (PLAIN, replace(PLAIN, stop=("x",))),
    "choices": (PLAIN, replace(PLAIN, choices=2)),
    "user": (PLAIN, replace(PLAIN, user="x")),
    "max_tokens": (PLAIN, replace(PLAIN, max_tokens=5)),
    "system": (PLAIN, replace(PLAIN, system=(Text("x"),))),
    "tools": (PLAIN, TOOLS),
    "description of a tool": (TOOLS, replace(TOOLS, tools=(Tool("f", "x"),))),
    "parameters of a tool": (TOOLS, replace(TOOLS, tools=(Tool("f", parameters=SCHEMA),))),
    "strict tool": (TOOLS, replace(TOOLS, tools=(Tool("f", strict=True),))),
    **{
        f"tool_choice {mode}": (TOOLS, replace(TOOLS, tool_choice=ToolChoice(mode, name)))
        for mode, name in (("none", ""), ("required", ""), ("named", "f"))
    },
    "tool_choice without tools": (PLAIN, replace(PLAIN, tool_choice=ToolChoice("required"))),
    "one call at a time": (TOOLS, replace(TOOLS, parallel_tool_calls=False)),
    "effort": (PLAIN, replace(PLAIN, reasoning=Reasoning(effort="high"))),
    "budget": (PLAIN, replace(PLAIN, reasoning=Reasoning(budget_tokens=2000))),
    "no reasoning": (PLAIN, replace(PLAIN, reasoning=Reasoning("none", 0))),
    "reasoning that is shown": (
        replace(PLAIN, reasoning=Reasoning(effort="high")),
        replace(PLAIN, reasoning=Reasoning(effort="high", shown=True)),
    ),
    "any JSON": (PLAIN, replace(PLAIN, output=Output())),
    "schema": (PLAIN, answering()),
    "name of a schema": (answering(), answering(name="x")),
    "description of a schema": (answering(), answering(description="x")),
    "strict schema": (answering(), answering(strict=True)),
    "picture": (PLAIN, shown(PNG)),
    "detail of a picture": (shown(PNG), shown(replace(PNG, detail="low"))),
    "link to a picture": (PLAIN, shown(Media("image", url="https://e.test/a.png"))),
    "file of another provider": (PLAIN, shown(Media("document", file_id="f"))),
    "sound": (PLAIN, shown(Media("audio", "audio/wav", data="aGk="))),
    "PDF": (PLAIN, shown(PDF)),
    "name of a PDF": (shown(PDF), shown(replace(PDF, name="x"))),
    "words of a document": (PLAIN, shown(WORDS)),
    "name of a document of words": (shown(WORDS), shown(replace(WORDS, name="x"))),
    "result": (replace(TOOLS, messages=(ASKED, CALLED)), answered(RESULT)),
    "result that is an error": (answered(RESULT), answered(replace(RESULT, is_error=True))),
    "picture in a result": (answered(RESULT), answered(replace(RESULT, parts=(Text("1"), PNG)))),
    "refusal": (PLAIN, replace(PLAIN, messages=(ASKED, Message("assistant", (Refusal("x"),))))),
    "reasoning before": (
        replace(PLAIN, messages=(ASKED, Message("assistant", (Text("a"),), "messages[1]"))),
        replace(
            PLAIN,
            messages=(ASKED, Message("assistant", (Thinking("x"), Text("a")), "messages[1]")),
        ),
    ),
    "words worth caching": (
        PLAIN,
        replace(PLAIN, messages=(Message("user", (Text("hi", cached=True),), "messages[0]"),)),
    ),
}
CHEAPER = "the answer is the same without it; these cache by themselves"
NAMED = "the name of a schema means nothing to the model"
NOTHING = {
    **{("words worth caching", target): CHEAPER for target in ("OpenAIChat", "OpenAIResponses", "GeminiContent")},
    **{("name of a schema", target): NAMED for target in ("AnthropicMessages", "GeminiContent")},
    **{
        ("strict schema", target): "schemas are always kept to"
        for target in ("AnthropicMessages", "GeminiContent", "BedrockConverse")
    },
    **{
        ("reasoning that is shown", target): "reasoning is shown where there is some"
        for target in ("OpenAIChat", "AnthropicMessages", "BedrockConverse")
    },
    ("no reasoning", "BedrockConverse"): "Claude thinks only if it is told to",
    **{("tool_choice without tools", target): "there is no tool to choose" for target in MODELS},
}  # fmt: skip
"""What says nothing that matters, by target, and why."""


@pytest.mark.parametrize("target", MODELS)
@pytest.mark.parametrize("row", ROWS)
def test_a_value_is_written_or_named_as_lost(row, target):
    without, asked = (
        CODECS[target].write_request(replace(each, model=MODELS[target])) for each in ROWS[row]
    )
    told = without != asked
    assert told is ((row, target) not in NOTHING), asked
