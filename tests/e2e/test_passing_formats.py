"""Formats that are only passed on, with the official SDKs: texts are guarded, the rest arrives as it was."""

import json
from decimal import Decimal

import anthropic
import httpx2
import openai
import pytest

from dragoman.mock_provider import media
from tests.e2e.conftest import Setup

pytestmark = pytest.mark.e2e

ADDRESS = "jane.roe@example.org"
SOUND = b"ID3\x00\xff\r\n--\r\n" * 100


@pytest.fixture(scope="module")
def oai(setup: Setup):
    with openai.OpenAI(
        base_url=f"{setup.url}/v1", api_key="sk-of-the-caller", max_retries=0
    ) as client:
        yield client


def asked(setup: Setup, path: str) -> bytes:
    """What reached the provider: at its path, with no address and no key but ours."""
    request = setup.provider.last()
    assert request.path == path
    assert ADDRESS.encode() not in request.body
    headers = dict(request.headers)
    assert headers["authorization"].startswith("Bearer planted-key-of-")
    assert int(headers["content-length"]) == len(request.body)
    return request.body


def test_completions(setup: Setup, oai: openai.OpenAI) -> None:
    prompt = f"write to {ADDRESS}, card 4111 1111 1111 1111"
    expected = "write to [REDACTED:Email], card [REDACTED:CreditCard]"
    raw = oai.completions.with_raw_response.create(model="echo", prompt=prompt)
    assert raw.parse().choices[0].text == expected
    asked(setup, "/v1/completions")
    record = setup.run.record(raw.headers["x-request-id"])
    assert record["usage"]["estimated"] is False
    assert record["format"] == "OpenAICompletions"
    chunks = list(oai.completions.create(model="echo", prompt=prompt, stream=True))
    assert "".join(c.choices[0].text for c in chunks) == expected
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert all(c.usage is None for c in chunks)
    with pytest.raises(openai.PermissionDeniedError):
        oai.completions.create(model="echo", prompt="a forbidden phrase")


def test_moderations(setup: Setup, oai: openai.OpenAI) -> None:
    """The SDK names no model unless told to; the API's own default is meant."""
    judged = oai.moderations.create(input=["violence", f"mail {ADDRESS}"])
    assert [result.flagged for result in judged.results] == [True, False]
    assert json.loads(asked(setup, "/v1/moderations"))["model"] == "omni-moderation-latest"


def test_images(setup: Setup, oai: openai.OpenAI) -> None:
    raw = oai.images.with_raw_response.generate(model="gpt-image-1", prompt=f"{ADDRESS} as a cat")
    assert raw.parse().data[0].b64_json == media.PIXEL
    asked(setup, "/v1/images/generations")
    record = setup.run.record(raw.headers["x-request-id"])
    assert record["usage"]["output_tokens"] == 16
    assert Decimal(record["cost"]) > 0
    assert record["unscanned"] == {"image_answer": 1}
    events = list(oai.images.generate(model="gpt-image-1", prompt="a cat", stream=True))
    assert [event.b64_json for event in events] == [media.PIXEL] * 2
    assert events[-1].usage.output_tokens == 16


PNG = b"\x89PNG\r\n\x1a\n\x00\xff\r\n--\r\n" * 100


def test_edits_of_images(setup: Setup, oai: openai.OpenAI) -> None:
    """Several images and a mask, each byte of them; the prompt and a file's name are guarded."""
    images = [("a.png", PNG, "image/png"), (f"{ADDRESS} 2.png", PNG + b"2", "image/png")]
    given = {"model": "gpt-image-1", "prompt": f"{ADDRESS} as a cat", "mask": ("m.png", PNG)}
    raw = oai.images.with_raw_response.edit(image=images, **given)
    assert raw.parse().data[0].b64_json == media.PIXEL
    body = asked(setup, "/v1/images/edits")
    assert body.count(b'name="image[]"') == 2
    assert body.count(PNG) == 3
    assert b"[REDACTED:Email] as a cat" in body
    assert b'filename="[REDACTED:Email] 2.png"' in body
    record = setup.run.record(raw.headers["x-request-id"])
    assert record["format"] == "OpenAIImageEdits"
    assert record["unscanned"] == {"image": 3, "image_answer": 1}
    assert record["usage"]["output_tokens"] == 16
    assert Decimal(record["cost"]) > 0
    events = list(oai.images.edit(image=images[0], **given, stream=True))
    assert [event.type for event in events] == [
        "image_edit.partial_image",
        "image_edit.completed",
    ]
    assert events[-1].usage.output_tokens == 16
    with pytest.raises(openai.PermissionDeniedError):
        oai.images.edit(image=images[0], model="gpt-image-1", prompt="a forbidden phrase")
    with pytest.raises(openai.BadRequestError):
        oai.images.edit(image=[], model="gpt-image-1", prompt="a cat")


