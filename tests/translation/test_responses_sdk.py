"""OpenAI's SDK speaks Responses with providers of other formats: whole, streamed, over two turns."""

import json
from pathlib import Path

import httpx2
import openai
import pytest
from pydantic import BaseModel

from crds.plan import QuirksPlan
from ext_proc.call import Line
from ext_proc.detectors import pii
from ext_proc.detectors.stream import Redactor
from ext_proc.formats import strict
from ext_proc.formats.table import DIALECTS
from ext_proc.translation import requests
from ext_proc.translation.answers import Answer
from ext_proc.translation.codec import Asked
from ext_proc.translation.neutral import (
    Choice,
    Failed,
    Response,
    Text,
    TextPiece,
    Thinking,
    ToolCall,
)
from ext_proc.translation.requests import Spoken
from ext_proc.translation.table import CODECS
from ext_proc.wires import Wire
from tests.translation.deltas import pieces

TOOL = {
    "type": "function",
    "name": "weather",
    "description": "The weather of a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False},
    "strict": True,
}  # fmt: skip
RECORDED = Path(__file__).parent / "recorded" / "responses"
PROVIDERS = ("AnthropicMessages", "GeminiContent", "BedrockConverse", "OpenAIChat")
THOUGHT = Thinking("Two cities.", "c2lnbmVk")
CALLS = (ToolCall("c1", "weather", '{"city":"Paris"}'), ToolCall("c2", "weather", '{"city":"Lima"}'))  # fmt: skip
TOOLS = Choice((THOUGHT, Text("Let me look."), *CALLS), "tool_calls")
ANSWER = Choice((Text("Rain and sun."),), "stop")


class Provider:
    """A provider of one format behind the translation, as the gateway has it."""

    def __init__(self, format_, *choices, guard=None):
        self.format, self.choices, self.got = format_, list(choices), []
        self.guard = guard

    def __call__(self, request):
        dialect = DIALECTS["OpenAIResponses"]
        body = request.read()
        call = dialect.decode_request(body, Line())
        spoken = Spoken(call.format, Line(call.model, call.stream))
        wire = Wire(self.format, call.model, "/", QuirksPlan())
        written = requests.write(call.document, spoken, wire)
        assert not [loss for loss in written.losses if loss.essential]
        self.got.append(json.loads(strict.dumps(written.document)))
        answer = Answer(self.format, call.format, Asked(call.model, "req-1", 1_757_500_000))
        codec, response = CODECS[self.format], self._response(call.model)
        asked = Asked(call.model, "req-2", 1_757_500_000)
        if not call.stream:
            whole = answer.whole(strict.dumps(codec.write_response(response, asked)))
            return httpx2.Response(200, content=whole, headers={"content-type": "application/json"})
        writer = codec.writer(asked)
        raw = b"".join(writer.write(delta) for delta in pieces(response)) + writer.end()
        sent = b"".join(answer.feed(raw[at : at + 17]) for at in range(0, len(raw), 17))
        sent += answer.end()
        passed = dialect.stream(call, self.guard)
        sent = passed.feed(sent) + passed.end()
        headers = {"content-type": "text/event-stream"}
        return httpx2.Response(200, content=sent, headers=headers)

    def _response(self, model):
        return Response("msg_1", model, (self.choices.pop(0),), None)


def client(handler):
    transport = httpx2.Client(transport=httpx2.MockTransport(handler))
    return openai.OpenAI(api_key="k", base_url="http://gateway/v1", http_client=transport)


def ask(sdk, items, *, stream):
    asked = {"model": "m", "input": items, "tools": [TOOL], "reasoning": {"effort": "low"}}
    if not stream:
        return sdk.responses.create(**asked)
    with sdk.responses.stream(**asked) as events:
        seen = [event.type for event in events]
        assert (seen[0], seen[-1]) == ("response.created", "response.completed")
        return events.get_final_response()


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_two_turns_with_tools_and_reasoning(provider, stream):
    served = Provider(provider, TOOLS, ANSWER)
    sdk = client(served)
    items = [{"role": "user", "content": "weather in Paris and Lima?"}]
    first = ask(sdk, items, stream=stream)
    calls = [item for item in first.output if item.type == "function_call"]
    assert first.status == "completed"
    assert first.output_text == "Let me look."
    assert [json.loads(call.arguments) for call in calls] == [{"city": "Paris"}, {"city": "Lima"}]
    items += first.output
    items += [
        {"type": "function_call_output", "call_id": call.call_id, "output": "rain"}
        for call in calls
    ]
    second = ask(sdk, items, stream=stream)
    assert second.output_text == "Rain and sun."
    assert "rain" in json.dumps(served.got[1])
    if provider in ("AnthropicMessages", "BedrockConverse"):
        assert THOUGHT.signature in json.dumps(served.got[1])


