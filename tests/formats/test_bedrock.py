"""Converse as callers speak it: boto3 against our bytes, and streams under guards, cut anywhere."""

import json
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EventStreamError
from hypothesis import given, settings
from hypothesis import strategies as st

from ext_proc.call import Line, Reject, Usage
from ext_proc.detectors import pii
from ext_proc.detectors.span import redact
from ext_proc.detectors.stream import Redactor
from ext_proc.formats import inner, table
from ext_proc.formats.bedrock_converse import DIALECT
from ext_proc.formats.eventstream import Messages
from tests.translation import bedrock_sdk, frames

PLANTED = Path(__file__).parent / "streams" / "planted.stream"
SECRETS = ("ana@", "mail.example", "4111", "na@mail")
STREAMS = [PLANTED, *frames.STREAMS]
DETECTOR = pii.detector(("Email", "CreditCard"))
MESSAGES = [{"role": "user", "content": [{"text": "hi"}]}]
REJECT = Reject(403, "blocked_by_policy", "Blocked by a policy.")


def decode(document, model="m", stream=False):
    return DIALECT.decode_request(json.dumps(document).encode(), Line(model, stream))


class Scan:
    """A guard that redacts, or blocks at its first finding."""

    def __init__(self, *, blocks=False):
        self.redactor, self.blocked, self._blocks = Redactor(DETECTOR), False, blocks

    def push(self, text):
        return self._judge(self.redactor.push(text))

    def finish(self):
        return self._judge(self.redactor.finish())

    def _judge(self, released):
        self.blocked = self._blocks and bool(self.redactor.found)
        return "" if self.blocked else released


def redacting(_):
    return Scan()


def blocking(_):
    return Scan(blocks=True)


def run(stream, open_field, cuts=()):
    codec = DIALECT.stream(decode({"messages": MESSAGES}, stream=True), open_field, len)
    out, start = b"", 0
    for cut in [*sorted(cuts), len(stream)]:
        out += codec.feed(stream[start:cut])
        start = cut
    return out + codec.end(), codec


def bodies(stream):
    return [
        (each.kind, each.name, json.loads(each.payload)) for each in Messages().push(stream)
    ]  # fmt: skip


def texts(stream):
    """Every text of a stream by its block and field, put together; and what comes whole."""
    pieces, wholes = {}, []
    for kind, name, body in bodies(stream):
        index, delta = body.get("contentBlockIndex"), body.pop("delta", {})
        wholes.append((kind, name, json.dumps(body)))
        for field, value in delta.items():
            inside = value if isinstance(value, list) else [value]
            for each in inside:
                for part, text in each.items() if isinstance(each, dict) else [("", each)]:
                    if isinstance(text, str):
                        place = (index, field, part)
                        pieces[place] = pieces.get(place, "") + text
                    else:
                        wholes.append((kind, name, json.dumps(text)))
    quiet = ("contentBlockDelta",)
    return pieces, [each for each in wholes if each[1] not in quiet or '"p"' not in each[2]]


def whole(text, place=("", "", "")):
    if place[2] == "input":
        return inner.write(whole(inner.read(text)))
    return redact(text, DETECTOR.find(text))[0]


@pytest.mark.parametrize("path", STREAMS, ids=lambda path: path.stem)
def test_every_text_of_a_stream_comes_out_as_its_whole_redacted(path):
    stream = frames.read(path)
    expected = {place: whole(text, place) for place, text in texts(stream)[0].items() if text}
    for cuts in ((), range(1, len(stream)), range(7, len(stream), 64)):
        out, codec = run(stream, redacting, cuts)
        assert codec.failed is None
        assert {place: text for place, text in texts(out)[0].items() if text} == expected
        for secret in SECRETS:
            assert secret not in json.dumps(bodies(out))
        bedrock_sdk.events(out)


@pytest.mark.parametrize("path", STREAMS, ids=lambda path: path.stem)
@given(data=st.data())
@settings(max_examples=10, deadline=None)
def test_chunking_does_not_show(path, data):
    stream = frames.read(path)
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=30))
    assert run(stream, redacting, cuts)[0] == run(stream, redacting)[0]


@pytest.mark.parametrize("path", STREAMS, ids=lambda path: path.stem)
def test_without_guards_every_byte_passes(path):
    stream = frames.read(path)
    out, codec = run(stream, None, range(1, len(stream)))
    assert out == stream
    inspected = run(stream, redacting)[1]
    assert codec.usage == inspected.usage
    assert codec.output_tokens > 0
    assert inspected.output_tokens >= codec.output_tokens


