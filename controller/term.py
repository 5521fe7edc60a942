"""Term: what a replica does while it holds the Lease: serve xDS, provision, write statuses.

Everything here begins with the Lease and ends with it; what the API server refuses is tried again.
A replica without the Lease runs nothing of this.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from controller.cluster import Cluster
from controller.dataplane.certificates import Pair, UnusableError
from controller.identity import ServerIdentity
from controller.sources import authority
from controller.sources.api import Api, ApiError
from controller.sources.debounce import Backoff, Debounce
from controller.sources.provision import Provisioner
from controller.sources.status import StatusWriter
from controller.xds.server import AdsServer

logger = logging.getLogger(__name__)

ROUND_S = 600.0
"""How often data planes are looked at though nothing is known to have changed."""
ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True)
class Post:
    """Where the leader is found."""

    namespace: str
    pod: str
    ip: str
    service: str
    """The Service without selector that leads to the leader."""
    ca_secret: str
    port: int
    namespaces: tuple[str, ...] = ("",)
    """Where data planes are; one empty name for all namespaces."""

    @property
    def host(self) -> str:
        """The name data planes know the controller by."""
        return f"{self.service}.{self.namespace}.svc"

    @property
    def address(self) -> str:
        """Where the leader listens."""
        return f"{'[::]' if ':' in self.ip else '0.0.0.0'}:{self.port}"


class Term:
    """The leader's work; `run` lasts until it is cancelled."""

    def __init__(
        self, post: Post, api: Api, cluster: Cluster, provisioner: Provisioner, writer: StatusWriter
    ) -> None:
        self._post = post
        self._api = api
        self._cluster = cluster
        self._provisioner = provisioner
        self._writer = writer
        self._statuses = Debounce(0.02, 0.2)
        self._planes = Debounce(0.1, 1.0)

    def statuses_changed(self) -> None:
        """Statuses may differ."""
        self._statuses.touch()

    def planes_changed(self) -> None:
        """Data planes may differ."""
        self._planes.touch()

    async def run(self) -> None:
        """Lead."""
        identity = ServerIdentity(self._post.host, await _tried(self._authority))
        server = AdsServer(self._cluster.feed)
        await server.start_tls(self._post.address, identity.credentials())
        self._cluster.lead()
        self.statuses_changed()
        try:
            await _tried(self._lead_here)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._writer.run())
                group.create_task(self._tell())
                group.create_task(self._provide(identity))
        finally:
            self._cluster.follow()
            await server.stop()

    async def _authority(self) -> Pair:
        post = self._post
        return await authority.ensure(self._api, post.namespace, post.ca_secret, datetime.now(UTC))

    async def _lead_here(self) -> bool:
        post = self._post
        return await authority.lead_here(
            self._api, post.namespace, post.service, post.pod, post.ip, post.port
        )

    async def _tell(self) -> None:
        """Have every object show what is true now."""
        while True:
            await self._statuses.settled()
            self._writer.want(self._cluster.statuses())

    async def _provide(self, identity: ServerIdentity) -> None:
        """Have every Gateway's data plane be there; what failed is tried again soon."""
        backoff = Backoff()
        while True:
            failed = await self._round(identity)
            wait_s = backoff.next() if failed else ROUND_S
            if not failed:
                backoff.reset()
            try:
                await asyncio.wait_for(self._planes.settled(), wait_s)
            except TimeoutError:
                continue

    async def _round(self, identity: ServerIdentity) -> bool:
        """One look at everything; whether something failed that may go better soon."""
        try:
            identity.authority = await self._authority()
            found = await self._provisioner.round(self._cluster.wanted(), identity.authority)
            await self._provisioner.sweep(self._cluster.classes, self._post.namespaces)
            await self._lead_here()
        except (ApiError, UnusableError) as error:
            logger.warning("data planes are not looked after: %s", error)
            return True
        problems = {each.gateway: each.problem for each in found if each.invalid}
        if problems != self._cluster.problems:
            self._cluster.problems = problems
            self._statuses.touch()
        return any(each.problem and not each.invalid for each in found)


async def _tried(ask: Callable[[], Awaitable[ResultT]]) -> ResultT:
    """Ask until there is an answer."""
    backoff = Backoff()
    told = ""
    while True:
        try:
            return await ask()
        except (ApiError, UnusableError) as error:
            if str(error) != told:
                told = str(error)
                logger.warning("cannot lead yet: %s", told)
            await asyncio.sleep(backoff.next())
