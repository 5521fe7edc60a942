"""Places of a streamed response: where a text that comes in pieces stands, and what it became."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ext_proc.formats import counted
from ext_proc.formats.codec import BrokenStreamError
from ext_proc.formats.responses_tables import FIELDS, LISTS, STREAMED

Place = tuple[int, str, int, str]
"""The item's output index, the pieces' kind, the number within the item, a field of the piece."""
_MOST_KEPT = 64 * 1024 * 1024
_MOST = 4096


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a whole text stands in an event."""

    place: Place
    owner: dict[str, Any]
    key: str

    def take(self) -> str:
        """Take the text out."""
        text = self.owner.get(self.key)
        self.owner[self.key] = ""
        return text if isinstance(text, str) else ""

    def put(self, text: str, before: str) -> None:
        """Put a text in its place; what counts the characters of another is dropped."""
        self.owner[self.key] = text
        if text != before:
            counted.drop_annotations(self.owner)

    def form(self, event: dict[str, Any]) -> dict[str, Any]:
        """An event for pieces of this text, beside one that begins it."""
        index, kind, part, _ = self.place
        item = event.get("item")
        item_id = item.get("id") if isinstance(item, dict) else event.get("item_id")
        numbered = {STREAMED[kind][1]: part} if STREAMED[kind][1] else {}
        return {"type": f"{kind}.delta", "item_id": item_id, "output_index": index, **numbered}


def slots(index: int, item: dict[str, Any], first: int = 0) -> Iterator[Slot]:
    """Find the texts of an item that come in pieces; its first part has the number `first`."""
    kind = item.get("type")
    if not isinstance(kind, str):
        return
    if kind in FIELDS:
        key, pieces = FIELDS[kind]
        if isinstance(item.get(key), str):
            yield Slot((index, pieces, 0, ""), item, key)
    for name, part_type, key, pieces in LISTS.get(kind, ()):
        parts = item.get(name)
        for position, part in enumerate(parts if isinstance(parts, list) else (), first):
            if isinstance(part, dict) and part.get("type") == part_type:
                if "logprobs" in part:
                    part["logprobs"] = []
                if isinstance(part.get(key), str):
                    yield Slot((index, pieces, position, ""), part, key)


def index_of(event: dict[str, Any]) -> int:
    """The output index of an event; -1 where it names none."""
    index = event.get("output_index", -1)
    if type(index) is not int or not -1 <= index <= _MOST:
        raise BrokenStreamError("An event of the provider's stream belongs to no item.")
    return index


def part_of(kind: str, event: dict[str, Any]) -> int:
    """The number of a text within its item."""
    numbered = STREAMED[kind][1] if kind in STREAMED else "content_index"
    position = event.get(numbered, 0)
    if type(position) is not int or not 0 <= position <= _MOST:
        raise BrokenStreamError("A piece of the provider's stream has no place.")
    return position


def part_slots(event: dict[str, Any]) -> list[Slot]:
    """Find the texts of an event about one part of an item."""
    index, part = index_of(event), event.get("part")
    summed = "summary_index" in event
    position = event.get("summary_index" if summed else "content_index")
    if type(position) is not int or not 0 <= position <= _MOST or not isinstance(part, dict):
        raise BrokenStreamError("A part of the provider's stream is not what it should be.")
    thought = summed or part.get("type") == "reasoning_text"
    item = {
        "type": "reasoning" if thought else "message",
        "summary" if summed else "content": [part],
    }
    return list(slots(index, item, position))


class Whole:
    """What was released of each text, and the form of its pieces while it is open."""

    def __init__(self) -> None:
        self._kept = 0
        self._said: dict[Place, list[str]] = {}
        self._open: dict[Place, dict[str, Any]] = {}

    def open(self, place: Place, form: dict[str, Any]) -> bool:
        """A piece of a text comes; tell whether it is the first."""
        first = place not in self._said
        if not first and place not in self._open:
            raise BrokenStreamError("A text of the provider's stream goes on after its end.")
        if first:
            self.keep(place, "")
        self._open[place] = form
        return first

    def is_complete(self, place: Place) -> bool:
        """Tell whether a text has ended."""
        return place in self._said and place not in self._open

    def keep(self, place: Place, released: str) -> None:
        """Keep what is released of a text."""
        self._kept += len(released)
        said = self._said.setdefault(place, [])
        said.append(released)
        if self._kept > _MOST_KEPT or len(self._said) > _MOST:
            raise BrokenStreamError("The provider's stream is too long to be inspected.")

    def said(self, place: Place) -> str | None:
        """What was released of a text; None if no piece of it came."""
        said = self._said.get(place)
        return None if said is None else "".join(said)

    def close(self, wanted: Callable[[Place], bool]) -> dict[Place, dict[str, Any]]:
        """End texts; return those that were open, with the form of their pieces."""
        ended = [place for place in self._open if wanted(place)]
        return {place: self._open.pop(place) for place in ended}

    def content(self, index: int) -> list[dict[str, Any]]:
        """The parts of a message, as far as they were released."""
        kinds = {pieces: (kind, key) for _, kind, key, pieces in LISTS["message"]}
        places = sorted(place for place in self._said if place[0] == index and place[1] in kinds)
        return [_spoken(*kinds[place[1]], self.said(place) or "") for place in places]


class Output:
    """The items of a response, by output index, as they were last sent."""

    def __init__(self) -> None:
        self._items: dict[int, dict[str, Any]] = {}
        self._begun: set[int] = set()
        self._indexes: dict[str, int] = {}

    def named(self, event: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """The item of an event, and its output index."""
        index, item = index_of(event), event.get("item")
        if not isinstance(item, dict) or index < 0:
            raise BrokenStreamError("An item of the provider's stream is not what it should be.")
        if isinstance(item_id := item.get("id"), str):
            self._indexes[item_id] = index
        if len(self._indexes) > _MOST:
            raise BrokenStreamError("The provider's stream has too many items.")
        return index, item

    def sent(self, index: int, item: dict[str, Any], *, complete: bool) -> None:
        """An item went out."""
        self._items[index] = item
        (self._begun.discard if complete else self._begun.add)(index)

    def index(self, item: dict[str, Any], position: int) -> int:
        """The output index of an item; one that was never seen has an index of its own."""
        item_id = item.get("id")
        if not isinstance(item_id, str):
            return position
        return self._indexes.get(item_id, -2 - position)

    def released(self, whole: Whole) -> list[dict[str, Any]]:
        """What was released of the items; of those that are not complete only words count."""
        cut = {"status": "incomplete"}
        return [
            item if index not in self._begun else {**item, **cut, "content": whole.content(index)}
            for index, item in sorted(self._items.items())
            if index not in self._begun or item.get("type") == "message"
        ]


def _spoken(kind: str, key: str, text: str) -> dict[str, Any]:
    annotated: dict[str, Any] = {"annotations": []} if kind == "output_text" else {}
    return {"type": kind, key: text, **annotated}
