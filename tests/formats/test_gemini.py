"""Gemini as callers speak it: its paths, its two spellings, its errors, lists and usage."""

import json

import pytest

from crds.plan import ListedModel, QuirksPlan
from ext_proc.call import Call, Line, Reject, Usage
from ext_proc.formats import table, usage
from ext_proc.formats.table import DIALECTS, Endpoint
from ext_proc.translation import requests
from ext_proc.wires import Wire

DIALECT = DIALECTS["GeminiContent"]
VERTEX = "/v1/projects/p-1/locations/us-central1/publishers/google/models"


def ask(**fields):
    body = {"contents": [{"parts": [{"text": "hi"}]}], **fields}
    return DIALECT.decode_request(json.dumps(body).encode(), Line("m"))


@pytest.mark.parametrize(
    ("path", "model", "stream"),
    [
        ("/v1beta/models/gemini-2.5-flash:generateContent", "gemini-2.5-flash", False),
        ("/v1/models/chat:generateContent", "chat", False),
        ("/v1beta/models/chat:generateContent?key=secret", "chat", False),
        ("/v1beta/models/chat:streamGenerateContent?alt=sse", "chat", True),
        ("/v1beta/models/chat:streamGenerateContent?key=a&alt=sse", "chat", True),
        ("/v1beta/models/team/chat:generateContent", "team/chat", False),
        ("/v1beta/models/team%2Fchat:generateContent", "team/chat", False),
        ("/v1beta/models/llama3:8b:generateContent", "llama3:8b", False),
        ("/v1beta/models/llama3%3A8b:generateContent", "llama3:8b", False),
        (f"{VERTEX}/gemini-3-pro:generateContent", "gemini-3-pro", False),
        (
            f"{VERTEX.replace('/v1/', '/v1beta1/')}/m:streamGenerateContent?alt=sse",
            "m",
            True,
        ),
        ("/v1beta1/publishers/google/models/m:generateContent", "m", False),
    ],
)
def test_paths_name_model_and_stream(path, model, stream):
    endpoint = table.find("POST", path)
    assert endpoint == Endpoint(
        "POST", path.partition("?")[0], "GeminiContent", "call", model, stream
    )
    assert table.caller_shape("POST", path, {}) == "GeminiContent"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/v1beta/models/chat:streamGenerateContent", 400),
        ("POST", "/v1beta/models/chat:streamGenerateContent?alt=json", 400),
        ("POST", "/v1beta/models/chat:streamGenerateContent?x=alt=sse", 400),
        ("GET", "/v1beta/models/chat:generateContent", 405),
        ("POST", "/v1beta/models/chat", 404),
        ("POST", "/v1beta/models/chat:predict", 404),
        ("POST", "/v1beta/models/:generateContent", 404),
        ("POST", "/v1beta/models/%20:generateContent", 404),
        ("POST", "/v1beta/models/a%0ab:generateContent", 404),
        ("POST", "/v1beta/models/a%ff:generateContent", 404),
        ("POST", "/v1beta/models/../x:generateContent", 404),
        ("POST", "/v1beta/models//x:generateContent", 404),
        ("POST", "/v1beta/models/x:generateContent/", 404),
        ("POST", "/v1beta/models/x%3AgenerateContent", 404),
        ("GET", "/v1beta/models/../x", 404),
        ("GET", "/v1beta/models/", 404),
        ("POST", f"/v1beta/models/{'x' * 300}:generateContent", 404),
        ("POST", "/v2/models/x:generateContent", 404),
        ("POST", f"{VERTEX.replace('google', 'anthropic')}/x:generateContent", 404),
        ("POST", "/v1/projects/a%2Fb/locations/l/publishers/google/models/x:generateContent", 404),
    ],
)
def test_what_is_not_served(method, path, status):
    found = table.find(method, path)
    assert isinstance(found, Reject)
    assert found.status == status


def test_a_stream_that_is_not_of_events_is_told_how():
    found = table.find("POST", "/v1beta/models/chat:streamGenerateContent")
    assert "alt=sse" in found.message


