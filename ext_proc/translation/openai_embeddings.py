"""OpenAI embeddings in neutral values, both ways. The format has no streams.

Source: the API reference of embeddings. Its SDKs ask for vectors as base64 of little-endian floats.
"""

import base64
import struct

from ext_proc.call import Line
from ext_proc.formats import usage
from ext_proc.translation.codec import Asked, Codec, Json, UnreadableError, Written
from ext_proc.translation.neutral import Loss
from ext_proc.translation.values import as_text, listed, string, whole
from ext_proc.translation.vectors import VectorRequest, VectorResponse

_KNOWN = {"model", "input", "dimensions", "user", "encoding_format"}


def read_request(document: Json, line: Line) -> VectorRequest:
    """Read a request; token ids are no text, and nobody else could read them."""
    given = document.get("input")
    inputs = given if isinstance(given, list) else [given]
    texts = tuple(each for each in inputs if isinstance(each, str))
    missing = [name for name, value in document.items() if name not in _KNOWN and value is not None]
    tokens = [Loss("input", essential=True)] if len(texts) < len(inputs) else []
    return VectorRequest(
        model=line.model,
        texts=texts,
        dimensions=whole(document.get("dimensions"), "dimensions"),
        user=string(document.get("user")),
        said={"dimensions": "dimensions", "user": "user", "texts": "input"},
        lost=(*tokens, *map(Loss, missing)),
    )


def write_request(request: VectorRequest) -> Written:
    """Write a request."""
    written: Json = {"model": request.model, "input": list(request.texts)}
    if request.dimensions is not None:
        written["dimensions"] = request.dimensions
    if request.user:
        written["user"] = request.user
    written["encoding_format"] = "float"
    return Written(written, request.unsaid("task"))


def read_response(document: Json) -> VectorResponse:
    """Read an answer; vectors are asked for as numbers."""
    rows = sorted(listed(document.get("data")), key=_index)
    vectors = [row.get("embedding") for row in rows]
    if not vectors or not all(isinstance(each, list) for each in vectors):
        raise UnreadableError("The provider's answer has no vectors.")
    stated = document.get("usage")
    used = usage.openai(stated)
    return VectorResponse(
        string(document.get("model")),
        tuple(each for each in vectors if isinstance(each, list)),
        used,
        stated is not None and used is None,
    )


def _index(row: Json) -> int:
    index = row.get("index")
    return index if type(index) is int else 0


def write_response(response: VectorResponse, asked: Asked) -> Json:
    """Write an answer."""
    used = response.usage.input_tokens if response.usage else 0
    return {
        "object": "list",
        "data": [
            {
                "object": "embedding",
                "index": index,
                "embedding": _packed(vector) if asked.base64 else vector,
            }
            for index, vector in enumerate(response.vectors)
        ],
        "model": response.model or asked.model,
        "usage": {"prompt_tokens": used, "total_tokens": used},
    }


def _packed(vector: list[object]) -> str:
    """The vector as the SDKs want it; a number that is none makes the answer unreadable."""
    try:
        numbers = [float(as_text(each)) for each in vector]
        return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()
    except (ValueError, OverflowError):
        raise UnreadableError(
            "The provider's answer has a vector that is not of numbers."
        ) from None


CODEC = Codec(
    read_request=read_request,
    write_request=write_request,
    read_response=read_response,
    write_response=write_response,
)
