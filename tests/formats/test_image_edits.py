"""Edits and variations of images: prompts and names of files are read, images are recorded."""

import json

import pytest

from ext_proc.call import Call, Line, Reject, Usage
from ext_proc.formats import multipart, table
from ext_proc.formats.multipart import File
from ext_proc.formats.table import DIALECTS

EDITS, VARIATIONS = DIALECTS["OpenAIImageEdits"], DIALECTS["OpenAIImageVariations"]
PNG = File("a.png", "image/png", b"\x89PNG\r\n--b \x00\xff")
OTHER = File("of ana@mail.example.png", "image/png", b"\x89PNG 2")
EDIT = {"model": "gpt-image-2", "prompt": "ana@mail.example as a cat", "image": PNG}


def decode(dialect, form):
    return dialect.decode_request(multipart.dumps(form, "b0undary"), Line(boundary="b0undary"))


def without(form, name):
    return {key: value for key, value in form.items() if key != name}


@pytest.mark.parametrize(
    ("more", "images"),
    [
        ({}, 1),
        ({"mask": OTHER}, 2),
        ({"image": [PNG, OTHER]}, 2),
        ({"image[]": OTHER, "markup": OTHER}, 3),
        ({"image[]": [PNG, OTHER], "n": "2", "stream": "true"}, 3),
    ],
)
def test_edits_are_read(more, images):
    call = decode(EDITS, {**EDIT, **more})
    assert isinstance(call, Call)
    assert (call.model, call.stream) == ("gpt-image-2", "stream" in more)
    assert call.unscanned == {"image": images, "image_answer": 1}
    texts = {(text.origin, text.value) for text in call.texts}
    assert ("User", "ana@mail.example as a cat") in texts
    assert (("User", OTHER.filename) in texts) == bool(more)
    assert EDITS.encode_request(call, False) == call.original


def test_what_a_guard_changes_leaves_the_images_as_they_were():
    call = decode(EDITS, {**EDIT, "image[]": [PNG, OTHER]})
    for text in call.texts:
        text.replace(text.value.replace("ana@mail.example", "[M]"))
    form = multipart.loads(EDITS.encode_request(call, False), "b0undary")
    renamed = File("of [M].png", OTHER.media, OTHER.content)
    assert form == {**EDIT, "prompt": "[M] as a cat", "image[]": [PNG, renamed]}


@pytest.mark.parametrize(
    "form",
    [
        without(EDIT, "image"),
        without(EDIT, "prompt"),
        without(EDIT, "model"),
        {**EDIT, "image": "data:image/png;base64,QUJD"},
        {**EDIT, "image": [PNG, "QUJD"]},
        {**EDIT, "image[]": "QUJD"},
        {**EDIT, "mask": [PNG, PNG]},
        {**EDIT, "mask": "QUJD"},
        {**EDIT, "prompt": PNG},
        {**EDIT, "prompt": ["a", "b"]},
        {**EDIT, "model": ["a", "b"]},
        {**EDIT, "stream": "perhaps"},
        {**EDIT, "image[0]": PNG},
        {**EDIT, "Prompt": "b"},
    ],
)
def test_edits_that_are_none_are_refused(form):
    assert decode(EDITS, form).status == 400


def test_variations_have_no_words_and_a_model_of_their_own():
    call = decode(VARIATIONS, {"image": OTHER})
    assert (call.model, call.stream) == ("dall-e-2", False)
    assert [text.value for text in call.texts] == [OTHER.filename]
    assert call.unscanned == {"image": 1, "image_answer": 1}
    form = multipart.loads(VARIATIONS.encode_request(call, False), "b0undary")
    assert form == {"image": OTHER, "model": "dall-e-2"}
    for wrong in ({"model": "m"}, {"image": [PNG, PNG]}, {"image": "x"}, {"image": PNG, "a": PNG}):
        assert isinstance(decode(VARIATIONS, wrong), Reject)


@pytest.mark.parametrize("dialect", [EDITS, VARIATIONS])
def test_answers_are_those_of_images(dialect):
    used = {"input_tokens": 20, "output_tokens": 9, "input_tokens_details": {"image_tokens": 14}}
    body = {"created": 1, "data": [{"b64_json": "QUJD", "revised_prompt": "ana"}], "usage": used}
    response = dialect.decode_response(json.dumps(body).encode())
    assert [text.value for text in response.texts] == ["ana"]
    assert response.usage == Usage(20, 9, media_tokens=14)
    assert response.unscanned == {"image": 1}
    assert (dialect.is_form, dialect.unstated) == (True, "unpriced")


def test_a_form_is_due():
    media = "multipart/form-data; boundary=b"
    for path in ("/v1/images/edits", "/v1/images/variations"):
        found = table.find("POST", path)
        assert DIALECTS[found.format].is_form
        assert table.acceptable(media, None, is_form=True) is None
        assert table.acceptable("application/json", None, is_form=True).status == 415
