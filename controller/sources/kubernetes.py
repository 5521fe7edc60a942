"""The Kubernetes source: what the cluster holds as Readings, the first one whole, later ones new.

Every kind is listed before anything is yielded. Then kopf streams changes (`streams`), Secrets,
ConfigMaps, Services and InferencePools are followed one by one while something refers to them
(`follow`), and an audit mends what was missed. The API server may be away: the store serves on.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from controller.resources import Resources
from controller.sources import seen
from controller.sources.api import Api, ApiError, Json, Resource, Selection
from controller.sources.audit import Audit, listed
from controller.sources.debounce import Backoff, Debounce
from controller.sources.follow import Following, selections
from controller.sources.gather import Reading, gather
from controller.sources.inbox import Inbox
from controller.sources.login import Login
from controller.sources.references import wanted
from controller.sources.seen import Sight
from controller.sources.store import Entry, Meta, Store, entry, key_of
from controller.sources.streams import Streams
from crds.kinds import KINDS, Kind
from crds.meta import Key

logger = logging.getLogger(__name__)

QUIET_S = 0.05
LONGEST_S = 0.5
ANSWER_S = 2.0
"""How long a Reading waits for what is newly referred to."""

_STREAMED = ("AIRoute", "AIPolicy", "AIBackend", "Gateway", "ReferenceGrant")
_OF_THE_CLUSTER = ("GatewayClass", "Namespace")


@dataclass(frozen=True, slots=True)
class Scope:
    """What of a cluster is read."""

    namespaces: tuple[str, ...] = ()
    """All if empty."""
    class_name: str = "dragoman"
    """The GatewayClass that is ours also while it does not exist."""
    audit_s: float = 300.0

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The kinds that are listed whole; within namespaces, what is beyond them is followed."""
        names = _STREAMED if self.namespaces else (*_STREAMED, *_OF_THE_CLUSTER)
        return tuple(kind for kind in KINDS if kind.name in names)

    @property
    def followed(self) -> set[Selection]:
        """What is followed whatever refers to it."""
        found = set()
        if self.namespaces:
            found.add(Selection(Resource("gateway.networking.k8s.io/v1", "GatewayClass")))
            namespace = Resource("v1", "Namespace")
            found |= {Selection(namespace, fields=f"metadata.name={n}") for n in self.namespaces}
        return found


