"""Gemini's JSON bodies and neutral values, both ways."""

import contextlib
import json
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crds.plan import QuirksPlan
from ext_proc.call import Line, Usage
from ext_proc.formats import strict
from ext_proc.translation import requests
from ext_proc.translation.codec import Asked, UnreadableError, UnspeakableError
from ext_proc.translation.gemini import CODEC
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
from ext_proc.wires import Wire

RECORDED = Path(__file__).parent / "recorded" / "gemini"
ASKED = Asked("chat", "req-1", 0)
SIGNED = Thinking(signature="gemini_c2ln")
SCHEMA = {"type": "object", "properties": {"city": {"type": ["string", "null"]}}}


def conversation(*turns):
    """Turns of user and model, in that order."""
    return tuple(
        Message("assistant" if n % 2 else "user", tuple(parts), f"contents[{n}]")
        for n, parts in enumerate(turns)
    )


HELLO = conversation([Text("Hello")])
CALL = ToolCall("call_9", "weather", '{"city":"Paris"}', signature="c2ln")
REQUESTS = {
    "text": Request("m", HELLO),
    "stream": Request("m", HELLO, stream=True),
    "system": Request("m", HELLO, system=(Text("Be brief."), Text("Be kind."))),
    "image": Request("m", conversation([Media("image", "image/png", "QUJD"), Text("What?")])),
    "image by link": Request("m", conversation([Media("image", "image/jpeg", url="https://x/a")])),
    "document": Request("m", conversation([Media("document", "application/pdf", "QUJD")])),
    "plain document": Request("m", conversation([Media("document", "text/plain", text="words")])),
    "audio": Request("m", conversation([Media("audio", "audio/wav", "QUJD")])),
    "tools": Request(
        "m", HELLO, tools=(Tool("weather", "Of a city", SCHEMA), Tool("now")), choices=2
    ),
    "round of tools": Request(
        "m",
        conversation(
            [Text("Weather?")],
            [Text("Looking."), CALL, ToolCall("call_8", "now", "")],
            [
                ToolResult("call_9", (Text("sunny"),), name="weather"),
                ToolResult("call_8", (Text("no clock"),), is_error=True, name="now"),
            ],
        ),
    ),
    "result with an image": Request(
        "m",
        conversation(
            [Text("Look")],
            [ToolCall("c", "see", "")],
            [ToolResult("c", (Text("this"), Media("image", "image/png", "QUJD")), name="see")],
        ),
    ),
    "thoughts": Request(
        "m", conversation([Text("Hi")], [Thinking("Hm."), Text("Hello"), SIGNED], [Text("More")])
    ),
    "signed thought": Request("m", conversation([Text("Hi")], [replace(SIGNED, text="Hm.")])),
    "sampling": Request(
        "m",
        HELLO,
        max_tokens=5,
        temperature=1,
        top_p=orjson.Fragment("0.90"),
        top_k=4,
        frequency_penalty=0,
        presence_penalty=1,
        seed=7,
        stop=("END", "STOP"),
    ),
    "json": Request("m", HELLO, output=Output()),
    "schema": Request("m", HELLO, output=Output(SCHEMA)),
    **{
        f"choice {choice.mode}": Request("m", HELLO, tools=(Tool("now"),), tool_choice=choice)
        for choice in (
            ToolChoice("auto"),
            ToolChoice("none"),
            ToolChoice("required"),
            ToolChoice("named", "now"),
        )
    },
    **{
        f"effort {effort}": Request("m", HELLO, reasoning=Reasoning(effort, None, shown=True))
        for effort in ("minimal", "low", "medium", "high")
    },
    "budget": Request("m", HELLO, reasoning=Reasoning(budget_tokens=-1, shown=False)),
    "no thoughts": Request("m", HELLO, reasoning=Reasoning(budget_tokens=0)),
}


def plain(value):
    """With numbers as they are spelled, which fragments compare by."""
    return strict.dumps({"x": value}) if isinstance(value, orjson.Fragment) else value


