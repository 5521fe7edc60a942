"""Streamed Converse answers under inspection: messages in, messages out.

Every text of a content block goes through its own scan; what is held back goes out in a delta of
the same kind before its block stops. A signature waits for the text it signs. Any other message is
inspected whole, and keeps no header but its name. Streams that no guard inspects are in
`bedrock_stream`.
"""

from collections.abc import Callable
from typing import Any

from ext_proc.call import Reject
from ext_proc.formats import bedrock_errors, eventstream, strict, usage
from ext_proc.formats.bedrock_tables import ERROR, EVENTS, ORIGINS, PIECES, UNKNOWN_EVENT, WHOLES
from ext_proc.formats.codec import BrokenStreamError, Tally
from ext_proc.formats.eventstream import Message
from ext_proc.formats.rules import is_token
from ext_proc.formats.scans import Scans
from ext_proc.formats.stated import Stated
from ext_proc.formats.texts import Found
from ext_proc.formats.waiting import Waiting

Json = dict[str, Any]
Path = tuple[str, ...]
Place = tuple[int, Path]
"""The block, and the field of its deltas."""
_MOST_BLOCKS = 4096
_MOST_SIGNATURES = 16
_SIGNATURE = ("reasoningContent", "signature")


class Inspected(Stated):
    """Messages whose every text a guard inspects."""

    def __init__(self, tally: Tally, scans: Scans[Place]) -> None:
        super().__init__(tally, usage.bedrock)
        self._scans = scans
        self._signatures: dict[int, list[bytes]] = {}
        """By open block."""
        self._citations: Waiting[int] = Waiting()
        """By open block, whose words go out before."""
        self._stopped: set[int] = set()
        self._events: dict[str, Callable[[Json], bytes]] = {
            "contentBlockStart": self._start,
            "contentBlockDelta": self._delta,
            "contentBlockStop": self._stop,
            "messageStop": lambda event: self.finish() + self._whole("messageStop", event),
            "metadata": self._metadata,
        }

    @property
    def blocked(self) -> bool:
        """A guard blocked."""
        return self._scans.blocked

    def event(self, message: Message) -> bytes:
        """Take one message; return what may go on."""
        if message.kind in ("exception", "error"):
            return self._error(message)
        name = message.name
        if not name or not is_token(name):
            raise BrokenStreamError("A message of the provider's stream has no name.")
        try:
            document = strict.loads(message.payload)
        except strict.InvalidJsonError:
            raise BrokenStreamError("A message of the provider's stream is not JSON.") from None
        reader = self._events.get(name)
        return reader(document) if reader is not None else self._whole(name, document)

    def finish(self) -> bytes:
        """Return what was held back in all blocks."""
        return b"".join(self._flush(index) for index in sorted(self._signatures))

    def abort(self, reject: Reject, request_id: str) -> bytes:
        """End with an exception."""
        return bedrock_errors.stream(reject, request_id)

    def _start(self, event: Json) -> bytes:
        self._block(event)
        return self._whole("contentBlockStart", event)

    def _block(self, event: Json) -> int:
        """Return the block an event belongs to; it opens with its first one."""
        index = event.get("contentBlockIndex")
        if type(index) is not int or not 0 <= index < _MOST_BLOCKS or index in self._stopped:
            raise BrokenStreamError("A piece of the provider's stream belongs to no open block.")
        self._signatures.setdefault(index, [])
        return index

    def _delta(self, event: Json) -> bytes:
        """Take the next piece of a block."""
        index, delta = self._block(event), event.get("delta")
        if not isinstance(delta, dict):
            raise BrokenStreamError("A piece of the provider's stream is not what it should be.")
        bears = self._pieces(index, delta, ())
        passed = self._whole("contentBlockDelta", event)
        if set(delta) == {"citation"}:
            return self._cite(index, event)
        thought = delta.get(_SIGNATURE[0])
        if len(delta) == 1 and isinstance(thought, dict) and set(thought) == {_SIGNATURE[1]}:
            self._signatures[index].append(passed)
            if len(self._signatures[index]) > _MOST_SIGNATURES:
                raise BrokenStreamError("A block of the provider's stream has too many signatures.")
            return b""
        return passed if bears else b""

    def _cite(self, index: int, event: Json) -> bytes:
        """Keep a citation until the words before it have gone out."""
        citation = event["delta"]["citation"]
        goes_on = isinstance(citation, dict) and set(citation) == {"sourceContent"}
        if goes_on and index in self._citations.texts():
            raise BrokenStreamError("A citation of the provider's stream comes in pieces.")
        self._citations.keep(index, event)
        return b""

    def _pieces(self, index: int, node: Json, path: Path) -> bool:
        """Inspect the fields of a delta; tell whether any of them goes on now."""
        bears = False
        whole = []
        for name in list(node):
            value, place = node[name], (*path, name)
            if isinstance(value, str) and place not in WHOLES:
                node[name] = self._push(index, place, value)
                bears = bears or bool(node[name]) or not value
            elif not path and name in ORIGINS and isinstance(value, dict):
                bears = self._pieces(index, value, place) or bears
            elif place == ("toolResult",) and isinstance(value, list):
                bears = self._results(index, value) or bears
            else:
                whole.append(name)
        self._inspect(node, path, whole)
        return bears or bool(whole)

    def _results(self, index: int, results: list[Any]) -> bool:
        """Inspect what a tool of the provider's answers, piece by piece."""
        if not all(isinstance(each, dict) for each in results):
            raise BrokenStreamError("A piece of the provider's stream is not what it should be.")
        bears = False
        for each in results:
            bears = self._pieces(index, each, ("toolResult",)) or bears
        return bears

    def _push(self, index: int, place: Path, value: str) -> str:
        """Take the next piece of a text, known or not."""
        self.tally.add(value)
        origin, is_json = PIECES.get(place) or (ORIGINS.get(place[0], "Assistant"), False)
        if place not in PIECES and self._scans.whole(origin, place[-1]) != place[-1]:
            raise BrokenStreamError("A guard would change the name of a field.")
        return self._scans.push((index, place), origin, value, is_json=is_json)

    def _inspect(self, node: Json, path: Path, names: list[str]) -> None:
        """Inspect fields of a delta that come whole."""
        found = Found()
        origin = ORIGINS.get(path[0], "Assistant") if path else "Assistant"
        unknown = []
        for name in names:
            rule = WHOLES.get((*path, name))
            if rule is not None:
                rule.read(found, node, name, origin)
            else:
                unknown.append(name)
        if unknown:
            found.rest(node, unknown, origin)
        self._scans.texts(found.texts)

    def _stop(self, event: Json) -> bytes:
        index = self._block(event)
        rest = self._flush(index)
        del self._signatures[index]
        self._stopped.add(index)
        return rest + self._whole("contentBlockStop", event)

    def _metadata(self, event: Json) -> bytes:
        self.note(None, event.get("usage"))
        return self._whole("metadata", event)

    def _error(self, message: Message) -> bytes:
        """Pass on what is safe of an error the provider reports in its stream."""
        name, said = bedrock_errors.safe_exception(message)
        found = Found()
        ERROR.read_object(found, said, "Other")
        self._scans.texts(found.texts)
        return self.finish() + bedrock_errors.written(name, said)

    def _whole(self, name: str, event: Json) -> bytes:
        """Inspect what does not come in pieces; return the message."""
        found = Found()
        EVENTS.get(name, UNKNOWN_EVENT).read_object(found, event, "Other")
        self._scans.texts(found.texts)
        return eventstream.event(name, strict.dumps(event))

    def _flush(self, index: int) -> bytes:
        """Return what was held back in a block."""
        rest = [
            _delta_event(index, path, text)
            for (_, path), text in self._scans.finish(lambda place: place[0] == index)
        ]
        if self.blocked:
            return b""
        waiting = self._citations.take(index)
        rest += [eventstream.event("contentBlockDelta", strict.dumps(each)) for each in waiting]
        rest += self._signatures[index]
        self._signatures[index] = []
        return b"".join(rest)


def _delta_event(index: int, path: Path, text: str) -> bytes:
    delta: Any = text
    for name in reversed(path):
        delta = {name: delta}
    if path[0] == "toolResult":
        delta = {"toolResult": [delta["toolResult"]]}
    event = {"contentBlockIndex": index, "delta": delta}
    return eventstream.event("contentBlockDelta", strict.dumps(event))
