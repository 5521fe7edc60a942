"""The official SDKs for Python, each doing the same four things with nothing but its address changed."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import anthropic
import boto3
import botocore.config
import botocore.exceptions
import openai
from google import genai
from google.genai import errors as genai_errors
from google.genai import types

SCHEMA = {"type": "object", "properties": {"order": {"type": "string"}}, "required": ["order"]}
QUESTION, RESULT = "where is it", "gone"


@dataclass(frozen=True)
class Client:
    """What a test asks of one SDK; all take the gateway's address and a model."""

    chat: Callable[[str, str, str], str]
    """Says a text; returns the answer's."""
    stream: Callable[[str, str, str], tuple[str, int]]
    """As `chat`, in pieces; also returns the tokens of the answer."""
    tools: Callable[[str, str], tuple[Any, str]]
    """Must call a tool, gets its result and speaks; returns arguments and words."""
    raised: Mapping[str, Callable[[BaseException], bool]]
    """Tells the SDK's own error for a fault."""


def _is(kind: type[BaseException]) -> Callable[[BaseException], bool]:
    return lambda error: isinstance(error, kind)


def _oai(url: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{url}/v1", api_key="callers-word", max_retries=0)


def _user(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


def _chat(url: str, model: str, text: str) -> str:
    with _oai(url) as client:
        answer = client.chat.completions.create(model=model, messages=_user(text))
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.prompt_tokens > 0
    return answer.choices[0].message.content or ""


def _chat_stream(url: str, model: str, text: str) -> tuple[str, int]:
    with _oai(url) as client:
        chunks = list(
            client.chat.completions.create(
                model=model,
                messages=_user(text),
                stream=True,
                stream_options={"include_usage": True},
            )
        )
    said = "".join(each.choices[0].delta.content or "" for each in chunks if each.choices)
    usage = chunks[-1].usage
    assert usage is not None
    return said, usage.completion_tokens


def _chat_tools(url: str, model: str) -> tuple[Any, str]:
    function = {"name": "look_up", "parameters": SCHEMA}
    tools: list[Any] = [{"type": "function", "function": function}]
    asked = _user(QUESTION)
    with _oai(url) as client:
        first = client.chat.completions.create(
            model=model, messages=asked, tools=tools, tool_choice="required"
        )
        assert first.choices[0].finish_reason == "tool_calls"
        message = first.choices[0].message
        call = message.tool_calls[0]  # type: ignore[index]
        told = [message, {"role": "tool", "tool_call_id": call.id, "content": RESULT}]
        second = client.chat.completions.create(model=model, messages=[*asked, *told], tools=tools)
    return json.loads(call.function.arguments), second.choices[0].message.content or ""


def _responses(url: str, model: str, text: str) -> str:
    with _oai(url) as client:
        answer = client.responses.create(model=model, input=text)
    assert answer.status == "completed"
    assert answer.usage is not None
    assert answer.usage.input_tokens > 0
    return answer.output_text


def _responses_stream(url: str, model: str, text: str) -> tuple[str, int]:
    with _oai(url) as client, client.responses.stream(model=model, input=text) as stream:
        said = "".join(e.delta for e in stream if e.type == "response.output_text.delta")
        final = stream.get_final_response()
    assert final.output_text == said
    assert final.usage is not None
    return said, final.usage.output_tokens


def _responses_tools(url: str, model: str) -> tuple[Any, str]:
    tools: list[Any] = [
        {"type": "function", "name": "look_up", "parameters": SCHEMA, "strict": False}
    ]
    asked = _user(QUESTION)
    with _oai(url) as client:
        first = client.responses.create(
            model=model, input=asked, tools=tools, tool_choice="required", store=False
        )
        [call] = [item for item in first.output if item.type == "function_call"]
        result = {"type": "function_call_output", "call_id": call.call_id, "output": RESULT}
        second = client.responses.create(
            model=model, input=[*asked, *first.output, result], tools=tools, store=False
        )
    return json.loads(call.arguments), second.output_text


def _claude(url: str) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=url, api_key="callers-word", max_retries=0)


def _messages(url: str, model: str, text: str) -> str:
    with _claude(url) as client:
        answer = client.messages.create(model=model, max_tokens=99, messages=_user(text))
    assert answer.stop_reason == "end_turn"
    assert answer.usage.input_tokens + (answer.usage.cache_read_input_tokens or 0) > 0
    return answer.content[0].text


def _messages_stream(url: str, model: str, text: str) -> tuple[str, int]:
    with (
        _claude(url) as client,
        client.messages.stream(model=model, max_tokens=99, messages=_user(text)) as stream,
    ):
        said = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert final.content[0].text == said
    return said, final.usage.output_tokens


def _messages_tools(url: str, model: str) -> tuple[Any, str]:
    tools: list[Any] = [{"name": "look_up", "input_schema": SCHEMA}]
    with _claude(url) as client:
        first = client.messages.create(
            model=model,
            max_tokens=99,
            messages=_user(QUESTION),
            tools=tools,
            tool_choice={"type": "any"},
        )
        [call] = [block for block in first.content if block.type == "tool_use"]
        assert first.stop_reason == "tool_use"
        result = {"type": "tool_result", "tool_use_id": call.id, "content": RESULT}
        turns = [
            {"role": "assistant", "content": first.content},
            {"role": "user", "content": [result]},
        ]
        second = client.messages.create(
            model=model, max_tokens=99, messages=[*_user(QUESTION), *turns], tools=tools
        )
    return call.input, second.content[0].text


def _google(url: str) -> genai.Client:
    return genai.Client(api_key="callers-word", http_options=types.HttpOptions(base_url=url))


def _contents(url: str, model: str, text: str) -> str:
    with _google(url) as client:
        answer = client.models.generate_content(model=model, contents=text)
    assert answer.candidates[0].finish_reason == types.FinishReason.STOP
    assert answer.usage_metadata.prompt_token_count > 0
    return answer.text


def _contents_stream(url: str, model: str, text: str) -> tuple[str, int]:
    with _google(url) as client:
        chunks = list(client.models.generate_content_stream(model=model, contents=text))
    last = chunks[-1]
    assert last.candidates[0].finish_reason == types.FinishReason.STOP
    return "".join(each.text or "" for each in chunks), last.usage_metadata.candidates_token_count


def _contents_tools(url: str, model: str) -> tuple[Any, str]:
    function = types.FunctionDeclaration(name="look_up", parameters_json_schema=SCHEMA)
    must = types.FunctionCallingConfig(mode=types.FunctionCallingConfigMode.ANY)
    tools = [types.Tool(function_declarations=[function])]
    off = types.AutomaticFunctionCallingConfig(disable=True)
    asked = types.Content(role="user", parts=[types.Part(text=QUESTION)])
    with _google(url) as client:
        first = client.models.generate_content(
            model=model,
            contents=[asked],
            config=types.GenerateContentConfig(
                tools=tools,
                tool_config=types.ToolConfig(function_calling_config=must),
                automatic_function_calling=off,
            ),
        )
        [call] = first.function_calls
        answered = types.FunctionResponse(id=call.id, name=call.name, response={"output": RESULT})
        result = types.Content(role="user", parts=[types.Part(function_response=answered)])
        second = client.models.generate_content(
            model=model,
            contents=[asked, first.candidates[0].content, result],
            config=types.GenerateContentConfig(tools=tools, automatic_function_calling=off),
        )
    return call.args, second.text


@contextmanager
def _bedrock(url: str) -> Iterator[Any]:
    client = boto3.client(
        "bedrock-runtime",
        region_name="us-east-1",
        endpoint_url=url,
        aws_access_key_id="callers-word",
        aws_secret_access_key="callers-word",
        config=botocore.config.Config(retries={"total_max_attempts": 1}),
    )
    try:
        yield client
    finally:
        client.close()


def _turn(text: str) -> dict[str, Any]:
    return {"role": "user", "content": [{"text": text}]}


def _converse(url: str, model: str, text: str) -> str:
    with _bedrock(url) as client:
        answer = client.converse(modelId=model, messages=[_turn(text)])
    assert answer["stopReason"] == "end_turn"
    assert answer["usage"]["totalTokens"] > 0
    said: str = answer["output"]["message"]["content"][0]["text"]
    return said


def _converse_stream(url: str, model: str, text: str) -> tuple[str, int]:
    with _bedrock(url) as client:
        stream = client.converse_stream(modelId=model, messages=[_turn(text)])["stream"]
        with closing(stream):
            events = list(stream)
    deltas = [each["contentBlockDelta"]["delta"] for each in events if "contentBlockDelta" in each]
    [metadata] = [each["metadata"] for each in events if "metadata" in each]
    return "".join(each["text"] for each in deltas), metadata["usage"]["outputTokens"]


def _converse_tools(url: str, model: str) -> tuple[Any, str]:
    tools = [{"toolSpec": {"name": "look_up", "inputSchema": {"json": SCHEMA}}}]
    with _bedrock(url) as client:
        first = client.converse(
            modelId=model,
            messages=[_turn(QUESTION)],
            toolConfig={"tools": tools, "toolChoice": {"any": {}}},
        )
        assert first["stopReason"] == "tool_use"
        message = first["output"]["message"]
        [call] = [each["toolUse"] for each in message["content"] if "toolUse" in each]
        told = {"toolUseId": call["toolUseId"], "content": [{"text": RESULT}]}
        result = {"role": "user", "content": [{"toolResult": told}]}
        second = client.converse(
            modelId=model,
            messages=[_turn(QUESTION), message, result],
            toolConfig={"tools": tools},
        )
    return call["input"], second["output"]["message"]["content"][0]["text"]


def _google_code(code: int) -> Callable[[BaseException], bool]:
    return lambda error: isinstance(error, genai_errors.APIError) and error.code == code


def _aws_class(name: str) -> Callable[[BaseException], bool]:
    return lambda error: type(error).__name__ == name


CLIENTS = {
    "openai": Client(
        _chat,
        _chat_stream,
        _chat_tools,
        {
            "429": _is(openai.RateLimitError),
            "500": _is(openai.InternalServerError),
            "midway": lambda error: type(error) is openai.APIError,
        },
    ),
    "openai-responses": Client(
        _responses,
        _responses_stream,
        _responses_tools,
        {
            "429": _is(openai.RateLimitError),
            "500": _is(openai.InternalServerError),
            "midway": lambda error: type(error) is openai.APIError,
        },
    ),
    "anthropic": Client(
        _messages,
        _messages_stream,
        _messages_tools,
        {
            "429": _is(anthropic.RateLimitError),
            "500": _is(anthropic.InternalServerError),
            "midway": lambda error: (
                isinstance(error, anthropic.APIStatusError) and error.response.status_code == 200
            ),
        },
    ),
    "google-genai": Client(
        _contents,
        _contents_stream,
        _contents_tools,
        {"429": _google_code(429), "500": _google_code(500), "midway": _is(genai_errors.APIError)},
    ),
    "boto3": Client(
        _converse,
        _converse_stream,
        _converse_tools,
        {
            "429": _aws_class("ThrottlingException"),
            "500": _aws_class("InternalServerException"),
            "midway": _is(botocore.exceptions.EventStreamError),
        },
    ),
}
