"""The loop: a reading becomes a translation, a Snapshot, what all clients hold, and a report.

Level-triggered: every reading is whole, so one that fails by a fault of ours costs nothing but
itself; what runs goes on. The steps are in `translate`, `xds.build` and `xds.cache`.
"""

import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import fields
from typing import Protocol

from controller import ir
from controller.metrics import Metrics
from controller.report import Report
from controller.resources import Resources
from controller.settings import BuildSettings
from controller.sources.gather import Reading
from controller.translate import NOTHING_ACCEPTED, Translation, translate
from controller.translate.conditions import problems
from controller.translate.policies import Accepted
from controller.xds import overlap
from controller.xds.ads import Response
from controller.xds.build import Builder
from controller.xds.cache import Cache, Event, Live, Refused
from controller.xds.refusals import Refusal
from controller.xds.snapshot import LISTENER, TYPES, Resource, Snapshot
from crds import objects

logger = logging.getLogger(__name__)

_ADDRESS_IN_USE = "Address already in use"


class FatalError(Exception):
    """There is nothing to serve, or no place to serve it; the message is one line for people."""


class Publish(Protocol):
    """How a Snapshot is handed to the clients."""

    def __call__(self, target: Snapshot, bridge: Mapping[str, Resource]) -> None:
        """Set what all clients should hold."""
        ...


class Reconciler:
    """Holds what the next round is compared with: what is live, and what was accepted."""

    def __init__(
        self, settings: BuildSettings, cache: Cache, metrics: Metrics, report: Report
    ) -> None:
        self._settings = settings
        self._builder = Builder(settings)
        self._cache = cache
        self._metrics = metrics
        self._report = report
        metrics.problems.set_function(lambda: report.standing)
        self._accepted = NOTHING_ACCEPTED
        self._candidates: dict[str, Accepted] = {}
        self._reading = Reading(Resources())
        self._translation = Translation(ir.Config(), {}, NOTHING_ACCEPTED)
        self._wanted = Snapshot()
        """The translation as built, with all that Envoy may have refused of it."""
        self._served = ir.Config()
        self._overlap = ir.Config()
        """What virtual hosts serve while the last update drains."""
        self._version = ""
        self._live = ""
        self._publish: Publish | None = None
        self._fail: Callable[[FatalError], None] = _raise

    async def run(
        self,
        readings: AsyncIterator[Reading],
        publish: Publish,
        fail: Callable[[FatalError], None],
    ) -> None:
        """Reconcile every reading; `fail` is told what is fatal before the first one is live."""
        self._publish, self._fail = publish, fail
        async for reading in readings:
            try:
                self._apply(reading)
            except FatalError:
                raise
            except Exception:
                if not self._version:
                    raise
                logger.exception("this is a bug of ours; what runs goes on unchanged")

    def happened(self, event: Event) -> None:
        """Take an event of the cache."""
        match event:
            case Live(version):
                self._went_live(version)
            case Refused():
                self._was_refused(event)

    def sent(self, response: Response) -> None:
        """Count a push."""
        label = TYPES[response.type_url]
        self._metrics.pushes.labels(label).inc()
        self._metrics.resources.labels(label).inc(len(response.resources))

    def _apply(self, reading: Reading) -> None:
        if not self._version:
            _check_readable(reading)
        with self._metrics.translate.time():
            translation = translate(reading.resources, self._accepted)
        self._metrics.count_objects(_counted(reading.resources))
        self._reading, self._translation = reading, translation
        self._serve()
        self._tell()

    def _serve(self) -> None:
        """Publish the translation, without what Envoy has refused of it."""
        with self._metrics.build.time():
            target = self._wanted = self._builder.build(self._translation.config)
            refused = self._cache.refusals.of(target)
            config = overlap.without(self._translation.config, refused)
            if config is not self._translation.config:
                target = self._builder.build(config)
        if not self._version and not config.listeners:
            raise FatalError(self._no_gateway())
        self._candidates[target.version] = self._translation.accepted
        if target.version == self._live:
            self._accepted = self._translation.accepted
        if target.version != self._version and self._publish:
            before = self._served if self._cache.drained else self._overlap
            both = overlap.union(before, config)
            self._served, self._overlap, self._version = config, both, target.version
            self._publish(target, self._builder.bridge(both, config))

    def _went_live(self, version: str) -> None:
        self._accepted = self._candidates.get(version, self._accepted)
        self._candidates = {version: self._accepted}
        first, self._live = not self._live, version
        if first:
            self._report.ready(_urls(self._translation.config, self._settings.address))
        self._report.live(version)

    def _was_refused(self, event: Refused) -> None:
        """Serve all else; at start a port that is taken ends it all."""
        self._metrics.nacks.labels(TYPES[event.type_url]).inc()
        if not self._live and event.type_url == LISTENER and _ADDRESS_IN_USE in event.message:
            self._fail(FatalError(f"port {event.name.rpartition('/')[2]} is in use"))
            return
        if not event.replaced:
            self._serve()
        self._tell()

    def _tell(self) -> None:
        """All lines that stand now; the report tells the changes."""
        found = [*self._reading.unreadable, *self._reading.problems]
        found += problems(self._translation.statuses)
        refused = [self._line(each) for each in self._cache.refusals.of(self._wanted)]
        self._report.problems([*(str(each) for each in found), *refused])

    def _line(self, refusal: Refusal) -> str:
        owner = self._translation.config.owners.get(refusal.name)
        serves = "its last accepted version serves on" if refusal.replaced else "it is left out"
        return objects.line(
            f"EnvoyRejected: {refusal.message}; {serves}", subject=str(owner or refusal.name)
        )

    def _no_gateway(self) -> str:
        lines = [str(each) for each in problems(self._translation.statuses)]
        lines += [str(each) for each in self._reading.problems]
        return "; ".join(["no usable Gateway", *lines[:3]])


def _raise(error: FatalError) -> None:
    raise error


def _check_readable(reading: Reading) -> None:
    if reading.unreadable:
        raise FatalError("; ".join(str(each) for each in reading.unreadable))
    if not any(_counted(reading.resources).values()) and not reading.resources.broken:
        raise FatalError("no configuration: there is no object in the directory")


def _counted(resources: Resources) -> Mapping[str, int]:
    kinds = (
        getattr(resources, field.name)
        for field in fields(resources)
        if field.name not in {"broken", "namespace_labels"}
    )
    return Counter(key.kind for objects_of_kind in kinds for key in objects_of_kind)


def _urls(config: ir.Config, address: str) -> list[str]:
    """Where the listeners are reached from this machine."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(address, address)
    ports = {listener.port: listener.protocol.lower() for listener in config.listeners}
    return [f"{scheme}://{host}:{port}" for port, scheme in ports.items()]
