"""Paths that everyone on the way reads alike, so that the rule that matches is the one meant.

Envoy has resolved dot segments and merged slashes before; what is left here are spellings that a
server may read as another path than the one that was matched.
"""

import string

_ONE_SPELLING = frozenset(string.ascii_letters + string.digits + "-._" + "/\\;%")
"""What has no business in another spelling."""
_HEX = frozenset(string.hexdigits)


def is_plain(path: str) -> bool:
    """Whether a path without query has one reading.

    Encoded letters, dots or slashes give it a second one, and so does a segment of dots before a
    `;`, which some servers resolve.
    """
    if not path.startswith("/") or not (path.isascii() and path.isprintable()):
        return False
    if any(each in path for each in ("\\", "#", "?", "//")):
        return False
    return all(map(_may_be_encoded, path.split("%")[1:])) and all(
        segment.partition(";")[0] not in (".", "..") for segment in path.split("/")
    )


def _may_be_encoded(rest: str) -> bool:
    """Whether the two digits after a `%` stand for something that is written so."""
    digits = rest[:2]
    if len(digits) < 2 or not _HEX.issuperset(digits):
        return False
    value = int(digits, 16)
    return value >= ord(" ") and chr(value) not in _ONE_SPELLING