def test_whose_shape_a_caller_reads():
    assert table.caller_shape("GET", "/v1beta/models", {}) == "GeminiContent"
    assert table.caller_shape("POST", "/v1beta/files", {}) == "GeminiContent"
    assert table.caller_shape("POST", "/v1/models/x:computeTokens", {}) == "GeminiContent"
    assert table.caller_shape("POST", "/v1/models/x:countTokens", {}) == "GeminiTokenCount"
    sdk = {"x-goog-api-client": "google-genai-sdk/1.0"}
    assert table.caller_shape("GET", "/v1/models", sdk) == "GeminiContent"


def test_lists_of_models():
    rows = (ListedModel(id="a", owner="team"),)
    assert json.loads(table.models_list("GeminiContent", rows)) == {
        "models": [{"name": "models/a", "displayName": "a"}]
    }
    assert json.loads(table.model_entry("GeminiContent", rows[0]))["name"] == "models/a"
    assert table.find("GET", "/v1beta/models/team%2Fa").model == "team/a"


def test_no_key_of_the_caller_is_forwarded():
    for name in ("x-goog-api-key", "x-goog-user-project", "authorization", "x-goog-api-client"):
        assert not table.forwarded("GeminiContent", name, "v1")


TWICE = [
    {"system_instruction": {"parts": []}, "systemInstruction": {"parts": []}},
    {"generationConfig": {"topP": 1, "top_p": 1}},
    {"tools": [{"functionDeclarations": [], "function_declarations": []}]},
]
PARTS_TWICE = [
    {"inlineData": {"data": "QUJD"}, "inline_data": {"data": "QUJD"}},
    {"inlineData": {"mimeType": "a/b", "mime_type": "c/d"}},
    {"functionCall": {"name": "a"}, "function_call": {"name": "b"}},
    {"functionResponse": {"parts": [{"inlineData": {}, "inline_data": {}}]}},
    {"Text": "hidden"},
    {"inlinedata": {}},
    {"Inline_Data": {}},
    {"inline_Data": {}},
]


@pytest.mark.parametrize(
    "fields", [*TWICE, *({"contents": [{"parts": [part]}]} for part in PARTS_TWICE)]
)
def test_a_field_in_two_spellings_is_refused(fields):
    refused = ask(**fields)
    assert isinstance(refused, Reject)
    assert (refused.status, refused.code) == (400, "malformed_request")


@pytest.mark.parametrize(
    ("part", "texts", "unscanned"),
    [
        ({"text": "ana"}, [("User", "ana")], {}),
        ({"text": "ana", "thought": True}, [("User", "ana")], {}),
        ({"inline_data": {"mime_type": "image/png", "data": "QUJD"}}, [], {"image": 1}),
        ({"inlineData": {"mimeType": "audio/wav", "data": "QUJD"}}, [], {"audio": 1}),
        ({"inlineData": {"mimeType": "text/plain", "data": "QUJD"}}, [], {"file": 1}),
        ({"inlineData": {"data": "no base 64!"}}, [("User", "no base 64!")], {"file": 1}),
        ({"file_data": {"file_uri": "gs://ana"}}, [("User", "gs://ana")], {"url": 1}),
        (
            {"function_call": {"name": "f", "args": {"a_b": "ana"}}},
            [("ToolCalls", "f"), ("ToolCalls", '{"a_b":"ana"}')],
            {},
        ),
        (
            {"functionResponse": {"name": "f", "response": {"x": "ana"}}},
            [("ToolResults", "f"), ("ToolResults", '{"x":"ana"}')],
            {},
        ),
        (
            {"code_execution_result": {"outcome": "OUTCOME_OK", "output": "ana"}},
            [("ToolResults", "ana")],
            {},
        ),
        ({"hologram": "ana"}, [("User", '{"hologram":"ana"}')], {"unknown": 1}),
    ],
)
def test_texts_of_parts(part, texts, unscanned):
    call = ask(contents=[{"parts": [part]}])
    assert isinstance(call, Call)
    assert [(text.origin, text.value) for text in call.texts] == texts
    assert dict(call.unscanned) == unscanned


