"""What embeddings ask and answer, format by format, and what cannot be asked where."""

from collections.abc import Mapping
from typing import Any, get_args

import pydantic
from google.genai import types as genai
from openai.types import CreateEmbeddingResponse, embedding_create_params

from controller.translate.providers import PROVIDERS
from crds.plan import FAMILIES, CallerFormat, Format
from tests.translation.matrix.cannot import Cannot

Json = dict[str, Any]
CLIENTS: tuple[Format, ...] = tuple(each for each in FAMILIES[1] if each in get_args(CallerFormat))
MODELS: Mapping[Format, tuple[str, ...]] = {
    format_: path.models
    for row in PROVIDERS.values()
    for format_, path in row.paths.items()
    if format_ in FAMILIES[1] and format_ not in CLIENTS
}
"""Parts of the names of models that are asked so."""
NAMED: Mapping[Format, str] = {
    "OpenAIEmbeddings": "text-embedding-3-small",
    "GeminiEmbeddings": "gemini-embedding-001",
    "GeminiEmbedContent": "gemini-embedding-001",
    "VertexEmbeddings": "text-embedding-005",
    "TitanEmbeddings": "amazon.titan-embed-text-v2:0",
    "CohereEmbeddings": "cohere.embed-v4:0",
}
TEXTS: Mapping[str, tuple[str, ...]] = {
    "one text": ("a cat",),
    "several texts": ("a cat", "a dog"),
    "size of the vectors": ("a cat",),
    "what they are for": ("a cat",),
}
ASKED = tuple(TEXTS)
VECTORS = ([0.5, -0.25], [1.0, 0.0])
SIZE, TASK = 256, "CLUSTERING"


class Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid")


class GeminiOne(Strict):
    """The SDK has no type for the body as a whole."""

    content: genai.Content
    outputDimensionality: int | None = None
    taskType: str | None = None


class GeminiOneAnswer(Strict):
    embedding: genai.ContentEmbedding
    truncated: bool = False
    usageMetadata: dict[str, int] = {}


class GeminiBatch(Strict):
    class Request(GeminiOne):
        model: str

    requests: list[Request]


class Vertex(Strict):
    """Text embeddings API, request body."""

    class Instance(Strict):
        content: str
        task_type: str | None = None

    class Parameters(Strict):
        autoTruncate: bool
        outputDimensionality: int | None = None

    instances: list[Instance]
    parameters: Parameters


class VertexAnswer(Strict):
    class Prediction(Strict):
        class Embeddings(Strict):
            values: list[float]
            statistics: dict[str, int | bool]

        embeddings: Embeddings

    predictions: list[Prediction]
    metadata: dict[str, int]


class Titan(Strict):
    """Amazon Titan Text Embeddings V2, request."""

    inputText: str
    dimensions: int | None = None
    normalize: bool = True
    embeddingTypes: list[str] = []


class TitanAnswer(Strict):
    embedding: list[float]
    inputTextTokenCount: int
    embeddingsByType: dict[str, list[float]]


class Cohere(Strict):
    """Cohere Embed v4 at Bedrock, request."""

    texts: list[str]
    input_type: str
    embedding_types: list[str] = []
    output_dimension: int | None = None
    truncate: str = "NONE"


class CohereAnswer(Strict):
    id: str
    response_type: str
    texts: list[str]
    embeddings: dict[str, list[list[float]]]


TYPES: Mapping[Format, tuple[Any, Any]] = {
    "OpenAIEmbeddings": (embedding_create_params.EmbeddingCreateParams, CreateEmbeddingResponse),
    "GeminiEmbeddings": (GeminiBatch, genai.EmbedContentResponse),
    "GeminiEmbedContent": (GeminiOne, GeminiOneAnswer),
    "VertexEmbeddings": (Vertex, VertexAnswer),
    "TitanEmbeddings": (Titan, TitanAnswer),
    "CohereEmbeddings": (Cohere, CohereAnswer),
}


