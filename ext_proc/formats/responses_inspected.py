"""Streamed responses under inspection: events in, events out.

Every text that comes in pieces goes through the scan of its own place; what is held back goes out
in a piece of the same kind before the event that says the text is complete. The format then
repeats the text: in the part, in the item and in the response. There stands what the pieces were,
as they were released. Events are numbered anew, since some are held back and others are added.
`logprobs` are dropped, since they would spell what is held back. What the places are is in
`responses_places`; streams that no guard inspects are in `responses_stream`.
"""

from collections.abc import Callable
from typing import Any

from crds.plan import Origin
from ext_proc.call import Call, Reject
from ext_proc.formats import errors, sse, strict, usage
from ext_proc.formats.codec import BrokenStreamError, Tally
from ext_proc.formats.responses_places import (
    Output,
    Place,
    Slot,
    Whole,
    index_of,
    part_of,
    part_slots,
    slots,
)
from ext_proc.formats.responses_tables import ERROR, EVENT, STREAMED
from ext_proc.formats.rules import is_token
from ext_proc.formats.scans import Scans
from ext_proc.formats.shapes import Object
from ext_proc.formats.stated import Stated
from ext_proc.formats.texts import Found
from ext_proc.formats.waiting import Waiting

_UNKNOWN: tuple[str, str, Origin, str] = ("", "", "Assistant", "text")
_PIECE, _COMPLETE = ".delta", ".done"
_MOST_REMEMBERED = 1024
_LONGEST_REMEMBERED = 64 * 1024


