"""Vertex AI's text embeddings: requests written, answers read. No caller speaks the format.

Source: "Text embeddings API" of the Vertex AI reference (`:predict`). Texts that are too long are
refused and not cut, since nobody would be told.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from ext_proc.call import Usage
from ext_proc.formats import usage
from ext_proc.translation.codec import Json, Provided, UnreadableError, Written
from ext_proc.translation.values import listed, mapping
from ext_proc.translation.vectors import VectorRequest, VectorResponse

MOST: Mapping[str, int] = MappingProxyType({"gemini-embedding": 1})
"""Texts in a request, by how models' names begin."""
_MOST = 250


def write_request(request: VectorRequest) -> Written:
    """Write a request."""
    kept = {"task_type": request.task} if request.task else {}
    parameters: Json = {"autoTruncate": False}
    if request.dimensions is not None:
        parameters["outputDimensionality"] = request.dimensions
    instances = [{"content": text, **kept} for text in request.texts]
    begins = (most for name, most in MOST.items() if request.model.startswith(name))
    lost = request.beyond(next(begins, _MOST)) + request.unsaid("user")
    return Written({"instances": instances, "parameters": parameters}, lost)


def read_response(document: Json) -> VectorResponse:
    """Read an answer."""
    found = [mapping(each.get("embeddings")) for each in listed(document.get("predictions"))]
    vectors = [each.get("values") for each in found]
    if not vectors or not all(isinstance(each, list) for each in vectors):
        raise UnreadableError("The provider's answer has no vectors.")
    counts = [mapping(each.get("statistics")).get("token_count") for each in found]
    used = _sum(counts)
    return VectorResponse(
        "",
        tuple(each for each in vectors if isinstance(each, list)),
        used,
        used is None and any(count is not None for count in counts),
    )


def _sum(counts: list[Any]) -> Usage | None:
    """All of the tokens; None if some were not counted."""
    each = [usage.inputs(count) for count in counts]
    known = [used.input_tokens for used in each if used is not None]
    return usage.inputs(sum(known)) if len(known) == len(each) else None


CODEC = Provided(write_request=write_request, read_response=read_response)