def test_usage_is_stated_at_the_end():
    assert run(frames.read(PLANTED), None)[1].usage == Usage(112, 95, 100)
    cut = frames.read(PLANTED)[:-1]
    for guard in (None, redacting):
        out, codec = run(cut, guard)
        assert codec.usage is None
        assert codec.failed is None
        assert bodies(out)[-1][1] == "messageStop"


def test_what_is_held_back_comes_before_its_block_ends():
    out, _ = run(frames.read(PLANTED), redacting)
    steps = [
        (name, body.get("contentBlockIndex"), body.get("delta")) for _, name, body in bodies(out)
    ]
    for index in range(6):
        own = [(name, delta) for name, at, delta in steps if at == index]
        assert own[-1][0] == "contentBlockStop"
    reasoning = [delta for _, at, delta in steps if at == 0 and delta]
    assert list(reasoning[-1]["reasoningContent"]) == ["signature"]
    called = "".join(delta["toolUse"]["input"] for _, at, delta in steps if at == 3 and delta)
    assert json.loads(called) == {"to": "[REDACTED:Email]", "card": "[REDACTED:CreditCard]"}


@pytest.mark.parametrize("size", [1, 7, 64, 1 << 20])
def test_a_blocked_stream_releases_nothing_of_what_was_found(size):
    stream = frames.read(PLANTED)
    codec = DIALECT.stream(decode({"messages": MESSAGES}), blocking, len)
    out = b"".join(codec.feed(stream[at : at + size]) for at in range(0, len(stream), size))
    assert codec.blocked
    assert codec.feed(stream) == codec.end() == b""
    out += codec.abort(REJECT, "req-1")
    assert "mail.exam" not in json.dumps(bodies(out))
    assert bedrock_sdk.events(out)[-1] == {
        "error": {"Code": "validationException", "Message": "Blocked by a policy."}
    }


def test_an_error_in_a_stream_says_only_what_is_safe():
    for name, shown in (
        ("throttlingException", "Slow down, [REDACTED:Email]"),
        ("internalServerException", "The provider answered with an error."),
        ("somethingNew", "The provider answered with an error."),
    ):
        said = {"message": "Slow down, ana@mail.example", "account": "123"}
        out, _ = run(frames.frame("exception", name, json.dumps(said).encode()), redacting)
        known = name if name != "somethingNew" else "internalServerException"
        assert bodies(out) == [("exception", known, {"message": shown})]


BROKEN = {
    "no event stream": b'data: {"a": 1}\n\n',
    "no JSON": frames.frame("event", "messageStart", b"{"),
    "no name": frames.frame("event", "", b"{}"),
    "a name that is words": frames.frame("event", "ana at home", b"{}"),
    "no block": frames.frame("event", "contentBlockDelta", b'{"delta": {"text": "a"}}'),
    "no delta": frames.frame("event", "contentBlockDelta", b'{"contentBlockIndex": 0}'),
    "a result that is words": frames.frame(
        "event", "contentBlockDelta", b'{"contentBlockIndex": 0, "delta": {"toolResult": ["a"]}}'
    ),
    "a block that stopped": frames.frame("event", "contentBlockStop", b'{"contentBlockIndex": 0}')
    * 2,
    "many signatures": frames.frame(
        "event",
        "contentBlockDelta",
        b'{"contentBlockIndex": 0, "delta": {"reasoningContent": {"signature": "QQ=="}}}',
    )
    * 17,
    "a field that differs in case": frames.frame(
        "event", "contentBlockStart", b'{"contentBlockIndex": 0, "start": {"tooluse": {}}}'
    ),
}


@pytest.mark.parametrize("stream", BROKEN.values(), ids=BROKEN)
def test_a_stream_that_cannot_be_read_is_given_up(stream):
    good = frames.frame("event", "messageStart", b'{"role":"assistant"}')
    out, codec = run(good + stream, redacting)
    assert codec.failed.code == "provider_bad_response"
    assert out.startswith(good)


NAMES = ("delta", "text", "reasoningContent", "signature", "redactedContent", "toolUse", "input")
NAMES += ("toolResult", "json", "citation", "start", "contentBlockIndex", "usage", "p", "image")
JUNK = st.recursive(
    st.sampled_from(["", "ana@mail.example", "QQ==", 0, 1, 1.5, None, True]),
    lambda inside: st.lists(inside, max_size=2) | st.dictionaries(st.sampled_from(NAMES), inside),
    max_leaves=10,
)
EVENTS = st.tuples(
    st.sampled_from(
        ["contentBlockStart", "contentBlockDelta", "contentBlockStop", "metadata", "x"]
    ),
    st.dictionaries(st.sampled_from(NAMES), JUNK, max_size=4),
)


