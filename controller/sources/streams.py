"""Streams: kopf in a thread and event loop of its own; it hands over what it hears, and no more.

Only `on.event`: no finalizer, no annotation, no peering, nothing posted. Where kopf ends by an
error of the API (a watch ERROR, a kind that is gone), it is started anew, later each time; what
it missed meanwhile is found by `audit`. If its loop stands still, `run` raises and the process
ends: data planes go on without us.
"""

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

import kopf

from controller.sources.api import Json, Resource
from controller.sources.debounce import Backoff
from controller.sources.login import Login
from crds.kinds import Kind

logger = logging.getLogger(__name__)

Heard = Callable[[str | None, Json], None]
"""Takes an event's type (None while kopf lists) and its object; called in kopf's thread."""

LONG_S = 60.0
"""Who ran for so long was well."""
BEAT_S = 5.0
STILL = 24
"""After so many beats without one of kopf's, its loop stands still."""
STOP_S = 10.0
CLOSING_S = 1.0
"""TLS connections that kopf has closed need a moment to end."""
_NAME: Any = "dragoman"
"""What kopf calls us; else it asks for the user's name, and in a pod the user has none."""


class StillError(Exception):
    """kopf's event loop does not move any more."""


class _Forever:
    """Delays without end, longer each time, never the same; anew for every request."""

    def __iter__(self) -> Iterator[float]:
        backoff = Backoff()
        while True:
            yield backoff.next()


class _NoEssence(kopf.DiffBaseStorage):
    """Nothing is compared with what was handled before, so nothing is copied for it."""

    def build(self, **_: Any) -> kopf.BodyEssence:
        return cast("kopf.BodyEssence", {})

    def fetch(self, **_: Any) -> None:
        pass

    def store(self, **_: Any) -> None:
        pass


class _NoProgress(kopf.ProgressStorage):
    """Nothing is handled step by step, so nothing of it is kept in objects."""

    def fetch(self, **_: Any) -> None:
        pass

    def store(self, **_: Any) -> None:
        pass

    def purge(self, **_: Any) -> None:
        pass

    def touch(self, **_: Any) -> None:
        pass

    def clear(self, *, essence: kopf.BodyEssence) -> kopf.BodyEssence:
        return essence


def settings(namespaces: Sequence[str]) -> kopf.OperatorSettings:
    """How kopf must run to be a mere reader that never gives up."""
    chosen = kopf.OperatorSettings()
    chosen.process.ultimate_exiting_timeout = None
    chosen.posting.enabled = False
    chosen.peering.standalone = True
    chosen.scanning.disabled = bool(namespaces)
    chosen.networking.request_timeout = 30
    chosen.networking.connect_timeout = 5
    chosen.networking.error_backoffs = _Forever()
    chosen.watching.server_timeout = 300
    chosen.watching.chunk_size = 500
    chosen.queueing.idle_timeout = 1
    chosen.queueing.exit_timeout = 0.5
    chosen.persistence.diffbase_storage = _NoEssence()
    chosen.persistence.progress_storage = _NoProgress()
    return chosen


class Streams:
    """Runs kopf for as long as it is wanted."""

    def __init__(
        self, login: Login, kinds: Sequence[Kind], namespaces: Sequence[str], heard: Heard
    ) -> None:
        self._login = login
        self._kinds = kinds
        self._namespaces = namespaces
        self._heard = heard
        self._stop: Callable[[], None] = lambda: None
        self._beats = 0
        self.starts = 0
        """How often kopf was started."""

    async def run(self, gap: Callable[[], None]) -> None:
        """Run kopf, again and again; `gap` is called when something may have been missed."""
        logging.getLogger("kopf").setLevel(logging.ERROR)  # what it warns of, we tell ourselves
        backoff = Backoff(first_s=1, most_s=60)
        while True:
            began = time.monotonic()
            error = await self._once()
            if time.monotonic() - began > LONG_S:
                backoff.reset()
            delay = backoff.next()
            why = type(error).__name__ if error else "was asked to"
            logger.warning("kopf ended (%s); it starts again in %.0f s", why, delay)
            await asyncio.sleep(delay)
            gap()

    def restart(self) -> None:
        """End kopf; it is started anew."""
        self._stop()

    async def _once(self) -> BaseException | None:
        """From kopf's start to its end, and what ended it."""
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[BaseException | None] = loop.create_future()

        def tell(error: BaseException | None) -> None:
            if not ended.done():
                ended.set_result(error)

        def work() -> None:
            error: BaseException | None = None
            try:
                with asyncio.Runner() as runner:
                    runner.run(self._operate())
            except BaseException as caught:  # noqa: BLE001  # the other side decides
                error = caught
            with contextlib.suppress(RuntimeError):  # the main loop may be closed
                loop.call_soon_threadsafe(tell, error)

        self.starts += 1
        thread = threading.Thread(target=work, name="kopf", daemon=True)
        thread.start()
        try:
            return await self._until(ended)
        finally:
            self._stop()
            await asyncio.to_thread(thread.join, STOP_S)

    async def _until(self, ended: "asyncio.Future[BaseException | None]") -> BaseException | None:
        still, before = 0, self._beats
        while not ended.done():
            await asyncio.wait((ended,), timeout=BEAT_S)
            still, before = (0 if self._beats != before else still + 1), self._beats
            if still > STILL and not ended.done():
                raise StillError("kopf's event loop stands still")
        return ended.result()

    async def _operate(self) -> None:
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        beating = asyncio.create_task(self._beat())

        def end() -> None:
            with contextlib.suppress(RuntimeError):  # the loop may be closed
                loop.call_soon_threadsafe(stop.set)

        self._stop = end
        try:
            await kopf.operator(
                registry=self._registry(),
                settings=settings(self._namespaces),
                identity=_NAME,
                standalone=True,
                clusterwide=not self._namespaces,
                namespaces=self._namespaces,
                stop_flag=stop,
            )
        finally:
            beating.cancel()
            await asyncio.sleep(CLOSING_S)

    async def _beat(self) -> None:
        while True:
            self._beats += 1
            await asyncio.sleep(BEAT_S / 2)

    def _registry(self) -> kopf.OperatorRegistry:
        registry = kopf.OperatorRegistry()

        async def event(event: Mapping[str, Any], **_: Any) -> None:
            self._heard(event["type"], event["object"])

        def login(**_: Any) -> kopf.ConnectionInfo:
            return self._login()

        kopf.on.login(registry=registry)(login)
        for kind in self._kinds:
            plural = Resource("", kind.name).plural
            version = kind.versions[0] if len(kind.versions) == 1 else None  # None: as preferred
            kopf.on.event(
                group=kind.group, version=version, plural=plural, id=kind.name, registry=registry
            )(event)
        return registry
