"""Memo: what was made of each object the last time, so that an edit costs what it changed.

The results are the same with or without it: a part is made again when its object, or anything else
it depends on, is no longer equal.
"""

from collections.abc import Callable, Hashable, Iterable
from typing import Any, TypeVar

KeyT = TypeVar("KeyT", bound=Hashable)
ItemT = TypeVar("ItemT")
MadeT = TypeVar("MadeT")

_Parts = dict[Any, tuple[object, Any]]


class Memo:
    """Handed from one translation to the next; never shared by two at once."""

    def __init__(self) -> None:
        self._parts: dict[str, tuple[object, _Parts]] = {}

    def each(
        self,
        part: str,
        world: object,
        items: Iterable[tuple[KeyT, ItemT]],
        make: Callable[[ItemT], MadeT],
    ) -> dict[KeyT, MadeT]:
        """Make something of each item; `world` is all else that it depends on."""
        before, known = self._parts.get(part, (None, {}))
        if before != world:
            known = {}
        parts: _Parts = {}
        made: dict[KeyT, MadeT] = {}
        for key, item in items:
            last = known.get(key)
            same = last is not None and (last[0] is item or last[0] == item)
            result = last[1] if last is not None and same else make(item)
            parts[key] = item, result
            made[key] = result
        self._parts[part] = world, parts
        return made
