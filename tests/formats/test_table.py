"""The format table, errors, lists and usage: exact answers."""

import json
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import quote

import anthropic
import openai
import pytest

from crds.plan import FORMAT_HEADERS, ListedModel
from ext_proc.call import Line, Reject
from ext_proc.formats import sse, table, usage
from ext_proc.formats.table import DIALECTS, Endpoint, find

REJECT = Reject(403, "blocked_by_policy", "A policy blocked this.")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/chat/completions", 405),
        ("HEAD", "/v1/models", 405),
        ("PUT", "/v1/messages", 405),
        ("DELETE", "/v1/models/m", 405),
        ("POST", "/v1/models", 405),
        ("POST", "/v1/models/gemini-2.5-flash:computeTokens", 404),
        ("POST", "/v1beta/models/text-embedding-005:predict", 404),
        ("GET", "/v1beta/models/gemini-2.5-flash:countTokens", 405),
        ("POST", "/", 404),
        ("POST", "/v1/chat/completions/", 404),
        ("POST", "//v1/chat/completions", 404),
        ("POST", "/V1/chat/completions", 404),
        ("POST", "/v1/chat/completions;x=1", 404),
        ("POST", "/v1/chat%2fcompletions", 404),
        ("POST", "/v1/%63hat/completions", 404),
        ("POST", "/v1/../v1/chat/completions", 404),
        ("POST", "/v1/files", 404),
        ("POST", "/v1/images/edit", 404),
        ("GET", "/v1/images/variations", 405),
        ("POST", "/v3/rerank", 404),
        ("GET", "/v1/audio/transcriptions", 405),
        ("GET", "/v1/messages/count_tokens", 405),
        ("POST", "http://x/v1/messages", 404),
        ("GET", "/v1/models/", 404),
        ("GET", "/v1/models/a%0ab", 404),
        ("GET", "/model/m/converse", 405),
        ("POST", "/model//converse", 404),
        ("POST", "/model/converse", 404),
        ("POST", "/model/a/b/converse", 404),
        ("POST", "/model/m/invoke", 404),
        ("POST", "/model/m/converse/", 404),
        ("POST", "/model/m/count-tokens", 404),
        ("POST", "/model/%20m/converse", 404),
        ("POST", "/model/a%0ab/converse", 404),
        ("POST", "/model/a%ff/converse", 404),
        ("POST", "/model/a%252fb/converse", 404),
        ("POST", "/model/%zz/converse", 404),
        ("POST", f"/model/{'m' * 257}/converse", 404),
    ],
)
def test_what_is_not_served(method, path, status):
    found = find(method, path)
    assert isinstance(found, Reject)
    assert found.status == status
    assert ("allow" in dict(found.headers)) == (status == 405)


@pytest.mark.parametrize(
    "path",
    [
        "/v1/chat/completions/",
        "/V1/Chat/completions?x=/y",
        "/v1/chat/completions;x=1",
        "/v1/chat;x/completions",
        "/v1/chat%2fcompletions",
        "/v1/%63hat/completions",
        "/v1/chat/completions%20",
        "/v1beta/models/m%3AgenerateContent",
        "/v1beta/models/m:generatecontent/",
        "/v1beta/models/..:generateContent",
        f"/v1beta/models/{'m' * 257}:countTokens",
        "/v1/projects/p/locations/l/publishers/google/models/m%3aembedContent",
        "/model/m/converse/",
        "/model/a/b/Converse",
        "/model/a%252fb/converse-stream",
    ],
)
def test_what_a_server_may_take_for_a_path_of_a_format(path):
    assert find("POST", path) == table.UNKNOWN_PATH
    assert table.resembles(path)


@pytest.mark.parametrize(
    "path",
    [
        "/v1/chat",
        "/v1/chat/completions/x",
        "/x/v1/chat/completions",
        "/v2/models/m/infer",
        "/v1/models/flowers:predict",
        "/v1beta/models/text-embedding-005:predict",
        "/model/m/invoke",
        "/inference.Converse/converse",
    ],
)
def test_what_is_a_path_of_no_format(path):
    assert find("POST", path) == table.UNKNOWN_PATH
    assert not table.resembles(path)