def test_geminis_signature_of_a_call_comes_back():
    signed = ToolCall("c1", "weather", '{"city":"Paris"}', signature="c2lnbmVk")
    served = Provider("GeminiContent", Choice((signed,), "tool_calls"), ANSWER)
    sdk = client(served)
    items = [{"role": "user", "content": "weather in Paris?"}]
    items += ask(sdk, items, stream=True).output
    items.append({"type": "function_call_output", "call_id": items[-1].call_id, "output": "rain"})
    ask(sdk, items, stream=False)
    (call,) = [
        part
        for content in served.got[1]["contents"]
        for part in content["parts"]
        if "functionCall" in part
    ]
    assert call["thoughtSignature"] == "c2lnbmVk"


class City(BaseModel):
    """What is to be answered."""

    name: str
    people: int


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_parsed_answer(stream):
    served = Provider("AnthropicMessages", Choice((Text('{"name":"Lima","people":10}'),), "stop"))
    sdk = client(served)
    asked = {"model": "m", "input": "which city?", "text_format": City}
    if stream:
        with sdk.responses.stream(**asked) as events:
            events.until_done()
            parsed = events.get_final_response().output_parsed
    else:
        parsed = sdk.responses.parse(**asked).output_parsed
    assert parsed == City(name="Lima", people=10)


def test_an_error_within_a_stream_is_raised():
    def broken(request):
        writer = CODECS["OpenAIResponses"].writer(Asked("m", "req-1", 0))
        raw = writer.write(TextPiece("Half")) + writer.write(Failed(529, "Overloaded."))
        return httpx2.Response(200, content=raw, headers={"content-type": "text/event-stream"})

    with pytest.raises(openai.APIError, match="Overloaded"):
        list(client(broken).responses.create(model="m", input="hi", stream=True))


def test_a_refused_request_has_its_class():
    body = DIALECTS["OpenAIResponses"].decode_request(b'{"model":"m","input":3}', Line())

    def refused(request):
        content = DIALECTS["OpenAIResponses"].error(body, "req-1")
        return httpx2.Response(body.status, content=content)

    with pytest.raises(openai.BadRequestError, match="input"):
        client(refused).responses.create(model="m", input="hi")


USER = {"role": "user", "content": "hi"}
PARTED = {"role": "user", "parts": [{"text": "hi"}]}
BLOCKED = {"role": "user", "content": [{"text": "hi"}]}
NEXT_TURN = {
    "OpenAIChat": lambda said: {"messages": [USER, said["choices"][0]["message"], USER]},
    "AnthropicMessages": lambda said: {
        "max_tokens": 9,
        "messages": [USER, {"role": "assistant", "content": said["content"]}, USER],
    },
    "GeminiContent": lambda said: {"contents": [PARTED, said["candidates"][0]["content"], PARTED]},
    "BedrockConverse": lambda said: {"messages": [BLOCKED, said["output"]["message"], BLOCKED]},
}


@pytest.mark.parametrize("caller", NEXT_TURN)
@pytest.mark.parametrize("name", ["reasoning_encrypted", "reasoning_without_summary"])
def test_openais_reasoning_comes_back_from_callers_of_other_formats(caller, name):
    document = json.loads((RECORDED / f"{name}.json").read_text())
    response = CODECS["OpenAIResponses"].read_response(document)
    asked = Asked("m", "req-1", 1_757_500_000)
    said = json.loads(strict.dumps(CODECS[caller].write_response(response, asked)))
    body = strict.loads(json.dumps({"model": "m", **NEXT_TURN[caller](said)}).encode())
    wire = Wire("OpenAIResponses", "m", "/", QuirksPlan())
    sent = requests.write(body, Spoken(caller, Line("m")), wire).document["input"]
    (thought,) = [item for item in sent if item["type"] == "reasoning"]
    assert thought["encrypted_content"] == document["output"][0]["encrypted_content"]
    assert [item["type"] for item in sent] == ["message", "reasoning", "message", "message"]


class Redacting:
    """A guard that redacts, on a stream."""

    blocked = False

    def __init__(self):
        self._redactor = Redactor(pii.detector(("Email",)))

    def push(self, text):
        return self._redactor.push(text)

    def finish(self):
        return self._redactor.finish()


@pytest.mark.parametrize("provider", PROVIDERS)
def test_guards_read_translated_streams(provider):
    parts = (
        Thinking("ana@mail.example asks.", "c2lnbmVk"),
        Text("Dear ana@mail.example!"),
        ToolCall("c1", "mail", '{"to":"ana@mail.example"}'),
    )
    served = Provider(provider, Choice(parts, "tool_calls"), guard=lambda origin: Redacting())
    final = ask(client(served), [{"role": "user", "content": "mail her"}], stream=True)
    assert final.output_text == "Dear [REDACTED:Email]!"
    assert "mail.example" not in final.model_dump_json()
    assert final.output[-1].arguments == '{"to":"[REDACTED:Email]"}'
