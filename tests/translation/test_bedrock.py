"""Converse, both ways: requests as boto3 sends them, answers as boto3 reads them."""

import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ext_proc.call import Line, Usage
from ext_proc.formats import strict
from ext_proc.translation.bedrock import CODEC
from ext_proc.translation.citations import Citation, Place
from ext_proc.translation.codec import Asked, UnreadableError, UnspeakableError
from ext_proc.translation.neutral import (
    Choice,
    Loss,
    Media,
    Message,
    Output,
    Reasoning,
    Refusal,
    Request,
    Response,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from ext_proc.translation.table import CODECS
from tests.translation import bedrock_sdk

RECORDED = Path(__file__).parent / "recorded" / "bedrock"
CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
ASKED = Asked("m", "req-1", 1)
SIGNED = "EqQBCgIYAhIkNmU3+/abc=="
BLOB = "RW1wdHlSZWRhY3RlZA=="
PNG = "iVBORw0KGgo="


def read(document, model="m", stream=False):
    body = strict.loads(json.dumps(document).encode())
    return CODEC.read_request(body, Line(model, stream))


def write(request):
    """The document as it goes out, which boto3's own model takes for a request."""
    written = CODEC.write_request(request)
    document = orjson.loads(strict.dumps(written.document))
    bedrock_sdk.accepts(document)
    return document, written.losses


def user(*parts):
    return Message("user", parts, "messages[0]")


def ask(*messages, model=CLAUDE, **fields):
    return Request(model, messages or (user(Text("hi")),), **fields)


def test_all_that_boto3_can_say_is_read():
    body = bedrock_sdk.request(
        messages=[
            {
                "role": "user",
                "content": [
                    {"text": "Look."},
                    {"image": {"format": "png", "source": {"bytes": b"\x89PNG\r\n\x1a\n"}}},
                    {
                        "document": {
                            "format": "pdf",
                            "name": "a report",
                            "source": {"bytes": b"%PDF"},
                        }
                    },
                    {
                        "document": {
                            "format": "md",
                            "name": "words",
                            "source": {"bytes": "# é".encode()},
                        }
                    },
                    {"audio": {"format": "mp3", "source": {"bytes": b"ID3"}}},
                    {"guardContent": {"text": {"text": "guarded"}}},
                    {"cachePoint": {"type": "default"}},
                ],
            },
            {
                "role": "assistant",
                "content": [
                    {"reasoningContent": {"reasoningText": {"text": "hm", "signature": SIGNED}}},
                    {"reasoningContent": {"redactedContent": b"EmptyRedacted"}},
                    {
                        "citationsContent": {
                            "content": [{"text": "so"}],
                            "citations": [{"title": "t"}],
                        }
                    },
                    {"toolUse": {"toolUseId": "t1", "name": "weather", "input": {"city": "Paris"}}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {
                        "toolResult": {
                            "toolUseId": "t1",
                            "status": "error",
                            "content": [
                                {"text": "no"},
                                {"json": {"why": 1.50}},
                                {"image": {"format": "jpeg", "source": {"bytes": b"J"}}},
                            ],
                        }
                    }
                ],
            },
        ],
        system=[{"text": "Be brief."}, {"cachePoint": {"type": "default"}}],
        inferenceConfig={
            "maxTokens": 100,
            "temperature": 0.25,
            "topP": 0.9,
            "stopSequences": ["END"],
        },
        toolConfig={
            "tools": [
                {
                    "toolSpec": {
                        "name": "weather",
                        "description": "d",
                        "inputSchema": {"json": SCHEMA},
                        "strict": True,
                    }
                },
                {"cachePoint": {"type": "default"}},
            ],
            "toolChoice": {"tool": {"name": "weather"}},
        },
        additionalModelRequestFields={
            "top_k": 40,
            "thinking": {"type": "enabled", "budget_tokens": 2048},
        },
        outputConfig={
            "effort": "max",
            "textFormat": {
                "type": "json_schema",
                "structure": {"jsonSchema": {"schema": json.dumps(SCHEMA), "name": "city"}},
            },
        },
    )
    asked = read(body, stream=True)
    assert asked.messages == (
        Message(
            "user",
            (
                Text("Look."),
                Media("image", "image/png", data=PNG),
                Media("document", "application/pdf", data="JVBERg==", name="a report"),
                Media("document", "text/markdown", text="# é", name="words"),
                Media("audio", "audio/mpeg", data="SUQz"),
                Text("guarded", cached=True),
            ),
            "messages[0]",
        ),
        Message(
            "assistant",
            (
                Thinking("hm", SIGNED),
                Thinking(redacted=BLOB),
                Text("so", citations=(Citation(title="t"),)),
                ToolCall("t1", "weather", '{"city":"Paris"}'),
            ),
            "messages[1]",
        ),
        Message(
            "user",
            (
                ToolResult(
                    "t1",
                    (Text("no"), Text('{"why":1.5}'), Media("image", "image/jpeg", data="Sg==")),
                    is_error=True,
                ),
            ),
            "messages[2]",
        ),
    )
    assert asked.stream
    assert asked.system == (Text("Be brief.", cached=True),)
    assert asked.tools == (Tool("weather", "d", SCHEMA, strict=True, cached=True),)
    assert asked.tool_choice == ToolChoice("named", "weather")
    assert asked.max_tokens == 100
    assert strict.dumps([asked.temperature, asked.top_p, asked.top_k]) == b"[0.25,0.9,40]"
    assert asked.stop == ("END",)
    assert asked.reasoning == Reasoning("xhigh", 2048)
    assert asked.output == Output(SCHEMA, "city")
    assert asked.lost == ()
    assert asked.said["top_k"] == "additionalModelRequestFields.top_k"
    assert asked.said["max_tokens"] == "inferenceConfig.maxTokens"


S3 = {"s3Location": {"uri": "s3://b/k"}}
LOSSES = {
    "image in S3": ("content[0].image", True, [{"image": {"format": "png", "source": S3}}]),
    "document in S3": (
        "content[0].document",
        True,
        [{"document": {"format": "pdf", "name": "n", "source": S3}}],
    ),
    "video": (
        "content[0].video",
        True,
        [{"video": {"format": "mp4", "source": {"bytes": "QQ=="}}}],
    ),
    "video in a result": (
        "content[0].toolResult.content[0].video",
        True,
        [{"toolResult": {"toolUseId": "t", "content": [{"video": {}}]}}],
    ),
    "search result": (
        "content[0].searchResult",
        True,
        [{"searchResult": {"source": "s", "title": "t", "content": [{"text": "x"}]}}],
    ),
    "server tool": (
        "content[0].toolUse",
        True,
        [{"toolUse": {"toolUseId": "t", "name": "n", "input": {}, "type": "server_tool_use"}}],
    ),
    "what comes next year": ("content[0].hologram", True, [{"hologram": {"x": 1}}]),
    "words about a document": (
        "content[0].document.context",
        True,
        [{"document": {"name": "n", "source": {"text": "x"}, "context": "c"}}],
    ),
    "places within pieces of a document": (
        "content[0].document.citations",
        False,
        [
            {
                "document": {
                    "name": "n",
                    "source": {"content": [{"text": "x"}]},
                    "citations": {"enabled": True},
                }
            }
        ],
    ),
    "cache point after nothing": ("content[0].cachePoint", False, [{"cachePoint": {}}]),
    "how long to cache": (
        "content[1].cachePoint.ttl",
        False,
        [{"text": "a"}, {"cachePoint": {"type": "default", "ttl": "1h"}}],
    ),
    "qualifiers": (
        "content[0].guardContent.text.qualifiers",
        False,
        [{"guardContent": {"text": {"text": "a", "qualifiers": ["query"]}}}],
    ),
}


@pytest.mark.parametrize(("field", "essential", "content"), LOSSES.values(), ids=LOSSES)
def test_blocks_without_words_elsewhere_are_named(field, essential, content):
    asked = read({"messages": [{"role": "user", "content": content}]})
    assert asked.lost == (Loss(f"messages[0].{field}", essential),)


@pytest.mark.parametrize(
    ("field", "essential", "fields"),
    [
        ("guardrailConfig", True, {"guardrailConfig": {"guardrailIdentifier": "g"}}),
        ("promptVariables", True, {"promptVariables": {"a": {"text": "b"}}}),
        ("performanceConfig", False, {"performanceConfig": {"latency": "optimized"}}),
        ("serviceTier", False, {"serviceTier": {"type": "flex"}}),
        ("requestMetadata", False, {"requestMetadata": {"team": "a"}}),
        ("projectIdentifier", False, {"projectIdentifier": "p"}),
        ("new", False, {"new": 1}),
        (
            "additionalModelResponseFieldPaths",
            False,
            {"additionalModelResponseFieldPaths": ["/stop_sequence"]},
        ),
        ("inferenceConfig.seed", False, {"inferenceConfig": {"seed": 1}}),
        (
            "additionalModelRequestFields.anthropic_beta",
            False,
            {"additionalModelRequestFields": {"anthropic_beta": ["x"]}},
        ),
        (
            "additionalModelRequestFields.inferenceConfig.x",
            False,
            {"additionalModelRequestFields": {"inferenceConfig": {"x": 1}}},
        ),
        (
            "toolConfig.tools[0].systemTool",
            True,
            {"toolConfig": {"tools": [{"systemTool": {"name": "nova_grounding"}}]}},
        ),
    ],
)
def test_fields_without_words_elsewhere_are_named(field, essential, fields):
    asked = read({"messages": [{"role": "user", "content": [{"text": "a"}]}], **fields})
    assert asked.lost == (Loss(field, essential),)


def test_a_turn_of_the_system_goes_to_the_system():
    turns = [{"role": role, "content": [{"text": role}]} for role in ("system", "user")]
    asked = read({"messages": turns, "system": [{"text": "first"}]})
    assert asked.system == (Text("first"), Text("system"))
    assert [each.where for each in asked.messages] == ["messages[1]"]


@pytest.mark.parametrize(
    ("field", "value", "reasoning"),
    [
        ("thinking", {"type": "adaptive"}, Reasoning(budget_tokens=-1)),
        ("thinking", {"type": "disabled"}, Reasoning(budget_tokens=0)),
        ("reasoning_config", {"type": "enabled", "budget_tokens": 1}, Reasoning(budget_tokens=1)),
        ("reasoning_effort", "minimal", Reasoning("minimal")),
        ("reasoningConfig", {"type": "enabled", "maxReasoningEffort": "low"}, Reasoning("low")),
        ("reasoningConfig", {"type": "disabled"}, Reasoning(budget_tokens=0)),
        ("reasoningConfig", {"type": "enabled"}, Reasoning(budget_tokens=-1)),
        ("output_config", {"effort": "high"}, Reasoning("high")),
    ],
)
def test_reasoning_is_read_in_every_models_words(field, value, reasoning):
    turn = {"role": "user", "content": [{"text": "a"}]}
    asked = read({"messages": [turn], "additionalModelRequestFields": {field: value}})
    assert asked.reasoning == reasoning
    assert asked.said["reasoning"].startswith(f"additionalModelRequestFields.{field}")
    assert asked.lost == ()


CALLED = (
    user(Text("both")),
    Message("assistant", (ToolCall("a", "f", '{"x":1}'), ToolCall("b", "g", "{}"))),
    Message("user", (ToolResult("a", (Text("1"),)),)),
    Message("user", (ToolResult("b", (Text("2"),), is_error=True),)),
)
ROUND = {
    "text": ask(),
    "system": ask(system=(Text("s"), Text("t", cached=True))),
    "numbers": ask(max_tokens=5, stop=("a", "b"), top_k=3),
    "images": ask(user(Text("see"), Media("image", "image/png", data=PNG))),
    "cached": ask(user(Text("long", cached=True), Media("image", "image/webp", data=PNG))),
    "documents": ask(
        user(
            Media("document", "application/pdf", data="JVBERg==", name="a (1) [b]"),
            Media("document", "text/plain", text="words", name="other"),
        )
    ),
    "audio": ask(user(Media("audio", "audio/wav", data="QUJD"))),
    "tools": ask(
        tools=(Tool("f", "d", SCHEMA, cached=True), Tool("g", "", SCHEMA, strict=True)),
        tool_choice=ToolChoice("required"),
    ),
    "named tool": ask(tools=(Tool("f", "", SCHEMA),), tool_choice=ToolChoice("named", "f")),
    "reasoning again": ask(
        user(Text("a")),
        Message("assistant", (Thinking("b", SIGNED), Thinking(redacted=BLOB), Text("c"))),
        user(Text("d")),
    ),
    "budget": ask(reasoning=Reasoning(budget_tokens=2048)),
    "nova": ask(model="amazon.nova-2-lite-v1:0", reasoning=Reasoning("low"), top_k=5),
    "nova off": ask(model="amazon.nova-2-lite-v1:0", reasoning=Reasoning(budget_tokens=0)),
    "gpt": ask(model="openai.gpt-oss-120b-1:0", reasoning=Reasoning("high")),
    "mistral": ask(model="mistral.mistral-large-2407-v1:0", top_k=7),
    "cohere": ask(model="cohere.command-r-v1:0", top_k=7),
    "output": ask(output=Output(SCHEMA, "city", "where")),
}


def anew(request):
    """A request without what says where its parts stood."""
    messages = tuple(replace(each, where="") for each in request.messages)
    return replace(request, messages=messages, said={})


@pytest.mark.parametrize("request_", ROUND.values(), ids=ROUND)
def test_what_is_written_is_read_again(request_):
    document, losses = write(request_)
    assert losses == ()
    again = read(document, request_.model)
    assert again.lost == ()
    assert anew(again) == anew(request_)


def test_turns_alternate_and_results_come_first():
    after = user(Text("and"), ToolResult("c", ()), Text("   "))
    tools = (Tool("f", "", SCHEMA),)
    document, losses = write(ask(*CALLED, after, Message("assistant", (Text(" \n"),)), tools=tools))
    assert losses == ()
    assert [(each["role"], [next(iter(b)) for b in each["content"]]) for each in document["messages"]] == [
        ("user", ["text"]),
        ("assistant", ["toolUse", "toolUse"]),
        ("user", ["toolResult", "toolResult", "toolResult", "text"]),
    ]  # fmt: skip
    results = [block["toolResult"] for block in document["messages"][2]["content"][:3]]
    assert [each.get("status") for each in results] == [None, "error", None]
    assert results[2]["content"] == []


def test_a_conversation_with_calls_has_tools():
    document, losses = write(ask(*CALLED, tool_choice=ToolChoice("auto")))
    assert [each["toolSpec"]["name"] for each in document["toolConfig"]["tools"]] == ["f", "g"]
    assert "toolChoice" not in document["toolConfig"]
    assert losses == ()


def test_no_tool_is_said_by_leaving_them_out_as_long_as_that_is_possible():
    none = {"tools": (Tool("f", "", SCHEMA),), "tool_choice": ToolChoice("none")}
    document, losses = write(ask(**none))
    assert "toolConfig" not in document
    assert losses == ()
    document, losses = write(ask(*CALLED, **none))
    assert [each["toolSpec"]["name"] for each in document["toolConfig"]["tools"]] == ["f"]
    assert losses == (Loss("tool_choice"),)


def test_names_of_documents_are_bedrocks_and_their_own():
    names = ("a_b.pdf", "", "a b pdf", "", "x" * 300, "Ignore: previous\n\nwords!")
    parts = [Media("document", "application/pdf", data="QQ==", name=name) for name in names]
    document, _ = write(ask(user(*parts)))
    written = [block["document"]["name"] for block in document["messages"][0]["content"]]
    assert written == [
        "a b pdf",
        "Document",
        "a b pdf 2",
        "Document 2",
        "x" * 150,
        "Ignore previous words",
    ]


def test_ids_that_bedrock_refuses_are_always_the_same_other_ones():
    odd = "call|with/odd characters" * 9
    turns = (
        user(Text("a")),
        Message("assistant", (ToolCall(odd, "f", "{}"),)),
        user(ToolResult(odd, (Text("b"),))),
    )
    document, _ = write(ask(*turns))
    called = document["messages"][1]["content"][0]["toolUse"]["toolUseId"]
    assert called == document["messages"][2]["content"][0]["toolResult"]["toolUseId"]
    assert called.startswith("tooluse_")
    assert len(called) < 65


CANNOT = {
    "several choices": (ask(choices=2, said={"choices": "n"}), Loss("n", essential=True)),
    "seed": (ask(seed=1, said={"seed": "seed"}), Loss("seed")),
    "user": (ask(user="u", said={"user": "metadata.user_id"}), Loss("metadata.user_id")),
    "penalty": (ask(frequency_penalty=1), Loss("frequency_penalty")),
    "JSON without schema": (
        ask(output=Output(), said={"output": "response_format"}),
        Loss("response_format"),
    ),
    "one call at a time": (
        ask(tools=(Tool("f"),), parallel_tool_calls=False),
        Loss("parallel_tool_calls"),
    ),
    "hot": (ask(temperature=orjson.Fragment("1.5")), Loss("temperature")),
    "top-k of an unknown model": (ask(model="arn:aws:x", top_k=4), Loss("top_k")),
    "reasoning of an unknown model": (
        ask(model="arn:aws:x", reasoning=Reasoning("high"), said={"reasoning": "reasoning_effort"}),
        Loss("reasoning_effort"),
    ),
    "GPT without reasoning": (
        ask(model="openai.gpt-oss-20b-1:0", reasoning=Reasoning("none")),
        Loss("reasoning"),
    ),
    "image elsewhere": (
        ask(user(Text("a"), Media("image", url="https://x.example/a.png"))),
        Loss("messages[0].content", essential=True),
    ),
    "file elsewhere": (
        ask(user(Text("a"), Media("document", file_id="f"))),
        Loss("messages[0].content", essential=True),
    ),
    "image of another format": (
        ask(user(Text("a"), Media("image", "image/tiff", data=PNG))),
        Loss("messages[0].content", essential=True),
    ),
    "a sound in a result": (
        ask(*CALLED[:3], user(ToolResult("b", (Media("audio", "audio/wav", data="QQ=="),)))),
        Loss("messages[0].content", essential=True),
    ),
    "reasoning and a forced tool": (
        ask(tools=(Tool("f"),), tool_choice=ToolChoice("required"), reasoning=Reasoning("low")),
        Loss("reasoning"),
    ),
    "reasoning after calls without it": (
        ask(*CALLED, reasoning=Reasoning("low")),
        Loss("reasoning"),
    ),
    "reasoning at a temperature": (
        ask(temperature=0, reasoning=Reasoning("low"), said={"temperature": "temp"}),
        Loss("temp"),
    ),
    "unsigned reasoning": (
        ask(user(Text("a")), Message("assistant", (Thinking("b"), Text("c")), "input[1]")),
        Loss("input[1].reasoning"),
    ),
    "another provider's reasoning": (
        ask(user(Text("a")), Message("assistant", (Thinking("b", "gemini_x"), Text("c")), "m")),
        Loss("m.reasoning"),
    ),
}


@pytest.mark.parametrize(("request_", "loss"), CANNOT.values(), ids=CANNOT)
def test_what_bedrock_cannot_be_told_is_named_in_the_callers_words(request_, loss):
    document, losses = write(request_)
    assert losses == (loss,)
    assert "gemini_x" not in json.dumps(document)


def test_the_hottest_temperature_is_sent_instead_of_a_hotter_one():
    document, _ = write(ask(temperature=orjson.Fragment("1.5")))
    assert document["inferenceConfig"] == {"temperature": 1}
    document, losses = write(ask(temperature=orjson.Fragment("0.70"), top_p=1))
    assert document["inferenceConfig"] == {"temperature": 0.7, "topP": 1}
    assert losses == ()


def test_only_models_that_take_cache_points_get_some():
    parts = (Text("a", cached=True),)
    for model, points in (("meta.llama3-70b-v1:0", 0), ("amazon.nova-pro-v1:0", 2), (CLAUDE, 3)):
        asked = ask(user(*parts), model=model, system=parts, tools=(Tool("f", cached=True),))
        document, losses = write(asked)
        assert json.dumps(document).count("cachePoint") == points
        assert losses == ()


@pytest.mark.parametrize(
    ("arguments", "sent"),
    [("[1]", {"arguments": "[1]"}), ('{"a', {"arguments": '{"a'}), ("", {}), (" ", {})],
)
def test_arguments_that_are_no_object_are_still_shown(arguments, sent):
    called = Message("assistant", (ToolCall("a", "f", arguments),))
    document, _ = write(ask(user(Text("a")), called))
    assert document["messages"][1]["content"][0]["toolUse"]["input"] == sent


def test_claude_thinks_within_its_limit():
    """A limit, which may be an AIPolicy's, is never raised: thoughts count."""
    document, losses = write(ask(max_tokens=5000, reasoning=Reasoning("high"), top_p=1))
    thinking = {"type": "enabled", "budget_tokens": 3976}
    assert document["additionalModelRequestFields"] == {"thinking": thinking}
    assert document["inferenceConfig"] == {"maxTokens": 5000, "topP": 1}
    assert losses == ()
    document, losses = write(ask(max_tokens=500, reasoning=Reasoning("high")))
    assert document["inferenceConfig"] == {"maxTokens": 500}
    assert losses == (Loss("reasoning"),)
    for off in (Reasoning("none"), Reasoning(budget_tokens=0)):
        document, losses = write(ask(reasoning=off))
        assert "additionalModelRequestFields" not in document
        assert losses == ()


def test_a_request_that_says_nothing_is_refused():
    with pytest.raises(UnspeakableError, match="messages"):
        CODEC.write_request(ask(user(Text(" "))))
    with pytest.raises(UnspeakableError, match="messages"):
        read({})


@pytest.mark.parametrize(
    ("field", "document"),
    [
        ("messages[0].role", {"messages": [{"role": "tool", "content": []}]}),
        ("messages[0].content[0]", {"messages": [{"role": "user", "content": [{}]}]}),
        (
            "messages[0].content[0]",
            {"messages": [{"role": "user", "content": [{"text": "a", "image": {}}]}]},
        ),
        ("messages[0].content[0].text", {"messages": [{"role": "user", "content": [{"text": 1}]}]}),
        ("inferenceConfig.maxTokens", {"inferenceConfig": {"maxTokens": 1.5}}),
        ("toolConfig.toolChoice", {"toolConfig": {"toolChoice": {"none": {}}}}),
        (
            "outputConfig.textFormat.structure.jsonSchema.schema",
            {"outputConfig": {"textFormat": {"structure": {"jsonSchema": {"schema": "{"}}}}},
        ),
        (
            "additionalModelRequestFields.thinking.type",
            {"additionalModelRequestFields": {"thinking": {"type": "x"}}},
        ),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_name(field, document):
    turn = {"role": "user", "content": [{"text": "a"}]}
    with pytest.raises(UnspeakableError) as refused:
        read({"messages": [turn], **document})
    assert str(refused.value).startswith(f"{field}: ")


def recorded(name):
    return CODEC.read_response(strict.loads((RECORDED / f"{name}.json").read_bytes()))


def test_an_answer_of_text():
    assert recorded("text") == Response(
        "", "", (Choice((Text("The capital of France is Paris."),), "stop"),), Usage(14, 10)
    )


def test_an_answer_of_reasoning_and_parallel_calls_counts_the_cache_in():
    assert recorded("cached_thinking_parallel_tools") == Response(
        "",
        "",
        (
            Choice(
                (
                    Thinking("Two cities, so two calls.", SIGNED),
                    Thinking(redacted=BLOB),
                    Text("I will look both up."),
                    ToolCall(
                        "tooluse_kZJMlvQmRJ6eAyJE5GIl7Q", "weather", '{"city":"Paris","unit":"C"}'
                    ),
                    ToolCall("tooluse_Kx1zmuZTQxyjdGxoyzVwaA", "clock", "{}"),
                ),
                "tool_calls",
            ),
        ),
        Usage(2112, 95, cache_read_tokens=2000, cache_write_tokens=100),
    )


def test_answers_that_end_otherwise():
    cited = recorded("citations").choices[0]
    assert (cited.finish, cited.stop_sequence) == ("stop_sequence", "\n\n")
    assert [part.text for part in cited.parts] == ["Grass is green", ", it says."]
    place = Place("characters", 0, 0, 19)
    assert cited.parts[0].citations == (Citation("", "Document", "The grass is green.", place),)
    stopped = recorded("guardrail")
    assert stopped.choices[0].finish == "content_filter"
    assert stopped.usage == Usage(0, 0)


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("content_filtered", "content_filter"),
        ("malformed_tool_use", "stop"),
        ("of_next_year", "stop"),
    ],
)
def test_reasons_to_stop(reason, finish):
    message = {"role": "assistant", "content": [{"text": "a"}]}
    document = {"output": {"message": message}, "stopReason": reason}
    answer = CODEC.read_response(document)
    assert (answer.choices[0].finish, answer.usage, answer.usage_invalid) == (finish, None, False)
    assert CODEC.read_response({**document, "usage": {"inputTokens": -1}}).usage_invalid


def choice(*parts, finish="stop", **fields):
    return Response("id", "m", (Choice(parts, finish, **fields),), Usage(30, 5, 10, 5))


ANSWERS = {
    "text": choice(Text("hi"), Text("é😀")),
    "length": choice(Text("hi"), finish="length"),
    "filtered": choice(finish="content_filter"),
    "stop sequence": choice(Text("hi"), finish="stop_sequence", stop_sequence="END"),
    "reasoning": choice(Thinking("a", SIGNED), Thinking(redacted=BLOB), Text("b")),
    "reasoning of others": choice(
        Thinking("a", "gemini_x"),
        Thinking("b"),
        Thinking(redacted="OpenAIResponses1gAAA"),
        Thinking(redacted="no base64!"),
        Text("c"),
    ),
    "calls": choice(ToolCall("a", "f", '{"x":1}'), ToolCall("b", "f", "{}"), finish="tool_calls"),
    "signed calls": choice(
        ToolCall("a", "f", '{"x":1}', "one+/="),
        ToolCall("b", "f", "{}"),
        ToolCall("c", "f", "{}", "two"),
        finish="tool_calls",
    ),
    "image": choice(Media("image", "image/png", data=PNG)),
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_what_a_caller_gets_comes_back_as_it_was(answer):
    """Through boto3 and back: the message of an answer stands in the next request."""
    body = strict.dumps(CODEC.write_response(answer, ASKED))
    parsed = bedrock_sdk.answer(body)
    assert parsed["metrics"] == {"latencyMs": 0}
    assert parsed["usage"] == {
        "inputTokens": 15,
        "outputTokens": 5,
        "totalTokens": 35,
        "cacheReadInputTokens": 10,
        "cacheWriteInputTokens": 5,
    }
    again = bedrock_sdk.request(messages=[parsed["output"]["message"]])
    assert read(again).messages[0].parts == answer.choices[0].parts
    assert CODEC.read_response(strict.loads(body)) == replace(answer, id="", model="")


def test_a_refusal_is_words_and_a_filter():
    answer = choice(Refusal("I will not."), finish="refusal")
    written = CODEC.write_response(answer, ASKED)
    assert written["stopReason"] == "content_filtered"
    assert written["output"]["message"]["content"] == [{"text": "I will not."}]


def test_an_answer_of_nothing():
    written = CODEC.write_response(Response("", "", (), None), ASKED)
    assert written["output"]["message"]["content"] == []
    assert "usage" not in written


NAMES = sorted(
    {"messages", "system", "role", "content", "text", "image", "document", "audio", "format"}
    | {"source", "bytes", "name", "toolUse", "toolResult", "toolUseId", "input", "status", "json"}
    | {"reasoningContent", "reasoningText", "redactedContent", "signature", "cachePoint", "type"}
    | {"guardContent", "citationsContent", "citations", "inferenceConfig", "maxTokens", "topP"}
    | {"stopSequences", "temperature", "toolConfig", "tools", "toolSpec", "inputSchema", "strict"}
    | {"toolChoice", "auto", "tool", "additionalModelRequestFields", "top_k", "thinking"}
    | {"reasoningConfig", "outputConfig", "textFormat", "structure", "jsonSchema", "schema"}
    | {"output", "message", "stopReason", "usage", "inputTokens", "outputTokens", "effort"}
)
JUNK = st.recursive(
    st.sampled_from(["user", "assistant", "", "png", PNG, "enabled", "{}", 1, -1, 1.5, None, True]),
    lambda inside: (
        st.lists(inside, max_size=3)
        | st.dictionaries(st.sampled_from(NAMES), inside, max_size=4)
        | st.dictionaries(st.sampled_from(NAMES), inside, min_size=1, max_size=1)
    ),
    max_leaves=30,
)


@given(top=st.dictionaries(st.sampled_from(NAMES), JUNK, max_size=5), content=JUNK, block=JUNK)
@settings(max_examples=400, deadline=None)
def test_junk_at_any_place_is_read_or_refused(top, content, block):
    documents = [
        {**top, "messages": [{"role": "user", "content": content}]},
        {**top, "messages": [{"role": "assistant", "content": [block, {"text": "a"}]}]},
        top,
    ]
    for document in documents:
        body = strict.loads(json.dumps(document).encode())
        with suppress(UnspeakableError):
            CODEC.write_request(CODEC.read_request(body, Line("anthropic.x")))
        answers = [
            body,
            {"output": {"message": {"content": content}}, "stopReason": "end_turn"},
        ]
        for answer in answers:
            with suppress(UnreadableError):
                strict.dumps(CODEC.write_response(CODEC.read_response(answer), ASKED))


@pytest.mark.parametrize("caller", ["OpenAIChat", "AnthropicMessages"])
def test_what_bedrock_signed_comes_back_to_it_through_other_formats(caller):
    """Reasoning, calls and their results, whoever asks."""
    codec = CODECS[caller]
    shown = codec.write_response(recorded("cached_thinking_parallel_tools"), ASKED)
    if caller == "OpenAIChat":
        said = [shown["choices"][0]["message"]]
        ids = [call["id"] for call in said[0]["tool_calls"]]
        results = [{"role": "tool", "tool_call_id": id_, "content": "sun"} for id_ in ids]
    else:
        said = [{"role": "assistant", "content": shown["content"]}]
        ids = [block["id"] for block in shown["content"] if block["type"] == "tool_use"]
        content = [{"type": "tool_result", "tool_use_id": id_, "content": "sun"} for id_ in ids]
        results = [{"role": "user", "content": content}]
    asked = {"messages": [{"role": "user", "content": "Weather?"}, *said, *results]}
    document, losses = write(codec.read_request(asked, Line(CLAUDE)))
    assert losses == ()
    recorded_blocks = json.loads((RECORDED / "cached_thinking_parallel_tools.json").read_bytes())
    assert document["messages"][1] == {
        "role": "assistant",
        "content": recorded_blocks["output"]["message"]["content"],
    }
    assert document["messages"][2]["content"] == [
        {"toolResult": {"toolUseId": id_, "content": [{"text": "sun"}]}} for id_ in ids
    ]