@pytest.mark.parametrize(
    "model",
    [
        "anthropic.claude-3-haiku-20240307-v1:0",
        "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.amazon.nova-lite-v1:0",
        "ü",
    ],
)
def test_bedrocks_paths_name_model_and_stream(model):
    for encoded in (quote(model, safe="-_.~"), quote(model, safe="-_.~:")):
        for way, stream in (("converse", False), ("converse-stream", True)):
            found = find("POST", f"/model/{encoded}/{way}?x=y")
            assert (found.format, found.action) == ("BedrockConverse", "call")
            assert (found.model, found.stream) == (model, stream)


def test_what_is_served():
    assert find("POST", "/v1/chat/completions?key=x#y") == Endpoint(
        "POST", "/v1/chat/completions", "OpenAIChat", "call"
    )
    assert find("POST", "/v1/embeddings").format == "OpenAIEmbeddings"
    assert find("POST", "/v1/messages?beta=true").format == "AnthropicMessages"
    assert find("GET", "/v1/models").action == "models"
    assert find("POST", "/v1/messages/count_tokens").format == "AnthropicTokenCount"
    assert find("POST", "/v1/rerank").format == find("POST", "/v2/rerank").format == "Rerank"
    assert find("GET", "/v1/models/org%2Fm.1?x").model == "org/m.1"


@pytest.mark.parametrize(
    ("media", "encoding", "fine"),
    [
        ("application/json", None, True),
        ("Application/JSON; charset=UTF-8", "identity", True),
        ('application/json;charset="utf-8"', "", True),
        ("application/json; charset=utf-16", None, False),
        ("application/json; x", None, False),
        ("application/json; charset=utf-8; charset=utf-7", None, False),
        ("application/json, text/plain", None, False),
        ("application/vnd.api+json", None, False),
        ("text/plain", None, False),
        ("multipart/form-data; boundary=x", None, False),
        (None, None, False),
        ("application/json", "gzip", False),
        ("application/json", "gzip, gzip", False),
        ("application/json", "identity, br", False),
    ],
)
def test_only_plain_json_is_read(media, encoding, fine):
    refused = table.acceptable(media, encoding)
    assert (refused is None) == fine
    assert fine or refused.status == 415


def test_no_header_that_names_a_caller_is_forwarded():
    names = {
        "authorization",
        "x-api-key",
        "api-key",
        "cookie",
        "openai-organization",
        "openai-project",
        "user-agent",
        "host",
    }
    for format_, headers in FORMAT_HEADERS.items():
        assert not names.intersection(headers)
        assert not any(
            name.startswith(("x-stainless", "x-dragoman", "x-forwarded")) for name in headers
        )
        assert "accept" not in headers  # free text, and the body says whether to stream
        assert table.forwarded(format_, "content-type", "application/json")
        assert not table.forwarded(format_, "x-api-key", "v1")


@pytest.mark.parametrize(
    ("name", "value", "goes"),
    [
        ("content-type", "application/json; charset=utf-8", True),
        ("openai-beta", "assistants=v2", True),
        ("anthropic-version", "2023-06-01", True),
        ("anthropic-beta", "prompt-caching-2024-07-31, output-128k-2025-02-19", True),
        ("anthropic-beta", "context-1m-2025-08-07,", False),
        ("openai-beta", "my card is 4111 1111 1111 1111", False),
        ("anthropic-beta", "joe@corp.example", False),
        ("anthropic-beta", "a-" + "x" * 80, False),
        ("anthropic-version", "", False),
    ],
)
def test_a_header_goes_on_only_if_it_names_versions_and_features(name, value, goes):
    spoken = "AnthropicMessages" if name.startswith("anthropic") else "OpenAIChat"
    assert table.forwarded(spoken, name, value) == goes


def test_whose_shape_a_caller_reads():
    assert table.caller_shape("POST", "/v1/messages", {}) == "AnthropicMessages"
    assert table.caller_shape("POST", "/v1/messages/batches", {}) == "AnthropicMessages"
    assert (
        table.caller_shape("GET", "/v1/models", {"anthropic-version": "2023-06-01"})
        == "AnthropicMessages"
    )
    assert table.caller_shape("POST", "/v1/embeddings", {}) == "OpenAIEmbeddings"
    assert table.caller_shape("POST", "/v2/rerank", {}) == "Rerank"
    assert table.caller_shape("GET", "/v1/messages/count_tokens", {}) == "AnthropicMessages"
    assert table.caller_shape("GET", "/nowhere", {}) == "OpenAIChat"
    assert table.caller_shape("POST", "/model/m/converse", {}) == "BedrockConverse"
    assert table.caller_shape("POST", "/model/m/invoke", {}) == "BedrockConverse"