def read(document, stream=False):
    return CODEC.read_request(document, Line("m", stream))


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
def test_a_request_that_is_written_reads_the_same(request_):
    written = CODEC.write_request(request_)
    assert written.losses == ()
    again = read(strict.loads(strict.dumps(written.document)), request_.stream)
    assert again.lost == ()
    assert plain(again.top_p) == plain(request_.top_p)
    assert replace(again, said={}, top_p=None) == replace(request_, top_p=None)


def test_what_is_written_is_what_the_reference_says():
    request = replace(
        REQUESTS["round of tools"],
        tools=(Tool("weather", "Of a city", SCHEMA),),
        tool_choice=ToolChoice("named", "weather"),
    )
    assert CODEC.write_request(request).document == {
        "contents": [
            {"role": "user", "parts": [{"text": "Weather?"}]},
            {
                "role": "model",
                "parts": [
                    {"text": "Looking."},
                    {
                        "functionCall": {
                            "id": "call_9",
                            "name": "weather",
                            "args": {"city": "Paris"},
                        },
                        "thoughtSignature": "c2ln",
                    },
                    {"functionCall": {"id": "call_8", "name": "now", "args": {}}},
                ],
            },
            {
                "role": "user",
                "parts": [
                    {
                        "functionResponse": {
                            "id": "call_9",
                            "name": "weather",
                            "response": {"output": "sunny"},
                        }
                    },
                    {
                        "functionResponse": {
                            "id": "call_8",
                            "name": "now",
                            "response": {"error": "no clock"},
                        }
                    },
                ],
            },
        ],
        "tools": [
            {
                "functionDeclarations": [
                    {
                        "name": "weather",
                        "description": "Of a city",
                        "parametersJsonSchema": SCHEMA,
                    }
                ]
            }
        ],
        "toolConfig": {
            "functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["weather"]}
        },
    }


def test_results_of_parallel_calls_stand_in_one_turn():
    request = Request(
        "m",
        (
            Message("assistant", (ToolCall("a", "f", ""), ToolCall("b", "g", ""))),
            Message("user", (ToolResult("a", (Text("1"),)),)),
            Message("user", (ToolResult("b", (Text("2"),)),)),
        ),
    )
    contents = CODEC.write_request(request).document["contents"]
    assert [content["role"] for content in contents] == ["model", "user"]
    assert [p["functionResponse"]["name"] for p in contents[1]["parts"]] == ["f", "g"]


@pytest.mark.parametrize(
    ("model", "signatures"),
    [
        ("gemini-3-pro-preview", ["skip_thought_signature_validator", None]),
        ("gemini-flash-latest", ["skip_thought_signature_validator", None]),
        ("gemini-2.5-flash", [None, None]),
        ("gemini-1.5-pro", [None, None]),
        ("somebody's-own", [None, None]),
    ],
)
def test_models_that_demand_a_signature_get_one(model, signatures):
    calls = (ToolCall("a", "f", ""), ToolCall("b", "g", ""))
    request = Request(model, (Message("assistant", calls),))
    parts = CODEC.write_request(request).document["contents"][0]["parts"]
    assert [part.get("thoughtSignature") for part in parts] == signatures


@pytest.mark.parametrize(
    ("model", "effort", "config"),
    [
        ("gemini-2.5-flash", "none", {"thinkingBudget": 0}),
        ("gemini-2.5-pro", "minimal", {"thinkingBudget": 1024}),
        ("gemini-2.5-pro", "low", {"thinkingBudget": 1024}),
        ("gemini-2.5-pro", "medium", {"thinkingBudget": 8192}),
        ("gemini-2.5-pro", "high", {"thinkingBudget": 24576}),
        ("gemini-2.5-pro", "xhigh", {"thinkingBudget": 24576}),
        ("gemini-3-flash", "none", {"thinkingLevel": "MINIMAL"}),
        ("gemini-3-flash", "minimal", {"thinkingLevel": "MINIMAL"}),
        ("gemini-3-flash", "medium", {"thinkingLevel": "MEDIUM"}),
        ("gemini-3-flash", "xhigh", {"thinkingLevel": "HIGH"}),
    ],
)
def test_effort_is_said_as_the_model_knows_it(model, effort, config):
    request = Request(model, HELLO, reasoning=Reasoning(effort))
    written = CODEC.write_request(request).document
    assert written["generationConfig"] == {"thinkingConfig": config}


