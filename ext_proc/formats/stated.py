"""What a streamed response says of itself: the part that passed and inspected streams share."""

from collections.abc import Callable
from typing import Any

from ext_proc.call import Usage
from ext_proc.formats import usage
from ext_proc.formats.codec import Tally


class Stated:
    """Model and usage of a stream, as far as they are stated."""

    def __init__(self, tally: Tally, read: Callable[[Any], Usage | None] = usage.openai) -> None:
        self._read = read
        self._parts: dict[str, Any] = {}
        self.usage: Usage | None = None
        self.usage_invalid = False
        self.model: str | None = None
        self.tally = tally

    def note(self, model: Any, stated: Any) -> None:
        """Remember a chunk's model and usage; a later usage takes the place of one before."""
        if isinstance(model, str) and model:
            self.model = model
        if stated is not None:
            self.usage = self._read(stated)
            self.usage_invalid = self.usage is None

    def add(self, model: Any, stated: Any, *, final: bool) -> None:
        """Remember model and usage where later counts complete the ones before.

        Only the final ones are a usage: a stream that breaks off before has none.
        """
        known = stated if isinstance(stated, dict) else {}
        self._parts |= {name: count for name, count in known.items() if count is not None}
        self.note(model, self._parts if final and stated is not None else None)
