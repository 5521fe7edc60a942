"""Hostnames: which one covers which, and what two have in common.

`*` stands for every hostname, `*.corp.example` for all names below `corp.example`, at any depth.
"""

from collections.abc import Iterator

ANY = "*"


def covers(pattern: str, host: str) -> bool:
    """Whether every name that `host` stands for is one that `pattern` stands for."""
    if pattern in (ANY, host):
        return True
    return pattern.startswith("*.") and host.endswith(pattern[1:])


def common(one: str, other: str) -> str | None:
    """The narrower of two hostnames if the wider covers it."""
    if covers(one, other):
        return other
    return one if covers(other, one) else None


def wider(host: str) -> Iterator[str]:
    """The hostname itself and all that cover it, most specific first."""
    yield host
    rest = host.removeprefix("*.")
    while "." in rest:
        rest = rest.partition(".")[2]
        yield f"*.{rest}"
    if host != ANY:
        yield ANY
