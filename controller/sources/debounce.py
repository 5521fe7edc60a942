"""Debounce: many changes, one reaction: once it is quiet, and after a while in any case.

And its like: how long to wait before trying again.
"""

import asyncio
import random
from dataclasses import dataclass, field


@dataclass(slots=True)
class Quiet:
    """When to react; pure: the time is given."""

    quiet_s: float
    longest_s: float
    _first: float | None = None
    _last: float = 0

    def touch(self, now: float) -> None:
        """Something changed."""
        self._last = now
        if self._first is None:
            self._first = now

    def left(self, now: float) -> float | None:
        """How long to wait still; None if nothing changed."""
        if self._first is None:
            return None
        return max(0.0, min(self._last + self.quiet_s, self._first + self.longest_s) - now)

    def clear(self) -> None:
        """It was reacted to."""
        self._first = None


class Debounce:
    """The same within an event loop."""

    def __init__(self, quiet_s: float, longest_s: float) -> None:
        self._quiet = Quiet(quiet_s, longest_s)
        self._touched = asyncio.Event()

    def touch(self) -> None:
        """Something changed."""
        self._quiet.touch(asyncio.get_running_loop().time())
        self._touched.set()

    async def settled(self) -> None:
        """Wait for a change and then for it to end; several changes are one."""
        await self._touched.wait()
        while left := self._quiet.left(asyncio.get_running_loop().time()):  # noqa: ASYNC110  # it moves
            await asyncio.sleep(left)
        self._quiet.clear()
        self._touched.clear()


@dataclass(slots=True)
class Backoff:
    """How long to wait before trying again: longer each time, up to a limit, never the same."""

    first_s: float = 0.25
    most_s: float = 30.0
    _next_s: float = field(default=0.0)

    def next(self) -> float:
        """The next delay."""
        self._next_s = min(max(self._next_s * 2, self.first_s), self.most_s)
        return self._next_s * random.uniform(0.5, 1)  # noqa: S311  # no secret depends on it

    def reset(self) -> None:
        """It went well."""
        self._next_s = 0.0
