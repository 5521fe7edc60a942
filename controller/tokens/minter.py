"""Minter: has a token for every AIBackend that needs one, and puts them into what is read.

One task keeps each token: it asks, waits until the token is to be renewed, and asks again. A
reading is handed on with what is at hand; a new AIBackend's first answer is waited for a little, so
that it is not told broken before anybody was asked. Every replica asks for its own, so that one
that begins to lead has them all.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from controller.resources import Resources, Unminted
from controller.sources.gather import Reading
from controller.tokens import asking, renewal
from controller.tokens.asking import Ask
from controller.tokens.grants import Token
from crds.gateway import SecretValue
from crds.meta import Key

logger = logging.getLogger(__name__)

PATIENCE_S = 3.0
"""How long a reading waits for first answers."""
Mint = Callable[[Ask], Awaitable[Token | str]]


@dataclass(slots=True)
class _Held:
    """What is known of one AIBackend's token."""

    ask: Ask
    task: asyncio.Task[None]
    outcome: SecretValue | Unminted | None = None
    """None: nobody has answered yet."""


class Minter:
    """Keeps tokens while readings are drawn from it."""

    def __init__(self, mint: Mint, patience_s: float = PATIENCE_S) -> None:
        self._mint = mint
        self._patience_s = patience_s
        self._held: dict[Key, _Held] = {}
        self._changed = asyncio.Event()
        self._reading: Reading | None = None

    async def joined(self, readings: AsyncIterator[Reading]) -> AsyncIterator[Reading]:
        """Every reading with its tokens; once more whenever a token is another."""
        source = asyncio.create_task(self._follow(readings))
        try:
            while not source.done() or self._changed.is_set():
                await self._news(source)
                if source.done():
                    source.result()
                if self._changed.is_set() and self._reading is not None:
                    await self._first_answers()
                    self._changed.clear()
                    yield self._joined(self._reading)
        finally:
            await _ended([source, *(held.task for held in self._held.values())])
            self._held.clear()

    async def _follow(self, readings: AsyncIterator[Reading]) -> None:
        async for reading in readings:
            self._reading = reading
            self._keep(asking.wanted(reading.resources))
            self._changed.set()

    async def _news(self, source: asyncio.Task[None]) -> None:
        changed = asyncio.create_task(self._changed.wait())
        try:
            await asyncio.wait((source, changed), return_when=asyncio.FIRST_COMPLETED)
        finally:
            changed.cancel()

    async def _first_answers(self) -> None:
        """Wait until every token was asked for once, but not for long."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self._patience_s
        while any(held.outcome is None for held in self._held.values()):
            self._changed.clear()
            try:
                await asyncio.wait_for(self._changed.wait(), end - loop.time())
            except TimeoutError:
                return

    def _keep(self, wanted: Mapping[Key, Ask]) -> None:
        """Begin to keep what is new, and end what is no longer wanted or asked for otherwise."""
        for key, held in list(self._held.items()):
            if wanted.get(key) != held.ask:
                self._held.pop(key).task.cancel()
        for key, ask in wanted.items():
            if key not in self._held:
                self._held[key] = _Held(ask, asyncio.create_task(self._renewed(key, ask)))

    async def _renewed(self, key: Key, ask: Ask) -> None:
        """Keep one token; what cannot be renewed serves as long as it lasts."""
        loop = asyncio.get_running_loop()
        failures, told, gone = 0, "", loop.time()
        while True:
            found = await self._asked(ask)
            if isinstance(found, Token):
                lasts_s = found.lasts.total_seconds()
                failures, told, gone = 0, "", loop.time() + renewal.usable_for(lasts_s)
                self._set(key, found.value)
                wait_s = renewal.renew_after(lasts_s)
            else:
                failures += 1
                if found != told:
                    logger.warning("no new token for %s: %s %s", key, ask.host, found)
                told, left_s = found, gone - loop.time()
                wait_s = renewal.again_after(failures)
                if left_s > 0:
                    wait_s = min(wait_s, left_s)
                else:
                    self._set(key, Unminted(f"{ask.host} {found}"))
            await asyncio.sleep(wait_s)

    async def _asked(self, ask: Ask) -> Token | str:
        """Ask once; a fault of ours costs this token alone."""
        try:
            return await self._mint(ask)
        except Exception:
            logger.exception("this is a bug of ours; it is tried again")
            return "could not be asked"

    def _set(self, key: Key, outcome: SecretValue | Unminted) -> None:
        held = self._held[key]
        if held.outcome != outcome:
            held.outcome = outcome
            self._changed.set()

    def _joined(self, reading: Reading) -> Reading:
        tokens = {key: held.outcome for key, held in self._held.items() if held.outcome is not None}
        return replace(reading, resources=replace(reading.resources, tokens=tokens))


def assumed(resources: Resources) -> Resources:
    """The resources as if every token endpoint had answered; for those who only look."""
    nothing = SecretValue(b"-")
    return replace(resources, tokens=dict.fromkeys(asking.wanted(resources), nothing))


async def _ended(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
