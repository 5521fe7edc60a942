"""Gemini's embedContent and batchEmbedContents in neutral values, both ways. They have no streams.

Source: `models.batchEmbedContents` and `models.embedContent` of the Gemini API reference. Every
request of a batch names the model again; the wire's is put there when the body is fitted to it.
What is wanted stands in a request itself or in its `embedContentConfig`, and is written in the
former, which all servers know.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from ext_proc.call import Line
from ext_proc.formats import usage
from ext_proc.formats.protobuf import camel
from ext_proc.translation.codec import Asked, Codec, Json, UnreadableError, Written
from ext_proc.translation.neutral import Loss
from ext_proc.translation.values import listed, mapping, objects, string, whole
from ext_proc.translation.vectors import VectorRequest, VectorResponse

_Said = dict[str, tuple[str, Any]]
"""By names in camelCase: the caller's own name, and the value."""
_PLACED = frozenset({"model", "content"})
_WANTED = ("outputDimensionality", "taskType")


def read_batch(document: Json, line: Line) -> VectorRequest:
    """Read a batch whose requests want the same; what one alone says has no place."""
    return _read(list(objects(document.get("requests"), "requests")), "requests", line)


def read_one(document: Json, line: Line) -> VectorRequest:
    """Read a request for one vector."""
    return _read([("", document)], "content", line)


def _read(requests: Sequence[tuple[str, Json]], holds: str, line: Line) -> VectorRequest:
    every = [dict(_said(each, f"{where}." if where else "")) for where, each in requests]
    first = every[0] if every else {}
    same = all(_wanted(said) == _wanted(first) for said in every)
    texts = [_text(each) for _, each in requests]
    unread = () if same and None not in texts else (Loss(holds, essential=True),)
    known = _PLACED | set(_WANTED)
    more = {name: place for said in reversed(every) for name, (place, _) in said.items()}
    dimensions, task = _wanted(first)
    size, use = (first.get(name, (name, None))[0] for name in _WANTED)
    return VectorRequest(
        model=line.model,
        texts=tuple(text for text in texts if text is not None),
        dimensions=whole(dimensions, size),
        task=string(task),
        said={"dimensions": size, "task": use, "texts": holds},
        lost=(*unread, *(Loss(place) for name, place in more.items() if name not in known)),
    )


def _said(request: Json, where: str) -> Iterator[tuple[str, tuple[str, Any]]]:
    """All that a request says, the settings of its config last."""
    config = {}
    for name, value in request.items():
        if camel(name) == "embedContentConfig":
            config = {f"{name}.{each}": inner for each, inner in mapping(value).items()}
        elif value is not None:
            yield camel(name), (f"{where}{name}", value)
    for place, value in config.items():
        if value is not None:
            yield camel(place.partition(".")[2]), (f"{where}{place}", value)


def _wanted(said: _Said) -> tuple[object, ...]:
    return tuple(said.get(name, ("", None))[1] for name in _WANTED)


def _text(request: Json) -> str | None:
    """The text of a content; None if it holds anything else."""
    given = mapping(request.get("content")).get("parts")
    parts = listed(given if isinstance(given, list) else [given])
    whole_ = len(parts) == (len(given) if isinstance(given, list) else 1)
    if not whole_ or not all(set(part) == {"text"} for part in parts):
        return None
    return "".join(string(part["text"]) for part in parts)


def write_batch(request: VectorRequest) -> Written:
    """Write a batch."""
    model, kept = f"models/{request.model}", _kept(request)
    requests = [{"model": model, **_content(text), **kept} for text in request.texts]
    return Written({"requests": requests}, request.unsaid("user"))


def write_one(request: VectorRequest) -> Written:
    """Write a request for one vector."""
    content = _content("".join(request.texts[:1]))
    return Written({**content, **_kept(request)}, request.beyond(1) + request.unsaid("user"))


def _content(text: str) -> Json:
    return {"content": {"parts": [{"text": text}]}}


def _kept(request: VectorRequest) -> Json:
    more: Json = {"outputDimensionality": request.dimensions, "taskType": request.task or None}
    return {name: value for name, value in more.items() if value is not None}


def read_batched(document: Json) -> VectorResponse:
    """Read the answer to a batch."""
    return _answer(document, listed(document.get("embeddings")))


def read_single(document: Json) -> VectorResponse:
    """Read the answer to one request."""
    return _answer(document, [mapping(document.get("embedding"))])


def _answer(document: Json, embeddings: list[Json]) -> VectorResponse:
    vectors = [each.get("values") for each in embeddings]
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


def write_batched(response: VectorResponse, _: Asked) -> Json:
    """Write the answer to a batch."""
    return {"embeddings": [{"values": vector} for vector in response.vectors]}


def write_single(response: VectorResponse, _: Asked) -> Json:
    """Write the answer to one request."""
    used = response.usage
    counts = used and {"promptTokenCount": used.input_tokens, "totalTokenCount": used.input_tokens}
    counted = {"usageMetadata": counts} if counts else {}
    return {"embedding": {"values": response.vectors[0]}, **counted}


BATCH = Codec(
    read_request=read_batch,
    write_request=write_batch,
    read_response=read_batched,
    write_response=write_batched,
)
ONE = Codec(
    read_request=read_one,
    write_request=write_one,
    read_response=read_single,
    write_response=write_single,
)
