"""Embeddings: what callers of each format ask of each provider's models, by their SDKs' types."""

import base64
import json
import struct

import pytest

from crds.plan import FAMILIES, QuirksPlan
from ext_proc.call import Call, Line
from ext_proc.formats.table import DIALECTS
from ext_proc.translation import requests
from ext_proc.translation.answers import Answer
from ext_proc.translation.codec import Asked
from ext_proc.translation.requests import Spoken
from ext_proc.wires import Wire
from tests.translation.matrix import vectors
from tests.translation.matrix.judges import takes
from tests.translation.matrix.vectors import CANNOT, CLIENTS, NAMED, TYPES


def read(format_, document):
    """The vectors of an answer, whoever speaks."""
    if format_ == "OpenAIEmbeddings":
        return tuple(_floats(row["embedding"]) for row in document["data"])
    if format_ == "GeminiEmbedContent":
        return (document["embedding"]["values"],)
    return tuple(each["values"] for each in document["embeddings"])


def _floats(embedding):
    if isinstance(embedding, str):
        raw = base64.b64decode(embedding)
        return [*struct.unpack(f"<{len(raw) // 4}f", raw)]
    return embedding


CELLS = [
    (client, provider, name)
    for client in CLIENTS
    for provider in FAMILIES[1]
    for name in vectors.ASKED
    if (client, name) not in CANNOT
]
cells = pytest.mark.parametrize(("client", "provider", "name"), CELLS)


def sent(client, provider, name):
    """What a provider is sent."""
    document = vectors.request(client, name)
    takes(TYPES[client][0], document)
    call = DIALECTS[client].decode_request(json.dumps(document).encode(), Line("m"))
    assert isinstance(call, Call)
    wire = Wire(provider, NAMED[provider], "/", QuirksPlan())
    return requests.write(call.document, Spoken(client, Line("m")), wire)


@cells
def test_requests(client, provider, name):
    written = sent(client, provider, name)
    why = CANNOT.get((provider, name))
    assert [loss.essential for loss in written.losses] == ([why.refused] if why else [])
    if why is not None and why.refused:
        return
    takes(TYPES[provider][0], written.document)
    texts, size, use = vectors.said(provider, written.document)
    assert texts == vectors.TEXTS[name]
    assert size == (vectors.SIZE if "size" in name else None)
    assert use == (vectors.TASK if "for" in name and why is None else None)


@cells
def test_answers(client, provider, name):
    if (provider, name) in CANNOT:
        return
    document = vectors.answer(provider, name)
    takes(TYPES[provider][1], document)
    if client != provider:
        answering = Answer(provider, client, Asked("m", "req-1", 1))
        document = json.loads(answering.whole(json.dumps(document).encode()))
        takes(TYPES[client][1], document)
    assert read(client, document) == vectors.VECTORS[: len(vectors.TEXTS[name])]