@given(st.lists(EVENTS, max_size=5))
@settings(max_examples=200, deadline=None)
def test_no_arrangement_of_a_stream_hides_text_or_breaks_the_guard(events):
    stream = b"".join(
        frames.frame("event", name, json.dumps({"contentBlockIndex": 0, **body}).encode())
        for name, body in events
    )
    run(stream, None)
    out, _ = run(stream, redacting)
    assert "ana@mail" not in json.dumps(bodies(out))


def test_texts_of_a_request_and_whose_they_are():
    call = decode(
        {
            "system": [{"text": "S"}, {"guardContent": {"text": {"text": "SG"}}}],
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"text": "U"},
                        {
                            "document": {
                                "name": "N",
                                "format": "pdf",
                                "source": {"bytes": "QUJD"},
                                "context": "C",
                            }
                        },
                        {"image": {"format": "png", "source": {"s3Location": {"uri": "s3://b/k"}}}},
                        {"video": {"format": "mp4", "source": {"bytes": "QUJD"}}},
                        {"hologram": {"of": "H"}},
                    ],
                },
                {
                    "role": "assistant",
                    "content": [
                        {"reasoningContent": {"reasoningText": {"text": "R", "signature": "QQ=="}}},
                        {"reasoningContent": {"redactedContent": "QQ=="}},
                        {"toolUse": {"toolUseId": "t", "name": "f", "input": {"a": "I"}}},
                    ],
                },
                {
                    "role": "user",
                    "content": [
                        {
                            "toolResult": {
                                "toolUseId": "t",
                                "content": [{"json": {"b": "J"}}, {"text": "T"}],
                            }
                        }
                    ],
                },
            ],
            "toolConfig": {"tools": [{"toolSpec": {"name": "f", "description": "D"}}]},
            "promptVariables": {"v": {"text": "P"}},
        },
        "arn:aws:bedrock:us-east-1:1:prompt/X",
    )
    assert [(text.origin, text.value) for text in call.texts] == [
        ("System", "S"),
        ("System", "SG"),
        ("User", "U"),
        ("User", "N"),
        ("User", "C"),
        ("User", "s3://b/k"),
        ("User", '{"hologram":{"of":"H"}}'),
        ("Reasoning", "R"),
        ("ToolCalls", "f"),
        ("ToolCalls", '{"a":"I"}'),
        ("ToolResults", '{"b":"J"}'),
        ("ToolResults", "T"),
        ("ToolDefinitions", '{"tools":[{"toolSpec":{"name":"f","description":"D"}}]}'),
        ("User", '{"v":{"text":"P"}}'),
    ]
    assert dict(call.unscanned) == {
        "file": 1,
        "url": 1,
        "video": 1,
        "unknown": 1,
        "encrypted": 1,
        "conversation": 2,
    }
    assert (call.model, call.stream) == ("arn:aws:bedrock:us-east-1:1:prompt/X", False)


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"messages": []},
        {"messages": "a"},
        {"messages": [{"role": "tool", "content": []}]},
        {"messages": ["a"]},
        {"messages": MESSAGES, "Messages": MESSAGES},
        {"messages": [{"role": "user", "content": [{"toolresult": {}}]}]},
    ],
)
def test_requests_whose_texts_could_be_anybodys_are_refused(document):
    refused = decode(document)
    assert isinstance(refused, Reject)
    assert refused.status == 400


def test_a_stored_prompt_needs_no_messages():
    call = decode({}, "arn:aws:bedrock:us-east-1:1:prompt/X:1")
    assert dict(call.unscanned) == {"conversation": 1}


def test_a_body_that_no_guard_changes_is_not_touched():
    body = b'{"messages" : [{"role":"user","content":[{"text":"1.50"}]}], "x":1.50}'
    call = DIALECT.decode_request(body, Line("m"))
    call.rename_model("other")
    assert DIALECT.encode_request(call, True) is body
    call.texts[0].replace("[gone]")
    assert json.loads(DIALECT.encode_request(call, True))["messages"][0]["content"] == [
        {"text": "[gone]"}
    ]


