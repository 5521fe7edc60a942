"""Streams of responses under guards: pieces, repetitions of them and the numbers of events agree."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ext_proc.call import Line, Reject
from ext_proc.detectors import pii
from ext_proc.detectors.span import redact
from ext_proc.detectors.stream import Redactor
from ext_proc.formats import inner
from ext_proc.formats.table import DIALECTS

STREAMS = sorted((Path(__file__).parent / "responses").glob("*.sse"))
DIALECT = DIALECTS["OpenAIResponses"]
DETECTOR = pii.detector(("Email", "CreditCard", "IPAddress"))
PLANTED = ("ana@mail", "mail.example", "bob@corp", "lopez@corp", "4111 1111", "411111", "10.0.0.1")
STRUCTURED = {"format": {"type": "json_schema", "name": "x", "schema": {}}}
POSITIONS = ("output_index", "content_index", "summary_index")


class Scan:
    """A guard that redacts, or blocks at its first finding."""

    def __init__(self, blocks=False):
        self.redactor, self.blocked, self._blocks = Redactor(DETECTOR), False, blocks

    def push(self, text):
        return self._judge(self.redactor.push(text))

    def finish(self):
        return self._judge(self.redactor.finish())

    def _judge(self, released):
        self.blocked = self._blocks and bool(self.redactor.found)
        return "" if self.blocked else released


def redacting(origin):
    return Scan()


def blocking(origin):
    return Scan(blocks=True)


def harmless(origin):
    scan = Scan()
    scan.redactor = Redactor(pii.detector(("Phone",)))
    return scan


def opened(open_field, name=""):
    asked = {"model": "m", "input": "hi", "stream": True}
    if name == "structured":
        asked["text"] = STRUCTURED
    call = DIALECT.decode_request(json.dumps(asked).encode(), Line())
    call.forget()
    return DIALECT.stream(call, open_field, len)


def run(path, cuts, open_field):
    raw, codec = path.read_bytes(), opened(open_field, path.stem)
    out, start = b"", 0
    for cut in [*sorted(cuts), len(raw)]:
        out += codec.feed(raw[start:cut])
        start = cut
    return out + codec.end(), codec


def events(raw):
    for block in raw.decode(errors="replace").split("\n\n"):
        data = block.partition("data: ")[2]
        if data:
            yield json.loads(data)


class Transcript:
    """What a stream says: pieces joined, and what it repeats of them, by place."""

    def __init__(self, raw):
        self.pieces, self.repeated, self.order = {}, {}, []
        self.numbers, self.last = [], None
        for event in events(raw):
            kind = event["type"]
            self.numbers.append(event["sequence_number"])
            self.order.append(kind)
            at = tuple(event.get(name, 0) for name in POSITIONS)
            if kind.endswith(".delta"):
                place = (*at, kind.removesuffix(".delta").split(".")[1])
                self.pieces[place] = self.pieces.get(place, "") + event["delta"]
            elif kind.endswith(("_text.done", "arguments.done")):
                text = event["text"] if "text" in event else event["arguments"]
                self.repeat((*at, kind.removesuffix(".done").split(".")[1]), text)
            elif kind == "response.refusal.done":
                self.repeat((*at, "refusal"), event["refusal"])
            elif kind == "response.output_item.done":
                self.item(event["output_index"], event["item"])
            elif kind in ("response.completed", "response.incomplete"):
                self.last = event["response"]
                for index, item in enumerate(self.last["output"]):
                    self.item(index, item)

    def repeat(self, place, text):
        self.repeated.setdefault(place, []).append(text)

    def item(self, index, item):
        match item["type"]:
            case "message":
                for at, part in enumerate(item["content"]):
                    said = part["text"] if part["type"] == "output_text" else part["refusal"]
                    self.repeat((index, at, 0, part["type"]), said)
            case "reasoning":
                for at, part in enumerate(item["summary"]):
                    self.repeat((index, 0, at, "reasoning_summary_text"), part["text"])
                for at, part in enumerate(item.get("content", ())):
                    self.repeat((index, at, 0, "reasoning_text"), part["text"])
            case "function_call":
                self.repeat((index, 0, 0, "function_call_arguments"), item["arguments"])
            case "custom_tool_call":
                self.repeat((index, 0, 0, "custom_tool_call_input"), item["input"])
            case "code_interpreter_call":
                self.repeat((index, 0, 0, "code_interpreter_call_code"), item["code"])


def redacted(text, place, structured):
    if place[-1] == "function_call_arguments" or structured:
        read = inner.read(text)
        return inner.write(redact(read, DETECTOR.find(read))[0])
    return redact(text, DETECTOR.find(text))[0]


def check(path, out):
    before, after = Transcript(path.read_bytes()), Transcript(out)
    structured = path.stem == "structured"
    assert after.pieces == {
        place: redacted(text, place, structured) for place, text in before.pieces.items()
    }
    assert before.repeated.keys() == after.repeated.keys()
    for place, texts in after.repeated.items():
        assert set(texts) == {after.pieces[place]}
        assert len(texts) == len(before.repeated[place])
    assert after.numbers == list(range(len(after.numbers)))
    assert after.last["status"] == before.last["status"]
    assert after.last["usage"] == before.last["usage"]
    assert not any(planted in out.decode() for planted in PLANTED)


@pytest.mark.parametrize("path", STREAMS, ids=lambda path: path.stem)
def test_one_byte_at_a_time(path):
    out, codec = run(path, range(1, path.stat().st_size), redacting)
    assert codec.failed is None
    check(path, out)
    assert out == run(path, [], redacting)[0]


@pytest.mark.parametrize("path", STREAMS, ids=lambda path: path.stem)
@given(data=st.data())
@settings(max_examples=12, deadline=None)
def test_any_chunking(path, data):
    cuts = data.draw(st.lists(st.integers(0, path.stat().st_size), max_size=40))
    check(path, run(path, cuts, redacting)[0])


@pytest.mark.parametrize("path", STREAMS, ids=lambda path: path.stem)
def test_without_guards_the_events_pass_as_they_are(path):
    out, codec = run(path, range(1, path.stat().st_size), None)
    assert out == path.read_bytes()
    assert codec.output_tokens > 0


@pytest.mark.parametrize(
    "path",
    [path for path in STREAMS if b"\\\\u0065" not in path.read_bytes()],
    ids=lambda p: p.stem,
)
def test_guards_that_find_nothing_change_only_what_pads_the_stream(path):
    out, _ = run(path, [], harmless)
    before, after = Transcript(path.read_bytes()), Transcript(out)
    assert (after.pieces, after.repeated, after.last) == (
        before.pieces,
        before.repeated,
        before.last,
    )


@pytest.mark.parametrize("path", STREAMS, ids=lambda path: path.stem)
def test_usage_is_the_same_with_and_without_guards(path):
    passing, inspected = (run(path, [], guard)[1] for guard in (None, redacting))
    assert passing.usage == inspected.usage is not None
    assert passing.model == inspected.model is not None
    assert not passing.usage_invalid


@pytest.mark.parametrize("path", STREAMS, ids=lambda path: path.stem)
def test_a_blocked_stream_ends_as_filtered(path):
    raw = path.read_bytes()
    for size in (1, 64, len(raw)):
        codec = opened(blocking, path.stem)
        out = b"".join(codec.feed(raw[at : at + size]) for at in range(0, len(raw), size))
        out += codec.end()
        assert codec.blocked
        assert codec.feed(raw) == codec.end() == b""
        out += codec.abort(Reject(403, "blocked_by_policy", "Blocked by a policy."), "req-1")
        assert not any(planted in out.decode() for planted in PLANTED)
        after = Transcript(out)
        assert after.last["status"] == "incomplete"
        assert after.last["incomplete_details"] == {"reason": "content_filter"}
        assert after.numbers == sorted(set(after.numbers))
        for place, texts in after.repeated.items():
            assert set(texts) == {after.pieces.get(place, "")} or place not in after.pieces


@pytest.mark.parametrize("guard", [None, redacting], ids=["passing", "inspected"])
@pytest.mark.parametrize("path", STREAMS, ids=lambda path: path.stem)
def test_a_stream_cut_anywhere_ends_with_what_came_whole(path, guard):
    raw = path.read_bytes()
    for cut in range(0, len(raw), 97):
        codec = opened(guard, path.stem)
        out = codec.feed(raw[:cut]) + codec.end()
        assert codec.failed is None
        came = Transcript(whole_events(raw[:cut]))
        assert Transcript(out).pieces.keys() <= came.pieces.keys()
        for place, text in came.pieces.items():
            expected = redacted(text, place, path.stem == "structured") if guard else text
            assert Transcript(out).pieces.get(place, "") == expected


def whole_events(raw):
    """What came before the cut, without an event that is cut in its data."""
    try:
        list(events(raw))
    except ValueError:
        return raw.rpartition(b"\n\n")[0]
    return raw


@pytest.mark.parametrize("guard", [None, redacting], ids=["passing", "inspected"])
def test_a_failure_is_numbered_on(guard):
    codec = opened(guard)
    out = codec.feed(STREAMS[0].read_bytes().partition(b"event: response.output_text.done")[0])
    out += codec.abort(Reject(502, "provider_bad_response", "It broke."), "req-1")
    sent = list(events(out))
    assert [event["sequence_number"] for event in sent] == list(range(len(sent)))
    assert (sent[-1]["type"], sent[-1]["code"]) == ("error", "provider_bad_response")
    assert sent[-1]["error"]["message"] == sent[-1]["message"] == "It broke."


def event(kind, **fields):
    return f"data: {json.dumps({'type': kind, **fields})}\n\n".encode()


TEXT = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
MESSAGE = {"id": "msg_1", "type": "message", "role": "assistant", "content": []}


def inspected(*pieces):
    codec = opened(redacting)
    return b"".join(map(codec.feed, pieces)) + codec.end(), codec


def test_a_text_may_begin_with_its_part():
    part = {"type": "output_text", "text": "write to ana@", "annotations": []}
    out, _ = inspected(
        event("response.output_item.added", output_index=0, item=MESSAGE),
        event("response.content_part.added", **TEXT, part=part),
        event("response.output_text.delta", **TEXT, delta="mail.example"),
        event("response.output_text.done", **TEXT, text="write to ana@mail.example"),
    )
    assert Transcript(out).pieces == {(0, 0, 0, "output_text"): "write to [REDACTED:Email]"}
    assert b"mail.example" not in out


def test_a_text_that_goes_on_after_its_end_is_refused():
    out, codec = inspected(
        event("response.output_text.delta", **TEXT, delta="write to ana@"),
        event("response.output_text.done", **TEXT, text="write to ana@"),
        event("response.output_text.delta", **TEXT, delta="mail.example"),
    )
    assert codec.failed is not None
    assert b"mail.example" not in out


def test_a_repetition_that_says_something_else_is_not_believed():
    out, _ = inspected(
        event("response.output_text.delta", **TEXT, delta="fine"),
        event("response.output_text.done", **TEXT, text="ana@mail.example"),
        event("response.completed", response={"id": "r", "output": [{**MESSAGE, "content": [{"type": "output_text", "text": "ana@mail.example"}]}]}),
    )  # fmt: skip
    assert b"mail.example" not in out


def test_items_of_a_response_that_never_came_are_inspected():
    said = {**MESSAGE, "content": [{"type": "output_text", "text": "ana@mail.example"}]}
    out, _ = inspected(event("response.completed", response={"id": "r", "output": [said]}))
    last = next(events(out))["response"]
    assert last["output"][0]["content"][0]["text"] == "[REDACTED:Email]"


def test_pieces_of_events_that_are_not_known():
    known = {"output_index": 3, "item_id": "x"}
    out, _ = inspected(
        event(
            "response.shell_output.delta", **known, delta={"stdout": "to ana@", "stderr": "4111"}
        ),
        event(
            "response.shell_output.delta", **known, delta={"stdout": "mail.example", "stderr": "2"}
        ),
        event("response.dream.delta", delta="ana@mail."),
        event("response.dream.delta", delta="example"),
        event("response.dream.done", dream="ana@mail.example"),
        event("response.shell_output.done", **known, output=[{"stdout": "to ana@mail.example"}]),
    )
    said = {"stdout": "", "stderr": "", "dream": ""}
    for each in events(out):
        if each["type"] == "response.shell_output.delta":
            for name, text in each["delta"].items():
                said[name] += text
        elif each["type"] == "response.dream.delta":
            said["dream"] += each["delta"]
    assert said == {"stdout": "to [REDACTED:Email]", "stderr": "41112", "dream": "[REDACTED:Email]"}
    assert b"mail.example" not in out


def test_an_error_of_the_provider_is_cleaned():
    out, codec = inspected(
        event("response.output_text.delta", **TEXT, delta="write to ana@"),
        event("error", code="server_error", message="Ask bob@corp.example.", account="acct-9"),
        event("response.output_text.delta", **TEXT, delta="more"),
    )
    sent = list(events(out))
    assert codec.failed is None
    assert "".join(each.get("delta", "") for each in sent) == "write to ana@"
    assert sent[-1]["message"] == "Ask [REDACTED:Email]."
    assert sent[-1]["error"]["code"] == sent[-1]["code"] == "server_error"
    assert b"acct-9" not in out


def test_logprobs_do_not_spell_what_is_held_back():
    spelled = [{"token": "ana@mail.example", "logprob": -1}]
    part = {"type": "output_text", "text": "ok", "annotations": [], "logprobs": spelled}
    out, _ = inspected(
        event("response.output_text.delta", **TEXT, delta="ok", logprobs=spelled),
        event("response.output_text.done", **TEXT, text="ok", logprobs=spelled),
        event("response.content_part.done", **TEXT, part=part),
        event("response.output_item.done", output_index=0, item={**MESSAGE, "content": [part]}),
    )
    assert b"mail.example" not in out
    assert b'"token"' not in out


def test_what_is_repeated_is_found_once():
    class Counting(Scan):
        found = 0

        def finish(self):
            released = super().finish()
            Counting.found += sum(self.redactor.found.values())
            return released

    codec = opened(lambda origin: Counting())
    note = {"type": "url_citation", "title": "ana@mail.example "}
    part = {"type": "output_text", "text": "ok", "annotations": [note]}
    codec.feed(event("response.output_text.annotation.added", **TEXT, annotation=note))
    codec.feed(event("response.content_part.done", **TEXT, part=part))
    codec.feed(
        event("response.output_item.done", output_index=0, item={**MESSAGE, "content": [part]})
    )
    assert Counting.found == 1


JUNK = st.sampled_from(
    [None, True, -1, 10**9, "x", "ana@mail.example", [], {}, [None], {"type": []}]
)


def places(node, path=()):
    yield path
    children = (
        node if isinstance(node, dict) else dict(enumerate(node if isinstance(node, list) else ()))
    )
    for key, value in children.items():
        yield from places(value, (*path, key))


def spoiled(document, path, junk):
    if not path:
        return junk
    copy = document.copy()
    copy[path[0]] = spoiled(document[path[0]], path[1:], junk)
    return copy


@pytest.mark.parametrize("path", STREAMS, ids=lambda path: path.stem)
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_junk_anywhere(path, data):
    said = list(events(path.read_bytes()))
    position = data.draw(st.integers(0, len(said) - 1))
    at = data.draw(st.sampled_from(list(places(said[position]))))
    said[position] = spoiled(said[position], at, data.draw(JUNK))
    for guard in (None, redacting):
        codec = opened(guard, path.stem)
        out = b"".join(codec.feed(b"data: %b\n\n" % json.dumps(each).encode()) for each in said)
        out += codec.end()
        if guard:
            assert not any(DETECTOR.find(text) for each in events(out) for text in strings(each))


def strings(node):
    if isinstance(node, str):
        yield node
    for child in (
        node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    ):
        yield from strings(child)
