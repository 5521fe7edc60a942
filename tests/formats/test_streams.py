"""Recorded streams, cut anywhere: every field comes out as its whole text redacted, no more, no less."""

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

STREAMS = sorted((Path(__file__).parent / "streams").glob("*.sse"))
PLANTED = ("ana@mail.example", "lopez@", "bob@corp", "4111 1111", "411111", "7946", "10.0.0.1")
DETECTOR = pii.detector(("Email", "CreditCard", "Phone", "IPAddress"))
CHAT = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "hi"}]}


def events(raw):
    text = raw.decode().removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    for block in text.split("\n\n"):
        lines = [line.partition(":")[::2] for line in block.split("\n") if line]
        data = "\n".join(value.removeprefix(" ") for name, value in lines if name == "data")
        if data:
            yield data


class Transcript:
    def __init__(self, raw):
        self.texts, self.ends, self.errors, self.usage, self.wholes = {}, {}, [], None, []
        self.annotations = {}
        self.done = False
        self.order = []
        for data in events(raw):
            if data == "[DONE]":
                self.done = True
                continue
            event = json.loads(data)
            if "error" in event:
                self.errors.append(event["error"])
            elif "choices" in event:
                self._chunk(event)
            elif "type" not in event:
                self._content(event)
            else:
                self._event(event)

    def _add(self, place, text):
        self.texts[place] = self.texts.get(place, "") + text

    def _chunk(self, event):
        self.usage = event.get("usage") or self.usage
        if event.get("vendor"):
            self.wholes.append(json.dumps(event["vendor"]))
        for choice in event["choices"]:
            spoken = {"text": choice["text"]} if "text" in choice else choice.get("delta")
            self._walk((choice["index"],), spoken or {})
            if choice.get("finish_reason"):
                self.ends[choice["index"]] = choice["finish_reason"]
                self.order.append(("end", choice["index"]))
            assert choice.get("logprobs") is None or self.raw_logprobs

    raw_logprobs = False

    def _walk(self, place, node):
        for key, value in node.items():
            here = (*place, key)
            if isinstance(value, str) and key not in ("role", "type", "id", "format"):
                self._add(here, value)
                self.order.append(("text", place[0]))
            elif isinstance(value, dict):
                self._walk(here, value)
            elif key == "annotations":
                self.annotations.setdefault(place[0], []).extend(map(json.dumps, value))
            elif isinstance(value, list):
                for position, item in enumerate(value):
                    if "index" in item:
                        self._walk((*here, item["index"]), item)
                    else:
                        self.wholes.append(json.dumps(item))
                        del position

    def _content(self, event):
        self.usage = event.get("usageMetadata") or self.usage
        for candidate in event.get("candidates", ()):
            index = candidate["index"]
            for part in candidate.get("content", {}).get("parts", ()):
                text = part.pop("text", None)
                if text is not None:
                    self._add((index, "thought" if part.get("thought") else "text"), text)
                    self.order.append(("text", index))
                part.pop("thought", None)
                if part:
                    self.wholes.append(json.dumps(part))
            if "finishReason" in candidate:
                self.ends[index] = candidate["finishReason"]
                self.order.append(("end", index))
            if "citationMetadata" in candidate:
                self.wholes.append(json.dumps(candidate["citationMetadata"]))

    def _event(self, event):
        kind = event["type"]
        if kind == "message_start":
            self.usage = dict(event["message"]["usage"])
        elif kind == "content_block_start":
            index = event["index"]
            self.order.append(("start", index))
            block = dict(event["content_block"])
            for name in ("text", "thinking"):
                self._add((index, name), block.pop(name, ""))
            self.wholes.append(json.dumps(block))
        elif kind == "content_block_delta":
            index, delta = event["index"], dict(event["delta"])
            self.order.append(("delta", index))
            named = delta.pop("type")
            for name, value in delta.items():
                if isinstance(value, str):
                    self._add((index, "thinking" if name == "thinking" else name), value)
                else:
                    self.wholes.append(json.dumps(value))
            if named == "signature_delta":
                self.order.append(("signature", index))
        elif kind == "content_block_stop":
            self.order.append(("stop", event["index"]))
        elif kind == "message_delta":
            self.ends["message"] = event["delta"]["stop_reason"]
            self.wholes.append(str(event["delta"]["stop_sequence"]))
            self.usage |= {k: v for k, v in event["usage"].items() if v is not None}


