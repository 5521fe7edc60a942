"""A Hyperscan database: which of some expressions occur in bytes, in time linear in the bytes.

Compiling one costs seconds of CPU, so what the built-in detectors need is compiled when Dragoman is
installed (`python -m ext_proc.detectors.precompile`) and only read here; whatever is not there, or
was made for another processor, is compiled. Nothing is written at run time.
"""

import hashlib
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.metadata import version
from pathlib import Path
from typing import Final

import hyperscan

PRECOMPILED: Final = Path(__file__).parent / "precompiled"
_KEEP: Final = ContextVar("keep", default=False)


class Database:
    """Expressions compiled together, with a copy for each thread: scratch space is not shared."""

    def __init__(self, expressions: Sequence[bytes], flags: int) -> None:
        self._content = _content(expressions, flags)
        self._local = threading.local()

    def ends(self, data: bytes) -> dict[int, int]:
        """Return, for each expression that occurs, the last end reported."""
        found: dict[int, int] = {}

        def note(number: int, _start: int, end: int, _flags: int, _context: object) -> None:
            found[number] = end

        self._own().scan(data, match_event_handler=note)
        return found

    def _own(self) -> "hyperscan.Database":
        own = getattr(self._local, "database", None)
        if own is None:
            own = hyperscan.loadb(self._content, hyperscan.HS_MODE_BLOCK)
            own.scratch = hyperscan.Scratch(own)
            self._local.database = own
        return own


@contextmanager
def keeping() -> Iterator[None]:
    """Write what is compiled meanwhile to `PRECOMPILED`."""
    token = _KEEP.set(True)
    try:
        yield
    finally:
        _KEEP.reset(token)


def _content(expressions: Sequence[bytes], flags: int) -> bytes:
    path = PRECOMPILED / _key(expressions, flags)
    if path.exists():
        content = path.read_bytes()
        if _fits(content):
            return content
    database = hyperscan.Database()
    database.compile(
        expressions=list(expressions),
        ids=list(range(len(expressions))),
        elements=len(expressions),
        flags=[flags] * len(expressions),
    )
    content = bytes(hyperscan.dumpb(database))
    if _KEEP.get():
        PRECOMPILED.mkdir(exist_ok=True)
        path.write_bytes(content)
    return content


def _key(expressions: Sequence[bytes], flags: int) -> str:
    made_of = [version("hyperscan").encode(), str(flags).encode(), *expressions]
    return hashlib.sha256(b"\0".join(made_of)).hexdigest()[:32]


def _fits(content: bytes) -> bool:
    """Whether this processor can run it."""
    try:
        hyperscan.loadb(content, hyperscan.HS_MODE_BLOCK)
    except hyperscan.HyperscanError:
        return False
    return True
