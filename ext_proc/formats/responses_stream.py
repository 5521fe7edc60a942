"""Streamed responses: which machine reads them, and the one for streams no guard inspects.

Events pass as they are. Usage and model stand in the response that the last of them holds.
Inspection is in `responses_inspected`.
"""

from typing import Any

import msgspec

from ext_proc.call import Call, OpenField, Reject
from ext_proc.formats import errors, sse, usage
from ext_proc.formats.codec import Codec, Tally
from ext_proc.formats.dialect import Count
from ext_proc.formats.responses_inspected import Inspected
from ext_proc.formats.scans import Scans
from ext_proc.formats.stated import Stated


def open_stream(call: Call, open_field: OpenField | None, count: Count | None = None) -> Codec:
    """Start a streamed response."""
    if open_field is None:
        return Codec(Passing(Tally(count), usage.responses))
    return Codec(Inspected(Tally(count), Scans(open_field), call))


class _Response(msgspec.Struct):
    model: str | None = None
    usage: Any = None


class _Event(msgspec.Struct):
    sequence_number: int = 0
    delta: Any = None
    response: _Response | None = None


_EVENT = msgspec.json.Decoder(_Event)


class Passing(Stated):
    """Events that no guard inspects."""

    blocked = False
    _next = 0
    """The number of the next event."""

    def event(self, event: sse.Event) -> bytes:
        """Read what the event states."""
        if event.data is None:
            return event.raw
        try:
            read = _EVENT.decode(event.data)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return event.raw
        self._next = max(self._next, read.sequence_number) + 1
        if isinstance(read.delta, str):
            self.tally.add(read.delta)
        if read.response is not None:
            self.note(read.response.model, read.response.usage)
        return event.raw

    def finish(self) -> bytes:
        """Nothing was held back."""
        return b""

    def abort(self, reject: Reject, request_id: str) -> bytes:
        """End with an error."""
        return errors.responses_event(reject, request_id, self._next)
