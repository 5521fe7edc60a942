"""Streamed Anthropic messages under inspection: events in, events out.

Every text of a content block goes through its own scan; what is held back goes out in a delta of
the same type before its block stops. A signature waits for the text it signs. Any other event is
inspected whole. Streams that no guard inspects are in `anthropic_stream`.
"""

from collections.abc import Callable
from typing import Any

from crds.plan import Origin
from ext_proc.call import Reject
from ext_proc.formats import errors, sse, strict, usage
from ext_proc.formats.anthropic_tables import ERROR, EVENT, FIRST, MESSAGE_DELTA, STREAMED, WHOLES
from ext_proc.formats.codec import BrokenStreamError, Tally
from ext_proc.formats.rules import Data, is_token
from ext_proc.formats.scans import Scans
from ext_proc.formats.stated import Stated
from ext_proc.formats.texts import Found

Place = tuple[int, str, str]
"""The block, the type of delta, and the field in it."""
_MOST_BLOCKS = 4096
_MOST_SIGNATURES = 16
_SIGNATURE = Data()


class Inspected(Stated):
    """Events whose every text a guard inspects."""

    def __init__(self, tally: Tally, scans: Scans[Place]) -> None:
        super().__init__(tally, usage.anthropic)
        self._scans = scans
        self._signatures: dict[int, list[bytes]] = {}
        """By open block."""
        self._events: dict[str, Callable[[dict[str, Any]], bytes]] = {
            "message_start": self._start,
            "content_block_start": self._block,
            "content_block_delta": self._delta,
            "content_block_stop": self._stop,
            "message_delta": self._message_delta,
            "message_stop": lambda event: self.finish() + self._whole(event),
            "error": self._error,
        }

    @property
    def blocked(self) -> bool:
        """A guard blocked."""
        return self._scans.blocked

    def event(self, event: sse.Event) -> bytes:
        """Take one event; return what may go on."""
        if event.data is None:
            return sse.COMMENT
        try:
            document = strict.loads(event.data)
        except strict.InvalidJsonError:
            raise BrokenStreamError("An event of the provider's stream is not JSON.") from None
        kind = document.get("type")
        if not isinstance(kind, str) or not is_token(kind):
            raise BrokenStreamError("An event of the provider's stream has no type.")
        return self._events.get(kind, self._whole)(document)

    def finish(self) -> bytes:
        """Return what was held back in all blocks."""
        return b"".join(self._flush(index) for index in sorted(self._signatures))

    def abort(self, reject: Reject, request_id: str) -> bytes:
        """End with an error."""
        return errors.anthropic_stream(reject, request_id)

    def _start(self, event: dict[str, Any]) -> bytes:
        message = event.get("message")
        if isinstance(message, dict):
            self.add(message.get("model"), message.get("usage"), final=False)
        return self._whole(event)

    def _block(self, event: dict[str, Any]) -> bytes:
        """Open a block; it may start with the first piece of its text."""
        index, block = event.get("index"), event.get("content_block")
        if type(index) is not int or not 0 <= index < _MOST_BLOCKS or index in self._signatures:
            raise BrokenStreamError("A block of the provider's stream starts out of order.")
        if not isinstance(block, dict):
            raise BrokenStreamError("A block of the provider's stream is not what it should be.")
        self._signatures[index] = []
        field, delta = FIRST.get(str(block.get("type")), ("", ""))
        first = block.get(field)
        if not isinstance(first, str) or not first:
            return self._whole(event)
        block[field] = ""
        start = self._whole(event)
        self.tally.add(first)
        released = self._scans.push((index, delta, field), STREAMED[delta][1], first)
        return start + (_delta_event(index, delta, field, released) if released else b"")

    def _delta(self, event: dict[str, Any]) -> bytes:
        """Take the next piece of a block."""
        index, delta = event.get("index"), event.get("delta")
        if type(index) is not int or index not in self._signatures or not isinstance(delta, dict):
            raise BrokenStreamError("A piece of the provider's stream belongs to no open block.")
        kind = delta.get("type")
        if not isinstance(kind, str) or not is_token(kind):
            raise BrokenStreamError("A piece of the provider's stream has no type.")
        if kind == "signature_delta":
            return self._signature(index, event, delta)
        bears = self._pieces(index, kind, delta)
        passed = self._whole(event)
        return passed if bears else b""

    def _pieces(self, index: int, kind: str, delta: dict[str, Any]) -> bool:
        """Inspect the fields of a delta; tell whether any of them goes on now."""
        field, origin = STREAMED.get(kind, ("", "Assistant"))
        bears = False
        whole = []
        for name in list(delta):
            value = delta[name]
            if name == "type":
                continue
            if isinstance(value, str) and (name == field or not field):
                self.tally.add(value)
                is_json = kind == "input_json_delta"
                place = (index, kind, name)
                delta[name] = self._scans.push(place, origin, value, is_json=is_json)
                bears = bears or bool(delta[name]) or not value
                if name != field and self._scans.whole(origin, name) != name:
                    raise BrokenStreamError("A guard would change the name of a field.")
            else:
                whole.append(name)
        self._inspect(kind, delta, whole, origin)
        return bears or bool(whole)

    def _inspect(self, kind: str, delta: dict[str, Any], names: list[str], origin: Origin) -> None:
        """Inspect fields of a delta that come whole."""
        found, unknown = Found(), []
        for name in names:
            if rule := WHOLES.get((kind, name)):
                rule.read(found, delta, name, origin)
            else:
                unknown.append(name)
        if unknown:
            found.rest(delta, unknown, origin)
        self._scans.texts(found.texts)

    def _signature(self, index: int, event: dict[str, Any], delta: dict[str, Any]) -> bytes:
        """Keep a signature until what it signs has gone out."""
        found = Found()
        for name in list(delta):
            if name != "type":
                _SIGNATURE.read(found, delta, name, "Reasoning")
        self._scans.texts(found.texts)
        self._signatures[index].append(self._whole(event))
        if len(self._signatures[index]) > _MOST_SIGNATURES:
            raise BrokenStreamError("A block of the provider's stream has too many signatures.")
        return b""

    def _stop(self, event: dict[str, Any]) -> bytes:
        index = event.get("index")
        if type(index) is not int or index not in self._signatures:
            raise BrokenStreamError("A block of the provider's stream stops out of order.")
        rest = self._flush(index)
        del self._signatures[index]
        return rest + self._whole(event)

    def _message_delta(self, event: dict[str, Any]) -> bytes:
        self.add(None, event.get("usage"), final=True)
        found = Found()
        if "delta" in event:
            MESSAGE_DELTA.read(found, event, "delta", "Assistant")
        self._scans.texts(found.texts)
        return self.finish() + self._whole(event)

    def _error(self, event: dict[str, Any]) -> bytes:
        """Pass on what is safe of an error the provider reports in its stream."""
        error = errors.anthropic_provider(400, strict.dumps(event))
        found = Found()
        ERROR.read_object(found, error, "Other")
        self._scans.texts(found.texts)
        return self.finish() + sse.encode(strict.dumps(error), "error")

    def _whole(self, event: dict[str, Any]) -> bytes:
        """Inspect what does not come in pieces; return the event."""
        found = Found()
        EVENT.read_object(found, event, "Other")
        self._scans.texts(found.texts)
        return sse.encode(strict.dumps(event), event["type"])

    def _flush(self, index: int) -> bytes:
        """Return what was held back in a block."""
        rest = [
            _delta_event(index, kind, field, text)
            for (_, kind, field), text in self._scans.finish(lambda place: place[0] == index)
        ]
        if self.blocked:
            return b""
        rest += self._signatures[index]
        self._signatures[index] = []
        return b"".join(rest)


def _delta_event(index: int, kind: str, field: str, text: str) -> bytes:
    delta = {"type": kind, field: text}
    event = {"type": "content_block_delta", "index": index, "delta": delta}
    return sse.encode(strict.dumps(event), "content_block_delta")
