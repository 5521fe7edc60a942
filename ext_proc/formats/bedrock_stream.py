"""Streamed Converse answers: which machine reads them, and the one no guard inspects.

They come as messages of an AWS event stream, and pass as they are. Usage is in the last one.
Inspection is in `bedrock_inspected`.
"""

from collections.abc import Iterator

import msgspec

from ext_proc.call import Call, OpenField, Reject
from ext_proc.formats import bedrock_errors, eventstream, usage
from ext_proc.formats.bedrock_inspected import Inspected
from ext_proc.formats.codec import BrokenStreamError, Framed, Tally
from ext_proc.formats.dialect import Count
from ext_proc.formats.eventstream import Message
from ext_proc.formats.scans import Scans
from ext_proc.formats.stated import Stated


class _Cutter:
    """Cuts a byte stream into messages."""

    def __init__(self) -> None:
        self._messages = eventstream.Messages()

    def push(self, data: bytes) -> Iterator[Message]:
        """Yield the messages that are complete now."""
        try:
            yield from self._messages.push(data)
        except eventstream.BrokenFrameError:
            raise BrokenStreamError("The provider's stream is no AWS event stream.") from None

    def finish(self) -> tuple[Message, ...]:
        """A message that was cut is dropped."""
        return ()


def open_stream(
    call: Call,  # noqa: ARG001 -- OpenStream's signature
    open_field: OpenField | None,
    count: Count | None = None,
) -> Framed[Message]:
    """Start a streamed answer."""
    if open_field is None:
        return Framed(_Cutter(), Passing(Tally(count), usage.bedrock))
    return Framed(_Cutter(), Inspected(Tally(count), Scans(open_field)))


class _ToolUse(msgspec.Struct):
    input: str = ""


class _Reasoning(msgspec.Struct):
    text: str = ""


class _Delta(msgspec.Struct):
    text: str = ""
    toolUse: _ToolUse | None = None  # noqa: N815 -- Bedrock's name
    reasoningContent: _Reasoning | None = None  # noqa: N815 -- Bedrock's name


class _Event(msgspec.Struct):
    delta: _Delta | None = None
    usage: object = None


_EVENT = msgspec.json.Decoder(_Event)


class Passing(Stated):
    """Messages that no guard inspects."""

    blocked = False

    def event(self, message: Message) -> bytes:
        """Read what the message states."""
        try:
            read = _EVENT.decode(message.payload)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return message.raw
        if read.delta is not None:
            self.tally.add(read.delta.text)
            for piece in (read.delta.toolUse, read.delta.reasoningContent):
                match piece:
                    case _ToolUse(input=text) | _Reasoning(text=text):
                        self.tally.add(text)
        self.note(None, read.usage)
        return message.raw

    def finish(self) -> bytes:
        """Nothing was held back."""
        return b""

    def abort(self, reject: Reject, request_id: str) -> bytes:
        """End with an exception."""
        return bedrock_errors.stream(reject, request_id)