OTHERS = {
    "OpenAIChat": {
        "model": "chat",
        "max_tokens": 9,
        "reasoning_effort": "low",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Weather?"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}},
                ],
            },
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {
                        "id": "a",
                        "type": "function",
                        "function": {"name": "f", "arguments": '{"city":"Paris"}'},
                        "extra_content": {"google": {"thought_signature": "c2ln"}},
                    },
                    {
                        "id": "b",
                        "type": "function",
                        "function": {"name": "g", "arguments": ""},
                    },
                ],
            },
            {"role": "tool", "tool_call_id": "a", "content": "sunny"},
            {"role": "tool", "tool_call_id": "b", "content": "late"},
        ],
    },
    "AnthropicMessages": {
        "model": "chat",
        "max_tokens": 9,
        "system": "Be brief.",
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Weather?"},
                    {
                        "type": "image",
                        "source": {"type": "base64", "media_type": "image/png", "data": "QUJD"},
                    },
                ],
            },
            {
                "role": "assistant",
                "content": [
                    {"type": "tool_use", "id": "a", "name": "f", "input": {"city": "Paris"}},
                    {"type": "tool_use", "id": "b", "name": "g", "input": {}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "a", "content": "sunny"},
                    {"type": "tool_result", "tool_use_id": "b", "content": "late"},
                ],
            },
        ],
    },
}


@pytest.mark.parametrize("spoken", OTHERS)
def test_other_callers_reach_gemini(spoken):
    wire = Wire("GeminiContent", "gemini-3-pro-preview", "/", QuirksPlan())
    written = requests.write(OTHERS[spoken], requests.Spoken(spoken, Line("chat")), wire)
    document = written.document
    signature = "c2ln" if spoken == "OpenAIChat" else "skip_thought_signature_validator"
    assert "model" not in document
    assert document["systemInstruction"] == {"parts": [{"text": "Be brief."}]}
    assert document["generationConfig"]["maxOutputTokens"] == 9
    assert document["contents"] == [
        {
            "role": "user",
            "parts": [
                {"text": "Weather?"},
                {"inlineData": {"mimeType": "image/png", "data": "QUJD"}},
            ],
        },
        {
            "role": "model",
            "parts": [
                {
                    "functionCall": {"id": "a", "name": "f", "args": {"city": "Paris"}},
                    "thoughtSignature": signature,
                },
                {"functionCall": {"id": "b", "name": "g", "args": {}}},
            ],
        },
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"id": "a", "name": "f", "response": {"output": "sunny"}}},
                {"functionResponse": {"id": "b", "name": "g", "response": {"output": "late"}}},
            ],
        },
    ]
    assert written.losses == ()


@pytest.mark.parametrize("target", ["OpenAIChat", "AnthropicMessages"])
def test_geminis_callers_reach_others(target):
    wire = Wire(target, "m", "/", QuirksPlan())
    written = requests.write(SNAKE, requests.Spoken("GeminiContent", Line("chat")), wire)
    again = CODECS[target].read_request(written.document, Line())
    asked = read(SNAKE)
    assert [message.role for message in again.messages] == ["user", "assistant", "user"]
    assert again.messages[0].parts == asked.messages[0].parts
    assert again.messages[1].parts[0].name == "f"
    assert again.messages[2].parts[0].parts == (Text('{"a_b":2}'),)
    assert again.tools[0].parameters == asked.tools[0].parameters
    assert again.tool_choice == ToolChoice("required")
    assert again.max_tokens == 12


def test_what_gemini_signed_is_not_shown_to_claude():
    said = (Thinking("Hm.", "gemini_c2ln"), Text("Hello"))
    request = Request("m", (Message("assistant", said, "messages[1]"),))
    written = CODECS["AnthropicMessages"].write_request(request)
    assert written.document["messages"][0]["content"] == [{"type": "text", "text": "Hello"}]


