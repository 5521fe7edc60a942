"""Embeddings between OpenAI and Gemini: texts in order, vectors as the SDK wants them."""

import base64
import json
import struct

import pytest

from crds.plan import QuirksPlan
from ext_proc.call import Line, Reject
from ext_proc.formats import strict
from ext_proc.translation import requests
from ext_proc.translation.answers import Answer
from ext_proc.translation.codec import Asked
from ext_proc.translation.requests import Spoken
from ext_proc.wires import Wire

GEMINI = Wire("GeminiEmbeddings", "gemini-embedding-001", "/", QuirksPlan())
OPENAI = Wire("OpenAIEmbeddings", "text-embedding-3-small", "/", QuirksPlan())


def asked(base64=False):
    return Asked("m", "req", 1, base64)


def test_openai_asks_gemini():
    document = {"model": "m", "input": ["a", "b"], "dimensions": 3, "user": "u", "encoding_format": "base64"}  # fmt: skip
    written = requests.write(document, Spoken("OpenAIEmbeddings", Line("m")), GEMINI)
    model = {"model": "models/gemini-embedding-001", "outputDimensionality": 3}
    assert written.document == {
        "requests": [{**model, "content": {"parts": [{"text": text}]}} for text in ("a", "b")]
    }
    assert [loss.field for loss in written.losses] == ["user"]


def test_gemini_asks_openai():
    body = {"requests": [{"model": "models/m", "content": {"parts": [{"text": "a"}, {"text": "b"}]}, "taskType": "SEMANTIC_SIMILARITY", "outputDimensionality": 8}]}  # fmt: skip
    written = requests.write(body, Spoken("GeminiEmbeddings", Line("m")), OPENAI)
    wanted = {"model": "text-embedding-3-small", "input": ["ab"], "dimensions": 8}
    assert written.document == {**wanted, "encoding_format": "float"}
    assert [loss.field for loss in written.losses] == ["requests[0].taskType"]


@pytest.mark.parametrize(
    ("document", "spoken", "wire"),
    [
        ({"model": "m", "input": [1, 2]}, "OpenAIEmbeddings", GEMINI),
        ({"requests": [{"content": {"parts": [{"inlineData": {}}]}}]}, "GeminiEmbeddings", OPENAI),
        ({"requests": [{"content": {"parts": [{"text": "a"}, "b"]}}]}, "GeminiEmbeddings", OPENAI),
        ({"requests": [{"content": {}}]}, "GeminiEmbeddings", OPENAI),
        ({"requests": [{"content": {"parts": [{"text": "a"}]}}, {"content": {"parts": [{"text": "a"}]}, "taskType": "X"}]}, "GeminiEmbeddings", OPENAI),
    ],
)  # fmt: skip
def test_what_is_no_text_is_never_dropped(document, spoken, wire):
    written = requests.write(document, Spoken(spoken, Line("m")), wire)
    assert any(loss.essential for loss in written.losses)


VECTORS = {"embeddings": [{"values": [0.25, -1]}, {"values": [1.50, 2]}]}


def test_gemini_answers_an_openai_caller():
    body = json.dumps(VECTORS).encode()
    plain = strict.loads(Answer("GeminiEmbeddings", "OpenAIEmbeddings", asked()).whole(body))
    assert [each["index"] for each in plain["data"]] == [0, 1]
    assert json.loads(strict.dumps(plain))["data"][0]["embedding"] == [0.25, -1]
    packed = json.loads(Answer("GeminiEmbeddings", "OpenAIEmbeddings", asked(True)).whole(body))
    raw = base64.b64decode(packed["data"][1]["embedding"])
    assert struct.unpack("<2f", raw) == (1.5, 2.0)


def test_openai_answers_a_gemini_caller_in_order():
    rows = [{"index": 1, "embedding": [2.0]}, {"index": 0, "embedding": [1.0]}]
    body = json.dumps({"data": rows, "usage": {"prompt_tokens": 5, "total_tokens": 5}}).encode()
    answer = Answer("OpenAIEmbeddings", "GeminiEmbeddings", asked())
    assert json.loads(answer.whole(body)) == {"embeddings": [{"values": [1.0]}, {"values": [2.0]}]}
    assert answer.usage.input_tokens == 5


@pytest.mark.parametrize(
    "body",
    [b"{}", b"[]", b'{"embeddings":[{"values":"x"}]}', b'{"embeddings":[{"values":["x"]}]}', b'{"embeddings":[{"values":[1e999]}]}', b'{"embeddings":[{"values":[3e39]}]}', b'{"data":3}'],
)  # fmt: skip
@pytest.mark.parametrize("provider", ["GeminiEmbeddings", "OpenAIEmbeddings"])
def test_an_answer_that_is_none_is_502(provider, body):
    caller = "OpenAIEmbeddings" if provider == "GeminiEmbeddings" else "GeminiEmbeddings"
    found = Answer(provider, caller, asked(True)).whole(body)
    assert isinstance(found, Reject)
    assert found.status == 502


def test_a_single_part_is_read_as_a_list_of_one():
    document = {"requests": [{"content": {"parts": {"text": "a"}}}]}
    written = requests.write(document, Spoken("GeminiEmbeddings", Line("m")), OPENAI)
    assert written.document["input"] == ["a"]
    assert written.losses == ()


def test_a_usage_that_cannot_be_is_recorded():
    answer = Answer("GeminiEmbeddings", "OpenAIEmbeddings", asked())
    stated = {**VECTORS, "usageMetadata": {"promptTokenCount": -1}}
    assert isinstance(answer.whole(strict.dumps(stated)), bytes)
    assert answer.usage is None
    assert answer.usage_invalid


def test_a_stream_of_embeddings_is_refused():
    answer = Answer("GeminiEmbeddings", "OpenAIEmbeddings", asked())
    assert answer.feed(b"data: {}\n\n") == b""
    assert answer.failed is not None
