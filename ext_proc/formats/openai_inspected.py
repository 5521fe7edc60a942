"""Streamed chat completions under inspection: chunks in, chunks out.

Every text of a delta goes through the scan of its own place (choice, field, tool call); what is
held back goes out in chunks of the same shape when the stream ends, before the chunks with
`finish_reason`, which wait for it: a provider may write on after one. `logprobs` are dropped,
since they would spell what is held back. A tool's name must come whole, because clients need it
first. Streams that no guard inspects are in `openai_stream`.
"""

from typing import Any

from crds.plan import Origin
from ext_proc.call import Call, Reject
from ext_proc.formats import errors, sse, strict
from ext_proc.formats.codec import BrokenStreamError, Tally
from ext_proc.formats.openai_tables import CHUNK, ERROR, MESSAGE, STREAMED, How
from ext_proc.formats.rules import Json, is_base64, is_token
from ext_proc.formats.scans import Scans
from ext_proc.formats.stated import Stated
from ext_proc.formats.texts import Found
from ext_proc.formats.waiting import Waiting

Place = tuple[int, tuple[str | int, ...]]
"""The choice, and the way to the text in its delta; a number is a list item's `index`."""
_DONE = sse.encode(b"[DONE]")
_MOST_CHOICES = 128
_MOST_ITEMS = 4096
_KEPT = ("id", "object", "created", "model", "provider", "system_fingerprint", "service_tier")
_ANY = Json()


