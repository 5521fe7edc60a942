"""Embeddings between OpenAI and Gemini: texts in order, vectors as the SDK wants them."""

import base64
import json
import struct
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.translate import providers
from crds.aibackend import AIBackendSpec
from crds.plan import FAMILIES, PathPlan, QuirksPlan, TargetPlan
from ext_proc import wires
from ext_proc.call import Line, Reject
from ext_proc.formats import strict
from ext_proc.formats.table import DIALECTS
from ext_proc.translation import requests
from ext_proc.translation.answers import Answer
from ext_proc.translation.codec import Asked, UnspeakableError
from ext_proc.translation.requests import Spoken
from ext_proc.wires import Wire
from tests.translation.matrix.vectors import CLIENTS

GEMINI = Wire("GeminiEmbeddings", "gemini-embedding-001", "/", QuirksPlan())
OPENAI = Wire("OpenAIEmbeddings", "text-embedding-3-small", "/", QuirksPlan())
ONE = Wire("GeminiEmbedContent", "gemini-embedding-2", "/", QuirksPlan())
VERTEX = Wire("VertexEmbeddings", "text-embedding-005", "/", QuirksPlan())
VERTEX_GEMINI = Wire("VertexEmbeddings", "gemini-embedding-001", "/", QuirksPlan())
TITAN = Wire("TitanEmbeddings", "amazon.titan-embed-text-v2:0", "/", QuirksPlan())
TITAN_1 = Wire("TitanEmbeddings", "amazon.titan-embed-text-v1", "/", QuirksPlan())
COHERE = Wire("CohereEmbeddings", "us.cohere.embed-v4:0", "/", QuirksPlan())
COHERE_3 = Wire("CohereEmbeddings", "cohere.embed-multilingual-v3", "/", QuirksPlan())


def from_openai(wire, texts, **more):
    """What an OpenAI caller's request becomes; and what is lost."""
    document = {"model": "m", "input": texts, **more}
    written = requests.write(document, Spoken("OpenAIEmbeddings", Line("m")), wire)
    return written.document, [(loss.field, loss.essential) for loss in written.losses]


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
    [b"{}", b"[]", b'{"embedding":5}', b'{"embedding":["x"]}', b'{"embedding":{"values":{}}}', b'{"embeddings":[["x"]]}', b'{"embeddings":{"float":[]}}', b'{"embeddings":{"int8":[[1]]}}', b'{"predictions":[{}]}', b'{"predictions":[{"embeddings":{"values":["x"]}}]}', b'{"embeddings":[{"values":"x"}]}', b'{"embeddings":[{"values":["x"]}]}', b'{"embeddings":[{"values":[1e999]}]}', b'{"embeddings":[{"values":[3e39]}]}', b'{"data":3}'],
)  # fmt: skip
@pytest.mark.parametrize("provider", FAMILIES[1])
def test_an_answer_that_is_none_is_502(provider, body):
    caller = "GeminiEmbeddings" if provider == "OpenAIEmbeddings" else "OpenAIEmbeddings"
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


def test_vertex_is_asked_for_many_texts_uncut():
    document, lost = from_openai(VERTEX, ["a", "b"], dimensions=8, user="u")
    assert document == {
        "instances": [{"content": "a"}, {"content": "b"}],
        "parameters": {"autoTruncate": False, "outputDimensionality": 8},
    }
    assert lost == [("user", False)]
    assert from_openai(VERTEX, ["a"] * 250)[1] == []
    assert from_openai(VERTEX, ["a"] * 251)[1] == [("input", True)]
    assert from_openai(VERTEX_GEMINI, ["a"])[1] == []
    assert from_openai(VERTEX_GEMINI, ["a", "b"])[1] == [("input", True)]


def test_titan_is_asked_for_one_text():
    assert from_openai(TITAN, "a", dimensions=512) == ({"inputText": "a", "dimensions": 512}, [])
    assert from_openai(TITAN, ["a"]) == ({"inputText": "a"}, [])
    assert from_openai(TITAN, ["a", "b"])[1] == [("input", True)]
    assert from_openai(TITAN_1, "a", dimensions=512) == ({"inputText": "a"}, [("dimensions", True)])


def test_cohere_is_asked_for_documents_unless_told():
    kept = {"input_type": "search_document", "embedding_types": ["float"], "truncate": "NONE"}
    document, lost = from_openai(COHERE, ["a", "b"], dimensions=512)
    assert document == {"texts": ["a", "b"], **kept, "output_dimension": 512}
    assert lost == []
    assert from_openai(COHERE, ["a"] * 97)[1] == [("input", True)]
    assert from_openai(COHERE_3, ["a"], dimensions=512) == (
        {"texts": ["a"], **kept},
        [("dimensions", True)],
    )


