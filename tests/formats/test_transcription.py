"""Forms: what parsers could read differently is refused, texts are read, files are recorded."""

import io
import json

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crds.plan import PathPlan, PromptPlan, QuirksPlan, TargetPlan
from ext_proc import wires
from ext_proc.call import Call, Line, Reject
from ext_proc.formats import multipart, table
from ext_proc.formats.multipart import File, InvalidFormError
from ext_proc.formats.table import DIALECTS
from ext_proc.translation import requests
from ext_proc.translation.requests import Spoken
from ext_proc.wires import Wire

DIALECT = DIALECTS["OpenAITranscription"]
SOUND = b"ID3\x00\xff\r\n--not the boundary\r\n\r\n"
FORM = {
    "model": "whisper-1",
    "prompt": "hi ana@mail.example",
    "file": File("a.mp3", "audio/mpeg", SOUND),
}


def decode(form, boundary="b0undary"):
    return DIALECT.decode_request(multipart.dumps(form, boundary), Line(boundary=boundary))


def part(head, content="x"):
    return f"--b\r\n{head}\r\n\r\n{content}\r\n"


def body(*parts):
    return ("".join(parts) + "--b--\r\n").encode()


FIELD = 'Content-Disposition: form-data; name="a"'


def test_a_form_is_read_as_others_write_it():
    """The client behind the official SDK, and names of all kinds."""
    sent = httpx2.Request(
        "POST",
        "http://x",
        data={"model": "m", "timestamp_granularities[]": ["word", "segment"]},
        files={"file": ("ü 1.mp3", io.BytesIO(SOUND), "audio/mpeg")},
    )
    boundary = multipart.boundary_of(sent.headers["content-type"])
    assert table.acceptable(sent.headers["content-type"], None, is_form=True) is None
    form = multipart.loads(sent.read(), boundary)
    assert form == {
        "model": "m",
        "timestamp_granularities[]": ["word", "segment"],
        "file": File("ü 1.mp3", "audio/mpeg", SOUND),
    }
    assert multipart.loads(multipart.dumps(form, boundary), boundary) == form
    assert multipart.stated_boundary(sent.read()) == boundary


@pytest.mark.parametrize(
    ("media", "boundary"),
    [
        ("multipart/form-data; boundary=abc", "abc"),
        ("Multipart/Form-Data;boundary=----Web.Kit_1", "----Web.Kit_1"),
        ('multipart/form-data; boundary="a:b=c"', "a:b=c"),
        ('multipart/form-data; boundary="a b"', None),
        ("multipart/form-data", None),
        ("multipart/form-data; boundary=", None),
        ("multipart/form-data; boundary=a; boundary=b", None),
        ("multipart/form-data; charset=utf-8; boundary=b", None),
        (f"multipart/form-data; boundary={'a' * 71}", None),
        ("multipart/mixed; boundary=a", None),
        ("application/json", None),
    ],
)
def test_boundaries(media, boundary):
    assert multipart.boundary_of(media) == boundary
    assert (table.acceptable(media, None, is_form=True) is None) == (boundary is not None)


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"--b--\r\n",
        b"--b",
        b"--b\r\n",
        b"preamble\r\n" + body(part(FIELD)),
        body(part(FIELD)) + b"epilogue",
        body(part(FIELD)).replace(b"\r\n", b"\n"),
        body(part(FIELD)).removesuffix(b"--b--\r\n"),
        body(part(FIELD, "x--b")),
        body(part(FIELD, "x\n--b\ny")),
        body("--b \r\n" + part(FIELD)[5:]),
        body(f"--b\r\n{FIELD}\r\nx\r\n"),
        body(part("")),
        body(part("Content-Type: text/plain")),
        body(part(f"{FIELD}\r\n{FIELD}")),
        body(part(f"{FIELD}\r\n folded: x")),
        body(part(f"{FIELD}\r\nX-Other: y")),
        body(part(f"{FIELD}\r\nContent-Transfer-Encoding: base64", "QQ==")),
        body(part(f"{FIELD}\r\nContent-Length: 2")),
        body(part(f"{FIELD}\r\nContent-Type: text/plain; charset=utf-7")),
        body(part(f"{FIELD}\r\nContent-Type: application/octet-stream")),
        body(part(f"{FIELD}; filename*=UTF-8''x")),
        body(part('Content-Disposition: form-data; name="a\\"b"')),
        body(part('Content-Disposition: form-data; name="a%22b"')),
        body(part('Content-Disposition: form-data; name=""')),
        body(part("Content-Disposition: form-data; name=a")),
        body(part('Content-Disposition: attachment; name="a"')),
        body(part(f'{FIELD}; filename="a\\"; b"')),
        body(part(f'{FIELD}; filename="a"; name="b"')),
        body(part(f'{FIELD}; filename="a"\r\nContent-Type: audio/mpeg; x="y')),
        body(*[part(FIELD)] * 101),
        body(part(f"{FIELD}\r\nContent-Type: text/plain{' ' * 3000}")),
        body(part(FIELD)).replace(b"\r\nx\r\n", b"\r\n\xff\r\n"),
    ],
)  # fmt: skip
def test_what_parsers_could_read_differently_is_refused(sent):
    with pytest.raises(InvalidFormError):
        multipart.loads(sent, "b")


def test_harmless_variations_are_read():
    sent = body(
        part(f"{FIELD}\r\nContent-Transfer-Encoding: 8bit\r\nContent-Length: 1"),
        part('content-disposition:form-data;name="b";filename=""'),
        part(f"{FIELD}\r\nContent-Type: text/plain; charset=UTF-8", ""),
    )
    assert multipart.loads(sent, "b") == {"a": ["x", ""], "b": File("", "", b"x")}


