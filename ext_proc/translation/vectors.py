"""Vectors: a request for embeddings and its answer, in nobody's dialect."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ext_proc.call import Usage
from ext_proc.translation.neutral import Loss


@dataclass(frozen=True, slots=True)
class VectorRequest:
    """What is to be embedded. None and empty: not said."""

    model: str
    texts: tuple[str, ...]
    dimensions: int | None = None
    task: str = ""
    """What the vectors are for, in Gemini's words."""
    user: str = ""
    said: Mapping[str, str] = field(default_factory=dict)
    """The caller's own names of fields that are said, and of the one that holds the texts."""
    lost: tuple[Loss, ...] = ()

    def unsaid(self, *fields: str) -> tuple[Loss, ...]:
        """What is lost where a format has no words for these fields; sizes must be as wanted."""
        return tuple(
            Loss(self.said.get(name, name), essential=name == "dimensions")
            for name in fields
            if getattr(self, name)
        )

    def beyond(self, most: int) -> tuple[Loss, ...]:
        """What is lost where a request holds so many texts."""
        if len(self.texts) <= most:
            return ()
        return (Loss(self.said.get("texts", "texts"), essential=True),)


@dataclass(frozen=True, slots=True)
class VectorResponse:
    """A vector for each text, in order; numbers keep their spelling."""

    model: str
    vectors: tuple[list[Any], ...]
    usage: Usage | None
    usage_invalid: bool = False