def test_another_providers_reasoning_is_not_shown_to_this_one():
    said = (Thinking("Hm.", "anthropics"), Thinking(redacted="secret"), Text("Hello"))
    request = Request("m", (Message("assistant", said, "messages[1]"),))
    written = CODEC.write_request(request)
    assert written.document["contents"][0]["parts"] == [
        {"text": "Hm.", "thought": True},
        {"text": "Hello"},
    ]
    assert written.losses == (Loss("messages[1].reasoning"),)


LOSSES = {
    "user": (replace(REQUESTS["text"], user="me", said={"user": "user"}), [Loss("user")]),
    "one call at a time": (
        replace(REQUESTS["text"], parallel_tool_calls=False),
        [Loss("parallel_tool_calls")],
    ),
    "a strict tool": (
        replace(REQUESTS["text"], tools=(Tool("f", strict=True),)),
        [Loss("tools[0].strict")],
    ),
    "a file of another provider": (
        Request("m", conversation([Media("image", file_id="file_1")])),
        [Loss("contents[0].content", essential=True)],
    ),
    "how to look": (
        Request("m", conversation([Media("image", "image/png", "QUJD", detail="low")])),
        [Loss("contents[0].detail")],
    ),
    "a link within a result": (
        Request(
            "m",
            conversation([ToolResult("c", (Media("image", url="https://x/a.png"),), name="f")]),
        ),
        [Loss("contents[0].content", essential=True)],
    ),
    "what a schema is for": (
        replace(
            REQUESTS["text"],
            output=Output(SCHEMA, description="d"),
            said={"output": "response_format"},
        ),
        [Loss("response_format.description")],
    ),
}


@pytest.mark.parametrize(("request_", "losses"), LOSSES.values(), ids=LOSSES)
def test_what_cannot_be_said_is_named(request_, losses):
    assert list(CODEC.write_request(request_).losses) == losses


def test_links_tell_their_type_by_their_end():
    request = Request("m", conversation([Media("image", url="https://x/a.PNG?b=c.gif")]))
    part = CODEC.write_request(request).document["contents"][0]["parts"][0]
    assert part == {"fileData": {"mimeType": "image/png", "fileUri": "https://x/a.PNG?b=c.gif"}}


def test_a_result_of_an_unknown_tool_is_refused():
    request = Request("m", (Message("user", (ToolResult("a", ()),)),))
    with pytest.raises(UnspeakableError):
        CODEC.write_request(request)


def content(*parts, role="user"):
    return {"contents": [{"role": role, "parts": list(parts)}]}


SNAKE = {
    "contents": [
        {"parts": [{"inline_data": {"mime_type": "image/png", "data": "QUJD"}}]},
        {
            "role": "model",
            "parts": [
                {"function_call": {"name": "f", "args": {"a_b": 1}}, "thought_signature": "c2ln"}
            ],
        },
        {
            "role": "function",
            "parts": [{"function_response": {"name": "f", "response": {"a_b": 2}}}],
        },
    ],
    "system_instruction": {"parts": [{"text": "Be brief."}]},
    "tool_config": {"function_calling_config": {"mode": "ANY"}},
    "tools": [
        {
            "function_declarations": [
                {
                    "name": "f",
                    "parameters": {
                        "type": "OBJECT",
                        "properties": {
                            "a_b": {"type": "STRING", "nullable": True, "max_length": "9"},
                            "c": {"type": "ARRAY", "items": {"any_of": [{"type": "INTEGER"}]}},
                        },
                        "property_ordering": ["a_b"],
                        "required": ["a_b"],
                    },
                }
            ]
        }
    ],
    "generation_config": {
        "max_output_tokens": "12",
        "response_mime_type": "application/json",
        "response_schema": {"type": "OBJECT"},
        "thinking_config": {"thinking_level": "LOW", "include_thoughts": True},
    },
}