class RawTranscript(Transcript):
    raw_logprobs = True


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


def call_for(name, usage=True):
    if name.startswith("gemini"):
        asked = {"contents": [{"parts": [{"text": "hi"}]}]}
        line = Line("m", stream=True)
        return DIALECTS["GeminiContent"].decode_request(json.dumps(asked).encode(), line)
    if name.startswith("anthropic"):
        return DIALECTS["AnthropicMessages"].decode_request(json.dumps(CHAT).encode(), Line())
    asked = {**CHAT, "stream_options": {"include_usage": usage}}
    if name.startswith("completions"):
        asked = {**asked, "prompt": "hi"}
        return DIALECTS["OpenAICompletions"].decode_request(json.dumps(asked).encode(), Line())
    return DIALECTS["OpenAIChat"].decode_request(json.dumps(asked).encode(), Line())


def run(path, cuts, open_field, usage=True):
    raw = path.read_bytes()
    call = call_for(path.name, usage)
    codec = DIALECTS[call.format].stream(call, open_field, len)
    out, start = b"", 0
    for cut in [*sorted(cuts), len(raw)]:
        out += codec.feed(raw[start:cut])
        start = cut
    out += codec.end()
    assert codec.failed is None
    return out, codec


def whole(text, place):
    if place[-1] in ("arguments", "partial_json"):
        return inner.write(whole(inner.read(text), ("",)))
    return redact(text, DETECTOR.find(text))[0]


def check(path, out, codec):
    before, after = RawTranscript(path.read_bytes()), Transcript(out)
    expected = {place: whole(text, place) for place, text in before.texts.items() if text}
    assert {place: text for place, text in after.texts.items() if text} == expected
    assert after.ends == before.ends
    assert after.usage == before.usage
    assert after.done == before.done
    assert after.annotations == {
        choice: [whole(inner.read(text), ("",)) for text in annotations]
        for choice, annotations in before.annotations.items()
        if expected[choice, "content"] == before.texts[choice, "content"]
    }
    assert [whole(inner.read(text), ("",)) for text in before.wholes] == [
        inner.read(text) for text in after.wholes
    ]
    for planted in PLANTED:
        assert planted not in out.decode()
    for place, text in after.texts.items():
        if place[-1] in ("arguments", "partial_json"):
            json.loads(text)
    return after


@pytest.mark.parametrize("path", STREAMS, ids=lambda path: path.stem)
def test_one_byte_at_a_time(path):
    out, codec = run(path, range(1, path.stat().st_size), redacting)
    check(path, out, codec)


@pytest.mark.parametrize("path", STREAMS, ids=lambda path: path.stem)
@given(data=st.data())
@settings(max_examples=12, deadline=None)
def test_any_chunking(path, data):
    cuts = data.draw(st.lists(st.integers(0, path.stat().st_size), max_size=40))
    check(path, *run(path, cuts, redacting))


@pytest.mark.parametrize("path", STREAMS, ids=lambda path: path.stem)
def test_chunking_does_not_show(path):
    whole_out, _ = run(path, [], redacting)
    bytewise, _ = run(path, range(1, path.stat().st_size), redacting)
    assert whole_out == bytewise


@pytest.mark.parametrize("path", STREAMS, ids=lambda path: path.stem)
def test_without_guards_the_events_pass_as_they_are(path):
    out, codec = run(path, range(1, path.stat().st_size), None)
    raw = (
        path.read_bytes()
        .removeprefix(b"\xef\xbb\xbf")
        .replace(b"\r\n", b"\n")
        .replace(b"\r", b"\n")
    )
    assert out == raw.rstrip(b"\n") + b"\n\n"
    assert codec.output_tokens > 0


@pytest.mark.parametrize("path", STREAMS, ids=lambda path: path.stem)
def test_usage_is_the_same_with_and_without_guards(path):
    seen = [run(path, [], guard)[1] for guard in (None, redacting)]
    assert seen[0].usage == seen[1].usage
    assert seen[0].model == seen[1].model is not None
    assert seen[0].output_tokens > 0
    assert not seen[0].usage_invalid