def test_variations_of_an_image(setup: Setup, oai: openai.OpenAI) -> None:
    """The SDK names no model unless told to; the one that makes variations is meant."""
    with pytest.warns(DeprecationWarning), pytest.raises(openai.NotFoundError):
        oai.images.create_variation(image=("a.png", PNG))
    with pytest.warns(DeprecationWarning):
        varied = oai.images.create_variation(image=("a.png", PNG), model="gpt-image-1")
    assert varied.data[0].b64_json == media.PIXEL
    assert PNG in asked(setup, "/v1/images/variations")


def test_speech(setup: Setup, oai: openai.OpenAI) -> None:
    """Sound passes guarded responses; what nobody counted is unpriced."""
    spoken = oai.audio.speech.create(model="tts-1", voice="alloy", input=f"call {ADDRESS}")
    assert spoken.content == media.SOUND
    asked(setup, "/v1/audio/speech")
    record = setup.run.record(spoken.response.headers["x-request-id"])
    assert (record["usage"], record["cost"]) == (None, "unpriced")
    assert record["unscanned"] == {"audio_answer": 1}


def test_transcriptions(setup: Setup, oai: openai.OpenAI) -> None:
    """The model is renamed inside the form; the file arrives as it was."""
    prompt, expected = (
        f"by {ADDRESS} and 4111 1111 1111 1111",
        "by [REDACTED:Email] and [REDACTED:CreditCard]",
    )
    given = {"file": ("talk.mp3", SOUND, "audio/mpeg"), "model": "whisper-1", "prompt": prompt}
    heard = oai.audio.transcriptions.create(**given)
    assert heard.text == expected
    body = asked(setup, "/v1/audio/transcriptions")
    assert SOUND in body
    assert b'name="model"\r\n\r\ngpt-4o-transcribe\r\n' in body
    assert oai.audio.transcriptions.create(**given, response_format="text").strip() == expected
    events = list(oai.audio.transcriptions.create(**given, stream=True))
    assert "".join(e.delta for e in events if e.type == "transcript.text.delta") == expected
    assert events[-1].text == expected
    with pytest.warns(DeprecationWarning):
        assert oai.audio.translations.create(**given).text == expected
    asked(setup, "/v1/audio/translations")
    raw = oai.audio.transcriptions.with_raw_response.create(**{**given, "prompt": "hello"})
    record = setup.run.record(raw.headers["x-request-id"])
    assert record["unscanned"] == {"audio": 1}
    assert record["usage"]["media_tokens"] == 14
    assert Decimal(record["cost"]) == Decimal(14 * 6 + 1 * 10) / 1_000_000
    with pytest.raises(openai.PermissionDeniedError):
        oai.audio.transcriptions.create(**{**given, "prompt": "a forbidden phrase"})


@pytest.mark.parametrize("path", ["/v1/rerank", "/v2/rerank"])
def test_rerank(setup: Setup, path: str) -> None:
    ranked = httpx2.post(
        f"{setup.url}{path}",
        json={
            "model": "rerank-v3.5",
            "query": f"who is {ADDRESS}",
            "documents": ["a", {"text": f"b {ADDRESS}"}],
        },
    ).json()
    assert [(each["index"], each["document"]["text"]) for each in ranked["results"]] == [
        (1, "b [REDACTED:Email]"),
        (0, "a"),
    ]
    assert json.loads(asked(setup, "/v1/rerank"))["model"] == "bge-reranker"
    refused = httpx2.post(
        f"{setup.url}{path}",
        json={"model": "rerank-x", "query": "a forbidden phrase", "documents": ["a"]},
    )
    assert refused.status_code == 403
    assert refused.json()["code"] == "blocked_by_policy"


def test_tokens_are_counted_by_the_provider_or_by_us(setup: Setup) -> None:
    messages = [{"role": "user", "content": f"write to {ADDRESS}"}]
    with anthropic.Anthropic(base_url=setup.url, api_key="x", max_retries=0) as claude:
        raw = claude.messages.with_raw_response.count_tokens(model="claude-x", messages=messages)
        assert raw.parse().input_tokens > 0
        assert setup.provider.last().path == "/v1/messages/count_tokens"
        assert ADDRESS.encode() not in setup.provider.last().body
        record = setup.run.record(raw.headers["x-request-id"])
        assert (record["usage"], record["cost"]) == (None, None)
        before = len(setup.provider.received)
        raw = claude.messages.with_raw_response.count_tokens(model="gpt-4o", messages=messages)
        assert raw.parse().input_tokens > 0
        assert raw.headers["x-dragoman-estimated"] == "true"
        assert len(setup.provider.received) == before
        with pytest.raises(anthropic.PermissionDeniedError):
            claude.messages.count_tokens(
                model="gpt-4o", messages=[{"role": "user", "content": "a forbidden phrase"}]
            )


def test_a_format_that_no_backend_speaks_is_refused(oai: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        oai.completions.create(model="claude-x", prompt="hello")
    assert refused.value.code == "unsupported_format"