@contextmanager
def answering(status, body):
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (400, "malformed_request", "BadRequestError"),
        (403, "blocked_by_policy", "PermissionDeniedError"),
        (404, "model_not_found", "NotFoundError"),
        (429, "overloaded", "RateLimitError"),
        (503, "guard_unavailable", "InternalServerError"),
    ],
)
def test_official_clients_read_our_errors(status, code, expected):
    reject = Reject(status, code, "In words.")
    with (
        answering(status, DIALECTS["OpenAIChat"].error(reject, "req-1")) as url,
        openai.OpenAI(api_key="x", base_url=f"{url}/v1", max_retries=0) as client,
    ):
        with pytest.raises(getattr(openai, expected)) as caught:
            client.chat.completions.create(model="m", messages=[{"role": "user", "content": "a"}])
        assert caught.value.code == code
    with (
        answering(status, DIALECTS["AnthropicMessages"].error(reject, "req-1")) as url,
        anthropic.Anthropic(api_key="x", base_url=url, max_retries=0) as client,
    ):
        with pytest.raises(getattr(anthropic, expected)) as caught:
            client.messages.create(
                model="m", max_tokens=1, messages=[{"role": "user", "content": "a"}]
            )
        assert caught.value.status_code == status
        assert caught.value.body["error"]["code"] == code
        assert caught.value.body["request_id"] == "req-1"


def test_lists_of_models():
    rows = (ListedModel(id="a", owner="team"), ListedModel(id="b", owner="team"))
    listed = json.loads(table.models_list("OpenAIChat", rows))
    assert listed["data"][0] == {"id": "a", "object": "model", "created": 0, "owned_by": "team"}
    listed = json.loads(table.models_list("AnthropicMessages", rows))
    assert (listed["first_id"], listed["last_id"], listed["has_more"]) == ("a", "b", False)
    assert json.loads(table.models_list("AnthropicMessages", ()))["first_id"] is None
    assert json.loads(table.model_entry("OpenAIChat", rows[1]))["id"] == "b"


@pytest.mark.parametrize(
    ("status", "passed"),
    [(400, True), (404, True), (429, True), (401, False), (403, False), (500, False), (503, False)],
)
def test_what_a_provider_error_may_say(status, passed):
    said = {
        "error": {
            "message": "Key sk-123 of ana is wrong",
            "type": "bad_thing",
            "code": "c1",
            "param": "a b",
            "extra": "sk-456",
        },
        "more": "sk-789",
    }
    for name in ("OpenAIChat", "OpenAIEmbeddings", "AnthropicMessages"):
        response = DIALECTS[name].provider_error(status, json.dumps(said).encode())
        text = response.encode().decode()
        assert ("sk-123" in text) == passed
        assert "sk-456" not in text
        assert "sk-789" not in text
        assert "bad_thing" in text
        assert [entry.origin for entry in response.texts] == ["Other"]
        if passed:
            response.texts[0].replace("gone")
            assert json.loads(response.encode())["error"]["message"] == "gone"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>sk-123</html>",
        b'{"error":"sk-123"}',
        b'{"error":{"type":"not a token"}}',
        b"[]",
    ],
)
def test_odd_provider_errors_become_generic(body):
    for dialect in DIALECTS.values():
        text = dialect.provider_error(500, body).encode()
        assert b"sk-123" not in text
        assert b"not a token" not in text
        said = json.loads(text)
        assert said.get("error", said)["message"]


