"""Streamed Gemini contents: which machine reads them, and the one no guard inspects.

Every event is an answer with the next parts and the usage so far. There is no last event. A
server that fails may say so in bare JSON among the events. Inspection is in `gemini_inspected`.
"""

from typing import Any

import msgspec

from ext_proc.call import Call, OpenField, Reject
from ext_proc.formats import errors, sse, usage
from ext_proc.formats.codec import Codec, Tally
from ext_proc.formats.dialect import Count
from ext_proc.formats.gemini_inspected import Inspected
from ext_proc.formats.scans import Scans
from ext_proc.formats.stated import Stated


def open_stream(call: Call, open_field: OpenField | None, count: Count | None = None) -> Codec:
    """Start a streamed answer."""
    if open_field is None:
        return Codec(Passing(Tally(count), usage.gemini))
    return Codec(Inspected(Tally(count), Scans(open_field), call))


class _Content(msgspec.Struct):
    parts: list[dict[str, Any]] | None = None


class _Candidate(msgspec.Struct):
    content: _Content | None = None


class _Chunk(msgspec.Struct, rename="camel"):
    model_version: str | None = None
    usage_metadata: Any = None
    candidates: list[_Candidate] = []


_CHUNK = msgspec.json.Decoder(_Chunk)


class Passing(Stated):
    """Events that no guard inspects."""

    blocked = False

    def event(self, event: sse.Event) -> bytes:
        """Read what the event states."""
        if event.data is None:
            return event.raw
        try:
            chunk = _CHUNK.decode(event.data)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return event.raw
        self.note(chunk.model_version, chunk.usage_metadata)
        for candidate in chunk.candidates:
            for part in (candidate.content.parts or ()) if candidate.content else ():
                self.tally.add(said(part))
        return event.raw

    def finish(self) -> bytes:
        """Nothing was held back."""
        return b""

    def abort(self, reject: Reject, request_id: str) -> bytes:
        """End with an error."""
        return errors.gemini_stream(reject, request_id)


def said(part: dict[str, Any]) -> str:
    """What the model wrote in a part."""
    text, called = part.get("text"), part.get("functionCall")
    written = text if isinstance(text, str) else ""
    return written + (msgspec.json.encode(called).decode() if called is not None else "")
