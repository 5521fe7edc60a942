"""What a streamed response says of itself: the part that passed and inspected streams share."""

from collections.abc import Callable
from typing import Any

from ext_proc.call import Usage
from ext_proc.formats import usage
from ext_proc.formats.codec import Tally


class Stated:
    """What a stream says of itself."""

    def __init__(self, tally: Tally, read: Callable[[Any], Usage | None] = usage.openai) -> None:
        self._read = read
        self.usage: Usage | None = None
        self.usage_invalid = False
        self.model: str | None = None
        self.tally = tally

    def note(self, model: Any, stated: Any) -> None:
        """Remember model and usage of a chunk."""
        if isinstance(model, str) and model:
            self.model = model
        if stated is not None:
            self.usage = self._read(stated)
            self.usage_invalid = self.usage is None
