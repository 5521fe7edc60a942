"""Responses as JSON: whose each text is, what cannot be read, what is refused at the door."""

import json
from collections import Counter

import pytest

from ext_proc.call import Line, Reject, Usage
from ext_proc.formats.table import DIALECTS

DIALECT = DIALECTS["OpenAIResponses"]
REQUEST = {
    "model": "m",
    "instructions": "P-system",
    "metadata": {"k": "P-other"},
    "tools": [{"type": "function", "name": "f", "description": "P-tool", "parameters": {}}],
    "input": [
        {"role": "developer", "content": "P-developer"},
        {"role": "user", "content": [
            {"type": "input_text", "text": "P-user"},
            {"type": "input_image", "image_url": "data:image/png;base64,QUJD", "detail": "low"},
            {"type": "input_file", "file_id": "file-1", "filename": "P-file.pdf"},
        ]},
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "P-thought"}], "encrypted_content": "gAAA"},
        {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [
            {"type": "output_text", "text": "P-said", "annotations": [{"type": "url_citation", "title": "P-cited"}]},
            {"type": "refusal", "refusal": "P-refused"},
        ]},
        {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "P-name", "arguments": '{"a":"P\\u002dargument"}'},
        {"type": "function_call_output", "call_id": "c1", "output": "P-result"},
        {"type": "item_reference", "id": "msg_0"},
    ],
}  # fmt: skip
ORIGINS = {
    "System": ("P-system", "P-developer"),
    "User": ("P-user", "P-file.pdf"),
    "Assistant": ("P-said", "P-cited", "P-refused"),
    "Reasoning": ("P-thought",),
    "ToolCalls": ("P-name", "P-argument"),
    "ToolResults": ("P-result",),
    "ToolDefinitions": ("P-tool",),
    "Other": ("P-other",),
}


def decoded(document):
    return DIALECT.decode_request(json.dumps(document).encode(), Line())


def test_whose_each_text_of_a_request_is():
    call = decoded(REQUEST)
    for origin, marks in ORIGINS.items():
        seen = "\n".join(text.value for text in call.texts if text.origin == origin)
        assert all(mark in seen for mark in marks), origin
        others = "\n".join(text.value for text in call.texts if text.origin != origin)
        assert not any(mark in others for mark in marks), origin
    assert call.unscanned == Counter(image=1, file_id=1, encrypted=1, conversation=1)
    assert DIALECT.encode_request(call, True) is call.original


def test_every_text_of_a_request_can_be_replaced():
    call = decoded(REQUEST)
    for text in call.texts:
        text.replace(text.value.replace("P-", "[M]"))
    sent = json.loads(DIALECT.encode_request(call, False))
    assert "P-" not in json.dumps(sent)
    assert json.loads(sent["input"][4]["arguments"]) == {"a": "[M]argument"}


def test_what_is_stored_elsewhere_is_recorded():
    stored = {
        "model": "m",
        "input": "hi",
        "previous_response_id": "resp_1",
        "conversation": {"id": "conv_1"},
        "prompt": {"id": "pmpt_1", "variables": {"name": "P-1"}},
        "tools": [{"type": "web_search"}, {"type": "mcp", "server_url": "https://example.com"}],
    }
    call = decoded(stored)
    assert call.unscanned == Counter(conversation=2, prompt=1, unknown=2)
    assert any("P-1" in text.value for text in call.texts)


@pytest.mark.parametrize(
    "document",
    [
        {"input": "hi"},
        {"model": "m", "input": 3},
        {"model": "m", "input": {"role": "user", "content": "x"}},
        {"model": "m", "input": ["x"]},
        {"model": "m", "input": [{"role": "robot", "content": "x"}]},
        {"model": "m", "input": [{"type": "message", "content": "x"}]},
        {"model": "m", "input": [{"type": "message", "role": ["user"], "content": "x"}]},
        {"model": "m", "input": "hi", "Input": "there"},
        {"model": "m", "input": [{"role": "user", "content": "a", "CONTENT": "b"}]},
        {"model": "m", "input": "hi", "stream": "yes"},
    ],
)
def test_what_is_refused_at_the_door(document):
    refused = decoded(document)
    assert isinstance(refused, Reject)
    assert refused.status == 400


RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "status": "completed",
    "model": "gpt-5",
    "instructions": "P-1",
    "output": [
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "P-2"}]},
        {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [
            {"type": "output_text", "text": "P-3", "annotations": [], "logprobs": [{"token": "P-3", "logprob": -1, "bytes": None, "top_logprobs": []}]},
        ]},
        {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f", "arguments": '{"a":"P-4"}'},
    ],
    "usage": {"input_tokens": 10, "input_tokens_details": {"cached_tokens": 4}, "output_tokens": 6, "output_tokens_details": {"reasoning_tokens": 2}, "total_tokens": 16},
}  # fmt: skip


def test_every_text_of_a_response():
    response = DIALECT.decode_response(json.dumps(RESPONSE).encode())
    assert response.usage == Usage(10, 6, cache_read_tokens=4, reasoning_tokens=2)
    assert response.model == "gpt-5"
    assert response.encode() is response.original
    origins = {text.origin for text in response.texts}
    assert origins == {"System", "Reasoning", "Assistant", "ToolCalls"}
    for text in response.texts:
        text.replace(text.value.replace("P-", "[M]"))
    sent = json.loads(response.encode())
    assert "P-" not in json.dumps(sent)
    assert sent["output"][1]["content"][0]["logprobs"] == []


def test_measuring_agrees_with_decoding():
    body = json.dumps(RESPONSE).encode()
    measured, read = DIALECT.measure(body), DIALECT.decode_response(body)
    assert (measured.usage, measured.model) == (read.usage, read.model)
    unstated = json.dumps({**RESPONSE, "usage": None}).encode()
    assert all(part in DIALECT.measure(unstated).text for part in ("P-2", "P-3", "P-4"))
    absurd = json.dumps({**RESPONSE, "usage": {"input_tokens": 1, "output_tokens": -1}}).encode()
    assert DIALECT.measure(absurd).usage_invalid
    assert DIALECT.decode_response(absurd).usage_invalid


def test_an_ambiguous_key_of_an_answer_is_refused():
    part = {"type": "output_text", "text": "a", "Text": "b"}
    body = {"output": [{"type": "message", "role": "assistant", "content": [part]}]}
    assert DIALECT.decode_response(json.dumps(body).encode()).status == 502