class Source:
    """One cluster; made within the main loop."""

    def __init__(self, api: Api, login: Login, scope: Scope | None = None) -> None:
        self._api = api
        self._scope = scope or Scope()
        self._changed = Debounce(QUIET_S, LONGEST_S)
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._tasks: set[asyncio.Task[None]] = set()
        self._store = Store(self._changed.touch)
        kinds, namespaces = self._scope.kinds, self._scope.namespaces
        self.audit = Audit(api, self._store, kinds, namespaces)
        inbox = Inbox(self._store, self.audit.ask)
        self._streams = Streams(login, kinds, namespaces, inbox.heard)
        self._following = Following(api, _Sink(self._store), self._mind)
        self.sight = Sight()
        """Pods of data planes and what was made for them."""
        self._looking = Following(api, self.sight, self._mind)
        self.primed = False
        self.waiting: dict[str, str] = {}
        """Before all is primed: kinds that can't be listed, and why."""

    def meta(self, key: Key) -> Meta | None:
        """Uid, resourceVersion, generation and status of an object, if it is there."""
        return self._store.meta(key)

    def listen(self, listener: Callable[[Key], None]) -> None:
        """Call this with the key of whatever was seen anew, also if only its status changed."""
        self._store.listen(listener)

    @property
    def absent(self) -> frozenset[str]:
        """Kinds that the cluster does not serve."""
        return frozenset(self.audit.absent)

    @property
    def starts(self) -> int:
        """How often kopf was started."""
        return self._streams.starts

    async def readings(self) -> AsyncIterator[Reading]:
        """Yield what there is, and what there is after every change of content.

        Raises only for a fault of ours: kopf's loop stands still, a task of ours broke.
        """
        self._looking.want(seen.scope(self._scope.namespaces))
        await asyncio.gather(*(self._prime(kind) for kind in self._scope.kinds))
        await self._within(self._followed())
        await self._within(self._looking.answered())  # who leads must know whom to wait for
        self._start()
        self.primed = True
        reading = await self._read(Resources())
        yield reading
        while True:
            await self._within(self._changed.settled())
            with suppress(TimeoutError):
                await self._within(asyncio.wait_for(self._followed(), ANSWER_S))
            new = await self._read(reading.resources)
            if (new.resources, new.problems) != (reading.resources, reading.problems):
                reading = new
                yield reading

    async def close(self) -> None:
        """End everything that was started."""
        self._following.want(set())
        self._looking.want(set())
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._failed.cancel()

    def _start(self) -> None:
        appeared = self._streams.restart if self._scope.namespaces else lambda: None
        self._mind(asyncio.create_task(self._streams.run(self.audit.ask), name="kopf"))
        audit = self.audit.run(self._scope.audit_s, appeared)
        self._mind(asyncio.create_task(audit, name="audit"))

    def _mind(self, task: "asyncio.Task[None]") -> None:
        """A task that ends by an error is the end of `readings`."""

        def ended(task: "asyncio.Task[None]") -> None:
            self._tasks.discard(task)
            if not task.cancelled() and (error := task.exception()) and not self._failed.done():
                self._failed.set_exception(error)

        self._tasks.add(task)
        task.add_done_callback(ended)

    async def _within(self, waiting: Coroutine[Any, Any, None]) -> None:
        """Wait for this, or fail with what failed meanwhile."""
        task = asyncio.create_task(waiting)
        try:
            await asyncio.wait((task, self._failed), return_when=asyncio.FIRST_COMPLETED)
            if self._failed.done():
                self._failed.result()
            await task
        finally:
            task.cancel()

    async def _prime(self, kind: Kind) -> None:
        """List a kind until it works; one that is not served is no trouble."""
        backoff = Backoff()
        namespaces = self._scope.namespaces if kind.namespaced else ()
        for namespace in namespaces or ("",):
            while True:
                try:
                    pages = await listed(self._api, kind, namespace, _entries)
                except ApiError as error:
                    if kind.name not in self.waiting:
                        logger.warning("%s can't be listed yet: %s", kind.name, error)
                    self.waiting[kind.name] = str(error)
                    await asyncio.sleep(max(backoff.next(), error.retry_after))
                else:
                    break
            if pages is None:
                self.audit.absent.add(kind.name)
            for each in (each for page in pages or () for each in page):
                self._store.put(each)
        self.waiting.pop(kind.name, None)

    async def _followed(self) -> None:
        """Follow what is referred to now, and what that refers to, until all was answered for."""
        self._follow()
        await self._following.answered()
        while self._store.wants_changed:
            self._follow()
            await self._following.answered()

    def _follow(self) -> None:
        if self._store.wants_changed:
            self._store.wants_changed = False
            classes = {each.key.name: each.spec for each in self._store.objects("GatewayClass")}
            grants = self._store.objects("ReferenceGrant")
            found = self._store.references()
            keys = wanted(found, classes, grants, self._scope.class_name)
            self._following.want(selections(keys) | self._scope.followed)

    async def _read(self, served: Resources) -> Reading:
        loaded = self._store.loaded()
        return await asyncio.to_thread(gather, [(loaded, loaded)], served)


class _Sink:
    """Followed objects go into the store as they are told."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def take(self, document: Json) -> None:
        key = key_of(document)
        if self._store.version(key) != document["metadata"].get("resourceVersion", ""):
            self._store.replace(self._store.mark(key), key, entry(document))

    def lose(self, key: Key) -> None:
        self._store.replace(self._store.mark(key), key, None)


def _entries(items: list[Json]) -> list[Entry]:
    return [entry(item) for item in items]
