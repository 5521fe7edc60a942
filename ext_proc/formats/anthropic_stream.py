"""Streamed Anthropic messages: which machine reads them, and the one no guard inspects.

Events pass as they are. Usage comes in two parts, at the start of a message and with its end,
each with the counts known by then; the later ones win. Inspection is in `anthropic_inspected`.
"""

from typing import Any

import msgspec

from ext_proc.call import Call, OpenField, Reject
from ext_proc.formats import errors, sse, usage
from ext_proc.formats.anthropic_inspected import Inspected
from ext_proc.formats.codec import Codec, Tally
from ext_proc.formats.dialect import Count
from ext_proc.formats.scans import Scans
from ext_proc.formats.stated import Stated


def open_stream(call: Call, open_field: OpenField | None, count: Count | None = None) -> Codec:  # noqa: ARG001 -- OpenStream's signature
    """Start a streamed message."""
    if open_field is None:
        return Codec(Passing(Tally(count), usage.anthropic))
    return Codec(Inspected(Tally(count), Scans(open_field)))


class _Delta(msgspec.Struct):
    text: str = ""
    thinking: str = ""
    partial_json: str = ""


class _Start(msgspec.Struct):
    model: str | None = None
    usage: Any = None


class _Event(msgspec.Struct):
    delta: _Delta | None = None
    message: _Start | None = None
    usage: Any = None


_EVENT = msgspec.json.Decoder(_Event)


class Passing(Stated):
    """Events that no guard inspects."""

    blocked = False

    def event(self, event: sse.Event) -> bytes:
        """Read what the event states."""
        if event.data is None:
            return event.raw
        try:
            read = _EVENT.decode(event.data)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return event.raw
        if read.delta is not None:
            for text in (read.delta.text, read.delta.thinking, read.delta.partial_json):
                self.tally.add(text)
        if read.message is not None:
            self.add(read.message.model, read.message.usage, final=False)
        if read.usage is not None:
            self.add(None, read.usage, final=True)
        return event.raw

    def finish(self) -> bytes:
        """Nothing was held back."""
        return b""

    def abort(self, reject: Reject, request_id: str) -> bytes:
        """End with an error."""
        return errors.anthropic_stream(reject, request_id)