USAGE = {
    "openai_text": (31, 24, 16, 0, 0),
    "openai_reasoning": (12, 90, 0, 0, 70),
    "completions_text": (7, 21, 0, 0, 0),
    "anthropic_text": (2112, 33, 2000, 100, 0),
    "anthropic_thinking_tools": (40, 95, 0, 0, 0),
    "gemini_text": (31, 24, 16, 0, 0),
    "gemini_thinking_tools": (12, 90, 0, 0, 70),
    "gemini_two_candidates": (3, 6, 0, 0, 0),
}


@pytest.mark.parametrize(("name", "counts"), USAGE.items())
def test_usage_is_read_wherever_it_comes(name, counts):
    path = Path(__file__).parent / "streams" / f"{name}.sse"
    used = run(path, [], None)[1].usage
    assert (
        used.input_tokens,
        used.output_tokens,
        used.cache_read_tokens,
        used.cache_write_tokens,
        used.reasoning_tokens,
    ) == counts


@pytest.mark.parametrize("open_field", [None, redacting], ids=["passing", "inspected"])
def test_counts_at_the_start_of_a_stream_that_breaks_off_are_no_usage(open_field):
    path = Path(__file__).parent / "streams" / "anthropic_text.sse"
    start = path.read_bytes().partition(b"event: message_delta")[0]
    call = call_for(path.name)
    codec = DIALECTS[call.format].stream(call, open_field, len)
    codec.feed(start)
    assert codec.usage is None
    assert not codec.usage_invalid


def test_a_list_without_indexes_that_goes_on_is_refused():
    """Its parts could not be joined, so something could hide across two of them."""
    call = call_for("openai")
    codec = DIALECTS[call.format].stream(call, redacting, len)
    for text, broken in (("write to ana@", False), ("mail.example", True)):
        delta = {"content": [{"type": "text", "text": text}]}
        chunk = {"id": "c", "choices": [{"index": 0, "delta": delta}]}
        out = codec.feed(b"data: " + json.dumps(chunk).encode() + b"\n\n")
        assert (codec.failed is not None) == broken
    assert b"mail.example" not in out


@pytest.mark.parametrize("open_field", [None, redacting], ids=["passing", "inspected"])
@pytest.mark.parametrize(
    "path",
    [p for p in STREAMS if p.stem.startswith(("openai", "completions"))],
    ids=lambda path: path.stem,
)
def test_usage_nobody_asked_for_is_hidden(path, open_field):
    out, codec = run(path, [], open_field, usage=False)
    assert b'"usage"' not in out
    shown, _ = run(path, [], open_field, usage=True)
    hidden, asked = RawTranscript(out), RawTranscript(shown)
    assert (hidden.texts, hidden.ends) == (asked.texts, asked.ends)
    assert codec.usage == run(path, [], open_field)[1].usage


@pytest.mark.parametrize("path", STREAMS, ids=lambda path: path.stem)
def test_blocked_streams_release_nothing_of_what_was_found(path):
    raw = path.read_bytes()
    for size in (1, 7, 64, len(raw)):
        call = call_for(path.name)
        codec = DIALECTS[call.format].stream(call, blocking, len)
        out = (
            b"".join(codec.feed(raw[at : at + size]) for at in range(0, len(raw), size))
            + codec.end()
        )
        assert codec.blocked
        assert codec.feed(raw) == codec.end() == b""
        out += codec.abort(Reject(403, "blocked_by_policy", "Blocked by a policy."), "req-1")
        text = out.decode()
        for planted in PLANTED:
            assert planted not in text
        seen = Transcript(out)
        if path.name.startswith(("openai", "completions")):
            assert set(seen.ends.values()) == {"content_filter"}
            assert seen.done
        elif path.name.startswith("gemini"):
            assert set(seen.ends.values()) == {"SAFETY"}
        else:
            assert seen.errors[0]["code"] == "blocked_by_policy"