def test_whose_text_is_whose():
    call = ask(
        contents=[
            {"role": "user", "parts": [{"text": "a"}]},
            {"role": "model", "parts": [{"text": "b", "thought": True}, {"text": "c"}]},
            {"role": "function", "parts": [{"text": "d"}]},
        ],
        system_instruction={"role": "user", "parts": [{"text": "e"}]},
        tools=[{"functionDeclarations": [{"name": "f"}]}, {"googleSearch": {"x": 1}}],
    )
    assert [(text.origin, text.value) for text in call.texts] == [
        ("User", "a"),
        ("Reasoning", "b"),
        ("Assistant", "c"),
        ("ToolResults", "d"),
        ("System", "e"),
        ("ToolDefinitions", '{"name":"f"}'),
        ("ToolDefinitions", '{"x":1}'),
    ]
    assert dict(call.unscanned) == {"url": 1}


@pytest.mark.parametrize(
    "fields",
    [
        {"contents": []},
        {"contents": "hi"},
        {"contents": ["hi"]},
        {"contents": [{"role": "system", "parts": []}]},
        {"contents": [{"role": 3, "parts": []}]},
        {"model": "models/other"},
    ],
)
def test_what_decides_whose_text_is_whose_is_checked(fields):
    assert isinstance(ask(**fields), Reject)


def test_what_is_not_changed_goes_out_as_it_came():
    body = b'{"contents": [{"parts": [{"text": "hi"}]}], "generationConfig": {"topP": 0.90}}'
    call = DIALECT.decode_request(body, Line("m", stream=True))
    assert DIALECT.encode_request(call, True) is body
    assert (call.model, call.stream) == ("m", True)
    call.texts[0].replace("[R]")
    assert b'"topP":0.90' in DIALECT.encode_request(call, True)
    assert b"[R]" in DIALECT.encode_request(call, True)


@pytest.mark.parametrize(
    ("stated", "counts"),
    [
        ({"promptTokenCount": 9, "candidatesTokenCount": 3}, (9, 3, 0, 0)),
        ({"promptTokenCount": 9}, (9, 0, 0, 0)),
        (
            {
                "promptTokenCount": 9,
                "cachedContentTokenCount": 4,
                "candidatesTokenCount": 3,
                "thoughtsTokenCount": 20,
                "toolUsePromptTokenCount": 5,
                "totalTokenCount": 37,
            },
            (14, 23, 4, 20),
        ),
        ({"promptTokenCount": 0, "candidatesTokenCount": None}, (0, 0, 0, 0)),
        ({"candidatesTokenCount": 3}, None),
        ({"promptTokenCount": 3, "cachedContentTokenCount": 4}, None),
        ({"promptTokenCount": 3, "thoughtsTokenCount": -1}, None),
        ({"promptTokenCount": "3"}, None),
        ([], None),
        (None, None),
    ],
)
def test_usage(stated, counts):
    expected = counts and Usage(
        counts[0], counts[1], cache_read_tokens=counts[2], reasoning_tokens=counts[3]
    )
    assert usage.gemini(stated) == expected
    body = json.dumps(
        {
            "candidates": [
                {
                    "content": {
                        "parts": [{"text": "hey"}, {"functionCall": {"name": "f"}}, {"thought": 1}]
                    }
                }
            ],
            "usageMetadata": stated,
            "modelVersion": "g",
        }
    ).encode()
    whole, measured = DIALECT.decode_response(body), DIALECT.measure(body)
    for read in (whole, measured):
        assert (read.usage, read.model) == (expected, "g")
        assert read.usage_invalid == (counts is None and stated is not None)
    assert measured.text == ("" if counts else 'hey{"name":"f"}')


