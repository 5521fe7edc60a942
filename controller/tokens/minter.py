"""Minter: has a token for every AIBackend that needs one, and puts them into what is read.

One task keeps each token: it asks, waits until the token is to be renewed, and asks again. A
reading is handed on with what is at hand; a new AIBackend's first answer is waited for a little, so
that it is not told broken before anybody was asked. With a new secret for the same client the old
token serves until there is another. Tokens that come later are gathered, so that no token endpoint
decides how often all is translated. Every replica asks for its own, so that one that begins to
lead has them all.
"""

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from controller.resources import Resources, SessionKey, Unminted
from controller.sources.gather import Reading
from controller.tokens import asking, renewal
from controller.tokens.asking import Ask
from controller.tokens.grants import Token
from controller.tokens.turns import Turns
from crds.gateway import SecretValue
from crds.meta import Key

logger = logging.getLogger(__name__)

PATIENCE_S = 3.0
"""How long readings wait for a first answer."""
GATHERED_S = 0.5
"""How long other tokens are gathered for a reading that comes for a token's sake."""
Mint = Callable[[Ask], Awaitable[Token | str]]
Outcome = SecretValue | SessionKey | Unminted


@dataclass(frozen=True, slots=True)
class Clock:
    """Time and chance; seconds."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    chance: Callable[[], float] = random.random
    """From 0 to 1."""


@dataclass(slots=True)
class _Held:
    """What is known of one AIBackend's token."""

    ask: Ask
    task: asyncio.Task[None]
    awaited_s: float
    """Until when readings wait for the first answer: a time of the loop."""
    outcome: Outcome | None = None
    """None: nobody has answered yet."""
    gone: float = 0.0
    """When a token that is held is of no more use."""


class Minter:
    """Keeps tokens while readings are drawn from it."""

    def __init__(
        self,
        mint: Mint,
        patience_s: float = PATIENCE_S,
        clock: Clock | None = None,
        gathered_s: float = GATHERED_S,
    ) -> None:
        self._mint = mint
        self._patience_s = patience_s
        self._gathered_s = gathered_s
        self._clock = clock or Clock()
        self._turns = Turns()
        self._held: dict[Key, _Held] = {}
        self._changed = asyncio.Event()
        self._gathering: asyncio.TimerHandle | None = None
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
                    self._gathered()
                    self._changed.clear()
                    yield self._joined(self._reading)
        finally:
            self._gathered()
            await _ended([source, *(held.task for held in self._held.values())])
            self._held.clear()

    async def _follow(self, readings: AsyncIterator[Reading]) -> None:
        async for reading in readings:
            self._reading = reading
            self._keep(self._wanted(reading.resources))
            self._changed.set()

    async def _news(self, source: asyncio.Task[None]) -> None:
        changed = asyncio.create_task(self._changed.wait())
        try:
            await asyncio.wait((source, changed), return_when=asyncio.FIRST_COMPLETED)
        finally:
            changed.cancel()

    async def _first_answers(self) -> None:
        """Wait until every token was asked for once, but not for long, and for none again."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self._patience_s
        while awaited := [held.awaited_s for held in self._held.values() if held.outcome is None]:
            self._changed.clear()
            try:
                await asyncio.wait_for(self._changed.wait(), min(end, max(awaited)) - loop.time())
            except TimeoutError:
                return

    def _wanted(self, resources: Resources) -> dict[Key, Ask]:
        """What is to be asked; where we cannot tell, what was asked before."""
        asks: dict[Key, Ask | None] = {}
        for key in asking.askers(resources):
            try:
                asks[key] = asking.ask(key, resources)
            except Exception as error:  # noqa: BLE001  # one AIBackend must not end all
                kind = type(error).__name__  # its text, and a traceback's, could quote the Secret
                told = "what %s asks for cannot be told: %s, a bug of ours"
                logger.error(told, key, kind)  # noqa: TRY400
                asks[key] = self._held[key].ask if key in self._held else None
        return {key: each for key, each in asks.items() if each is not None}

    def _keep(self, wanted: Mapping[Key, Ask]) -> None:
        """Begin to keep what is new, and end what is no longer wanted or asked for otherwise."""
        awaited_s = asyncio.get_running_loop().time() + self._patience_s
        for key in self._held.keys() - wanted.keys():
            self._held.pop(key).task.cancel()
        for key, ask in wanted.items():
            before = self._held.get(key)
            if before is not None and before.ask == ask:
                continue
            held = _Held(ask, asyncio.create_task(self._renewed(key, ask)), awaited_s)
            if before is not None:
                before.task.cancel()
                if before.ask.alike(ask) and not isinstance(before.outcome, Unminted):
                    held.outcome, held.gone = before.outcome, before.gone
            self._held[key] = held

    async def _renewed(self, key: Key, ask: Ask) -> None:
        """Keep one token; what cannot be renewed serves as long as it lasts."""
        held, failures, told = self._held[key], 0, ""
        while True:
            found = await self._asked(key, ask)
            if isinstance(found, Token):
                lasts_s = found.lasts.total_seconds()
                failures, told = 0, ""
                held.gone = self._clock.now() + renewal.usable_for(lasts_s)
                self._set(held, found.value)
                wait_s = renewal.spread(renewal.renew_after(lasts_s), self._clock.chance())
            else:
                failures += 1
                if found != told:
                    logger.warning("no new token for %s: %s", key, found)
                told, left_s = found, held.gone - self._clock.now()
                wait_s = renewal.spread(renewal.again_after(failures), self._clock.chance())
                if left_s > 0:
                    wait_s = min(wait_s, left_s)
                else:
                    self._set(held, Unminted(found))
            await self._clock.sleep(wait_s)

    async def _asked(self, key: Key, ask: Ask) -> Token | str:
        """Ask once, in turn; a fault of ours costs this token alone."""
        async with self._turns.taken(key.namespace):
            try:
                return await self._mint(ask)
            except Exception:
                logger.exception("this is a bug of ours; it is tried again")
                return f"{ask.host} could not be asked"

    def _set(self, held: _Held, outcome: Outcome) -> None:
        """Take an answer: a first one is told at once, others are gathered."""
        first, same = held.outcome is None, held.outcome == outcome
        held.outcome = outcome
        if first:
            self._changed.set()
        elif not same and self._gathering is None:
            loop = asyncio.get_running_loop()
            self._gathering = loop.call_later(self._gathered_s, self._changed.set)

    def _gathered(self) -> None:
        """What was gathered is told now, or nobody asks any more."""
        if self._gathering is not None:
            self._gathering.cancel()
            self._gathering = None

    def _joined(self, reading: Reading) -> Reading:
        tokens = {key: held.outcome for key, held in self._held.items() if held.outcome is not None}
        return replace(reading, resources=replace(reading.resources, tokens=tokens))


def assumed(resources: Resources) -> Resources:
    """The resources as if every token endpoint had answered; for those who only look."""
    nothing = SecretValue(b"-")
    keys = SessionKey(nothing, nothing, nothing)
    asks = asking.wanted(resources)
    tokens: dict[Key, Outcome] = {
        key: keys if isinstance(ask.grant, asking.RoleSession) else nothing
        for key, ask in asks.items()
    }
    return replace(resources, tokens=tokens)


async def _ended(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