OPENAI = [
    ({"prompt_tokens": 9, "completion_tokens": 3}, (9, 3, 0, 0, 0)),
    ({"prompt_tokens": 9, "total_tokens": 9}, (9, 0, 0, 0, 0)),
    (
        {
            "prompt_tokens": 9,
            "completion_tokens": 5,
            "prompt_tokens_details": {"cached_tokens": 4},
            "completion_tokens_details": {"reasoning_tokens": 2},
        },
        (9, 5, 4, 0, 2),
    ),
    ({"prompt_tokens": 9, "completion_tokens": 3, "prompt_tokens_details": None}, (9, 3, 0, 0, 0)),
    ({}, None),
    (None, None),
    ([], None),
    ({"prompt_tokens": -1, "completion_tokens": 3}, None),
    ({"prompt_tokens": "9", "completion_tokens": 3}, None),
    ({"prompt_tokens": True, "completion_tokens": 3}, None),
    ({"prompt_tokens": 9.5, "completion_tokens": 3}, None),
    ({"prompt_tokens": 10**12, "completion_tokens": 3}, None),
    (
        {
            "prompt_tokens": 9,
            "completion_tokens": 3,
            "prompt_tokens_details": {"cached_tokens": 10},
        },
        None,
    ),
    (
        {
            "prompt_tokens": 9,
            "completion_tokens": 3,
            "completion_tokens_details": {"reasoning_tokens": 4},
        },
        None,
    ),
]
BEDROCK = [
    ({"inputTokens": 9, "outputTokens": 3, "totalTokens": 12}, (9, 3, 0, 0, 0)),
    (
        {
            "inputTokens": 9,
            "outputTokens": 3,
            "cacheReadInputTokens": 100,
            "cacheWriteInputTokens": 10,
            "totalTokens": 122,
        },
        (119, 3, 100, 10, 0),
    ),
    ({"inputTokens": 9}, None),
    ({"inputTokens": 9, "outputTokens": -3}, None),
    ([], None),
]
ANTHROPIC = [
    ({"input_tokens": 9, "output_tokens": 3}, (9, 3, 0, 0, 0)),
    (
        {
            "input_tokens": 9,
            "output_tokens": 3,
            "cache_read_input_tokens": 100,
            "cache_creation_input_tokens": 10,
        },
        (119, 3, 100, 10, 0),
    ),
    ({"input_tokens": 9, "output_tokens": 3, "cache_read_input_tokens": None}, (9, 3, 0, 0, 0)),
    ({"input_tokens": 9}, None),
    ({"input_tokens": 9, "output_tokens": -3}, None),
]


@pytest.mark.parametrize(
    ("read", "stated", "counts"),
    [(usage.openai, *row) for row in OPENAI]
    + [(usage.anthropic, *row) for row in ANTHROPIC]
    + [(usage.bedrock, *row) for row in BEDROCK],
)
def test_usage(read, stated, counts):
    used = read(stated)
    assert (
        used
        and (
            used.input_tokens,
            used.output_tokens,
            used.cache_read_tokens,
            used.cache_write_tokens,
            used.reasoning_tokens,
        )
    ) == counts


def test_impossible_usage_is_flagged():
    body = json.dumps(
        {"model": "m", "choices": [{"message": {"content": "hey"}}], "usage": {"prompt_tokens": -1}}
    ).encode()
    for answer in (
        DIALECTS["OpenAIChat"].decode_response(body),
        DIALECTS["OpenAIChat"].measure(body),
    ):
        assert answer.usage is None
        assert answer.usage_invalid
    assert DIALECTS["OpenAIChat"].measure(body).text == "hey"


def call(name, **fields):
    body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "a"}], **fields}
    return DIALECTS[name].decode_request(json.dumps(body).encode(), Line())


class Pass:
    blocked = False

    def __init__(self, origin):
        self.pieces = []

    def push(self, text):
        self.pieces.append(text)
        return text

    def finish(self):
        return ""


BROKEN = {
    "OpenAIChat": [
        b"data: <html>\n\n",
        b"data: [1]\n\n",
        b'data: {"choices":[1]}\n\n',
        b'data: {"choices":[{"index":-1,"delta":{}}]}\n\n',
        b'data: {"choices":[{"index":"0","delta":{}}]}\n\n',
        b'data: {"choices":[{"index":0,"delta":"text"}]}\n\n',
        b'data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":99999}]}}]}\n\n',
        b'data: {"choices":[],"choices":[]}\n\n',
        b'data: {"id":"\xff"}\n\n',
    ],
    "AnthropicMessages": [
        b"data: [DONE]\n\n",
        b"data: {}\n\n",
        b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"x"}}\n\n',
        b'data: {"type":"content_block_stop","index":0}\n\n',
        b'data: {"type":"content_block_start","index":0}\n\n',
        b'data: {"type":"content_block_start","index":-1,"content_block":{}}\n\n',
        b'data: {"type":"a b"}\n\n',
    ],
}


