"""A Source whose Readings a test waits for."""

import asyncio
from collections.abc import Callable
from contextlib import asynccontextmanager

from controller.sources.gather import Reading
from controller.sources.kubernetes import Scope, Source

PATIENCE_S = 60


class Reader:
    """The last Reading, and how many there were."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.last: Reading | None = None
        self.count = 0
        self._news = asyncio.Condition()

    async def read(self) -> None:
        async for reading in self.source.readings():
            async with self._news:
                self.last, self.count = reading, self.count + 1
                self._news.notify_all()

    async def until(self, holds: Callable[[Reading], object]) -> Reading:
        async with self._news, asyncio.timeout(PATIENCE_S):
            await self._news.wait_for(lambda: self.last is not None and holds(self.last))
        return self.last


async def eventually(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not holds():
            await asyncio.sleep(0.02)


@asynccontextmanager
async def reading(api, login, scope: Scope | None = None):
    source = Source(api, login, scope)
    reader = Reader(source)
    task = asyncio.create_task(reader.read())
    try:
        first = asyncio.create_task(reader.until(lambda _: True))
        await asyncio.wait((first, task), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
        await first
        yield reader
        assert not task.done() or task.result()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await source.close()
