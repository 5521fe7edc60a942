"""Inspection of a streamed response: which scan each piece of text belongs to.

A text that comes in pieces has one scan from its first piece to its last, whatever comes between;
a text that comes whole has one of its own. Where pieces are JSON, the scan reads it without
escapes. What an event looks like is not known here.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Generic, TypeVar

from crds.plan import Origin
from ext_proc.call import FieldScan, OpenField, Text
from ext_proc.formats.codec import BrokenStreamError
from ext_proc.formats.inner import Reader, Writer

Key = TypeVar("Key", bound=Hashable)
_REMEMBERED = 256
_MOST_OPEN = 4096


class Piecewise:
    """The scan of one text that comes in pieces."""

    def __init__(self, scan: FieldScan, *, is_json: bool) -> None:
        self._scan = scan
        self._reader = Reader() if is_json else None
        self._writer = Writer()

    @property
    def blocked(self) -> bool:
        """Nothing more may be released."""
        return self._scan.blocked

    def push(self, text: str) -> str:
        """Take a piece; return what may go on."""
        if self._reader is None:
            return self._scan.push(text)
        return self._writer.push(self._scan.push(self._reader.push(text)))

    def finish(self) -> str:
        """Return what was held back."""
        if self._reader is None:
            return self._scan.finish()
        rest = self._scan.push(self._reader.finish())
        return self._writer.push(rest + self._scan.finish()) + self._writer.finish()


class Scans(Generic[Key]):
    """All scans of one streamed response."""

    def __init__(self, open_field: OpenField) -> None:
        self._open = open_field
        self._pieces: dict[Key, Piecewise] = {}
        self._clean: set[tuple[Origin, str]] = set()
        self.blocked = False

    def push(self, key: Key, origin: Origin, text: str, *, is_json: bool = False) -> str:
        """Take the next piece of a text; return what may go on."""
        pieces = self._pieces.get(key)
        if pieces is None:
            if len(self._pieces) >= _MOST_OPEN:
                raise BrokenStreamError("The provider's stream has too many fields.")
            pieces = self._pieces[key] = Piecewise(self._open(origin), is_json=is_json)
        released = pieces.push(text)
        if pieces.blocked:
            self.blocked = True
            return ""
        return released

    def whole(self, origin: Origin, text: str) -> str:
        """Inspect a text that came whole; what was clean before is clean again."""
        if (origin, text) in self._clean:
            return text
        scan = self._open(origin)
        released = scan.push(text) + scan.finish()
        if scan.blocked:
            self.blocked = True
            return ""
        if released == text and len(self._clean) < _REMEMBERED and len(text) < _REMEMBERED:
            self._clean.add((origin, text))
        return released

    def texts(self, texts: Iterable[Text]) -> None:
        """Inspect texts of an event that stand beside those that come in pieces."""
        for text in texts:
            released = self.whole(text.origin, text.value)
            if self.blocked:
                return
            if released != text.value:
                text.replace(released)

    def finish(self, wanted: Callable[[Key], bool]) -> Iterator[tuple[Key, str]]:
        """End the wanted texts; yield what of each was held back."""
        for key in [key for key in self._pieces if wanted(key)]:
            pieces = self._pieces.pop(key)
            rest = pieces.finish()
            if pieces.blocked:
                self.blocked = True
                return
            if rest:
                yield key, rest
