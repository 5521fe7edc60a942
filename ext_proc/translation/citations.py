"""Citations: what words of an answer rest on, in nobody's dialect.

Formats are of two kinds. In some a block of words has its citations; others number the characters
of an answer. Here a citation stands in the text whose words rest on it (`neutral.Text`), or follows
them in a stream. How citations and texts fit together is in `cited`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

Unit = Literal["characters", "pages", "blocks", "results"]


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the request's documents; or, by `results`, in blocks of its search results."""

    unit: Unit
    document: int
    """The number of the document among all of the request."""
    start: int
    end: int


def placed(unit: Unit, stated: Iterable[Any]) -> Place | None:
    """A place by the number of the document, the beginning and the end; None: they are no such."""
    numbers = [each for each in stated if type(each) is int and each >= 0]
    return Place(unit, *numbers) if len(numbers) == 3 else None


@dataclass(frozen=True, slots=True)
class Citation:
    """A page of the web or a place in a document; one of url, title and place is not empty."""

    url: str = ""
    """The address; or what a search result names as its source."""
    title: str = ""
    words: str = ""
    """What stands there."""
    place: Place | None = None
    start: int | None = None
    """First character of the text that rests on it; with `end`, or neither: all of the text."""
    end: int | None = None

    @property
    def link(self) -> str:
        """The url, if it is an address."""
        return self.url if "://" in self.url else ""

    @property
    def is_documents(self) -> bool:
        """Whether it is of a document of the request."""
        return self.place is not None and self.place.unit != "results"


@dataclass(frozen=True, slots=True)
class CitationPiece:
    """A citation of words that came before, counted from the first character of the choice."""

    citation: Citation
    choice: int = 0