@pytest.mark.parametrize(
    ("name", "event"), [(name, event) for name, events in BROKEN.items() for event in events]
)
def test_inspected_streams_that_cannot_be_read_fail(name, event):
    codec = DIALECTS[name].stream(call(name), Pass)
    assert codec.feed(event) == b""
    assert codec.failed.status == 502
    assert codec.feed(b'data: {"choices":[]}\n\n') == codec.end() == b""
    ending = codec.abort(codec.failed, "req-1")
    assert b"provider_bad_response" in ending
    passing = DIALECTS[name].stream(call(name), None)
    assert passing.feed(event) == event
    assert passing.failed is None


def test_one_large_event_is_read_and_a_larger_one_refused():
    text = "x" * 1_000_000
    event = (
        b"data: "
        + json.dumps({"choices": [{"index": 0, "delta": {"content": text}}]}).encode()
        + b"\n\n"
    )
    codec = DIALECTS["OpenAIChat"].stream(call("OpenAIChat"), Pass)
    out = b"".join(codec.feed(event[at : at + 1000]) for at in range(0, len(event), 1000))
    assert text.encode() in out
    codec = DIALECTS["OpenAIChat"].stream(call("OpenAIChat"), None)
    for _ in range(9):
        codec.feed(b"x" * 1_000_000)
    assert codec.failed.status == 502
    assert sse.MAX_EVENT < 9_000_000


def test_a_tool_name_in_harmful_pieces_fails():
    class Bad(Pass):
        def push(self, text):
            return text.replace("secret", "[REDACTED:X]")

    piece = (
        '{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"name":"%s"}}]}}]}'
    )
    codec = DIALECTS["OpenAIChat"].stream(call("OpenAIChat"), Bad)
    assert b'"sec"' in codec.feed(f"data: {piece % 'sec'}\n\n".encode())
    assert codec.feed(f"data: {piece % 'ret'}\n\n".encode()) == b""
    assert codec.failed is not None


def test_names_of_unknown_fields_are_inspected():
    class Bad(Pass):
        def push(self, text):
            return text.replace("ana@x", "[REDACTED:X]")

    codec = DIALECTS["OpenAIChat"].stream(call("OpenAIChat"), Bad)
    out = codec.feed(
        b'data: {"ana@x":1,"choices":[{"index":0,"ana@x":2,"delta":{"ana@x":3,"content":"a"}}]}\n\n'
    )
    assert b"ana@x" not in out
    assert b'"content":"a"' in out
    codec = DIALECTS["AnthropicMessages"].stream(call("AnthropicMessages"), Bad)
    codec.feed(
        b'data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}\n\n'
    )
    codec.feed(
        b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a","ana@x":"b"}}\n\n'
    )
    assert b"ana@x" not in codec.feed(
        b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a","ana@x":"b"}}\n\n'
    )


def test_structured_answers_are_read_without_escapes():
    asked = call("OpenAIChat", response_format={"type": "json_object"})
    scans = []

    def open_field(origin):
        scans.append(Pass(origin))
        return scans[-1]

    codec = DIALECTS["OpenAIChat"].stream(asked, open_field)
    out = b""
    for text in ('{"a": "\\u0061', "na\\", 'n@"}'):
        chunk = {"choices": [{"index": 0, "delta": {"content": text}}]}
        out += codec.feed(b"data: " + json.dumps(chunk).encode() + b"\n\n")
    assert "".join(scans[0].pieces) == '{"a": "ana\n@"}'
    assert codec.failed is None


def test_without_a_stated_usage_tokens_are_counted():
    codec = DIALECTS["OpenAIChat"].stream(call("OpenAIChat"), None, len)
    for _ in range(5000):
        codec.feed(b'data: {"choices":[{"index":0,"delta":{"content":"ab"}}]}\n\n')
    assert codec.output_tokens == 10_000
    assert codec.output_tokens == 10_000
    assert codec.usage is None