def request(client: Format, name: str) -> Json:
    """How a caller asks for it; only what it has words for."""
    texts, size = TEXTS[name], SIZE if "size" in name else None
    if client == "OpenAIEmbeddings":
        sized = {"dimensions": size} if size else {}
        return {"model": "m", "input": list(texts), **sized, "encoding_format": "base64"}
    sized = {"outputDimensionality": size} if size else {}
    task = {"taskType": TASK} if "for" in name else {}
    each = [{"content": {"parts": [{"text": text}]}, **sized, **task} for text in texts]
    if client == "GeminiEmbedContent":
        return each[0]
    return {"requests": [{"model": "models/m", **one} for one in each]}


def said(format_: Format, document: Json) -> tuple[tuple[str, ...], int | None, str | None]:
    """The texts, the size and the use of the vectors that a request asks for, whoever speaks."""
    match format_:
        case "OpenAIEmbeddings":
            return tuple(document["input"]), document.get("dimensions"), None
        case "TitanEmbeddings":
            return (document["inputText"],), document.get("dimensions"), None
        case "CohereEmbeddings":
            use = {"clustering": TASK}.get(document["input_type"])
            return tuple(document["texts"]), document.get("output_dimension"), use
        case "VertexEmbeddings":
            each = document["instances"]
            size = document["parameters"].get("outputDimensionality")
            return tuple(one["content"] for one in each), size, each[0].get("task_type")
    each = document["requests"] if format_ == "GeminiEmbeddings" else [document]
    [size] = {one.get("outputDimensionality") for one in each}
    [use] = {one.get("taskType") for one in each}
    return tuple(one["content"]["parts"][0]["text"] for one in each), size, use


def answer(provider: Format, name: str) -> Json:
    """How a provider answers, as its reference describes it."""
    vectors = VECTORS[: len(TEXTS[name])]
    match provider:
        case "OpenAIEmbeddings":
            rows = [
                {"object": "embedding", "index": at, "embedding": vector}
                for at, vector in enumerate(vectors)
            ]
            used = {"prompt_tokens": 4, "total_tokens": 4}
            return {"object": "list", "data": rows, "model": "m", "usage": used}
        case "GeminiEmbeddings":
            return {"embeddings": [{"values": vector} for vector in vectors]}
        case "GeminiEmbedContent":
            return {"embedding": {"values": vectors[0]}}
        case "VertexEmbeddings":
            counted = {"token_count": 2, "truncated": False}
            each = [{"embeddings": {"values": v, "statistics": counted}} for v in vectors]
            return {"predictions": each, "metadata": {"billableCharacterCount": 10}}
        case "TitanEmbeddings":
            by_type = {"embedding": vectors[0], "embeddingsByType": {"float": vectors[0]}}
            return {**by_type, "inputTextTokenCount": 4}
    kinds = {"float": list(vectors)}
    texts = list(TEXTS[name])
    return {
        "id": "1",
        "response_type": "embeddings_by_type",
        "texts": texts,
        "embeddings": kinds,
    }


_ONE = "takes one text in a request"
CANNOT: Mapping[tuple[Format, str], Cannot] = {
    ("GeminiEmbedContent", "several texts"): Cannot(
        f"`:embedContent` {_ONE}", "Gemini API reference, `models.embedContent`", refused=True
    ),
    ("TitanEmbeddings", "several texts"): Cannot(
        f"Titan {_ONE}",
        "Amazon Bedrock user guide, Amazon Titan Text Embeddings: `inputText`",
        refused=True,
    ),
    ("OpenAIEmbeddings", "what they are for"): Cannot(
        "OpenAI has no word for what vectors are for", "OpenAI API reference, Embeddings"
    ),
    ("TitanEmbeddings", "what they are for"): Cannot(
        "Titan has no word for what vectors are for",
        "Amazon Bedrock user guide, Amazon Titan Text Embeddings",
    ),
}
"""For callers that speak the format, and for providers that are asked in it."""


def reason(client: Format, provider: Format, name: str) -> Cannot | None:
    """Why a cell has no ✓."""
    found = (CANNOT.get((speaks, name)) for speaks in (client, provider))
    return next((each for each in found if each is not None), None)