class Inspected(Stated):
    """Chunks whose every text a guard inspects."""

    def __init__(self, tally: Tally, scans: Scans[Place], call: Call) -> None:
        super().__init__(tally)
        self._scans = scans
        self._hide = not call.wants_usage
        self._json = _asks_for_json(call)
        self._names: dict[Place, str] = {}
        self._envelope: dict[str, Any] = {"object": "chat.completion.chunk"}
        self._open: set[int] = set()
        self._last: dict[int, dict[str, Any]] = {}
        self._total: dict[str, Any] | None = None
        self._done = False
        self._whole_lists: set[Place] = set()
        self._annotations: Waiting[int] = Waiting()
        """By choice; they count the characters of its content."""
        self._listed: set[int] = set()
        """Choices whose content is no string: nobody knows what is counted."""

    @property
    def blocked(self) -> bool:
        """A guard blocked."""
        return self._scans.blocked

    def event(self, event: sse.Event) -> bytes:
        """Take one event; return what may go on."""
        if self._done:
            return b""
        if event.data is None:
            return sse.COMMENT
        if event.data.strip() == b"[DONE]":
            self._done = True
            return self.finish() + _DONE
        try:
            chunk = strict.loads(event.data)
        except strict.InvalidJsonError:
            raise BrokenStreamError("An event of the provider's stream is not JSON.") from None
        return self._chunk(chunk) if chunk.get("error") is None else self._error(event.data)

    def finish(self) -> bytes:
        """Return what was held back, then how the choices ended, then the usage."""
        rest = [self._held(place, text) for place, text in self._scans.finish(lambda _: True)]
        if self.blocked:
            return b""
        rest += self._annotated()
        ends = [chunk for _, chunk in sorted(self._last.items())]
        if self._total is not None:
            ends.append(self._total)
        self._last, self._total = {}, None
        return b"".join(map(self._write, rest + ends))

    def abort(self, reject: Reject, request_id: str) -> bytes:
        """End every choice as filtered if a guard blocked; else end with an error."""
        if reject.code != errors.BLOCKED:
            return errors.openai_stream(reject, request_id)
        ends = [
            {"index": index, "delta": {}, "finish_reason": "content_filter"}
            for index in sorted(self._open or {0})
        ]
        return self._write({**self._envelope, "choices": ends}) + _DONE

    def _write(self, chunk: dict[str, Any]) -> bytes:
        return sse.encode(strict.dumps(chunk))

    def _chunk(self, chunk: dict[str, Any]) -> bytes:
        stated = chunk.get("usage")
        self.note(chunk.get("model"), stated)
        if self._hide:
            chunk.pop("usage", None)
        found = Found()
        CHUNK.read_object(found, chunk, "Other")
        self._scans.texts(found.texts)
        self._envelope |= {name: chunk[name] for name in _KEPT if name in chunk}
        choices = chunk.get("choices")
        if not isinstance(choices, list) or not choices:
            if stated is None:
                return self._write(chunk)
            self._total = None if self._hide else chunk
            return b""
        kept = [choice for choice in choices if self._choice(chunk, choice)]
        wanted = chunk.get("usage") is not None and not self._last
        if not kept and not wanted:
            return b""
        return self._write({**chunk, "choices": kept or choices})

    def _choice(self, chunk: dict[str, Any], choice: Any) -> bool:
        """Inspect a choice; tell whether anything of it goes on now."""
        index = choice.get("index", 0) if isinstance(choice, dict) else None
        delta = choice.get("delta") or {} if isinstance(choice, dict) else None
        if type(index) is not int or not 0 <= index < _MOST_CHOICES or not isinstance(delta, dict):
            raise BrokenStreamError("A choice of the provider's stream is not what it should be.")
        self._open.add(index)
        if "logprobs" in choice:
            choice["logprobs"] = None
        if not isinstance(delta.get("content"), str | None):
            self._listed.add(index)
        if isinstance(delta.get("annotations"), list):
            self._annotate(index, delta)
        bears = self._object(index, (), delta)
        if choice.get("finish_reason") is not None:
            self._last[index] = {**chunk, "choices": [{**choice, "delta": {}}]}
            choice["finish_reason"] = None
        return bears

    def _object(self, index: int, path: tuple[str | int, ...], node: dict[str, Any]) -> bool:
        """Inspect all strings of an object; tell whether anything is left to send."""
        bears = False
        for key in list(node):
            value = node[key]
            place = (*path, key)
            if isinstance(value, str):
                node[key] = self._string(index, place, value)
                bears = bears or bool(node[key])
            elif isinstance(value, dict):
                bears = self._object(index, place, value) or bears
            elif isinstance(value, list):
                bears = self._list(index, place, node) or bears
            elif value is not None:
                bears = bears or key != "index"
            if _names(place) not in _KNOWN and self._scans.whole("Assistant", key) != key:
                del node[key]
        return bears

    def _annotate(self, index: int, delta: dict[str, Any]) -> None:
        """Inspect annotations, and keep them for the end."""
        found = Found()
        MESSAGE.rules["annotations"].read(found, delta, "annotations", "Assistant")
        self._scans.texts(found.texts)
        for each in delta.pop("annotations"):
            self._annotations.keep(index, each)

    def _annotated(self) -> list[dict[str, Any]]:
        """Chunks with the annotations of content that went on as it came.

        Each choice has one: OpenAI's own SDKs do not join lists without indexes.
        """
        return [
            self._held((index, ("annotations",)), kept)
            for index in sorted(self._annotations.texts())
            if (kept := self._annotations.take(index))
            if index not in self._listed and not self._scans.changed((index, ("content",)))
        ]

    def _list(self, index: int, place: tuple[str | int, ...], owner: dict[str, Any]) -> bool:
        """Inspect a list: items that say their `index` go on in later chunks, others come whole."""
        key = place[-1]
        items = owner[str(key)]
        if all(isinstance(item, dict) and type(item.get("index")) is int for item in items):
            if any(not 0 <= item["index"] < _MOST_ITEMS for item in items):
                raise BrokenStreamError("An index in the provider's stream is out of range.")
            bears = [self._object(index, (*place, item["index"]), item) for item in items]
            return any(bears)
        if items and (index, place) in self._whole_lists:
            raise BrokenStreamError("A list without indexes goes on in the provider's stream.")
        if items:
            self._whole_lists.add((index, place))
        found = Found()
        rule = MESSAGE.rules.get(str(key), _ANY) if len(place) == 1 else _ANY
        rule.read(found, owner, key, _whose(place)[0])
        for text in found.texts:
            self.tally.add(text.value)
        self._scans.texts(found.texts)
        return bool(items)

    def _string(self, index: int, place: tuple[str | int, ...], value: str) -> str:
        """Inspect a string or the next piece of one; return what may go on."""
        origin, how = _whose(place)
        if not value or (how == "data" and is_base64(value)):
            return value
        if how == "token":
            return value if is_token(value) else self._scans.whole(origin, value)
        if how == "name":
            return self._name((index, place), value)
        self.tally.add(value)
        is_json = how == "json" or (
            self._json and place == ("content",) and value.lstrip()[:1] in ("", "{", "[")
        )
        return self._scans.push((index, place), origin, value, is_json=is_json)

    def _name(self, place: Place, value: str) -> str:
        """Inspect a name; pieces of one must be harmless together, for they went on alone."""
        before = self._names.get(place, "")
        if value == before:
            return value
        self._names[place] = before + value
        released = self._scans.whole("ToolCalls", before + value)
        if not before:
            return released
        if released != before + value:
            raise BrokenStreamError("A tool's name came in pieces that a guard would change.")
        return value

    def _held(self, place: Place, held: Any) -> dict[str, Any]:
        """Return a chunk with what was held back of one text, or of one list."""
        index, path = place
        delta = held
        for part in reversed(path):
            delta = {part: delta} if isinstance(part, str) else [{"index": part, **delta}]
        choice = {"index": index, "delta": delta, "finish_reason": None}
        return {**self._envelope, "choices": [choice]}

    def _error(self, data: bytes) -> bytes:
        """Pass on what is safe of an error the provider reports in its stream."""
        error = errors.openai_provider(400, data)
        found = Found()
        ERROR.read_object(found, error, "Other")
        self._scans.texts(found.texts)
        return self.finish() + sse.encode(strict.dumps(error))


def _whose(place: tuple[str | int, ...]) -> tuple[Origin, How]:
    """Return whose a string of a delta is, and how it is read."""
    return STREAMED.get(_names(place)) or (_ORIGINS.get(place[0], "Assistant"), "text")


def _names(place: tuple[str | int, ...]) -> tuple[str, ...]:
    return tuple(part if isinstance(part, str) else "[]" for part in place)


def _asks_for_json(call: Call) -> bool:
    wanted = call.document.get("response_format")
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    return kind in ("json_object", "json_schema")


_ORIGINS: dict[str | int, Origin] = {
    place[0]: origin for place, (origin, _) in STREAMED.items() if place
}
_KNOWN = frozenset(place[:length] for place in STREAMED for length in range(1, len(place) + 1)) | {
    ("tool_calls", "[]", "index"),
    ("reasoning_details", "[]", "index"),
}
