"""Embeddings of OpenAI, Google and Bedrock's models: vectors drawn from a hash of the input."""

import base64
import hashlib
import json
import math
import struct
from typing import Any

from dragoman.mock_provider.answer import Answer, Json
from dragoman.mock_provider.saying import text_of

DIMENSIONS = 256
"""Unless asked for others."""
MAX_DIMENSIONS = 4096
COUNTED_IN = "x-amzn-bedrock-input-token-count"


def respond(body: Json) -> Answer:
    """One vector for each input: a text, or a list of token numbers, or a list of either."""
    given = body.get("input")
    inputs = given if isinstance(given, list) else [given]
    if inputs and all(isinstance(item, int) for item in inputs):
        inputs = [inputs]
    size = _size(body.get("dimensions"))
    encode = _base64 if body.get("encoding_format") == "base64" else list
    rows = [
        {"object": "embedding", "index": index, "embedding": encode(_vector(item, size))}
        for index, item in enumerate(inputs)
    ]
    tokens = sum(_tokens(item) for item in inputs)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return Answer({"object": "list", "data": rows, "model": str(body.get("model")), "usage": usage})


def contents(body: Json) -> Answer:
    """Google's `:batchEmbedContents`: one vector for each request."""
    requests = [each for each in body.get("requests") or () if isinstance(each, dict)]
    return Answer({"embeddings": [_embedding(each) for each in requests]})


def one_content(body: Json) -> Answer:
    """Google's `:embedContent`."""
    return Answer({"embedding": _embedding(body)})


def predict(body: Json) -> Answer:
    """Vertex AI's `:predict`: one vector for each instance, with its tokens."""
    texts = [each.get("content") for each in body.get("instances") or () if isinstance(each, dict)]
    size = _size((body.get("parameters") or {}).get("outputDimensionality"))
    return Answer({"predictions": [_prediction(text, size) for text in texts]})


def invoke(body: Json) -> Answer:
    """Bedrock's InvokeModel: Cohere's bodies have `texts`, Titan's one `inputText`."""
    texts = body.get("texts")
    if isinstance(texts, list):
        size = _size(body.get("output_dimension"))
        vectors = {"float": [_vector(text, size) for text in texts]}
        said = {"id": "mock", "response_type": "embeddings_by_type", "texts": texts}
        counted = {COUNTED_IN: str(sum(map(_tokens, texts)))}
        return Answer({**said, "embeddings": vectors}, headers=counted)
    text = body.get("inputText")
    vector = _vector(text, _size(body.get("dimensions")))
    by_type = {"embedding": vector, "embeddingsByType": {"float": vector}}
    return Answer({**by_type, "inputTextTokenCount": _tokens(text)})


def _prediction(text: Any, size: int) -> Json:
    counted = {"token_count": _tokens(text), "truncated": False}
    return {"embeddings": {"values": _vector(text, size), "statistics": counted}}


def _embedding(request: Json) -> Json:
    said = request | (request.get("embedContentConfig") or {})
    size = _size(said.get("outputDimensionality"))
    return {"values": _vector(text_of((request.get("content") or {}).get("parts")), size)}


def _size(asked: Any) -> int:
    return min(MAX_DIMENSIONS, max(1, asked)) if isinstance(asked, int) else DIMENSIONS


def _vector(item: Any, size: int) -> list[float]:
    digest = hashlib.shake_256(json.dumps(item).encode()).digest(2 * size)
    values = struct.unpack(f"<{size}h", digest)
    norm = math.sqrt(sum(value * value for value in values)) or 1.0
    return [value / norm for value in values]


def _base64(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def _tokens(item: Any) -> int:
    return max(1, len(item.split()) if isinstance(item, str) else len(item or ()))
