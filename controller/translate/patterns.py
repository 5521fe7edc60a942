"""Patterns: RE2 expressions in matches, as the guard will use them: for a whole model name.

RE2 takes linear time whatever the pattern; its size is bounded here. CEL cannot check any of this.
"""

from functools import lru_cache
from typing import Any

import re2

MEMORY_BYTES = 64 * 1024
"""For the program of one pattern; `\\pL{100}` has room, `\\pL{300}` does not."""
_RANGE_LENGTH = 32
_BEYOND = b"\xff"
"""Greater than any byte of a model's name."""


def fault(pattern: str) -> str:
    """Why a pattern cannot be used, and the fix; empty if it can."""
    try:
        _compiled(pattern)
    except re2.error as error:
        said = error.args[0] if error.args else ""
        reason = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
        return f"no RE2 expression ({reason}), so this match is left out; see https://github.com/google/re2/wiki/Syntax"
    return ""


def matches(pattern: str, model: str) -> bool:
    """Whether a usable pattern takes the whole name."""
    low, high = between(pattern)
    return low <= model.encode() <= high and _compiled(pattern).fullmatch(model) is not None


def may_begin_with(pattern: str, prefix: str) -> bool:
    """Whether a usable pattern could take a name that begins so; it may say yes in error."""
    low, high = between(pattern)
    start = prefix.encode()
    return start <= high and low <= start + _BEYOND


def may_agree(one: str, other: str) -> bool:
    """Whether some name could be one for both; it may say yes in error."""
    (low, high), (least, most) = between(one), between(other)
    return low <= most and least <= high


@lru_cache(maxsize=4096)
def between(pattern: str) -> tuple[bytes, bytes]:
    """All names a usable pattern takes lie between these two."""
    try:
        low, high = _compiled(pattern).possiblematchrange(_RANGE_LENGTH)
    except re2.error:  # RE2 says nothing useful of it
        return b"", _BEYOND
    return low, high


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    options.max_mem = MEMORY_BYTES
    return re2.compile(pattern, options)
