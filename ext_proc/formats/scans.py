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
        self._due: list[str] = []
        """What came and was not released as it is."""
        self.changed = False
        """What was released is not what came."""

    @property
    def blocked(self) -> bool:
        """Nothing more may be released."""
        return self._scan.blocked

    def push(self, text: str) -> str:
        """Take a piece; return what may go on."""
        if self._reader is None:
            released = self._scan.push(text)
        else:
            released = self._writer.push(self._scan.push(self._reader.push(text)))
        self._compare(text, released)
        return released

    def finish(self) -> str:
        """Return what was held back."""
        if self._reader is None:
            released = self._scan.finish()
        else:
            rest = self._scan.push(self._reader.finish())
            released = self._writer.push(rest + self._scan.finish()) + self._writer.finish()
        self._compare("", released)
        self.changed = self.changed or any(self._due)
        return released

    def _compare(self, text: str, released: str) -> None:
        if self.changed:
            return
        self._due.append(text)
        if released:
            due = "".join(self._due)
            self.changed = not due.startswith(released)
            self._due = [due[len(released) :]]


class Scans(Generic[Key]):
    """All scans of one streamed response."""

    def __init__(self, open_field: OpenField) -> None:
        self._open = open_field
        self._pieces: dict[Key, Piecewise] = {}
        self._changed: set[Key] = set()
        """Of the texts that ended."""
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

    def changed(self, key: Key) -> bool:
        """Tell whether a text that came in pieces and ended went on as another."""
        return key in self._changed

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
            if pieces.changed:
                self._changed.add(key)
            if pieces.blocked:
                self.blocked = True
                return
            if rest:
                yield key, rest
