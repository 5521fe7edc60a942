"""The loop: a reading becomes a translation, a Snapshot, what all clients hold, and a report.

Level-triggered: every reading is whole, so one that fails by a fault of ours costs nothing but
itself; what runs goes on. The steps are in `translate`, `xds.build` and `xds.cache`.
"""

import logging
from collections.abc import AsyncIterator, Callable

from controller import ir
from controller.kept import Kept
from controller.metrics import Metrics
from controller.owners import owners
from controller.report import Report
from controller.resources import Resources
from controller.rollout import Publish, Rollout
from controller.settings import BuildSettings
from controller.sources.gather import Reading
from controller.translate import NOTHING_ACCEPTED, Translation, translate
from controller.translate.conditions import problems
from controller.translate.memo import Memo
from controller.translate.policies import Accepted
from controller.xds.ads import Response
from controller.xds.build import Builder
from controller.xds.cache import Cache
from controller.xds.happenings import Event, Live, Refused
from controller.xds.refusals import Refusal
from controller.xds.snapshot import LISTENER, TYPES
from crds import objects

logger = logging.getLogger(__name__)

_ADDRESS_IN_USE = "Address already in use"
_CANNOT_BIND = "cannot bind"


class FatalError(Exception):
    """There is nothing to serve, or no place to serve it; the message is one line for people."""


class Reconciler:
    """Holds what the next round is compared with: what is live, and what was accepted.

    What an earlier controller kept is resumed; what is fatal at the first start no longer is.
    """

    def __init__(
        self, settings: BuildSettings, cache: Cache, metrics: Metrics, report: Report, kept: Kept
    ) -> None:
        self._settings = settings
        self._cache = cache
        self._metrics = metrics
        self._report = report
        metrics.problems.set_function(lambda: report.standing)
        self._kept = kept
        kept_policies = kept.accepted()
        self._resumed = kept_policies is not None
        self._accepted = kept_policies or NOTHING_ACCEPTED
        self._reading = Reading(Resources())
        self._translation = Translation(ir.Config(), {}, NOTHING_ACCEPTED)
        self._memo = Memo()
        self._rollout: Rollout[Accepted] | None = None
        self._fail: Callable[[FatalError], None] = _raise
        self._failed = False
        self._was_live = False

    async def run(
        self,
        readings: AsyncIterator[Reading],
        publish: Publish,
        fail: Callable[[FatalError], None],
    ) -> None:
        """Reconcile every reading; `fail` is told what is fatal before the first one is live."""
        self._fail = fail
        if self._rollout is None:
            self._rollout = Rollout(Builder(self._settings), self._cache, publish, self._accept)
        async for reading in readings:
            try:
                self._apply(reading, self._rollout)
            except FatalError:
                raise
            except Exception:
                if not self._rollout.version:
                    raise
                logger.exception("this is a bug of ours; what runs goes on unchanged")

    def happened(self, event: Event) -> None:
        """Take an event of the cache."""
        if self._failed or self._rollout is None:
            return
        match event:
            case Live(version):
                self._went_live(version, self._rollout)
            case Refused():
                self._was_refused(event, self._rollout)

    def sent(self, response: Response) -> None:
        """Count a push."""
        self._metrics.count_push(response)

    def _apply(self, reading: Reading, rollout: Rollout[Accepted]) -> None:
        starting = not rollout.version and not self._resumed
        if starting:
            _check_readable(reading)
        with self._metrics.translate.time():
            translation = translate(reading.resources, self._accepted, memo=self._memo)
        self._metrics.count_objects(reading.resources.count())
        self._reading, self._translation = reading, translation
        if starting and not translation.config.listeners:
            raise FatalError(self._no_gateway())
        self._serve(rollout)
        self._tell(rollout)

    def _serve(self, rollout: Rollout[Accepted]) -> None:
        with self._metrics.build.time():
            rollout.serve(self._translation.config, self._translation.accepted)

    def _went_live(self, version: str, rollout: Rollout[Accepted]) -> None:
        first = not rollout.live
        rollout.went_live(version)
        if first:
            self._report.ready(_urls(rollout.served, self._settings.address))
        self._report.live(version)

    def _accept(self, accepted: Accepted) -> None:
        """What is live becomes what broken policies fall back on, here and after a restart."""
        if accepted != self._accepted or not self._was_live:
            self._kept.keep_accepted(accepted)
        self._accepted, self._was_live = accepted, True

    def _was_refused(self, event: Refused, rollout: Rollout[Accepted]) -> None:
        """Serve all else; at the first start a listener that is not served ends it all."""
        self._metrics.nacks.labels(TYPES[event.type_url]).inc()
        starting = not rollout.live and not self._resumed
        if starting and event.type_url == LISTENER and not event.replaced:
            self._failed = True
            self._fail(FatalError(_unserved(event, self._settings.address)))
            return
        if not event.replaced:
            self._serve(rollout)
        self._tell(rollout)

    def _tell(self, rollout: Rollout[Accepted]) -> None:
        """All lines that stand now; the report tells the changes."""
        found = [*self._reading.unreadable, *self._reading.problems]
        found += problems(self._translation.statuses)
        refused = [self._line(each) for each in rollout.refusals]
        self._report.problems([*(str(each) for each in found), *refused])

    def _line(self, refusal: Refusal) -> str:
        owner = owners(self._translation.config).get(refusal.name)
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


def _unserved(event: Refused, address: str) -> str:
    """Why a listener does not listen, in one line; of what Envoy says, the end is the reason."""
    port, message = event.name.rpartition("/")[2], " ".join(event.message.split())
    if _ADDRESS_IN_USE in message:
        return f"port {port} is in use"
    reason = message.rpartition(": ")[2] if _CANNOT_BIND in message else message
    return f"cannot listen on {address}:{port}: {reason}"


def _check_readable(reading: Reading) -> None:
    if reading.unreadable:
        raise FatalError("; ".join(str(each) for each in reading.unreadable))
    if not reading.resources.count() and not reading.resources.broken:
        raise FatalError("no configuration: there is no object in the directory")


def _urls(config: ir.Config, address: str) -> list[str]:
    """Where the listeners are reached from this machine."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(address, address)
    ports = {listener.port: listener.protocol.lower() for listener in config.listeners}
    return [f"{scheme}://{host}:{port}" for port, scheme in ports.items()]
