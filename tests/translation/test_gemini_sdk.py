"""google-genai reads what we write as Gemini, and what it sends back is understood."""

import json
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import httpx2
import pytest
from google import genai
from google.genai import errors, types

from ext_proc.call import Line, Reject, Usage
from ext_proc.formats import strict, table
from ext_proc.formats.table import DIALECTS
from ext_proc.translation.codec import Asked
from ext_proc.translation.gemini import CODEC
from ext_proc.translation.neutral import (
    Began,
    CallBegan,
    CallPiece,
    Choice,
    Failed,
    Finished,
    Output,
    Reasoning,
    Response,
    Text,
    TextPiece,
    Thinking,
    ThinkingPiece,
    ToolCall,
    ToolChoice,
    ToolResult,
    Used,
)

ASKED = Asked("chat", "req-1", 0)
STREAM = "text/event-stream"


@contextmanager
def answering(body, kind="application/json", status=200):
    """A client of a server that always answers this; `asked` are the paths and bodies it got."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            got = self.rfile.read(int(self.headers["content-length"]))
            asked.append((self.path, got))
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        with httpx2.Client() as http:
            options = types.HttpOptions(
                base_url=f"http://127.0.0.1:{server.server_address[1]}", httpx_client=http
            )
            yield genai.Client(api_key="k", http_options=options).models, asked
    finally:
        server.shutdown()
        server.server_close()


def read(path, body):
    """What the gateway makes of a request."""
    endpoint = table.find("POST", path)
    line = Line(endpoint.model, endpoint.stream)
    call = DIALECTS["GeminiContent"].decode_request(body, line)
    assert not isinstance(call, Reject)
    return CODEC.read_request(call.document, line)


SAID = Response(
    "r",
    "claude",
    (
        Choice(
            (
                Thinking("Hm.", "their+signature/="),
                Text("Looking."),
                ToolCall("toolu_1", "weather", '{"city":"Paris"}'),
            ),
            "tool_calls",
        ),
    ),
    Usage(9, 7, cache_read_tokens=3, reasoning_tokens=2),
)


def test_a_round_of_tools_with_another_providers_reasoning():
    body = strict.dumps(CODEC.write_response(SAID, ASKED))
    declared = types.FunctionDeclaration(name="weather", parameters={"type": "OBJECT"})
    config = types.GenerateContentConfig(
        tools=[types.Tool(function_declarations=[declared])],
        tool_config={"function_calling_config": {"mode": "ANY"}},
        automatic_function_calling={"disable": True},
    )
    with answering(body) as (models, asked):
        answer = models.generate_content(model="chat", contents="Weather?", config=config)
        (call,) = answer.function_calls
        assert (call.id, call.name, call.args) == ("toolu_1", "weather", {"city": "Paris"})
        assert answer.usage_metadata.thoughts_token_count == 2
        assert answer.usage_metadata.cached_content_token_count == 3
        result = types.Part.from_function_response(name="weather", response={"output": "sunny"})
        history = ["Weather?", answer.candidates[0].content, result]
        models.generate_content(model="chat", contents=history, config=config)
    request = read(*asked[1])
    assert request.tool_choice == ToolChoice("required")
    assert request.tools[0].parameters == {"type": "object"}
    assert request.messages[1].parts == SAID.choices[0].parts
    assert request.messages[2].parts == (ToolResult("toolu_1", (Text("sunny"),), name="weather"),)


def test_what_the_sdk_says_of_an_answer_is_understood():
    config = types.GenerateContentConfig(
        system_instruction="Be brief.",
        temperature=0.5,
        top_k=3,
        max_output_tokens=9,
        stop_sequences=["END"],
        response_mime_type="application/json",
        response_schema={"type": "OBJECT", "properties": {"a": {"type": "STRING"}}},
        thinking_config=types.ThinkingConfig(thinking_budget=5, include_thoughts=True),
    )
    parts = [types.Part.from_bytes(data=b"ABC", mime_type="image/png"), "What is it?"]
    with answering(strict.dumps(CODEC.write_response(SAID, ASKED))) as (models, asked):
        models.generate_content(model="team/chat", contents=parts, config=config)
    request = read(*asked[0])
    assert (request.model, request.stream, request.max_tokens) == ("team/chat", False, 9)
    assert request.output == Output({"type": "object", "properties": {"a": {"type": "string"}}})
    assert request.reasoning == Reasoning(None, 5, shown=True)
    assert request.messages[0].parts[0].data == "QUJD"
    assert request.stop == ("END",)
    assert request.lost == ()


def stream(*deltas):
    writer = CODEC.writer(ASKED)
    return b"".join(writer.write(delta) for delta in deltas) + writer.end()


def test_a_stream_is_read_and_comes_back():
    raw = stream(
        Began("r", "claude"),
        ThinkingPiece("Hm."),
        ThinkingPiece(signature="theirs"),
        TextPiece("Look"),
        TextPiece("ing."),
        CallBegan(0, "toolu_1", "weather"),
        CallPiece(0, '{"city":'),
        CallPiece(0, '"Paris"}'),
        Finished("tool_calls"),
        Used(Usage(9, 7)),
    )
    with answering(raw, STREAM) as (models, asked):
        chunks = [*models.generate_content_stream(model="chat", contents="Weather?")]
        parts = [part for chunk in chunks for part in chunk.candidates[0].content.parts]
        assert chunks[-1].candidates[0].finish_reason == types.FinishReason.STOP
        assert chunks[-1].usage_metadata.total_token_count == 16
        history = [types.Content(role="model", parts=parts), "And Rome?"]
        models.generate_content_stream(model="chat", contents=history).__next__()
    request = read(*asked[1])
    assert request.stream
    assert request.messages[0].parts == (
        Thinking("Hm.", "theirs"),
        Text("Look"),
        Text("ing."),
        ToolCall("toolu_1", "weather", '{"city":"Paris"}'),
    )


def test_an_error_within_a_stream_is_raised():
    raw = stream(TextPiece("Once"), Failed(503, "Overloaded."))
    with answering(raw, STREAM) as (models, _):
        chunks = models.generate_content_stream(model="chat", contents="hi")
        assert next(chunks).text == "Once"
        with pytest.raises(errors.ServerError) as caught:
            next(chunks)
    assert (caught.value.code, caught.value.message) == (503, "Overloaded.")


@pytest.mark.parametrize(
    ("status", "raised", "named"),
    [
        (400, errors.ClientError, "INVALID_ARGUMENT"),
        (403, errors.ClientError, "PERMISSION_DENIED"),
        (429, errors.ClientError, "RESOURCE_EXHAUSTED"),
        (502, errors.ServerError, "INTERNAL"),
        (503, errors.ServerError, "UNAVAILABLE"),
    ],
)
def test_our_errors_are_raised_as_googles(status, raised, named):
    body = DIALECTS["GeminiContent"].error(Reject(status, "blocked_by_policy", "No."), "req-1")
    with answering(body, status=status) as (models, _), pytest.raises(raised) as caught:
        models.generate_content(model="chat", contents="hi")
    assert (caught.value.code, caught.value.status) == (status, named)
    assert caught.value.message == "No."
    assert json.loads(body)["error"]["details"][0]["reason"] == "blocked_by_policy"
