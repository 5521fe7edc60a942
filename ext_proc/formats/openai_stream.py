"""Streamed chat completions: which machine reads them, and the one for streams no guard inspects.

Chunks pass as they are, but for usage that was not asked for. Inspection is in
`openai_inspected`.
"""

from typing import Any

import msgspec

from ext_proc.call import Call, OpenField, Reject
from ext_proc.formats import errors, sse
from ext_proc.formats.codec import Codec, Tally
from ext_proc.formats.dialect import Count
from ext_proc.formats.openai_inspected import Inspected
from ext_proc.formats.scans import Scans
from ext_proc.formats.stated import Stated


def open_stream(call: Call, open_field: OpenField | None, count: Count | None = None) -> Codec:
    """Start a streamed chat completion."""
    tally = Tally(count)
    if open_field is None:
        return Codec(Passing(tally, hide_usage=not call.wants_usage))
    return Codec(Inspected(tally, Scans(open_field), call))


class _Delta(msgspec.Struct):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: Any = None


class _Choice(msgspec.Struct):
    delta: _Delta = msgspec.field(default_factory=_Delta)
    text: str | None = None
    """Of the older completions, which have no delta."""


class _Chunk(msgspec.Struct):
    model: str | None = None
    usage: Any = None
    choices: list[_Choice] = []


_CHUNK = msgspec.json.Decoder(_Chunk)
_TOP = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Passing(Stated):
    """Chunks that no guard inspects."""

    blocked = False

    def __init__(self, tally: Tally, *, hide_usage: bool) -> None:
        super().__init__(tally)
        self._hide = hide_usage

    def event(self, event: sse.Event) -> bytes:
        """Read what the chunk states; hide its usage if nobody asked for it."""
        if event.data is None or not event.data.startswith(b"{"):
            return event.raw
        try:
            chunk = _CHUNK.decode(event.data)
        except msgspec.ValidationError:
            chunk = _stated(event.data)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return event.raw
        self.note(chunk.model, chunk.usage)
        for choice in chunk.choices:
            _tally(self.tally, choice.delta)
            self.tally.add(choice.text or "")
        if not self._hide or b'"usage"' not in event.data:
            return event.raw
        if chunk.usage is not None and not chunk.choices:
            return b""
        fields = _TOP.decode(event.data)
        fields.pop("usage", None)
        return sse.encode(msgspec.json.encode(fields), event.name)

    def finish(self) -> bytes:
        """Nothing was held back."""
        return b""

    def abort(self, reject: Reject, request_id: str) -> bytes:
        """End with an error."""
        return errors.openai_stream(reject, request_id)


def _stated(data: bytes) -> _Chunk:
    """Read what a chunk of an unknown shape states."""
    chunk = msgspec.json.decode(data)
    return _Chunk(
        chunk.get("model"), chunk.get("usage"), [_Choice()] if chunk.get("choices") else []
    )


def _tally(tally: Tally, delta: _Delta) -> None:
    for text in (delta.content, delta.reasoning_content, delta.reasoning, delta.refusal):
        if text:
            tally.add(text)
    for tool in delta.tool_calls if isinstance(delta.tool_calls, list) else ():
        function = tool.get("function") if isinstance(tool, dict) else None
        arguments = function.get("arguments") if isinstance(function, dict) else None
        if isinstance(arguments, str):
            tally.add(arguments)