@pytest.mark.parametrize(
    ("task", "told", "lost"),
    [
        ("RETRIEVAL_QUERY", "search_query", []),
        ("CLASSIFICATION", "classification", []),
        ("FACT_VERIFICATION", "search_document", ["taskType"]),
    ],
)
def test_what_vectors_are_for_in_coheres_words(task, told, lost):
    document = {"content": {"parts": [{"text": "a"}]}, "taskType": task}
    written = requests.write(document, Spoken("GeminiEmbedContent", Line("m")), COHERE)
    assert written.document["input_type"] == told
    assert [loss.field for loss in written.losses] == lost


def test_settings_may_stand_in_a_config():
    """As Google's SDK writes them for Vertex AI; and what has no place elsewhere is named."""
    config = {"outputDimensionality": 8, "taskType": "CLUSTERING", "autoTruncate": True}
    one = {"content": {"parts": [{"text": "a"}]}, "embedContentConfig": config, "title": None}
    written = requests.write(one, Spoken("GeminiEmbedContent", Line("m")), VERTEX)
    assert written.document == {
        "instances": [{"content": "a", "task_type": "CLUSTERING"}],
        "parameters": {"autoTruncate": False, "outputDimensionality": 8},
    }
    assert [loss.field for loss in written.losses] == ["embedContentConfig.autoTruncate"]
    batch = requests.write({"requests": [one]}, Spoken("GeminiEmbeddings", Line("m")), OPENAI)
    assert batch.document["dimensions"] == 8
    assert [loss.field for loss in batch.losses] == [
        "requests[0].embedContentConfig.autoTruncate",
        "requests[0].embedContentConfig.taskType",
    ]


def test_one_content_is_asked_for_alone():
    document, lost = from_openai(ONE, "a", dimensions=8)
    assert document == {"content": {"parts": [{"text": "a"}]}, "outputDimensionality": 8}
    assert lost == []
    assert from_openai(ONE, ["a", "b"])[1] == [("input", True)]
    assert from_openai(ONE, [1, 2])[1] == [("input", True)]


@pytest.mark.parametrize(
    ("provider", "body", "headers", "tokens"),
    [
        ("TitanEmbeddings", {"embedding": [1], "inputTextTokenCount": 3}, {}, 3),
        ("TitanEmbeddings", {"embedding": [1], "inputTextTokenCount": 3}, {"x-amzn-bedrock-input-token-count": "9"}, 3),
        ("TitanEmbeddings", {"embedding": [1]}, {"x-amzn-bedrock-input-token-count": "9"}, 9),
        ("CohereEmbeddings", {"embeddings": {"float": [[1]]}}, {"x-amzn-bedrock-input-token-count": "9"}, 9),
        ("CohereEmbeddings", {"embeddings": [[1]]}, {"x-amzn-bedrock-input-token-count": "9"}, 9),
        ("CohereEmbeddings", {"embeddings": [[1]]}, {}, None),
        ("CohereEmbeddings", {"embeddings": [[1]]}, {"x-amzn-bedrock-input-token-count": "-9"}, None),
        ("CohereEmbeddings", {"embeddings": [[1]]}, {"x-amzn-bedrock-input-token-count": "²"}, None),
        ("CohereEmbeddings", {"embeddings": [[1]]}, {"x-amzn-bedrock-input-token-count": "9" * 5000}, None),
        ("VertexEmbeddings", {"predictions": [{"embeddings": {"values": [1], "statistics": {"token_count": 2}}}] * 2}, {}, 4),
        ("VertexEmbeddings", {"predictions": [{"embeddings": {"values": [1]}}]}, {"x-amzn-bedrock-input-token-count": "9"}, None),
        ("GeminiEmbedContent", {"embedding": {"values": [1]}, "usageMetadata": {"promptTokenCount": 4}}, {}, 4),
    ],
)  # fmt: skip
def test_tokens_are_the_providers_count(provider, body, headers, tokens):
    """In the body, else in the header that says it; the caller is told the same."""
    answer = Answer(provider, "OpenAIEmbeddings", asked(), headers)
    said = json.loads(answer.whole(json.dumps(body).encode()))
    assert (answer.usage.input_tokens if answer.usage else None) == tokens
    assert said["usage"]["prompt_tokens"] == (tokens or 0)
    assert not answer.usage_invalid


@pytest.mark.parametrize(
    ("provider", "body"),
    [
        ("TitanEmbeddings", {"embedding": [1], "inputTextTokenCount": -3}),
        ("VertexEmbeddings", {"predictions": [{"embeddings": {"values": [1], "statistics": {"token_count": "x"}}}]}),
    ],
)  # fmt: skip
def test_tokens_that_cannot_be_are_recorded(provider, body):
    answer = Answer(provider, "OpenAIEmbeddings", asked())
    assert isinstance(answer.whole(json.dumps(body).encode()), bytes)
    assert answer.usage is None
    assert answer.usage_invalid


