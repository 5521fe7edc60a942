"""The order of blocks, for formats whose streams have one block open at a time.

Providers of other formats may mix the pieces of several calls, and words among them. What belongs
to another block than the call that is open waits until that call's arguments are complete, or the
answer is; what waits is bounded.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from ext_proc.translation.citations import CitationPiece
from ext_proc.translation.codec import UnreadableError
from ext_proc.translation.neutral import (
    CallBegan,
    CallPiece,
    RefusalPiece,
    TextPiece,
    ThinkingPiece,
)

Piece = TextPiece | ThinkingPiece | RefusalPiece | CitationPiece | CallBegan | CallPiece
"""Of a block."""
_MOST_HELD = 16 * 1024 * 1024
_LEAST_HELD = 64
"""Characters that a piece counts at least, as it takes memory."""
_TOO_LARGE = "The tool calls of the provider's stream are too large."
_ENDED = "The provider's stream goes on with a call that ended."


class _Arguments:
    """The arguments of the call that is open, as far as they came."""

    def __init__(self, index: int) -> None:
        self.index = index
        self._unread: list[str] = []
        self._depth = 0
        self._begun = self._quoted = self._escaped = False

    def add(self, arguments: str) -> None:
        """Take more of them."""
        self._unread.append(arguments)

    @property
    def complete(self) -> bool:
        """Nothing can follow: every bracket is closed. No piece is read twice."""
        unread, self._unread = "".join(self._unread), []
        for character in unread:
            self._read(character)
        return self._begun and self._depth == 0

    def _read(self, character: str) -> None:
        if self._escaped:
            self._escaped = False
        elif self._quoted:
            self._quoted = character != '"'
            self._escaped = character == "\\"
        elif character == '"':
            self._quoted = True
        elif character in "{[":
            self._begun, self._depth = True, self._depth + 1
        elif character in "}]":
            self._depth -= 1


@dataclass(slots=True)
class _Block:
    """One that waits: a call, or words of any kind."""

    call: int | None
    pieces: list[Piece] = field(default_factory=list)
    held: int = 0


class BlockOrder:
    """The pieces of one choice: put in as they come, and given back block by block.

    A `CallPiece` that is given back always belongs to the last `CallBegan` before it, with nothing
    but its own pieces between.
    """

    def __init__(self) -> None:
        self._open: _Arguments | None = None
        self._waiting: deque[_Block] = deque()
        """Empty unless a call is open."""
        self._calls: dict[int, _Block] = {}
        """Those that wait, by index."""
        self._held = 0

    def put(self, piece: Piece) -> Iterator[Piece]:
        """Take a piece; give back what may be said now. Raise UnreadableError."""
        if isinstance(piece, CallPiece) and self._open and piece.index == self._open.index:
            self._open.add(piece.arguments)
            yield piece
        elif isinstance(piece, CallPiece) and piece.index not in self._calls:
            if piece.arguments.strip():
                raise UnreadableError(_ENDED)
        elif self._open is None:
            yield self._said(piece)
        else:
            self._wait(piece)
        while self._waiting and (self._open is None or self._open.complete):
            yield from self._next()

    def rest(self) -> Iterator[Piece]:
        """The answer is complete: give back what waits."""
        while self._waiting:
            yield from self._next()
        self._open = None

    def _said(self, piece: Piece) -> Piece:
        if isinstance(piece, CallBegan):
            self._open = _Arguments(piece.index)
        elif isinstance(piece, CallPiece) and self._open is not None:
            self._open.add(piece.arguments)
        return piece

    def _wait(self, piece: Piece) -> None:
        block = self._block(piece)
        held = max(_size(piece), _LEAST_HELD)
        block.pieces.append(piece)
        block.held += held
        self._held += held
        if self._held > _MOST_HELD:
            raise UnreadableError(_TOO_LARGE)

    def _block(self, piece: Piece) -> _Block:
        """The block that a piece belongs to; words go on in the last block, if it is of words."""
        if isinstance(piece, CallPiece):
            return self._calls[piece.index]
        if isinstance(piece, CallBegan):
            block = self._calls[piece.index] = _Block(piece.index)
            self._waiting.append(block)
        elif not self._waiting or self._waiting[-1].call is not None:
            self._waiting.append(_Block(None))
        return self._waiting[-1]

    def _next(self) -> Iterator[Piece]:
        self._open = None
        block = self._waiting.popleft()
        self._held -= block.held
        if block.call is not None:
            del self._calls[block.call]
        yield from map(self._said, block.pieces)


def _size(piece: Piece) -> int:
    match piece:
        case TextPiece(text) | RefusalPiece(text):
            return len(text)
        case CitationPiece(citation):
            return len(citation.url) + len(citation.title) + len(citation.words)
        case CallPiece(_, arguments):
            return len(arguments)
        case ThinkingPiece(text, signature, redacted):
            return len(text) + len(signature) + len(redacted)
        case CallBegan(_, call_id, name, signature):
            return len(call_id) + len(name) + len(signature)