def test_snake_case_is_read_as_camel_case_is():
    request = read(SNAKE)
    assert request.messages == (
        Message("user", (Media("image", "image/png", "QUJD"),), "contents[0]"),
        Message(
            "assistant",
            (ToolCall("call_1", "f", '{"a_b":1}', signature="c2ln"),),
            "contents[1]",
        ),
        Message("user", (ToolResult("call_1", (Text('{"a_b":2}'),), name="f"),), "contents[2]"),
    )
    assert request.system == (Text("Be brief."),)
    assert request.tool_choice == ToolChoice("required")
    assert request.tools[0].parameters == {
        "type": "object",
        "properties": {
            "a_b": {"type": ["string", "null"], "maxLength": 9},
            "c": {"type": "array", "items": {"anyOf": [{"type": "integer"}]}},
        },
        "required": ["a_b"],
    }
    assert request.max_tokens == 12
    assert request.output == Output({"type": "object"})
    assert request.reasoning == Reasoning("low", None, shown=True)
    assert request.lost == ()
    assert request.said["max_tokens"] == "generationConfig.maxOutputTokens"


def test_results_without_ids_answer_the_first_open_call_of_their_name():
    calls = [{"functionCall": {"name": name}} for name in ("f", "g", "f")]
    results = [{"functionResponse": {"name": name}} for name in ("f", "f", "g", "h")]
    document = {"contents": [{"role": "model", "parts": calls}, {"parts": results}]}
    first, second = read(document).messages
    assert [part.id for part in first.parts] == ["call_1", "call_2", "call_3"]
    assert [part.id for part in second.parts] == ["call_1", "call_3", "call_2", "call_4"]


def test_of_several_allowed_functions_the_others_are_not_offered():
    declared = [{"functionDeclarations": [{"name": name} for name in "abc"]}]
    config = {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["a", "c"]}}
    request = read({**content({"text": "x"}), "tools": declared, "toolConfig": config})
    assert request.tool_choice == ToolChoice("required")
    assert [tool.name for tool in request.tools] == ["a", "c"]


UNPLACED = {
    "safetySettings": ({"safetySettings": [{}]}, Loss("safetySettings")),
    "labels": ({"labels": {"a": "b"}}, Loss("labels")),
    "cachedContent": ({"cachedContent": "c/1"}, Loss("cachedContent", essential=True)),
    "search": ({"tools": [{"googleSearch": {}}]}, Loss("tools[0].googleSearch", essential=True)),
    "logprobs": (
        {"generationConfig": {"responseLogprobs": True}},
        Loss("generationConfig.responseLogprobs"),
    ),
    "an enumeration": (
        {"generationConfig": {"responseMimeType": "text/x.enum"}},
        Loss("generationConfig.responseMimeType"),
    ),
    "a picture": (
        {"generationConfig": {"responseModalities": ["TEXT", "IMAGE"]}},
        Loss("generationConfig.responseModalities", essential=True),
    ),
    "a video": (
        content({"inlineData": {"mimeType": "video/mp4", "data": "QUJD"}}),
        Loss("contents[0].parts[0].inlineData", essential=True),
    ),
    "a file in Google's keeping": (
        content({"fileData": {"mimeType": "image/png", "fileUri": "gs://b/a.png"}}),
        Loss("contents[0].parts[0].fileData", essential=True),
    ),
    "code that ran": (
        content({"executableCode": {"language": "PYTHON", "code": "1"}}, role="model"),
        Loss("contents[0].parts[0].executableCode", essential=True),
    ),
    "which part of a video": (
        content({"text": "x", "videoMetadata": {"fps": 1}}),
        Loss("contents[0].parts[0].videoMetadata"),
    ),
}