class Inspected(Stated):
    """Events whose every text a guard inspects."""

    def __init__(self, tally: Tally, scans: Scans[Place], call: Call) -> None:
        super().__init__(tally, usage.responses)
        self._scans = scans
        self._json = _asks_for_json(call)
        self._number = 0
        self._over = False
        self._response: dict[str, Any] = {}
        """As it was last said."""
        self._output = Output()
        self._whole = Whole()
        self._annotations: Waiting[Place] = Waiting()
        self._known: dict[tuple[Origin, str], str] = {}
        """Texts that came whole and what was released of them: the format repeats them."""
        self._events: dict[str, Callable[[dict[str, Any]], bytes]] = {
            "response.output_item.added": self._added,
            "response.output_item.done": self._done,
            "response.content_part.added": self._part,
            "response.content_part.done": self._part,
            "response.output_text.annotation.added": self._annotation,
            "response.reasoning_summary_part.added": self._part,
            "response.reasoning_summary_part.done": self._part,
            "error": self._error,
        }

    @property
    def blocked(self) -> bool:
        """A guard blocked."""
        return self._scans.blocked

    def event(self, event: sse.Event) -> bytes:
        """Take one event; return what may go on."""
        if event.data is None or event.data.strip() == b"[DONE]":
            return sse.COMMENT
        if self._over:
            return b""
        try:
            document = strict.loads(event.data)
        except strict.InvalidJsonError:
            raise BrokenStreamError("An event of the provider's stream is not JSON.") from None
        if document.get("error") is not None:
            return self._error(document)
        kind = document.get("type")
        if not isinstance(kind, str) or not is_token(kind):
            raise BrokenStreamError("An event of the provider's stream has no type.")
        document.pop("obfuscation", None)
        if "logprobs" in document:
            document["logprobs"] = []
        return self._handler(kind, document)(document)

    def finish(self) -> bytes:
        """Return what was held back in all places."""
        return self._flush(lambda _: True)

    def abort(self, reject: Reject, request_id: str) -> bytes:
        """End the response as filtered if a guard blocked; else end with an error."""
        if reject.code != errors.BLOCKED:
            return errors.responses_event(reject, request_id, self._number)
        response = {
            "id": f"resp_{request_id}",
            "object": "response",
            **self._response,
            "status": "incomplete",
            "incomplete_details": {"reason": "content_filter"},
            "output": self._output.released(self._whole),
        }
        return self._send({"type": "response.incomplete", "response": response})

    def _handler(self, kind: str, event: dict[str, Any]) -> Callable[[dict[str, Any]], bytes]:
        if handler := self._events.get(kind):
            return handler
        if kind.endswith(_PIECE):
            return self._piece
        if kind.endswith(_COMPLETE):
            return self._complete
        return self._lifecycle if isinstance(event.get("response"), dict) else self._other

    def _send(self, event: dict[str, Any]) -> bytes:
        event["sequence_number"] = self._number
        self._number += 1
        return sse.encode(strict.dumps(event), event["type"])

    def _other(self, event: dict[str, Any]) -> bytes:
        """Inspect what does not come in pieces; send the event."""
        self._inspect(EVENT, event)
        return b"" if self.blocked else self._send(event)

    def _inspect(self, table: Object, document: dict[str, Any]) -> None:
        """Inspect texts that come whole, each once however often it is repeated."""
        found = Found()
        table.read_object(found, document, "Other")
        for text in found.texts:
            key = (text.origin, text.value)
            released = self._known.get(key)
            if released is None:
                released = self._scans.whole(*key)
                if self.blocked:
                    return
                if len(self._known) < _MOST_REMEMBERED and len(text.value) < _LONGEST_REMEMBERED:
                    self._known[key] = released
            if released != text.value:
                text.replace(released)

    def _piece(self, event: dict[str, Any]) -> bytes:
        """Take the next piece of a text, or of each text of an object."""
        kind, piece = event["type"].removesuffix(_PIECE), event.pop("delta", None)
        if isinstance(piece, str):
            return self._push((index_of(event), kind, part_of(kind, event), ""), event, piece)
        if not isinstance(piece, dict):
            event["delta"] = piece
            return self._other(event)
        released = b""
        for name, value in piece.items():
            if not isinstance(value, str) or not is_token(name):
                raise BrokenStreamError("A piece of the provider's stream is not text.")
            place = (index_of(event), kind, part_of(kind, event), name)
            released += self._push(place, dict(event), value)
        return released

    def _push(self, place: Place, event: dict[str, Any], piece: str) -> bytes:
        """Inspect a piece; `event` holds all else, and is the form of what is held back."""
        self._inspect(EVENT, event)
        self._whole.open(place, event)
        return self._release(place, event, self._scan(place, piece))

    def _scan(self, place: Place, text: str) -> str:
        _, _, origin, how = STREAMED.get(place[1], _UNKNOWN)
        self.tally.add(text)
        answers = self._json and place[1] == "response.output_text"
        is_json = how == "json" or (answers and text.lstrip()[:1] in ("", "{", "["))
        return self._scans.push(place, origin, text, is_json=is_json)

    def _release(self, place: Place, form: dict[str, Any], released: str) -> bytes:
        if self.blocked or not released:
            return b""
        self._whole.keep(place, released)
        delta = {place[3]: released} if place[3] else released
        return self._send({**form, "delta": delta})

    def _flush(self, wanted: Callable[[Place], bool]) -> bytes:
        """End texts; return what was held back of them."""
        ended = self._whole.close(wanted)
        rest = list(self._scans.finish(lambda place: place in ended))
        held = b"".join(self._release(place, ended[place], text) for place, text in rest)
        return held + b"".join(self._annotated(place) for place in ended)

    def _annotation(self, event: dict[str, Any]) -> bytes:
        """Keep an annotation until its text is complete."""
        self._inspect(EVENT, event)
        kind = event["type"].removesuffix(".annotation.added")
        place = (index_of(event), kind, part_of(kind, event), "")
        self._annotations.keep(place, event)
        return self._annotated(place) if self._whole.is_complete(place) else b""

    def _annotated(self, place: Place) -> bytes:
        kept = self._annotations.take(place)
        unfit = self.blocked or self._scans.changed(place)
        return b"" if unfit else b"".join(map(self._send, kept))

    def _complete(self, event: dict[str, Any]) -> bytes:
        """End one text, or all those of a kind that is not known."""
        index, kind = index_of(event), event["type"].removesuffix(_COMPLETE)
        if kind not in STREAMED:
            return self._flush(lambda each: each[:2] == (index, kind)) + self._other(event)
        place = (index, kind, part_of(kind, event), "")
        rest = self._flush(lambda each: each == place)
        return rest + self._around([Slot(place, event, STREAMED[kind][0])], event)

    def _around(self, within: list[Slot], event: dict[str, Any]) -> bytes:
        """Send an event that repeats texts, with what was released of each."""
        texts = [slot.take() for slot in within]
        self._inspect(EVENT, event)
        for slot, text in zip(within, texts, strict=True):
            slot.put(self._released(slot.place, text), before=text)
        return b"" if self.blocked else self._send(event)

    def _released(self, place: Place, text: str) -> str:
        """What was released of a text; one that came in no pieces is inspected now."""
        said = self._whole.said(place)
        if said is not None:
            return said
        released = self._scan(place, text)
        released += "".join(rest for _, rest in self._scans.finish(lambda each: each == place))
        self._whole.keep(place, released)
        return released

    def _part(self, event: dict[str, Any]) -> bytes:
        """A part begins, perhaps with its first words, or is complete."""
        within = part_slots(event)
        if not event["type"].endswith(_COMPLETE):
            return self._begin(within, event)
        places = {slot.place for slot in within}
        return self._flush(lambda place: place in places) + self._around(within, event)

    def _begin(self, within: list[Slot], event: dict[str, Any]) -> bytes:
        """Send the beginning of something; the words it begins with follow as pieces."""
        words = [(slot, slot.take()) for slot in within]
        begun = self._other(event)
        for slot, text in words:
            if text:
                begun += self._push(slot.place, slot.form(event), text)
        return begun

    def _added(self, event: dict[str, Any]) -> bytes:
        index, item = self._output.named(event)
        begun = self._begin(list(slots(index, item)), event)
        if self.blocked:
            return b""
        self._output.sent(index, item, complete=False)
        return begun

    def _done(self, event: dict[str, Any]) -> bytes:
        index, item = self._output.named(event)
        rest = self._flush(lambda place: place[0] == index)
        done = self._around(list(slots(index, item)), event)
        if self.blocked:
            return b""
        self._output.sent(index, item, complete=True)
        return rest + done

    def _lifecycle(self, event: dict[str, Any]) -> bytes:
        """The response as a whole: at its beginning, or complete."""
        response = event["response"]
        self.note(response.get("model"), response.get("usage"))
        if isinstance(error := response.get("error"), dict):
            response["error"] = errors.responses_provider(error)["error"]
        output = response.get("output")
        items = output if isinstance(output, list) else []
        within: list[Slot] = []
        for position, item in enumerate(items):
            if isinstance(item, dict):
                within += slots(self._output.index(item, position), item)
        self._over = event["type"] not in _BEGINNINGS
        rest = self.finish() if self._over else b""
        sent = self._around(within, event)
        if self.blocked:
            return b""
        self._response = {name: value for name, value in response.items() if name != "output"}
        return rest + sent

    def _error(self, event: dict[str, Any]) -> bytes:
        """Pass on what is safe of an error the provider reports in its stream."""
        self._over = True
        stated = event.get("error")
        safe = errors.responses_provider(stated if isinstance(stated, dict) else event)
        self._inspect(ERROR, safe)
        rest = self.finish()
        return b"" if self.blocked else rest + self._send(safe)


def _asks_for_json(call: Call) -> bool:
    text = call.document.get("text")
    wanted = text.get("format") if isinstance(text, dict) else None
    return isinstance(wanted, dict) and wanted.get("type") in ("json_object", "json_schema")


_BEGINNINGS = frozenset({"response.created", "response.in_progress", "response.queued"})