def test_probabilities_that_spell_a_changed_text_are_dropped():
    tokens = [{"token": "ana@", "logProbability": -1}, {"token": "mail", "tokenId": 4}]
    others = {"topCandidates": [{"candidates": [{"token": "b"}]}, {"candidates": [{"token": "o"}]}]}
    body = {
        "candidates": [
            {
                "content": {"parts": [{"text": "ana@mail"}]},
                "logprobsResult": {"chosenCandidates": tokens, **others},
            }
        ]
    }
    response = DIALECT.decode_response(json.dumps(body).encode())
    assert [text.value for text in response.texts] == ["ana@mail", "ana@mail\nbo"]
    response.texts[0].replace("[R]")
    assert json.loads(response.encode())["candidates"] == [
        {"content": {"parts": [{"text": "[R]"}]}}
    ]


@pytest.mark.parametrize(
    "value",
    [
        "ana",
        ["ana"],
        {"chosenCandidates": "ana"},
        {"topCandidates": ["ana"]},
        {"topCandidates": [{"candidates": [{"token": "x", "ana": 1}]}]},
        {"chosenCandidates": [{"token": ["ana"]}]},
        {"ana": 1},
    ],
)
def test_probabilities_of_another_shape_are_text(value):
    body = json.dumps({"candidates": [{"logprobsResult": value}]}).encode()
    assert "ana" in DIALECT.decode_response(body).texts[0].value


def test_errors_have_googles_shape():
    error = json.loads(DIALECT.error(Reject(403, "blocked_by_policy", "No."), "req-1"))["error"]
    assert (error["code"], error["status"], error["message"]) == (403, "PERMISSION_DENIED", "No.")
    assert error["details"] == [
        {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "blocked_by_policy",
            "domain": "dragoman.dev",
            "metadata": {"request_id": "req-1"},
        }
    ]
    assert DIALECT.stream_error(Reject(500, "x", "y"), "").startswith(b'data: {"error":{"code":500')


@pytest.mark.parametrize(("status", "passed"), [(400, True), (429, True), (500, False)])
def test_what_a_provider_error_may_say(status, passed):
    said = {
        "error": {
            "code": 7,
            "message": "Key sk-123 is wrong",
            "status": "SOME_STATUS",
            "details": [{"reason": "sk-456"}],
        }
    }
    response = DIALECT.provider_error(status, json.dumps(said).encode())
    error = json.loads(response.encode())["error"]
    assert ("sk-123" in error["message"]) == passed
    assert (error["code"], error["status"]) == (status, "SOME_STATUS")
    assert set(error) == {"code", "message", "status"}


class Marking:
    """A guard that replaces a word."""

    blocked = False

    def __init__(self, origin):
        self.kept = ""

    def push(self, text):
        self.kept += text
        return ""

    def finish(self):
        return self.kept.replace("secret", "[R]")


def feed(*chunks, config=None):
    asked = ask(generationConfig=config or {})
    asked.forget()
    codec = DIALECT.stream(asked, Marking)
    return codec, b"".join(
        codec.feed(b"data: " + json.dumps(chunk).encode() + b"\n\n") for chunk in chunks
    )


def candidate(*parts, **fields):
    return {"candidates": [{"content": {"parts": list(parts)}, **fields}]}


def test_a_structured_answer_is_read_without_escapes():
    config = {"response_mime_type": "application/json"}
    codec, out = feed(candidate({"text": '{"a":"\\u0073'}), candidate({"text": 'ecret"}'}))
    assert b"[R]" not in out + codec.end()
    codec, out = feed(
        candidate({"text": '{"a":"\\u0073'}), candidate({"text": 'ecret"}'}), config=config
    )
    assert b"[R]" in out + codec.end()


def test_unknown_strings_of_parts_are_read_in_pieces():
    codec, out = feed(candidate({"novel": "sec"}), candidate({"novel": "ret"}))
    assert b"[R]" in out + codec.end()


def test_a_bare_error_among_events_is_read():
    for open_field in (None, Marking):
        codec = DIALECT.stream(ask(), open_field)
        bare = b'{\n "error": {\n "code": 503,\n "message": "secret", "status": "UNAVAILABLE"}\n}\n'
        out = codec.feed(bare + b"\n") + codec.end()
        assert codec.failed is None
        if open_field is None:
            assert out.startswith(bare.rstrip())
        else:
            assert json.loads(out.removeprefix(b"data: "))["error"] == {
                "code": 503,
                "message": "[R]",
                "status": "UNAVAILABLE",
            }


