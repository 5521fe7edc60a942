"""OpenAI transcription and translation of speech: a form with a file in, its text out.

The form's fields are read, the file is sound and recorded. The answer is JSON, plain text or a
stream, all of it text. Source: the API reference of audio.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from operator import setitem
from typing import Any

from crds.plan import Format
from ext_proc.call import Reject, Text
from ext_proc.formats import forms, usage
from ext_proc.formats.dialect import Dialect, Response, unreadable
from ext_proc.formats.forms import Upload
from ext_proc.formats.rules import Json, Logprobs, Numbers, Prose, Token, Url
from ext_proc.formats.shapes import Each, Object
from ext_proc.formats.tabled import Tabled
from ext_proc.formats.typed_events import Events

REQUEST = Object(
    {
        "file": Upload("audio"),
        "model": Token(),
        "prompt": Prose(),
        "language": Token(),
        "languages[]": Each(Token()),
        "keywords[]": Each(Prose()),
        "response_format": Token(),
        "stream": Token(),
        "temperature": Token(),
        "timestamp_granularities[]": Each(Token()),
        "include[]": Each(Token()),
        "chunking_strategy": Prose(),
        "known_speaker_names[]": Each(Prose()),
        "known_speaker_references[]": Each(Url("audio")),
    },
    origin="User",
    strict=True,
)
_SEGMENT = Object(
    {
        "id": Token(),
        "type": Token(),
        "text": Prose(),
        "speaker": Prose(),
        "start": Token(),
        "end": Token(),
        "seek": Token(),
        "tokens": Each(Token()),
        "temperature": Token(),
        "avg_logprob": Token(),
        "compression_ratio": Token(),
        "no_speech_prob": Token(),
    }
)
_WORD = Object({"word": Prose(), "start": Token(), "end": Token()})
RESPONSE = Object(
    {
        "text": Prose(),
        "task": Token(),
        "language": Token(),
        "languages": Each(Json()),
        "duration": Token(),
        "segments": Each(_SEGMENT),
        "words": Each(_WORD),
        "logprobs": Logprobs(),
        "usage": Numbers(),
        "error": Json(),
    }
)
EVENT = Object(
    {
        "type": Token(),
        "id": Token(),
        "segment_id": Token(),
        "delta": Prose(),
        "text": Prose(),
        "speaker": Prose(),
        "start": Token(),
        "end": Token(),
        "languages": Each(Json()),
        "usage": Numbers(),
        "error": Json(),
    }
)
EVENTS = Events(
    EVENT,
    wholes=frozenset({"transcript.text.segment"}),
    pieces={"transcript.text.delta": "delta"},
    ends=frozenset({"transcript.text.done"}),
)


def _wrong(form: dict[str, Any]) -> str:
    if forms.misplaced(form, ("file",)):
        return "Only `file` may be a file."
    return "" if forms.is_file(form.get("file")) else "`file` must be one file, with a filename."


def _stated(answer: Mapping[str, Any]) -> Any:
    """Tokens; seconds are none."""
    used = answer.get("usage")
    return None if isinstance(used, dict) and "seconds" in used else used


def read_text(body: bytes) -> Response | Reject:
    """Decode an answer that is a plain text, or subtitles."""
    try:
        document = {"text": body.decode()}
    except UnicodeDecodeError:
        return unreadable("The provider's answer is no text in UTF-8.")
    text = Text("Assistant", document["text"], partial(setitem, document, "text"))
    return Response(document, [text], Counter(), body, write=_write_text)


def _write_text(document: dict[str, Any]) -> bytes:
    return str(document["text"]).encode()


def _dialect(name: Format) -> Dialect:
    tabled = Tabled(
        name,
        REQUEST,
        RESPONSE,
        _wrong,
        events=EVENTS,
        stated=_stated,
        count=usage.media,
        streams=forms.stream_of,
    )
    return replace(forms.dialect_of(tabled), read_text=read_text)


TRANSCRIPTION = _dialect("OpenAITranscription")
TRANSLATION = _dialect("OpenAIAudioTranslation")
