"""Turns: how many ask at once, at all and of one namespace.

Who names token endpoints that answer slowly, or names that nobody resolves, holds up the tokens of
that namespace alone.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

AT_ONCE = 64
OF_NAMESPACE = 16


class Turns:
    """Who may ask now; the others wait in the order they came."""

    def __init__(self, at_once: int = AT_ONCE, of_namespace: int = OF_NAMESPACE) -> None:
        self._all = asyncio.Semaphore(at_once)
        self._of_namespace = of_namespace
        self._namespaces = WeakValueDictionary[str, asyncio.Semaphore]()
        """Of those that ask or wait."""

    @asynccontextmanager
    async def taken(self, namespace: str) -> AsyncIterator[None]:
        """A turn; the namespace's own first, so that its crowd does not stand in all's way."""
        own = self._namespaces.get(namespace)
        if own is None:
            own = self._namespaces[namespace] = asyncio.Semaphore(self._of_namespace)
        async with own, self._all:
            yield