def test_answers_are_read_with_and_without_guards():
    body = (frames.STREAMS[0].parent / "cached_thinking_parallel_tools.json").read_bytes()
    response, measured = DIALECT.decode_response(body), DIALECT.measure(body)
    assert response.usage == measured.usage == Usage(2112, 95, 2000, 100)
    assert [text.value for text in response.texts if text.origin == "Reasoning"] == [
        "Two cities, so two calls."
    ]
    assert response.encode() is body
    without = json.loads(body)
    del without["usage"]
    measured = DIALECT.measure(json.dumps(without).encode())
    assert measured.usage is None
    assert "Two cities" in measured.text
    assert "Paris" in measured.text
    assert DIALECT.measure(b"[]").text == ""
    wrong = json.dumps({**without, "usage": {"inputTokens": "1"}}).encode()
    assert DIALECT.measure(wrong).usage_invalid
    assert DIALECT.decode_response(wrong).usage_invalid
    (text,) = DIALECT.decode_response(b'{"message": "no"}').texts
    assert text.value == '{"message":"no"}'


@contextmanager
def answering(status, body, kind="application/json"):
    """boto3, and the paths it asked for."""
    paths = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["content-length"]))
            paths.append(self.path)
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        client = boto3.client(
            "bedrock-runtime",
            region_name="us-east-1",
            endpoint_url=f"http://127.0.0.1:{server.server_port}",
            aws_access_key_id="x",
            aws_secret_access_key="x",
            config=Config(retries={"total_max_attempts": 1}),
        )
        yield client, paths
        client.close()
        server.shutdown()


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (400, "ValidationException"),
        (401, "AccessDeniedException"),
        (403, "AccessDeniedException"),
        (404, "ResourceNotFoundException"),
        (413, "ValidationException"),
        (415, "ValidationException"),
        (429, "ThrottlingException"),
        (502, "InternalServerException"),
        (503, "ServiceUnavailableException"),
        (504, "ModelTimeoutException"),
    ],
)
def test_boto3_raises_the_class_of_our_errors(status, name):
    body = DIALECT.error(Reject(status, "a_code", "In words."), "req-1")
    with answering(status, body) as (client, _), pytest.raises(ClientError) as caught:
        client.converse(modelId="m", messages=MESSAGES)
    assert isinstance(caught.value, getattr(client.exceptions, name))
    assert caught.value.response["Error"] == {"Message": "In words.", "Code": name}
    assert json.loads(body)["reason"] == "a_code"


@pytest.mark.parametrize(
    ("status", "kind", "shown"),
    [
        (400, "ValidationException", "Too long"),
        (408, "ModelTimeoutException", "The provider answered with an error."),
        (424, "ModelErrorException", "The provider answered with an error."),
        (429, "ThrottlingException", "Too long"),
        (500, "InternalServerException", "The provider answered with an error."),
        (503, "ServiceUnavailableException", "The provider answered with an error."),
    ],
)
def test_boto3_raises_the_class_of_a_providers_errors(status, kind, shown):
    body = DIALECT.provider_error(status, b'{"message": "Too long", "account": "123"}').encode()
    with answering(status, body) as (client, _), pytest.raises(ClientError) as caught:
        client.converse_stream(modelId="m", messages=MESSAGES)
    assert isinstance(caught.value, getattr(client.exceptions, kind))
    assert caught.value.response["Error"]["Message"] == shown
    assert b"123" not in body


def test_boto3_names_the_model_in_the_path():
    model = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.amazon.nova-lite-v1:0"
    body = (frames.STREAMS[0].parent / "text.json").read_bytes()
    with answering(200, body) as (client, paths):
        answer = client.converse(modelId=model, messages=MESSAGES)
    assert answer["output"]["message"]["content"] == [{"text": "The capital of France is Paris."}]
    found = table.find("POST", paths[0])
    assert (found.model, found.stream) == (model, False)


def test_boto3_reads_a_redacted_stream_and_raises_what_ends_it():
    out, codec = run(frames.read(PLANTED), redacting)
    ended = codec.abort(REJECT, "req-1")
    with answering(200, out + ended, DIALECT.streams_as) as (client, paths):
        answer = client.converse_stream(modelId="m", messages=MESSAGES)
        said = []
        with pytest.raises(EventStreamError) as caught:
            for event in answer["stream"]:
                said.append(event)
    assert table.find("POST", paths[0]).stream
    assert caught.value.response["Error"]["Message"] == "Blocked by a policy."
    deltas = [each["contentBlockDelta"]["delta"] for each in said if "contentBlockDelta" in each]
    written = "".join(each.get("text", "") for each in deltas)
    assert written == "Write to [REDACTED:Email] or pay [REDACTED:CreditCard]"
