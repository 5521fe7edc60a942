"""Audit: from time to time the cluster is listed and what the store missed is mended.

kopf forgets deletions that happen while its watch is broken, and a watch may fall silent. The LIST
holds only metadata; an object that differs is read on its own. What was merely on its way is not
counted as drift: only what still differs after a moment is.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from http import HTTPStatus
from typing import TypeVar

from controller.sources.api import PAGE, Api, ApiError, Gone, Json, Resource, Selection
from controller.sources.debounce import Debounce
from controller.sources.store import Store, entry, key_of
from crds.kinds import Kind
from crds.meta import Key

logger = logging.getLogger(__name__)

ResultT = TypeVar("ResultT")

GRACE_S = 1.0
"""How long an event may be on its way."""
ABSENT_S = 20.0
"""How often a kind that is not served is asked for."""
ASKED_S = 2.0
"""How long no new reason to look has come up before it is looked."""
AT_ONCE = 16


async def listed(
    api: Api,
    kind: Kind,
    namespace: str,
    reduce: Callable[[list[Json]], ResultT],
    *,
    metadata_only: bool = False,
) -> list[ResultT] | None:
    """All objects of a kind, page by page made to what is wanted; None if it is not served."""
    for version in kind.versions:
        resource = Resource(f"{kind.group}/{version}".lstrip("/"), kind.name)
        selection = Selection(resource, namespace if kind.namespaced else "")
        try:
            return await _pages(api, selection, reduce, metadata_only=metadata_only)
        except ApiError as error:
            if error.code != HTTPStatus.NOT_FOUND:
                raise
    return None


async def _pages(
    api: Api,
    selection: Selection,
    reduce: Callable[[list[Json]], ResultT],
    *,
    metadata_only: bool,
) -> list[ResultT]:
    """Once more in one piece if the pages took too long."""
    limit = PAGE
    while True:
        pages = api.pages(selection, limit=limit, metadata_only=metadata_only)
        try:
            async with aclosing(pages):
                return [await asyncio.to_thread(reduce, page.items) async for page in pages]
        except Gone:
            if not limit:
                raise
            limit = 0


class Audit:
    """Compares and mends."""

    def __init__(
        self, api: Api, store: Store, kinds: Sequence[Kind], namespaces: Sequence[str]
    ) -> None:
        self._api = api
        self._store = store
        self._kinds = kinds
        self._namespaces = namespaces or ("",)
        self._asked = Debounce(ASKED_S, 15 * ASKED_S)
        self._turn = asyncio.Semaphore(AT_ONCE)
        self.absent: set[str] = set()
        """Kinds that are not served."""
        self.drift = 0
        """How many objects were not as the store had them; the first round closes the known gap
        between the first LIST and kopf's and does not count."""
        self.rounds = 0

    def ask(self) -> None:
        """Something may have been missed: look soon."""
        self._asked.touch()

    async def run(self, every_s: float, appeared: Callable[[], None]) -> None:
        """Look for ever; `appeared` is called when a kind is served that was not."""
        loop = asyncio.get_running_loop()
        due = loop.time() + _varied(every_s)
        while True:
            left = due - loop.time()
            asked = await self._wait(min(left, ABSENT_S) if self.absent else left)
            is_due = asked or loop.time() >= due
            if is_due:
                due = loop.time() + _varied(every_s)
            before = frozenset(self.absent)
            await self.look([each for each in self._kinds if is_due or each.name in before])
            if before - self.absent:
                appeared()

    async def look(self, kinds: Iterable[Kind]) -> None:
        """One round; a kind that can't be listed now is left to the next."""
        self._store.forget_deletions()
        for kind in kinds:
            for namespace in self._namespaces if kind.namespaced else ("",):
                try:
                    await self._compare(kind, namespace)
                except ApiError as error:
                    logger.info("%s can't be compared now: %s", kind.name, error)
        self.rounds += 1

    async def _wait(self, seconds: float) -> bool:
        """Whether it was asked for before the time was over."""
        try:
            await asyncio.wait_for(self._asked.settled(), max(seconds, 0))
        except TimeoutError:
            return False
        return True

    async def _compare(self, kind: Kind, namespace: str) -> None:
        before = {key: self._store.mark(key) for key in self._store.keys(kind.name, namespace)}
        there = await self._versions(kind, namespace)
        if there is None and before:
            await asyncio.sleep(GRACE_S)
            there = await self._versions(kind, namespace)
        versions = there or {}
        keys = before.keys() | versions.keys()
        differ = {k for k in keys if self._store.version(k) != versions.get(k, "")}
        if differ:
            marks = {key: self._store.mark(key) for key in differ}
            await asyncio.sleep(GRACE_S)
            await asyncio.gather(
                *(
                    self._mend(key, kind, gone=key not in versions)
                    for key, mark in marks.items()
                    if self._store.mark(key) == mark and before.get(key, mark) == mark
                )
            )

    async def _versions(self, kind: Kind, namespace: str) -> Mapping[Key, str] | None:
        pages = await listed(self._api, kind, namespace, _versions, metadata_only=True)
        if pages is None:
            self.absent.add(kind.name)
            return None
        self.absent.discard(kind.name)
        return {key: version for page in pages for key, version in page.items()}

    async def _mend(self, key: Key, kind: Kind, *, gone: bool) -> None:
        """Read the object and take it, unless news of it came meanwhile."""
        before = self._store.mark(key)
        try:
            async with self._turn:
                document = None if gone else await self._read(key, kind)
        except ApiError as error:
            logger.info("%s can't be read now: %s", key, error)
            return
        new = None if document is None else entry(document)
        if self._store.version(key) == (new.meta.version if new else ""):
            return
        if self._store.replace(before, key, new):
            self.drift += bool(self.rounds)
            logger.warning("%s was missed; mended", key)

    async def _read(self, key: Key, kind: Kind) -> Json | None:
        for version in kind.versions:
            resource = Resource(f"{kind.group}/{version}".lstrip("/"), kind.name)
            try:
                document = await self._api.get(resource.at(key.namespace, key.name))
            except ApiError as error:
                if error.code != HTTPStatus.NOT_FOUND:
                    raise
            else:
                return {**document, "kind": resource.kind, "apiVersion": resource.api_version}
        return None


def _varied(seconds: float) -> float:
    """Not all controllers look at the same time."""
    return seconds * random.uniform(0.8, 1.2)  # noqa: S311  # no secret depends on it


def _versions(items: list[Json]) -> dict[Key, str]:
    return {key_of(item): item["metadata"]["resourceVersion"] for item in items}
