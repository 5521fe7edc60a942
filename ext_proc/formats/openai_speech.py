"""OpenAI speech: a text in, sound out. The text is read; no guard can read sound.

So an answer of sound passes where responses are guarded as well, and the request is recorded as one
for content that cannot be inspected. Source: the API reference of audio.
"""

from dataclasses import replace
from typing import Any

from ext_proc.call import Reject
from ext_proc.formats import usage
from ext_proc.formats.rules import Data, Json, Numbers, Prose, Token
from ext_proc.formats.shapes import Object
from ext_proc.formats.tabled import Tabled
from ext_proc.formats.typed_events import Events

REQUEST = Object(
    {
        "model": Token(),
        "input": Prose("User"),
        "instructions": Prose("System"),
        "voice": Token(),
        "response_format": Token(),
        "speed": Token(),
        "stream_format": Token(),
    },
    strict=True,
)
EVENT = Object({"type": Token(), "audio": Data("audio"), "usage": Numbers(), "error": Json()})
_TYPES = frozenset({"speech.audio.delta", "speech.audio.done"})


def _wrong(document: dict[str, Any]) -> str:
    return "" if isinstance(document.get("input"), str) else "`input` must be a string."


def _streams(document: dict[str, Any]) -> bool | Reject:
    return bool(document.get("stream_format") == "sse")


TABLED = Tabled(
    "OpenAISpeech",
    REQUEST,
    EVENT,
    _wrong,
    makes="audio_answer",
    events=Events(EVENT, _TYPES),
    count=usage.media,
    streams=_streams,
)
DIALECT = replace(TABLED.as_dialect(), unstated="unpriced", unread="audio/")
