"""Gemini batchEmbedContents in neutral values, both ways. The format has no streams.

Source: `models.batchEmbedContents` of the Gemini API reference. Every request of a batch names the
model again; the wire's is put there when the body is fitted to it.
"""

from ext_proc.call import Line
from ext_proc.formats import usage
from ext_proc.translation.codec import Asked, Codec, Json, UnreadableError, Written
from ext_proc.translation.neutral import Loss
from ext_proc.translation.values import listed, mapping, objects, string, whole
from ext_proc.translation.vectors import VectorRequest, VectorResponse


def read_request(document: Json, line: Line) -> VectorRequest:
    """Read a batch whose requests want the same; what one alone says has no place."""
    requests = [each for _, each in objects(document.get("requests"), "requests")]
    first = requests[0] if requests else {}
    same = all(_wanted(each) == _wanted(first) for each in requests)
    missing = [] if same else [Loss("requests", essential=True)]
    if any(each.get("title") for each in requests):
        missing.append(Loss("requests[0].title"))
    dimensions, task = _wanted(first)
    said = {"dimensions": "requests[0].outputDimensionality", "task": "requests[0].taskType"}
    parts = [_texts(each) for each in requests]
    if any(text is None for text in parts):
        missing.append(Loss("requests", essential=True))
    return VectorRequest(
        model=line.model,
        texts=tuple(text for text in parts if text is not None),
        dimensions=whole(dimensions, said["dimensions"]),
        task=string(task),
        said=said,
        lost=tuple(missing),
    )


def _wanted(request: Json) -> tuple[object, object]:
    dimensions = request.get("outputDimensionality", request.get("output_dimensionality"))
    return dimensions, request.get("taskType", request.get("task_type"))


def _texts(request: Json) -> str | None:
    """The text of a content; None if it holds anything else."""
    given = mapping(request.get("content")).get("parts")
    parts = listed(given if isinstance(given, list) else [given])
    whole_ = len(parts) == (len(given) if isinstance(given, list) else 1)
    if not whole_ or not all(set(part) == {"text"} for part in parts):
        return None
    return "".join(string(part["text"]) for part in parts)


def write_request(request: VectorRequest) -> Written:
    """Write a batch."""
    more: Json = {"outputDimensionality": request.dimensions, "taskType": request.task or None}
    kept = {name: value for name, value in more.items() if value is not None}
    model = f"models/{request.model}"
    requests = [
        {"model": model, "content": {"parts": [{"text": text}]}, **kept} for text in request.texts
    ]
    missing = (Loss(request.said.get("user", "user")),) if request.user else ()
    return Written({"requests": requests}, missing)


def read_response(document: Json) -> VectorResponse:
    """Read an answer."""
    vectors = [each.get("values") for each in listed(document.get("embeddings"))]
    if not vectors or not all(isinstance(each, list) for each in vectors):
        raise UnreadableError("The provider's answer has no vectors.")
    stated = document.get("usageMetadata")
    used = usage.gemini(stated)
    return VectorResponse(
        "",
        tuple(each for each in vectors if isinstance(each, list)),
        used,
        stated is not None and used is None,
    )


def write_response(response: VectorResponse, _: Asked) -> Json:
    """Write an answer."""
    return {"embeddings": [{"values": vector} for vector in response.vectors]}


CODEC = Codec(
    read_request=read_request,
    write_request=write_request,
    read_response=read_response,
    write_response=write_response,
)
