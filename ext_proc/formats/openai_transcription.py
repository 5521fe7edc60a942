"""OpenAI transcription and translation of speech: a form with a file in, its text out.

The form's fields are read, the file is sound and recorded. The answer is JSON, plain text or a
stream, all of it text. Source: the API reference of audio.
"""

# ruff: noqa: D102 -- what `read` and `fields` do is said once, in Rule

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from operator import setitem
from typing import Any

from crds.plan import Format, Origin
from ext_proc.call import Call, Line, Reject, Text
from ext_proc.formats import multipart, usage
from ext_proc.formats.dialect import Dialect, Response, malformed, unreadable
from ext_proc.formats.multipart import File
from ext_proc.formats.rules import Json, Logprobs, Numbers, Path, Prose, Token, Url
from ext_proc.formats.shapes import Each, Object
from ext_proc.formats.tabled import Tabled
from ext_proc.formats.texts import Found
from ext_proc.formats.typed_events import Events


@dataclass(frozen=True, slots=True)
class Upload:
    """A file: its name is text, its content is recorded."""

    kind: str

    def read(self, found: Found, owner: Any, key: Any, origin: Origin) -> None:
        value = owner[key]
        if isinstance(value, File):
            found.unscanned[self.kind] += 1
            if value.filename:
                place = partial(_rename, owner, key)
                found.texts.append(Text(origin, value.filename, place))
        else:
            found.anything(owner, key, origin)

    def fields(self, path: Path) -> Iterator[tuple[Path, str]]:
        yield path, f"recorded as unscanned ({self.kind}); its name is text"


def _rename(owner: Any, key: Any, filename: str) -> None:
    owner[key] = replace(owner[key], filename=filename)


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
    for name, value in form.items():
        if name != "file" and any(map(_is_file, value if isinstance(value, list) else [value])):
            return "Only `file` may be a file."
    return "" if _is_file(form.get("file")) else "`file` must be one file, with a filename."


def _is_file(value: Any) -> bool:
    return isinstance(value, File)


def _streams(form: dict[str, Any]) -> bool | Reject:
    stream = form.get("stream", "false")
    known = isinstance(stream, str) and stream.lower() in ("true", "false")
    return stream.lower() == "true" if known else malformed("`stream` must be true or false.")


def _stated(answer: Mapping[str, Any]) -> Any:
    """Tokens; seconds are none."""
    used = answer.get("usage")
    return None if isinstance(used, dict) and "seconds" in used else used


def encode_request(call: Call, _ask_usage: bool) -> bytes:  # noqa: FBT001 -- Dialect's signature
    """Encode a form. Raise InvalidFormError if what a guard changed cannot stand in it."""
    if call.edited or any(text.changed for text in call.texts):
        return multipart.dumps(call.document, multipart.stated_boundary(call.original))
    return call.original


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
        "text",
        _wrong,
        events=EVENTS,
        stated=_stated,
        count=usage.media,
        streams=_streams,
    )

    def decode_request(body: bytes, line: Line) -> Call | Reject:
        try:
            form = multipart.loads(body, line.boundary)
        except multipart.InvalidFormError as refused:
            return malformed(str(refused))
        return tabled.read(form, body)

    return replace(
        tabled.as_dialect(),
        decode_request=decode_request,
        encode_request=encode_request,
        read_text=read_text,
        is_form=True,
        unstated="unpriced",
    )


TRANSCRIPTION = _dialect("OpenAITranscription")
TRANSLATION = _dialect("OpenAIAudioTranslation")
