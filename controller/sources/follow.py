"""Follow: one selection of objects (a Secret by its name, a label), listed and watched for ever.

Nothing that goes wrong ends it: what was last heard stays until the server says otherwise. Every
few minutes, and after every mishap, the selection is listed anew, so nothing is missed for long.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Iterable, Mapping
from contextlib import aclosing
from http import HTTPStatus
from typing import Protocol

from controller.sources.api import Api, ApiError, Gone, Json, Resource, Selection
from controller.sources.debounce import Backoff
from controller.sources.store import key_of
from crds.meta import Key
from crds.service import SERVICE_NAME

logger = logging.getLogger(__name__)

LASTING_S = 300.0
"""How long one watch lasts, more or less."""
REFUSED_S = 30.0
"""When to ask again for what may not be read or is of a kind that is not served."""
AT_ONCE = 16
"""How many LISTs may be under way."""

_RESOURCES: Mapping[str, Resource] = {
    "Secret": Resource("v1", "Secret"),
    "ConfigMap": Resource("v1", "ConfigMap"),
    "Service": Resource("v1", "Service"),
    "InferencePool": Resource("inference.networking.k8s.io/v1", "InferencePool"),
}
_POD = Resource("v1", "Pod")
_SLICE = Resource("discovery.k8s.io/v1", "EndpointSlice")


class Sink(Protocol):
    """Where what is heard goes."""

    def take(self, document: Json) -> None:
        """An object is there, or is another now."""
        ...

    def lose(self, key: Key) -> None:
        """An object is not there, or is not wanted any more."""
        ...


def selections(keys: Iterable[Key]) -> set[Selection]:
    """What to follow for these objects; of a Service, its EndpointSlices too."""
    found = set()
    for key in keys:
        if key.kind == "Pod":
            found.add(Selection(_POD, key.namespace, labels=key.name))
            continue
        named = f"metadata.name={key.name}"
        found.add(Selection(_RESOURCES[key.kind], key.namespace, fields=named))
        if key.kind == "Service":
            label = f"{SERVICE_NAME}={key.name}"
            found.add(Selection(_SLICE, key.namespace, labels=label))
    return found


class Follow:
    """One selection."""

    def __init__(self, api: Api, selection: Selection, sink: Sink, turn: asyncio.Semaphore) -> None:
        self._api = api
        self._selection = selection
        self._sink = sink
        self._turn = turn
        self.known: set[Key] = set()
        """What is there of it."""
        self.answered = asyncio.Event()
        """Whether the server has said what there is."""

    async def run(self) -> None:
        """List and watch; never ends by itself."""
        backoff = Backoff()
        while True:
            try:
                since = await self._list()
                backoff.reset()
                await self._watch(since)
            except Gone:
                delay = backoff.next()
            except ApiError as error:
                delay = self._delay(error, backoff)
            else:
                delay = random.uniform(0, 0.1)  # noqa: S311  # no secret depends on it
            await asyncio.sleep(delay)

    def forget(self) -> None:
        """It is not wanted any more."""
        for key in self.known:
            self._sink.lose(key)

    async def _list(self) -> str:
        version, found = "", []
        async with self._turn:
            async for page in self._api.pages(self._selection):
                found += page.items
                version = page.version
        self._reset(found)
        return version

    def _reset(self, found: list[Json]) -> None:
        keys = {key_of(document) for document in found}
        for document in found:
            self._sink.take(document)
        gone, self.known = self.known - keys, keys
        for key in gone:
            self._sink.lose(key)
        self.answered.set()

    async def _watch(self, since: str) -> None:
        lasting = LASTING_S * random.uniform(0.8, 1.2)  # noqa: S311  # no secret depends on it
        async with aclosing(self._api.watch(self._selection, since, lasting)) as events:
            async for kind, document in events:
                if kind == "DELETED":
                    self.known.discard(key_of(document))
                    self._sink.lose(key_of(document))
                elif kind != "BOOKMARK":
                    self.known.add(key_of(document))
                    self._sink.take(document)

    def _delay(self, error: ApiError, backoff: Backoff) -> float:
        resource = self._selection.resource
        if error.code == HTTPStatus.NOT_FOUND:
            self._reset([])
            return REFUSED_S
        if error.code in (HTTPStatus.FORBIDDEN, HTTPStatus.BAD_REQUEST):
            if not self.answered.is_set():
                where = self._selection.namespace or "any namespace"
                logger.warning("%s of %s can't be read (%s)", resource.kind, where, error)
            self.answered.set()
            return REFUSED_S
        logger.debug("%s is asked for again: %s", resource.kind, error)
        return max(backoff.next(), error.retry_after)


class Following:
    """All selections that are followed now; what several hold is lost with the last of them."""

    def __init__(
        self, api: Api, sink: Sink, watched: Callable[["asyncio.Task[None]"], None]
    ) -> None:
        self._api = api
        self._sink = sink
        self._watched = watched
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._running: dict[Selection, tuple[Follow, asyncio.Task[None]]] = {}

    def want(self, selections: set[Selection]) -> None:
        """Follow these and no others."""
        for selection in self._running.keys() - selections:
            follow, task = self._running.pop(selection)
            task.cancel()
            follow.forget()
        for selection in selections - self._running.keys():
            follow = Follow(self._api, selection, self, self._turn)
            task = asyncio.create_task(follow.run(), name=f"follow {selection.resource.kind}")
            self._watched(task)
            self._running[selection] = follow, task

    def take(self, document: Json) -> None:
        """An object is there, or is another now."""
        self._sink.take(document)

    def lose(self, key: Key) -> None:
        """One selection holds an object no more."""
        if not any(key in follow.known for follow, _ in self._running.values()):
            self._sink.lose(key)

    async def answered(self) -> None:
        """Wait until the server has answered for all."""
        for follow, _ in list(self._running.values()):
            await follow.answered.wait()
