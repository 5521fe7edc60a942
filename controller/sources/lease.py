"""Lease: which of the replicas serves and writes; the others wait for it to fall silent.

Times of other machines are never compared with ours: what counts is how long we have seen a Lease
unchanged. A holder that could not renew in time stops by itself well before another may take over.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from http import HTTPStatus

from controller.sources.api import Api, ApiError, Json, Resource

logger = logging.getLogger(__name__)

LEASE = Resource("coordination.k8s.io/v1", "Lease")


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds: how long a Lease lasts, when its holder gives up, how often it is renewed."""

    lasting: int = 15
    renewing: float = 10
    between: float = 2


class Action(Enum):
    """What to do about a Lease."""

    ACQUIRE = "acquire"
    RENEW = "renew"
    WAIT = "wait"


def decide(spec: Json, me: str, unchanged_s: float) -> Action:
    """What to do about a Lease that we have seen unchanged for so long."""
    holder = spec.get("holderIdentity") or ""
    if holder == me:
        return Action.RENEW
    lasting = spec.get("leaseDurationSeconds") or Times().lasting
    return Action.ACQUIRE if not holder or unchanged_s > lasting else Action.WAIT


def next_spec(spec: Json, me: str, times: Times, now: str) -> Json:
    """The Lease as its new or old holder writes it."""
    same = spec.get("holderIdentity") == me
    turns = spec.get("leaseTransitions") or 0
    return {
        "holderIdentity": me,
        "leaseDurationSeconds": times.lasting,
        "acquireTime": spec.get("acquireTime", now) if same else now,
        "renewTime": now,
        "leaseTransitions": turns if same or not spec else turns + 1,
    }


class Election:
    """One candidate for one Lease."""

    def __init__(
        self, api: Api, namespace: str, name: str, me: str, times: Times | None = None
    ) -> None:
        self._api = api
        self._namespace = namespace
        self._name = name
        self.me = me
        self._times = times or Times()
        self._lease: Json = {}
        self._seen_at = 0.0
        self._renewed_at = float("-inf")
        self._told = False
        self._trouble = ""
        self.holder = ""
        """Who holds the Lease, as far as we know."""

    @property
    def leader(self) -> bool:
        """Whether we lead at this very moment; ask before every write."""
        return self._told and _now() - self._renewed_at < self._times.renewing

    async def run(self, on_change: Callable[[bool], None]) -> None:
        """Stand for election for ever; `on_change` is told when we begin and cease to lead.

        When it is cancelled, the Lease is given back, so that another can take it at once.
        """
        try:
            while True:
                await self._round()
                self._tell(on_change)
                await self._pause()
                self._tell(on_change)
        finally:
            held = self._told
            self._renewed_at = float("-inf")
            self._tell(on_change)
            if held:
                await self._release()

    def _tell(self, on_change: Callable[[bool], None]) -> None:
        leads = _now() - self._renewed_at < self._times.renewing
        if leads != self._told:
            self._told = leads
            logger.info("%s of Lease %s", "now the holder" if leads else "not holder", self._name)
            on_change(leads)

    async def _pause(self) -> None:
        """Until the next round, or until we cease to lead if that is earlier."""
        delay = self._times.between * random.uniform(1, 1.2)  # noqa: S311  # no secret
        if self._told:
            delay = min(delay, max(0.0, self._left()))
        await asyncio.sleep(delay)

    def _left(self) -> float:
        return self._renewed_at + self._times.renewing - _now()

    async def _round(self) -> None:
        """Try once, for as long as the outcome is of use."""
        limit = self._times.renewing / 2
        trouble = ""
        try:
            await asyncio.wait_for(
                self._try(), min(limit, max(self._left(), 0)) if self._told else limit
            )
        except TimeoutError:
            trouble = "no answer in time"
        except ApiError as error:
            if error.code in (HTTPStatus.CONFLICT, HTTPStatus.NOT_FOUND):
                self._lease = {}  # look again
            else:
                trouble = str(error)
        if trouble and trouble != self._trouble:
            logger.warning("Lease %s: %s", self._name, trouble)
        self._trouble = trouble

    async def _try(self) -> None:
        began = _now()
        if not (self._told and self._lease):
            await self._look()
        spec = self._lease.get("spec") or {}
        if self._lease and decide(spec, self.me, _now() - self._seen_at) is Action.WAIT:
            self.holder = spec.get("holderIdentity") or ""
            self._renewed_at = float("-inf")
            return
        stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        wanted = {**self._lease, "spec": {**spec, **next_spec(spec, self.me, self._times, stamp)}}
        if self._lease:
            written = await self._api.replace(LEASE.at(self._namespace, self._name), wanted)
        else:
            wanted |= {"apiVersion": LEASE.api_version, "kind": LEASE.kind}
            wanted["metadata"] = {"name": self._name, "namespace": self._namespace}
            written = await self._api.create(LEASE.at(self._namespace), wanted)
        self._keep(written)
        self._renewed_at = began
        self.holder = self.me

    async def _look(self) -> None:
        try:
            self._keep(await self._api.get(LEASE.at(self._namespace, self._name)))
        except ApiError as error:
            if error.code != HTTPStatus.NOT_FOUND:
                raise
            self._lease = {}

    def _keep(self, lease: Json) -> None:
        """Note since when we see the Lease as it is."""
        if _version(lease) != _version(self._lease):
            self._seen_at = _now()
        self._lease = lease

    async def _release(self) -> None:
        spec = {**self._lease.get("spec", {}), "holderIdentity": "", "leaseDurationSeconds": 1}
        try:
            path = LEASE.at(self._namespace, self._name)
            await asyncio.wait_for(
                self._api.replace(path, {**self._lease, "spec": spec}), self._times.between
            )
        except (ApiError, TimeoutError):
            logger.info("Lease %s could not be given back; it runs out", self._name)


def _version(lease: Json) -> str:
    version: str = lease.get("metadata", {}).get("resourceVersion", "")
    return version


def _now() -> float:
    """A clock that nobody sets and that goes on while the machine sleeps."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
