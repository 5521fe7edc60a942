"""Inbox: from kopf's thread to the store on the main loop, in order, a few hundred at a time."""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from controller.sources.api import Json
from controller.sources.store import Entry, Store, entry, key_of
from crds.meta import Key

AT_ONCE = 500
"""How many events are taken before others get their turn."""


class Inbox:
    """Takes events in kopf's thread, where they are parsed, and gives them to the store."""

    def __init__(self, store: Store, listed: Callable[[], None]) -> None:
        """Call `listed`, on the main loop, when kopf has listed: it may have missed something."""
        self._loop = asyncio.get_running_loop()
        self._store = store
        self._listed = listed
        self._events: deque[tuple[Key, str, Entry | None]] = deque()
        self._was_listed = False
        self._called = False

    def heard(self, kind: str | None, document: Json) -> None:
        """Take an event; its type is None for what kopf lists."""
        key, version = key_of(document), document["metadata"].get("resourceVersion", "")
        self._was_listed |= kind is None
        if kind == "DELETED":
            self._events.append((key, version, None))
        elif self._store.version(key) != version:
            self._events.append((key, version, entry(document)))
        if not self._called:
            self._called = True
            with suppress(RuntimeError):  # the main loop may be closed
                self._loop.call_soon_threadsafe(self._take)

    def _take(self) -> None:
        self._called = False  # first: what comes from now on calls again
        if self._was_listed:
            self._was_listed = False
            self._listed()
        for _ in range(min(AT_ONCE, len(self._events))):
            key, version, new = self._events.popleft()
            if new is None:
                self._store.drop(key, version)
            else:
                self._store.put(new)
        if self._events:
            self._loop.call_soon(self._take)