@given(
    st.binary(max_size=300),
    st.sampled_from([b"", body(part(FIELD)), body(part(f'{FIELD}; filename="a"'))]),
)
@settings(deadline=None)
def test_any_bytes_are_read_or_refused(junk, form):
    for sent in (junk, form[: len(junk)] + junk, junk.replace(b"\n", b"\r\n--b")):
        try:
            read = multipart.loads(sent, "b")
        except InvalidFormError:
            continue
        assert multipart.loads(multipart.dumps(read, "b"), "b") == read


def test_texts_are_read_and_the_file_is_recorded():
    call = decode(
        {**FORM, "x_vendor": "lisa@corp.example", "file": File("bob@x.example", "", SOUND)}
    )
    assert isinstance(call, Call)
    assert (call.model, call.stream, dict(call.unscanned)) == ("whisper-1", False, {"audio": 1})
    seen = [text.value for text in call.texts]
    assert seen == ["hi ana@mail.example", "bob@x.example", '{"x_vendor":"lisa@corp.example"}']
    assert DIALECT.encode_request(call, False) is call.original
    for text in call.texts:
        for planted in ("ana@mail.example", "bob@x.example", "lisa@corp.example"):
            if planted in text.value:
                text.replace(text.value.replace(planted, "[M]"))
    form = multipart.loads(DIALECT.encode_request(call, False), "b0undary")
    assert form == {
        "model": "whisper-1",
        "prompt": "hi [M]",
        "file": File("[M]", "", SOUND),
        "x_vendor": "[M]",
    }


@pytest.mark.parametrize(
    "change",
    [
        {"file": "no file"},
        {"file": [FORM["file"], FORM["file"]]},
        {"prompt": File("p.txt", "", b"x")},
        {"x_other": ["x", File("p.txt", "", b"x")]},
        {"model": ["a", "b"]},
        {"model": ""},
        {"stream": "maybe"},
        {"Prompt": "x"},
    ],
)
def test_forms_that_could_be_misread_are_refused(change):
    refused = decode({**FORM, **change})
    assert isinstance(refused, Reject)
    assert refused.status == 400


def test_a_form_needs_the_boundary_of_its_content_type():
    sent = multipart.dumps(FORM, "b0undary")
    assert isinstance(DIALECT.decode_request(sent, Line(boundary="other")), Reject)


def test_a_redaction_cannot_bring_in_the_boundary():
    call = decode({**FORM, "prompt": '{"a": "--b0u\\u006edary ana@mail.example"}'})
    text = next(text for text in call.texts if "ana@" in text.value)
    text.replace(text.value.replace("ana@mail.example", "[M]"))
    with pytest.raises(InvalidFormError):
        DIALECT.encode_request(call, False)


def test_a_target_gets_its_own_model_and_fields():
    wire = Wire("OpenAITranscription", "large-v3", "", QuirksPlan(drop=("prompt",)))
    sent = multipart.dumps(FORM, "b0undary")
    spoken = Spoken("OpenAITranscription", Line("whisper-1"))
    form = multipart.loads(requests.rewrite(sent, spoken, wire), "b0undary")
    assert form == {"model": "large-v3", "file": FORM["file"]}
    call = decode(FORM)
    call.rename_model("large-v3")
    renamed = multipart.loads(DIALECT.encode_request(call, False), "b0undary")
    assert renamed == {**FORM, "model": "large-v3"}


def test_answers_are_text_whatever_they_come_as():
    verbose = {
        "text": "to ana@mail.example",
        "language": "english",
        "duration": 1.5,
        "segments": [{"id": 0, "text": "ana@mail.example", "tokens": [1, 2], "avg_logprob": -0.1}],
        "words": [{"word": "ana@mail.example", "start": 0.1, "end": 0.2}],
        "usage": {"type": "duration", "seconds": 2},
    }
    response = DIALECT.decode_response(json.dumps(verbose).encode())
    assert sum("ana@mail.example" in text.value for text in response.texts) == 3
    assert (response.usage, response.usage_invalid) == (None, False)
    assert DIALECT.measure(json.dumps(verbose).encode()).usage_invalid is False
    plain = DIALECT.read_text(b"1\n00:00:00,000 --> 00:00:01,000\nto ana@mail.example\n")
    plain.texts[0].replace(plain.texts[0].value.replace("ana@mail.example", "[M]"))
    assert plain.encode() == b"1\n00:00:00,000 --> 00:00:01,000\nto [M]\n"
    assert DIALECT.read_text(b"\xff").status == 502


def test_a_targets_prompt_is_not_for_forms():
    """Only formats with system's words take it; a form would not even be JSON."""
    target = TargetPlan(
        cluster="c",
        backend="ns/b",
        provider="OpenAI",
        model="large-v3",
        weight=1,
        priority=0,
        prompt=PromptPlan(name="p", mode="Prepend", text="Be brief."),
        paths={
            "OpenAITranscription": PathPlan(call="/t", stream="/t"),
            "OpenAIChat": PathPlan(call="/c", stream="/c"),
        },
    )
    wire = wires.find(target, "OpenAITranscription", "whisper-1", stream=False)
    assert wire.prompt is None
    assert wires.find(target, "OpenAIChat", "gpt-4", stream=False).prompt is not None
    sent = multipart.dumps(FORM, "b0undary")
    spoken = Spoken("OpenAITranscription", Line("whisper-1"))
    form = multipart.loads(requests.rewrite(sent, spoken, wire), "b0undary")
    assert form == {**FORM, "model": "large-v3"}
