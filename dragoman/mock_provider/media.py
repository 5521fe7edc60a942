"""OpenAI's images, their edits, speech, transcription and translation: always the same bytes.

A transcript is the `prompt` where there is one, for no sound is listened to.
"""

import base64
from email.message import Message
from email.parser import BytesParser

from dragoman.mock_provider import answer, saying
from dragoman.mock_provider.answer import Answer, Event, Json
from dragoman.mock_provider.chat import CREATED
from dragoman.mock_provider.wire import Received

PIXEL = base64.b64encode(b"\x89PNG\r\n\x1a\nmock").decode()
SOUND = b"ID3mock" * 64
SPOKEN = "This is what the mock provider heard."


def form(request: Received) -> Json | None:
    """The fields of a form, and files as the number of their bytes; None if it is no form."""
    head = f"content-type: {request.header('content-type')}\r\n\r\n".encode()
    message = BytesParser().parsebytes(head + request.body)
    if not message.is_multipart():
        return None
    return dict(_field(part) for part in message.get_payload() if isinstance(part, Message))


def _field(part: Message) -> tuple[str, str | int]:
    name = str(part.get_param("name", "", "content-disposition"))
    content = part.get_payload(decode=True)
    raw = content if isinstance(content, bytes) else b""
    return name, len(raw) if part.get_filename() is not None else raw.decode(errors="replace")


def draw(body: Json) -> Answer:
    """One image, or the events of one."""
    return _draw(body, "image_generation", 0)


def edit(body: Json) -> Answer:
    """As `draw`, with tokens of images that came in."""
    images = [name for name in ("image", "image[]", "mask") if isinstance(body.get(name), int)]
    return _draw(body, "image_edit", len(images))


def _draw(body: Json, kind: str, images: int) -> Answer:
    words = len(str(body.get("prompt")).split())
    used = {
        "input_tokens": words + images,
        "output_tokens": 16,
        "total_tokens": words + images + 16,
        "input_tokens_details": {"text_tokens": words, "image_tokens": images},
    }
    if str(body.get("stream")).lower() == "true":
        said = {"b64_json": PIXEL, "created_at": CREATED, "size": "1024x1024"}
        said |= {"quality": "low", "background": "opaque", "output_format": "png"}
        kinds = (f"{kind}.partial_image", f"{kind}.completed")
        partial = {"type": kinds[0], "partial_image_index": 0, **said}
        completed = {"type": kinds[1], "usage": used, **said}
        return answer.stream([Event(partial, kinds[0]), Event(completed, kinds[1])])
    return Answer({"created": CREATED, "data": [{"b64_json": PIXEL}], "usage": used})


def speak(body: Json) -> Answer:
    """Sound, or the events of it."""
    if body.get("stream_format") != "sse":
        return Answer(SOUND, kind="audio/mpeg")
    words = len(str(body.get("input")).split())
    used = {"input_tokens": words, "output_tokens": 16, "total_tokens": words + 16}
    delta = {"type": "speech.audio.delta", "audio": base64.b64encode(SOUND).decode()}
    return answer.stream([Event(delta), Event({"type": "speech.audio.done", "usage": used})])


def listen(body: Json) -> Answer:
    """A transcript as JSON, text or events."""
    text = str(body.get("prompt") or SPOKEN)
    words = len(text.split())
    used = {
        "type": "tokens",
        "input_tokens": 14,
        "output_tokens": words,
        "total_tokens": 14 + words,
        "input_token_details": {"text_tokens": 0, "audio_tokens": 14},
    }
    if str(body.get("stream")).lower() == "true":
        kind = "transcript.text.delta"
        events = [Event({"type": kind, "delta": piece}, kind) for piece in saying.pieces(text)]
        ended = "transcript.text.done"
        last = {"type": ended, "text": text, "usage": used}
        return answer.stream([*events, Event(last, ended)])
    if body.get("response_format") in ("text", "srt", "vtt"):
        return Answer(f"{text}\n".encode(), kind="text/plain; charset=utf-8")
    return Answer({"text": text, "usage": used})
