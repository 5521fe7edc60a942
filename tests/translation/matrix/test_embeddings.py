"""Embeddings: what OpenAI's and Gemini's callers ask of each other's models, by their SDKs' types."""

import base64
import json
import struct

import pydantic
import pytest
from google.genai import types as genai
from openai.types import CreateEmbeddingResponse, embedding_create_params

from crds.plan import FAMILIES, QuirksPlan
from ext_proc.call import Call, Line
from ext_proc.formats.table import DIALECTS
from ext_proc.translation import requests
from ext_proc.translation.answers import Answer
from ext_proc.translation.codec import Asked
from ext_proc.translation.requests import Spoken
from ext_proc.wires import Wire
from tests.translation.matrix.judges import takes

TEXTS = ("a cat", "a dog")
VECTORS = ([0.5, -0.25], [1.0, 0.0])


class GeminiBatch(pydantic.BaseModel):
    """The SDK has no type for the body as a whole."""

    model_config = pydantic.ConfigDict(extra="forbid")

    class Request(pydantic.BaseModel):
        model_config = pydantic.ConfigDict(extra="forbid")
        model: str
        content: genai.Content
        outputDimensionality: int | None = None
        taskType: str | None = None

    requests: list[Request]


def _asked(text):
    content = {"parts": [{"text": text}]}
    return {"model": "models/m", "content": content, "outputDimensionality": 2}


REQUESTS = {
    "OpenAIEmbeddings": {
        "model": "m",
        "input": list(TEXTS),
        "dimensions": 2,
        "encoding_format": "base64",
    },
    "GeminiEmbeddings": {"requests": [_asked(text) for text in TEXTS]},
}
ANSWERS = {
    "OpenAIEmbeddings": {
        "object": "list",
        "data": [
            {"object": "embedding", "index": at, "embedding": vector}
            for at, vector in enumerate(VECTORS)
        ],
        "model": "m",
        "usage": {"prompt_tokens": 4, "total_tokens": 4},
    },
    "GeminiEmbeddings": {"embeddings": [{"values": vector} for vector in VECTORS]},
}
TYPES = {
    "OpenAIEmbeddings": (embedding_create_params.EmbeddingCreateParams, CreateEmbeddingResponse),
    "GeminiEmbeddings": (GeminiBatch, genai.EmbedContentResponse),
}


def said(format_, document):
    """The texts and the size of the vectors that a request asks for, whoever speaks."""
    if format_ == "OpenAIEmbeddings":
        return tuple(document["input"]), {document["dimensions"]}
    each = document["requests"]
    texts = tuple(one["content"]["parts"][0]["text"] for one in each)
    return texts, {one["outputDimensionality"] for one in each}


def vectors(format_, document):
    if format_ == "OpenAIEmbeddings":
        return tuple(_floats(row["embedding"]) for row in document["data"])
    return tuple(each["values"] for each in document["embeddings"])


def _floats(embedding):
    if isinstance(embedding, str):
        raw = base64.b64decode(embedding)
        return [*struct.unpack(f"<{len(raw) // 4}f", raw)]
    return embedding


both = pytest.mark.parametrize("provider", FAMILIES[1])
each = pytest.mark.parametrize("client", FAMILIES[1])


@both
@each
def test_requests(client, provider):
    takes(TYPES[client][0], REQUESTS[client])
    call = DIALECTS[client].decode_request(json.dumps(REQUESTS[client]).encode(), Line("m"))
    assert isinstance(call, Call)
    written = requests.write(
        call.document, Spoken(client, Line("m")), Wire(provider, "m", "/", QuirksPlan())
    )
    takes(TYPES[provider][0], written.document)
    assert said(provider, written.document) == (TEXTS, {2})
    assert written.losses == ()


@both
@each
def test_answers(client, provider):
    takes(TYPES[provider][1], ANSWERS[provider])
    document = ANSWERS[provider]
    if client != provider:
        answer = Answer(provider, client, Asked("m", "req-1", 1))
        document = json.loads(answer.whole(json.dumps(document).encode()))
        takes(TYPES[client][1], document)
    assert vectors(client, document) == VECTORS