@pytest.mark.parametrize(("document", "loss"), UNPLACED.values(), ids=UNPLACED)
def test_what_has_no_place_is_named(document, loss):
    assert read({**content({"text": "x"}), **document}).lost == (loss,)


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({}, "contents"),
        ({"contents": {}}, "contents"),
        ({"contents": ["x"]}, "contents[0]"),
        (content({"text": "x"}, role="system"), "contents[0].role"),
        (content(1), "contents[0].parts[0]"),
        (content({"functionResponse": {"name": "f", "response": "x"}}), ".response"),
        ({**content(), "systemInstruction": "x"}, "systemInstruction"),
        ({**content(), "tools": [{"functionDeclarations": [{}]}]}, ".name"),
        ({**content(), "generationConfig": {"temperature": "hot"}}, ".temperature"),
        ({**content(), "generationConfig": {"candidateCount": 0}}, ".candidateCount"),
        ({**content(), "generationConfig": {"stopSequences": "x"}}, ".stopSequences"),
        (
            {**content(), "toolConfig": {"functionCallingConfig": {"mode": "SOMETIMES"}}},
            "toolConfig.functionCallingConfig.mode",
        ),
        (
            {**content(), "tools": [{"functionDeclarations": [{"name": "f", "parameters": 1}]}]},
            ".parameters",
        ),
    ],
)
def test_a_request_that_makes_no_sense_is_refused_by_its_field(document, field):
    with pytest.raises(UnspeakableError) as refused:
        read(document)
    assert field in str(refused.value).partition(": ")[0]


USAGE = Usage(10, 7, cache_read_tokens=4, reasoning_tokens=3)
RESPONSES = {
    "text": Response("r", "g", (Choice((Text("Hello"),), "stop"),), USAGE),
    "no usage": Response("r", "g", (Choice((Text("Hello"),), "length"),), None),
    "calls": Response("r", "g", (Choice((Text("So"), CALL), "tool_calls"),), USAGE),
    "thoughts": Response(
        "r", "g", (Choice((Thinking("Hm.", "foreign+/="), Text("Hello")), "stop"),), USAGE
    ),
    "encrypted thoughts": Response(
        "r", "g", (Choice((Thinking(redacted="abc="), Text("Hello")), "stop"),), USAGE
    ),
    "filtered": Response("r", "g", (Choice((), "content_filter"),), USAGE),
    "two": Response("r", "g", (Choice((Text("a"),), "stop"), Choice((Text("b"),), "stop")), USAGE),
}


@pytest.mark.parametrize("response", RESPONSES.values(), ids=RESPONSES)
def test_an_answer_that_is_written_reads_the_same(response):
    document = CODEC.write_response(response, ASKED)
    assert CODEC.read_response(strict.loads(strict.dumps(document))) == response


def test_another_providers_signature_comes_back_from_the_caller():
    for thought in (Thinking("Hm.", "sig+/="), Thinking(redacted="data==")):
        response = Response("r", "g", (Choice((thought, Text("Hello")), "stop"),), None)
        shown = CODEC.write_response(response, ASKED)["candidates"][0]["content"]
        for part in shown["parts"]:  # the SDK writes base64 in its other alphabet
            if "thoughtSignature" in part:
                part["thoughtSignature"] = (
                    part["thoughtSignature"].replace("+", "-").replace("/", "_")
                )
        assert read({"contents": [shown]}).messages[0].parts == (thought, Text("Hello"))


def test_what_stands_for_an_answer():
    refused = Response("", "", (Choice((Refusal("No."),), "refusal"),), USAGE)
    assert CODEC.write_response(refused, ASKED) == {
        "candidates": [
            {
                "content": {"parts": [{"text": "No."}], "role": "model"},
                "finishReason": "PROHIBITED_CONTENT",
                "index": 0,
            }
        ],
        "usageMetadata": {
            "promptTokenCount": 10,
            "candidatesTokenCount": 4,
            "totalTokenCount": 17,
            "cachedContentTokenCount": 4,
            "thoughtsTokenCount": 3,
        },
        "modelVersion": "chat",
        "responseId": "req-1",
    }


@pytest.mark.parametrize(
    ("finish", "reason"), [("tool_calls", "MALFORMED_FUNCTION_CALL"), ("length", "MAX_TOKENS")]
)
def test_a_call_that_is_no_json_is_not_shown(finish, reason):
    broken = Response("", "", (Choice((ToolCall("a", "f", '{"a":'),), finish),), None)
    candidate = CODEC.write_response(broken, ASKED)["candidates"][0]
    assert (candidate["content"]["parts"], candidate["finishReason"]) == ([], reason)


def recorded(name):
    return CODEC.read_response(strict.loads((RECORDED / name).read_bytes()))