@pytest.mark.parametrize(
    "path", [p for p in STREAMS if p.stem.startswith("anthropic")], ids=lambda path: path.stem
)
def test_blocks_open_and_close_in_order(path):
    after = Transcript(run(path, range(1, path.stat().st_size), redacting)[0])
    is_open = None
    for step, index in after.order:
        if step == "start":
            assert is_open is None
            is_open = index
        else:
            assert index == is_open
        if step == "stop":
            is_open = None
    kinds = [step for step, index in after.order if index == 0]
    if "signature" in kinds:
        assert kinds[-2:] == ["signature", "stop"]


@pytest.mark.parametrize(
    "path",
    [p for p in STREAMS if p.stem.startswith(("openai", "gemini"))],
    ids=lambda path: path.stem,
)
def test_no_text_of_a_choice_follows_its_end(path):
    order = Transcript(run(path, [], redacting)[0]).order
    for choice in {index for _, index in order}:
        steps = [step for step, index in order if index == choice]
        assert "text" not in steps[steps.index("end") :] if "end" in steps else True


@pytest.mark.parametrize("guard", [None, redacting], ids=["passing", "inspected"])
@pytest.mark.parametrize("path", STREAMS, ids=lambda path: path.stem)
def test_a_stream_cut_anywhere_ends_with_what_came_whole(path, guard):
    raw = path.read_bytes()
    for cut in range(0, len(raw), 61):
        call = call_for(path.name)
        codec = DIALECTS[call.format].stream(call, guard)
        out = codec.feed(raw[:cut]) + codec.end()
        assert codec.failed is None
        came = RawTranscript(whole_events(raw[:cut]))
        expected = {
            place: whole(text, place) if guard else text
            for place, text in came.texts.items()
            if text
        }
        assert {place: text for place, text in RawTranscript(out).texts.items() if text} == expected


def whole_events(raw):
    """What came before the cut, without an event that is cut in its data."""
    text = raw.decode(errors="replace").replace("\r\n", "\n").replace("\r", "\n")
    before, _, last = text.rpartition("\n\n")
    try:
        RawTranscript(last.encode())
    except ValueError:
        return before.encode()
    return text.encode()


TEXTS = (
    "ana@mail.example",
    "4111 1111 1111 1111",
    "10.0.0.1",
    "hi ",
    "\n",
    '"',
    "\\",
    "é",
    "😀",
    ", ",
    "7",
    "{",
    "[",
)


@given(
    answers=st.lists(
        st.lists(st.sampled_from(TEXTS), max_size=6).map("".join), min_size=1, max_size=3
    ),
    data=st.data(),
)
@settings(max_examples=60, deadline=None)
def test_any_split_of_any_texts_into_deltas(answers, data):
    """Content of several choices and the arguments of two tools, split and interleaved at will."""
    fields = {(n, "content"): text for n, text in enumerate(answers)}
    for tool, text in enumerate(answers[:2]):
        said = json.dumps({"a": text, "n": [1, text]}, ensure_ascii=data.draw(st.booleans()))
        fields[(0, "tool_calls", tool, "function", "arguments")] = said
    queues = {place: pieces(text, data) for place, text in fields.items()}
    raw = b""
    while queues := {place: queue for place, queue in queues.items() if queue}:
        place = data.draw(st.sampled_from(sorted(queues, key=str)))
        raw += chunk(place, queues[place].pop(0))
    call = call_for("openai")
    codec = DIALECTS["OpenAIChat"].stream(call, redacting, None)
    out = Transcript(codec.feed(raw) + codec.end())
    expected = {place: whole(text, place) for place, text in fields.items() if text}
    assert {place: text for place, text in out.texts.items() if text} == expected
    for place in fields:
        if place[-1] == "arguments":
            assert json.loads(out.texts[place])["n"][1] == whole(
                json.loads(fields[place])["a"], ("",)
            )


def pieces(text, data):
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=12)))
    return [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True) if a < b]


def chunk(place, text):
    delta = text
    for part in reversed(place[1:]):
        delta = {part: delta} if isinstance(part, str) else [{"index": part, **delta}]
    event = {"id": "c", "choices": [{"index": place[0], "delta": delta, "finish_reason": None}]}
    return f"data: {json.dumps(event)}\n\n".encode()
