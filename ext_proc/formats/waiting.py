"""Waiting: parts of a stream that go on only when the text they belong to is complete."""

from collections.abc import Hashable
from typing import Any, Generic, TypeVar

from ext_proc.formats import strict
from ext_proc.formats.codec import BrokenStreamError

Key = TypeVar("Key", bound=Hashable)
_MOST_BYTES = 16 * 1024 * 1024


class Waiting(Generic[Key]):
    """What waits, by its text; bounded."""

    def __init__(self) -> None:
        self._kept: dict[Key, list[Any]] = {}
        self._size = 0

    def keep(self, key: Key, value: Any) -> None:
        """Keep a part. Raise BrokenStreamError."""
        self._size += len(strict.dumps({"": value}))
        if self._size > _MOST_BYTES:
            raise BrokenStreamError("The provider's stream has too many annotations.")
        self._kept.setdefault(key, []).append(value)

    def take(self, key: Key) -> list[Any]:
        """Take out what waits for a text."""
        return self._kept.pop(key, [])

    def texts(self) -> list[Key]:
        """The texts that are waited for."""
        return list(self._kept)
