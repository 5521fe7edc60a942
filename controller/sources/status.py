"""Status: what each object should show → what it shows, written by the leader alone.

Level-triggered: the newest wanted statuses replace all before them, and what differs is written,
newest first: a fresh copy, our own words put in its place, and the copy put back, again if someone
was faster. What was judged from another generation is not written; its own judgement will come.
An API server that is away or refuses costs a delay, never an exception.
"""

import asyncio
import heapq
import logging
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from itertools import count
from typing import Any, Protocol

from controller.sources.api import ApiError, Resource
from controller.sources.bucket import Bucket
from controller.sources.events import Events
from controller.sources.merge import judged, merge, under_way
from crds.meta import API_VERSION, GATEWAY_GROUP, Key

logger = logging.getLogger(__name__)

Json = dict[str, Any]

RESOURCES: Mapping[str, Resource] = {
    **{kind: Resource(API_VERSION, kind) for kind in ("AIRoute", "AIPolicy", "AIBackend")},
    **{kind: Resource(f"{GATEWAY_GROUP}/v1", kind) for kind in ("Gateway", "GatewayClass")},
}
CONFLICTS = 5


class Client(Protocol):
    """What is asked of the API."""

    async def get(self, path: str) -> Json:
        """Read one object."""
        ...

    async def replace(self, path: str, body: Json) -> Json:
        """Write an object; 409 if it has another resourceVersion by now."""
        ...

    async def create(self, path: str, body: Json) -> Json:
        """Make a new object."""
        ...


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast statuses are written."""

    rate: float = 50
    """Objects a second."""
    burst: int = 200
    at_once: int = 8
    patience_s: float = 0.3
    """What is only under way gets this long to become true, which spares a write."""
    retry_s: float = 0.5
    longest_retry_s: float = 30


class StatusWriter:
    """Writes what differs; `read` gives an object as it was last seen, without asking the API."""

    def __init__(
        self,
        client: Client,
        read: Callable[[Key], Mapping[str, Any] | None],
        instance: str,
        pace: Pace,
        clock: Callable[[], float],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._client = client
        self._read = read
        self._pace = pace
        self._clock = clock
        self._now = now
        self._events = Events(client.create, instance, clock, now)
        self._wanted: Mapping[Key, Json] = {}
        self._writing = False
        self._bucket = Bucket(pace.rate, pace.burst, clock)
        self._numbers = count()
        self._turn = asyncio.Lock()
        self._wake = asyncio.Event()
        self._forget()
        self._trouble = False

    def _forget(self) -> None:
        self._seen: dict[Key, tuple[Json, object]] = {}
        """What was last compared, so that equal things are not compared again."""
        self._written: dict[Key, Json] = {}
        """What we wrote last; what was last seen may be older than that."""
        self._ready: dict[Key, None] = {}
        self._later: list[tuple[float, int, Key, Json]] = []
        self._failures: dict[Key, int] = {}
        self._busy: set[Key] = set()

    @property
    def idle(self) -> bool:
        """Whether nothing is left to be written."""
        return not (self._ready or self._later or self._busy)

    def want(self, statuses: Mapping[Key, Json]) -> None:
        """Have all objects show these statuses."""
        before = self._wanted
        gone = before.keys() - statuses.keys()
        self._wanted = {
            key: before[key] if before.get(key) == status else status
            for key, status in statuses.items()
        }
        for key in gone:
            for known in (self._seen, self._written, self._ready, self._failures):
                known.pop(key, None)
        if gone:
            self._events.forget_all_but(statuses.keys())
        if self._writing:
            for key in statuses:
                self._compare(key)

    def changed(self, key: Key) -> None:
        """Look at an object again: it was seen anew, or someone else wrote its status."""
        if self._writing and key in self._wanted:
            self._compare(key)

    async def run(self) -> None:
        """Write, until cancelled; to be run by the leader only."""
        self._forget()
        self._writing = True
        try:
            for key in self._wanted:
                self._compare(key)
            async with asyncio.TaskGroup() as group:
                for _ in range(self._pace.at_once):
                    group.create_task(self._work())
        finally:
            self._writing = False
            self._wanted = {}  # another will have written other things by the next time

    def _compare(self, key: Key) -> None:
        """Have a status written if it differs from what was last seen; equal ones are identical."""
        wanted, found = self._wanted[key], self._read(key)
        seen = self._seen.get(key)
        if seen is not None and seen[1] is found and seen[0] is wanted:
            return
        self._seen[key] = wanted, found
        if found is None:
            return
        differs = self._merged(key, found, wanted) is not None
        if not differs and self._written.get(key, wanted) is wanted:
            self._ready.pop(key, None)
        elif under_way(wanted):
            self._postpone(key, self._pace.patience_s)
        else:
            self._ready.pop(key, None)
            self._ready[key] = None
            self._wake.set()

    def _postpone(self, key: Key, delay_s: float) -> None:
        self._ready.pop(key, None)
        due = self._clock() + delay_s, next(self._numbers), key, self._wanted[key]
        heapq.heappush(self._later, due)
        self._wake.set()

    async def _work(self) -> None:
        while True:
            async with self._turn:
                await self._some()
                await asyncio.sleep(self._bucket.take())
                key = next((each for each in reversed(self._ready) if each not in self._busy), None)
                if key is None:
                    continue
                del self._ready[key]
                self._busy.add(key)
            try:
                await self._attempt(key)
            finally:
                self._busy.discard(key)
                self._wake.set()

    async def _some(self) -> None:
        """Return when there is something to be written."""
        while True:
            self._wake.clear()
            now = self._clock()
            while self._later and self._later[0][0] <= now:
                _, _, key, wanted = heapq.heappop(self._later)
                if self._wanted.get(key) is wanted:
                    self._ready[key] = None
            if self._ready.keys() - self._busy:
                return
            wait_s = self._later[0][0] - now if self._later else None
            try:
                await asyncio.wait_for(self._wake.wait(), wait_s)
            except TimeoutError:
                continue

    async def _attempt(self, key: Key) -> None:
        """Write one status; if it can't be, try again later."""
        try:
            await self._write(key)
        except ApiError as error:
            if not self._trouble:
                logger.warning(
                    "status of %s not written: %s; tried again", key, error.message or error
                )
            self._trouble = True
            if key in self._wanted:
                failures = self._failures[key] = self._failures.get(key, 0) + 1
                growing = self._pace.retry_s * 2 ** min(failures, 16)
                longest = min(self._pace.longest_retry_s, growing)
                self._postpone(key, max(error.retry_after, random.uniform(0.5, 1) * longest))  # noqa: S311  # jitter
        else:
            self._failures.pop(key, None)
            self._trouble = False

    async def _write(self, key: Key) -> None:
        resource = RESOURCES[key.kind]
        for attempt in range(CONFLICTS):
            wanted = self._wanted.get(key)
            if wanted is None:
                return
            try:
                found = await self._client.get(resource.at(key.namespace, key.name))
                status = self._merged(key, found, wanted)
                if status is None:
                    self._written.pop(key, None)
                    return
                path = resource.at(key.namespace, key.name, "status")
                await self._client.replace(path, _with(found, resource, status))
            except ApiError as error:
                if error.code == HTTPStatus.NOT_FOUND:
                    self._seen.pop(key, None)
                    self._written.pop(key, None)
                    return
                if error.code != HTTPStatus.CONFLICT or attempt == CONFLICTS - 1:
                    raise
                continue
            self._written[key] = wanted
            await self._events.tell(key, found, status)
            return

    def _merged(self, key: Key, found: Mapping[str, Any], wanted: Json) -> Json | None:
        """The status to be written to an object; None if there is nothing to write, or not yet."""
        generation = judged(key.kind, wanted)
        current: Json = found.get("status") or {}
        if found["metadata"].get("generation") != generation:
            return None
        if judged(key.kind, current) > generation:
            return None
        merged = merge(key.kind, current, wanted, self._now().strftime("%Y-%m-%dT%H:%M:%SZ"))
        return None if merged == current else merged


def _with(found: Json, resource: Resource, status: Json) -> Json:
    """An object as /status takes it: what it is, which version was read, and the status."""
    meta = found["metadata"]
    kept = ("name", "namespace", "uid", "resourceVersion")
    return {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": {field: meta[field] for field in kept if field in meta},
        "status": status,
    }
