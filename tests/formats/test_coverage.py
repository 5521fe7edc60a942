"""The coverage page is up to date, and true: a marker planted in each field is found, or is no text."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ext_proc.call import Line, Reject
from ext_proc.formats import coverage, multipart
from ext_proc.formats.multipart import File
from ext_proc.formats.protobuf import camel
from ext_proc.formats.table import DIALECTS
from tests.translation.frames import frame

MARK = "Mark the ana@mail.example"
PLAIN = "Mark_1-a.b"
NOT_TEXT = (("content_block",), ("item",), ("part",))
"""What must be an object: a stream with anything else there ends."""
ROWS = [
    (name, way, path, how)
    for name, way in coverage.BODIES
    for path, how in coverage.rows(name, way)
]
REQUIRED = {
    "OpenAIChat": {"model": "m", "messages": [{"role": "user", "content": "a"}]},
    "OpenAIResponses": {"model": "m", "input": "a"},
    "OpenAIEmbeddings": {"model": "m", "input": "a"},
    "AnthropicMessages": {"model": "m", "messages": [{"role": "user", "content": "a"}]},
    "GeminiContent": {"contents": [{"parts": [{"text": "a"}]}]},
    "BedrockConverse": {"messages": [{"role": "user", "content": [{"text": "a"}]}]},
    "GeminiEmbeddings": {"requests": [{"content": {"parts": [{"text": "a"}]}}]},
    "GeminiEmbedContent": {"content": {"parts": [{"text": "a"}]}},
    "GeminiTokenCount": {"contents": [{"parts": [{"text": "a"}]}]},
    "AnthropicTokenCount": {"model": "m", "messages": [{"role": "user", "content": "a"}]},
    "OpenAICompletions": {"model": "m", "prompt": "a"},
    "OpenAIModerations": {"model": "m", "input": "a"},
    "OpenAIImages": {"model": "m", "prompt": "a"},
    "OpenAIImageEdits": {
        "model": "m",
        "prompt": "a",
        "image": File("a.png", "image/png", b"PNG"),
    },
    "OpenAIImageVariations": {"image": File("a.png", "image/png", b"PNG")},
    "OpenAISpeech": {"model": "m", "input": "a", "voice": "alloy"},
    "OpenAITranscription": {"model": "m", "file": File("a.mp3", "audio/mpeg", b"ID3")},
    "OpenAIAudioTranslation": {"model": "m", "file": File("a.mp3", "audio/mpeg", b"ID3")},
    "Rerank": {"model": "m", "query": "a", "documents": ["a"]},
}
EVENT_TYPES = {
    "OpenAIImages": "image_generation.completed",
    "OpenAISpeech": "speech.audio.delta",
    "OpenAITranscription": "transcript.text.segment",
}
STREAMED = {"stream": True, "stream_options": {"include_usage": True}}
LINE = Line("m")


class Recorder:
    """All that guards were shown of a stream, by field."""

    def __init__(self):
        self.fields = []

    def open(self, origin):
        recorder = self

        class Field:
            blocked = False

            def __init__(self):
                self.text = ""
                recorder.fields.append(self)

            def push(self, text):
                self.text += text
                return text

            def finish(self):
                return ""

        return Field()


def build(path, value):
    """A body that holds the value at the path."""
    if not path:
        return value
    step, rest = path[0], path[1:]
    if step.endswith(".delta"):
        return build(rest, value)
    if step == "[]":
        return [build(rest, value)]
    if step == "type=*":
        return {"type": "x_unknown", **(build(rest, value) if rest else {"x_field": value})}
    if step.startswith("type="):
        return {"type": step.removeprefix("type="), **build(rest, value)}
    if step == "*":
        return {"x_field": value}
    inside = build(rest, value)
    if step in ("messages", "input") and rest and isinstance(inside[0], dict):
        inside = [
            {"role": "user", **message} if "role" not in message else message for message in inside
        ]
    if step == "requests" and rest:
        inside = [{"content": {"parts": []}, **each} for each in inside]
    return {step: inside}


def pieces(document, value):
    """The document twice, with half of the value each."""
    half = len(value) // 2
    return [
        json.loads(json.dumps(document).replace(value, part))
        for part in (value[:half], value[half:])
    ]


def decoded(name, document):
    """A request read by its dialect, as JSON or as a form."""
    if not DIALECTS[name].is_form:
        return DIALECTS[name].decode_request(json.dumps(document).encode(), LINE)
    body = multipart.dumps(document, "b")
    return DIALECTS[name].decode_request(body, Line(boundary="b"))


def shown(name, way, path, value, how):
    """What guards see and what is recorded, or None if the body is refused."""
    dialect = DIALECTS[name]
    document = build(path, value)
    if way != "stream":
        if way == "request":
            read = decoded(name, {**REQUIRED[name], **document})
        else:
            read = dialect.decode_response(json.dumps(document).encode())
        if isinstance(read, Reject):
            return None
        return "\n".join(text.value for text in read.texts), read.unscanned
    recorder = Recorder()
    codec = dialect.stream(
        decoded(name, {**REQUIRED[name], **({} if name == "GeminiContent" else STREAMED)}),
        recorder.open,
    )
    documents = pieces(document, value) if "pieces" in how else [document]
    if name == "BedrockConverse":
        for each in documents:
            ((event, body),) = each.items()
            body = {"x_field": body} if event == "x_field" else body
            body = {"contentBlockIndex": 0, "delta": {}, **body}
            codec.feed(frame("event", event, json.dumps(body).encode()))
        if codec.failed is not None:
            return None
        return "\n".join(field.text for field in recorder.fields), None
    if name == "OpenAIResponses":
        documents = [{"output_index": 0, **placed(path), **each} for each in documents]
    elif name == "AnthropicMessages":
        start = {"type": "content_block_start", "index": 0, "content_block": {"type": "x"}}
        kind = (
            "message_delta"
            if path[0] == "delta" and not path[1].startswith("type=")
            else "content_block_delta"
        )
        kind = (
            kind
            if path[0] == "delta"
            else "content_block_start"
            if path[0] == "content_block"
            else "x_event"
        )
        documents = [{"type": kind, "index": 0, **each} for each in documents]
        if kind == "content_block_delta":
            documents.insert(0, start)
    elif name in EVENT_TYPES:
        kind = "transcript.text.delta" if path == ("delta",) else EVENT_TYPES[name]
        documents = [{"type": kind, **each} for each in documents]
    elif "delta" in path:
        for each in documents:
            each["choices"][0]["index"] = 0
            for item in each["choices"][0]["delta"].values():
                if isinstance(item, list):
                    item[0]["index"] = 0
    for each in documents:
        codec.feed(b"data: " + json.dumps(each).encode() + b"\n\n")
    if codec.failed is not None:
        return None
    return "\n".join(field.text for field in recorder.fields), None


def placed(path):
    """The rest of an event of a response that holds something at this path."""
    match path[0]:
        case "response":
            return {"type": "response.in_progress"}
        case "item":
            return {"type": "response.output_item.done"}
        case "part":
            summed = {"summary_index": 0} if "type=summary_text" in path else {"content_index": 0}
            return {"type": "response.content_part.done", **summed}
    kind = path[0].removeprefix("type=").replace("*", "x_event")
    return {"type": kind if path[0].startswith("type=") else "x_event"}


@pytest.mark.parametrize(("name", "way"), coverage.BODIES)
def test_the_table_is_true(name, way):
    for path, how in coverage.rows(name, way):
        where = (coverage.write(path), how)
        if path[0] in ("file", "image", "image[]", "mask", "markup"):
            continue  # not JSON: tests/formats/test_transcription.py
        seen = shown(name, way, path, MARK, how)
        if seen is None:
            assert how == "token" or path in NOT_TEXT, where
        else:
            assert MARK in seen[0], where
        if how in ("token", "numbers", "signature", "data") or how.startswith("recorded"):
            plain = PLAIN if how == "token" else "QUJDREVG"
            seen = shown(name, way, path, plain, how)
            assert seen is None or plain not in seen[0], where
            if how.startswith("recorded") and way != "stream":
                assert f"({next(iter(seen[1]))})" in how, where
        recorded = how.startswith(("text; recorded", "text, with its key; recorded"))
        if recorded and way != "stream":
            assert shown(name, way, path, MARK, how)[1], where


@pytest.mark.parametrize(("name", "way"), coverage.BODIES)
def test_keys_of_unknown_fields_are_read(name, way):
    for path, how in coverage.rows(name, way):
        if how.startswith("text, with its key"):
            document = json.loads(json.dumps(build(path, "v")).replace("x_field", MARK))
            if way == "request" and DIALECTS[name].is_form:
                assert isinstance(decoded(name, {**REQUIRED[name], **document}), Reject)
            elif way == "request":
                read = decoded(name, {**REQUIRED[name], **document})
                assert any(MARK in text.value for text in read.texts), path
            elif way == "response":
                read = DIALECTS[name].decode_response(json.dumps(document).encode())
                assert any(MARK in text.value for text in read.texts), path


def test_the_page_is_up_to_date(tmp_path):
    page = Path(__file__).parents[2] / "docs" / "coverage.md"
    assert coverage.main([str(page), "--check"]) == 0, (
        "run: python -m ext_proc.formats.coverage docs/coverage.md"
    )
    other = tmp_path / "page.md"
    assert coverage.main([str(other), "--check"]) == 1
    assert coverage.main([str(other)]) == 0
    assert other.read_text(encoding="utf-8") == page.read_text(encoding="utf-8")


NAMES = sorted(
    {step for _, _, path, _ in ROWS for step in path if "=" not in step and step not in ("[]", "*")}
)
NAMES = [name for name in NAMES if "_" not in name or camel(name) not in NAMES]
TYPES = sorted(
    {step.removeprefix("type=") for _, _, path, _ in ROWS for step in path if "=" in step}
)
LEAVES = st.sampled_from(
    [MARK, "user", "QUJD", "data:image/png;base64,QUJD", 4, None, True, *TYPES]
)
KEYS = st.sampled_from([*NAMES, "type", "type", "x_other", MARK])
TREES = st.recursive(
    LEAVES,
    lambda inside: (
        st.lists(inside, max_size=3)
        | st.dictionaries(KEYS, inside, max_size=5)
        | inside.map(json.dumps)
    ),
    max_leaves=25,
)


JUDGED = ("model", "stream", "messages", "input", "n", "stream_options")


def strip(tree):
    """Without the fields whose values the door itself judges."""
    return {key: value for key, value in tree.items() if key not in JUDGED}


@pytest.mark.parametrize("name", DIALECTS)
@pytest.mark.parametrize("way", ["request", "response"])
@given(
    top=st.dictionaries(KEYS, TREES, max_size=6),
    content=TREES,
    fields=st.dictionaries(KEYS, TREES, max_size=4),
)
@settings(max_examples=60, deadline=None)
def test_no_arrangement_of_known_fields_hides_text(name, way, top, content, fields):
    """Whatever stands wherever: all of it is found, and can be replaced."""
    dialect = DIALECTS[name]
    if dialect.is_form and way == "request":
        return  # not JSON: tests/formats/test_transcription.py
    message = {**fields, "role": "user", "content": content}
    document = {**strip(top), **REQUIRED[name]}
    if way == "response":
        document = {
            **top,
            "output": {"message": message} if name == "BedrockConverse" else [message],
            "choices": [{"index": 0, "message": message}],
            "content": content,
            "data": [message],
        }
    elif name == "BedrockConverse":
        document["messages"] = [{**message, "content": [content]}]
    elif "messages" in document:
        document["messages"] = [message]
    elif name == "OpenAIResponses":
        document["input"] = [message]
    body = json.dumps(document).encode()
    read = dialect.decode_request(body, LINE) if way == "request" else dialect.decode_response(body)
    assert not isinstance(read, Reject), read
    seen = sum(text.value.count(MARK) for text in read.texts)
    assert seen == body.decode().count(MARK)
    for text in read.texts:
        if MARK in text.value:
            text.replace(text.value.replace(MARK, "[M]"))
    sent = (dialect.encode_request(read, False) if way == "request" else read.encode()).decode()
    json.loads(sent)
    assert MARK not in sent
    assert sent.count("[M]") == seen