def test_recorded_text():
    response = recorded("text.json")
    assert response.choices == (Choice((Text("Paris is the capital of France."),), "stop"),)
    assert response.usage == Usage(1200, 8, cache_read_tokens=1024)
    assert (response.id, response.model) == ("mLxkaLO3A9m1kdUP0pWS6QE", "gemini-2.5-flash")


def test_recorded_parallel_calls():
    response = recorded("parallel_calls_without_ids.json")
    (choice,) = response.choices
    thought, *calls = choice.parts
    assert thought == Thinking("I look both up.")
    assert [(call.name, call.arguments, call.signature) for call in calls] == [
        ("weather", '{"city":"Paris"}', "CiQBjz1rX3sZ"),
        ("weather", '{"city":"Rome","days":2}', ""),
        ("now", "", ""),
    ]
    assert len({call.id for call in calls}) == 3
    assert recorded("parallel_calls_without_ids.json") == response
    assert choice.finish == "tool_calls"
    assert response.usage == Usage(100, 100, reasoning_tokens=60)


def test_recorded_refusals():
    assert recorded("prompt_blocked.json").choices == (Choice((), "content_filter"),)
    (choice,) = recorded("safety_in_the_middle.json").choices
    assert choice == Choice((Text("First you"),), "content_filter")
    with pytest.raises(UnreadableError, match="MALFORMED_FUNCTION_CALL"):
        recorded("malformed_call.json")


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"candidates": {}},
        {"candidates": [1]},
        {"candidates": [{"index": -1}]},
        {"candidates": [{"index": 1000}]},
        {"candidates": [{"content": {"parts": {}}}]},
        {"candidates": [{"content": 3}]},
    ],
)
def test_an_answer_that_is_none_is_unreadable(document):
    with pytest.raises(UnreadableError):
        CODEC.read_response(document)


NAMES = sorted(
    {"contents", "parts", "role", "text", "thought", "thoughtSignature", "functionCall", "name"}
    | {"args", "id", "functionResponse", "response", "inlineData", "mimeType", "data", "fileData"}
    | {"fileUri", "systemInstruction", "tools", "functionDeclarations", "parameters", "type"}
    | {"properties", "items", "anyOf", "toolConfig", "functionCallingConfig", "mode"}
    | {"allowedFunctionNames", "generationConfig", "thinkingConfig", "thinkingBudget", "topP"}
    | {"stopSequences", "responseMimeType", "responseSchema", "candidates", "content", "index"}
    | {"finishReason", "usageMetadata", "promptTokenCount", "promptFeedback", "blockReason"}
)
LEAVES = st.sampled_from(
    [
        "user",
        "model",
        "ANY",
        "STRING",
        "image/png",
        "application/json",
        "text/plain",
        "/+_8=",
        "STOP",
        "MALFORMED_FUNCTION_CALL",
        "",
        0,
        -1,
        10**30,
        True,
        None,
        1.5,
    ]
)
TREES = st.recursive(
    LEAVES,
    lambda inside: (
        st.lists(inside, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inside, max_size=5)
    ),
    max_leaves=20,
)
TOPS = st.dictionaries(st.sampled_from(NAMES), TREES, max_size=6)


def nested(trees):
    return trees | trees.map(lambda tree: [tree]) | trees.map(lambda tree: {"parts": [tree]})


@given(
    top=TOPS, parts=st.lists(TOPS, max_size=3), config=nested(TREES), tools=nested(TREES) | TREES
)
@settings(max_examples=300, deadline=None)
def test_junk_is_refused_or_read_but_never_breaks(top, parts, config, tools):
    document = {
        "contents": [{"role": "user", "parts": parts}],
        "generationConfig": config,
        "tools": tools,
        **top,
        "candidates": top.get("candidates", [{"content": {"parts": parts}}]),
    }
    document = strict.loads(json.dumps(document).encode())
    with contextlib.suppress(UnspeakableError):
        CODEC.write_request(CODEC.read_request(document, Line("gemini-3", True)))
    with contextlib.suppress(UnreadableError):
        strict.dumps(CODEC.write_response(CODEC.read_response(document), ASKED))