@pytest.mark.parametrize(
    "chunk",
    [
        {"candidates": [3]},
        {"candidates": "x"},
        {"candidates": [{"index": -1}]},
        {"candidates": [{"index": "0"}]},
        {"candidates": [{"index": 4000}]},
    ],
)
def test_a_stream_that_cannot_be_read_fails(chunk):
    codec, out = feed(chunk)
    assert codec.failed.status == 502
    assert out == b""


def test_a_name_that_a_guard_would_change_fails():
    codec, out = feed(candidate({"secret": "x"}))
    assert codec.failed is not None
    assert out == b""


EMBEDDINGS = DIALECTS["GeminiEmbeddings"]


def embed(*batch):
    return EMBEDDINGS.decode_request(json.dumps({"requests": batch}).encode(), Line("e-1"))


def test_batches_of_contents_are_embedded():
    found = table.find("POST", "/v1beta/models/e-1:batchEmbedContents")
    assert (found.format, found.model, found.stream) == ("GeminiEmbeddings", "e-1", False)
    call = embed(
        {"model": "models/e-1", "content": {"parts": [{"text": "ana"}]}, "title": "T"},
        {"content": {"parts": [{"text": "bob"}]}, "task_type": "RETRIEVAL_QUERY"},
    )
    assert [(text.origin, text.value) for text in call.texts] == [
        ("User", "ana"),
        ("User", "T"),
        ("User", "bob"),
    ]


@pytest.mark.parametrize(
    "batch",
    [
        [],
        ["ana"],
        [{"content": "ana"}],
        [{"content": {"parts": []}, "model": "models/other"}],
        [{"content": {"parts": []}, "model": 3}],
        [{"content": {"parts": []}, "Content": {"parts": [{"text": "ana"}]}}],
    ],
)
def test_a_batch_that_is_none_is_refused(batch):
    assert isinstance(embed(*batch), Reject)


def test_every_request_of_a_batch_names_the_targets_model():
    body = b'{"requests": [{"model": "models/e-1", "content": {"parts": []}, "x": 1.50}]}'
    wire = Wire("GeminiEmbeddings", "e-2", "/", QuirksPlan())
    fitted, losses = requests.fit(body, wire)
    assert fitted == b'{"requests":[{"model":"models/e-2","content":{"parts": []},"x":1.50}]}'
    assert losses == ()


def test_vectors_are_no_text_and_usage_may_be_stated():
    body = {"embeddings": [{"values": [0.1, -1]}], "usageMetadata": {"promptTokenCount": 4}}
    response = EMBEDDINGS.decode_response(json.dumps(body).encode())
    assert (response.texts, response.usage) == ([], Usage(4))
    assert EMBEDDINGS.measure(json.dumps(body).encode()).usage == Usage(4)
    assert EMBEDDINGS.measure(b"{").usage is None


ONE = DIALECTS["GeminiEmbedContent"]


def embed_one(**document):
    return ONE.decode_request(json.dumps(document).encode(), Line("e-1"))


def test_one_content_is_embedded():
    for path in ("/v1beta/models/e-1", "/v1/publishers/google/models/e-1"):
        found = table.find("POST", f"{path}:embedContent")
        assert (found.format, found.model, found.stream) == ("GeminiEmbedContent", "e-1", False)
    call = embed_one(
        model="models/e-1",
        content={"parts": [{"text": "ana"}]},
        embedContentConfig={"title": "bob", "taskType": "RETRIEVAL_DOCUMENT"},
    )
    assert [(text.origin, text.value) for text in call.texts] == [("User", "ana"), ("User", "bob")]
    call.texts[1].replace("[R]")
    sent = json.loads(ONE.encode_request(call, False))
    assert sent["embedContentConfig"] == {"title": "[R]", "taskType": "RETRIEVAL_DOCUMENT"}


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"content": "ana"},
        {"content": {"parts": []}, "model": "models/other"},
        {"content": {"parts": []}, "model": 3},
        {"content": {"parts": []}, "Content": {"parts": [{"text": "ana"}]}},
        {"content": {"parts": []}, "embed_content_config": {}, "embedContentConfig": {}},
    ],
)
def test_a_content_that_is_none_is_refused(document):
    assert isinstance(embed_one(**document), Reject)


