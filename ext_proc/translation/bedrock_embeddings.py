"""Embeddings at Amazon Bedrock: InvokeModel bodies of Titan and Cohere. No caller speaks them.

Sources: "Amazon Titan Text Embeddings" and "Cohere Embed" in the Amazon Bedrock user guide. Titan
counts tokens in its answer's body; of Cohere's answers Bedrock counts them in a header.
"""

from collections.abc import Mapping
from types import MappingProxyType

from ext_proc.formats import usage
from ext_proc.translation.codec import Json, Provided, UnreadableError, Written
from ext_proc.translation.neutral import Loss
from ext_proc.translation.values import mapping
from ext_proc.translation.vectors import VectorRequest, VectorResponse

COUNTED_IN = "x-amzn-bedrock-input-token-count"
MOST_TITAN, MOST_COHERE = 1, 96
"""Texts in a request."""
_SIZELESS = ("titan-embed-text-v1", "cohere.embed-english-v3", "cohere.embed-multilingual-v3")
"""Parts of the names of models whose vectors have one size."""
_TASKS: Mapping[str, str] = MappingProxyType(
    {
        "RETRIEVAL_DOCUMENT": "search_document",
        "RETRIEVAL_QUERY": "search_query",
        "CLASSIFICATION": "classification",
        "CLUSTERING": "clustering",
    }
)
"""Gemini's words for what vectors are for, in Cohere's."""
_DOCUMENT = "search_document"
"""Cohere must be told something, and most texts are what is searched."""


def write_titan(request: VectorRequest) -> Written:
    """Write a request to Titan, for one text."""
    size, lost = _size(request, "dimensions")
    lost += request.beyond(MOST_TITAN) + request.unsaid("task", "user")
    return Written({"inputText": "".join(request.texts[:MOST_TITAN]), **size}, lost)


def read_titan(document: Json) -> VectorResponse:
    """Read an answer of Titan."""
    vector, count = document.get("embedding"), document.get("inputTextTokenCount")
    if not isinstance(vector, list):
        raise UnreadableError("The provider's answer has no vector.")
    used = usage.inputs(count)
    return VectorResponse("", (vector,), used, count is not None and used is None)


def write_cohere(request: VectorRequest) -> Written:
    """Write a request to Cohere; texts that are too long are refused, not cut."""
    size, lost = _size(request, "output_dimension")
    task = _TASKS.get(request.task)
    unknown = request.unsaid("task") if task is None else ()
    lost += request.beyond(MOST_COHERE) + unknown + request.unsaid("user")
    wanted = {"input_type": task or _DOCUMENT, "embedding_types": ["float"], "truncate": "NONE"}
    return Written({"texts": list(request.texts), **wanted, **size}, lost)


def read_cohere(document: Json) -> VectorResponse:
    """Read an answer of Cohere, whose vectors stand by type or alone."""
    given = document.get("embeddings")
    vectors = given if isinstance(given, list) else mapping(given).get("float")
    if not isinstance(vectors, list) or not vectors:
        raise UnreadableError("The provider's answer has no vectors.")
    if not all(isinstance(each, list) for each in vectors):
        raise UnreadableError("The provider's answer has no vectors.")
    return VectorResponse("", tuple(vectors), None)


def _size(request: VectorRequest, name: str) -> tuple[Json, tuple[Loss, ...]]:
    """The size of vectors by its name, where a model has several."""
    if any(part in request.model for part in _SIZELESS):
        return {}, request.unsaid("dimensions")
    return ({} if request.dimensions is None else {name: request.dimensions}), ()


TITAN = Provided(write_request=write_titan, read_response=read_titan, counted_in=COUNTED_IN)
COHERE = Provided(write_request=write_cohere, read_response=read_cohere, counted_in=COUNTED_IN)
