"""A StatusWriter while its replica leads, for tests with and without a cluster."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from controller.sources.status import StatusWriter


@asynccontextmanager
async def leading(statuses: StatusWriter) -> AsyncIterator[None]:
    task = asyncio.create_task(statuses.run())
    await asyncio.sleep(0)
    yield
    assert not task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def settled(statuses: StatusWriter) -> None:
    while not statuses.idle:
        await asyncio.sleep(0.005)