def test_one_vector_is_no_text_and_usage_may_be_stated():
    body = {"embedding": {"values": [0.1]}, "usageMetadata": {"promptTokenCount": 4}}
    response = ONE.decode_response(json.dumps(body).encode())
    assert (response.texts, response.usage) == ([], Usage(4))
    assert ONE.measure(json.dumps(body).encode()).usage == Usage(4)
    [text] = ONE.decode_response(b'{"error": {"message": "an error"}}').texts
    assert "an error" in text.value
    assert ONE.decode_response(b"[]").status == 502


COUNT = DIALECTS["GeminiTokenCount"]
WITHIN = ("generateContentRequest", "generate_content_request")


def count(document):
    return COUNT.decode_request(json.dumps(document).encode(), Line("m-1"))


SAID = {
    "contents": [{"role": "user", "parts": [{"text": "ana"}]}],
    "systemInstruction": {"parts": [{"text": "be kind"}]},
}


@pytest.mark.parametrize(
    "document",
    [
        SAID,
        {**SAID, "model": "models/m-1"},
        *({name: SAID} for name in WITHIN),
        *({name: {"model": "models/m-1", **SAID}} for name in WITHIN),
    ],
)
def test_what_is_counted_is_read_as_if_it_were_asked(document):
    for path in ("/v1beta/models/m-1", "/v1/publishers/google/models/m-1"):
        found = table.find("POST", f"{path}:countTokens")
        assert (found.format, found.model, found.stream) == ("GeminiTokenCount", "m-1", False)
    call = count(document)
    assert {(text.origin, text.value) for text in call.texts} == {
        ("User", "ana"),
        ("System", "be kind"),
    }
    for text in call.texts:
        text.replace("[R]")
    sent = COUNT.encode_request(call, False)
    assert b"ana" not in sent
    assert sent.count(b"[R]") == 2


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"contents": []},
        {"contents": [{"role": "nobody"}]},
        {**SAID, "model": "models/other"},
        {"generateContentRequest": {**SAID, "model": "models/other"}},
        {"generateContentRequest": {}},
        {"generateContentRequest": "ana"},
        {**SAID, "generateContentRequest": {"contents": [{"role": "nobody"}]}},
        {"generateContentRequest": SAID, "generate_content_request": SAID},
        {**SAID, "Contents": []},
    ],
)
def test_what_cannot_be_counted_is_refused(document):
    assert count(document).status == 400


def test_a_count_costs_nothing_and_may_be_ours():
    body = b'{"totalTokens": 7, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 7}]}'
    response = COUNT.decode_response(body)
    assert (response.texts, response.usage, response.usage_invalid) == ([], None, False)
    assert response.encode() == body
    assert COUNT.measure(body).usage is None
    assert COUNT.unstated == "free"
    assert json.loads(COUNT.estimate(7)) == {"totalTokens": 7}


@pytest.mark.parametrize("format_", ["GeminiTokenCount", "GeminiEmbedContent"])
def test_bodies_name_the_targets_model_where_they_name_one(format_):
    wire = Wire(format_, "m-2", "/", QuirksPlan())
    assert requests.fit(b'{"contents": [1.50]}', wire)[0] == b'{"contents":[1.50]}'
    body = b'{"model": "models/m-1", "generate_content_request": {"x": 1.50}}'
    fitted = b'{"model":"models/m-2","generate_content_request":{"x":1.50,"model":"models/m-2"}}'
    assert requests.fit(body, wire) == (fitted, ())