def test_a_caller_of_embed_content_is_told_the_tokens():
    answer = Answer("TitanEmbeddings", "GeminiEmbedContent", asked())
    body = json.dumps({"embedding": [0.5], "inputTextTokenCount": 3}).encode()
    assert json.loads(answer.whole(body)) == {
        "embedding": {"values": [0.5]},
        "usageMetadata": {"promptTokenCount": 3, "totalTokenCount": 3},
    }


def target(provider, model, **more):
    spec = AIBackendSpec.model_validate({"provider": provider, "auth": {"type": "None"}, **more})
    row = providers.of(spec)
    where = {"cluster": "c", "backend": "a/b", "weight": 1, "priority": 0}
    return TargetPlan(provider=provider, model=model, paths=dict(row.paths), **where)


VERTEX_AI = ("VertexAI", {"gcp": {"project": "corp-ai", "location": "us-central1"}})
BEDROCK = ("Bedrock", {"aws": {"region": "eu-west-1"}})


@pytest.mark.parametrize(
    ("provider", "model", "format_", "end"),
    [
        (VERTEX_AI, "text-embedding-005", "VertexEmbeddings", "/text-embedding-005:predict"),
        (VERTEX_AI, "gemini-embedding-001", "VertexEmbeddings", ":predict"),
        (VERTEX_AI, "gemini-embedding-2-preview", "GeminiEmbedContent", ":embedContent"),
        (VERTEX_AI, "gemini-2.5-flash", None, ""),
        (BEDROCK, "amazon.titan-embed-text-v2:0", "TitanEmbeddings", "/model/amazon.titan-embed-text-v2%3A0/invoke"),
        (BEDROCK, "eu.cohere.embed-v4:0", "CohereEmbeddings", "/model/eu.cohere.embed-v4%3A0/invoke"),
        (BEDROCK, "anthropic.claude-3-haiku-20240307-v1:0", None, ""),
        (("Gemini", {}), "gemini-embedding-001", "GeminiEmbeddings", ":batchEmbedContents"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("named", [True, False])
def test_the_model_decides_the_format(provider, model, format_, end, named):
    """The target's own model, or the caller's where the target has none."""
    name, more = provider
    asked_of = target(name, model if named else None, **more)
    wire = wires.find(asked_of, "OpenAIEmbeddings", "alias" if named else model, stream=False)
    assert (wire.format if wire else None) == format_
    assert wire is None or wire.path.endswith(end)
    reached = wires.reachable(asked_of, "alias" if named else model)
    assert ("OpenAIEmbeddings" in reached) == (format_ is not None)
    assert not reached & {"VertexEmbeddings", "TitanEmbeddings", "CohereEmbeddings"}


def test_a_plan_says_of_which_models_a_path_is_only_where_it_is_of_some():
    some = PathPlan(call="/a", stream="/a", models=("x",))
    assert PathPlan.model_validate(some.model_dump(mode="json")) == some
    assert PathPlan(call="/a", stream="/a").model_dump(mode="json") == {
        "call": "/a",
        "stream": "/a",
    }


NAMES = (
    *("model", "input", "dimensions", "user", "requests", "content", "parts", "text", "taskType"),
    *("task_type", "outputDimensionality", "embedContentConfig", "embeddings", "embedding"),
    *("values", "data", "index", "usage", "prompt_tokens", "usageMetadata", "promptTokenCount"),
    *("predictions", "statistics", "token_count", "inputTextTokenCount", "float"),
)
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 9) | st.floats(0, 9) | st.sampled_from(["", "a"]),
    lambda inside: (
        st.lists(inside, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inside, max_size=5)
    ),
    max_leaves=15,
)
BODIES = st.dictionaries(st.sampled_from(NAMES), JUNK, max_size=6)


@given(body=BODIES, client=st.sampled_from(CLIENTS), provider=st.sampled_from(FAMILIES[1]))
@settings(max_examples=400, deadline=None)
def test_junk_is_read_or_refused(body, client, provider):
    wire = Wire(provider, "m", "/", QuirksPlan())
    call = DIALECTS[client].decode_request(json.dumps(body).encode(), Line("m"))
    if not isinstance(call, Reject):
        with suppress(UnspeakableError):
            written = requests.write(call.document, Spoken(client, Line("m")), wire)
            assert isinstance(strict.loads(strict.dumps(written.document)), dict)
    if client != provider:
        told = Answer(provider, client, asked(True)).whole(json.dumps(body).encode())
        assert isinstance(told, Reject) or DIALECTS[client].measure(told) is not None
