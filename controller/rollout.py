"""Rollout: one configuration on its way to the proxies that serve it, until all of them hold it.

It remembers what the next update is compared with. What Envoy refused is left out, or its last
accepted version serves on, and the rest goes live. How responses reach the proxies is in `xds`.
"""

from collections.abc import Callable, Mapping
from typing import Generic, Protocol, TypeVar

from controller import ir
from controller.xds import overlap
from controller.xds.build import Builder
from controller.xds.cache import Cache
from controller.xds.refusals import Refusal
from controller.xds.snapshot import Resource, Snapshot

NoteT = TypeVar("NoteT")


class Publish(Protocol):
    """How a Snapshot is handed to the proxies."""

    def __call__(self, target: Snapshot, bridge: Mapping[str, Resource]) -> None:
        """Set what all proxies should hold."""
        ...


class Rollout(Generic[NoteT]):
    """What one set of proxies should hold, and what they hold.

    Every configuration comes with a note; `settled` is handed the note of what is live now.
    """

    def __init__(
        self,
        builder: Builder,
        cache: Cache,
        publish: Publish,
        settled: Callable[[NoteT], None],
    ) -> None:
        self._builder = builder
        self._cache = cache
        self._publish = publish
        self._settled = settled
        self._wanted = Snapshot()
        """The configuration as built, with all that Envoy may have refused of it."""
        self._overlap = ir.Config()
        """What virtual hosts serve while the last update drains."""
        self._notes: dict[str, NoteT] = {}
        self.served = ir.Config()
        self.version = ""
        """Of what was published last."""
        self.live = ""
        """Of what all proxies hold; empty until there was something."""

    @property
    def refusals(self) -> tuple[Refusal, ...]:
        """What Envoy refused of the configuration."""
        return self._cache.refusals.of(self._wanted)

    def serve(self, config: ir.Config, note: NoteT) -> None:
        """Publish the configuration without what was refused of it; equal content is not sent."""
        target = self._wanted = self._builder.build(config)
        served = overlap.without(config, self.refusals)
        if served is not config:
            target = self._builder.build(served)
        self._notes = {target.version: note}  # only what was published last can go live
        if target.version == self.live == self.version:
            self._settled(note)
        if target.version != self.version:
            before = self.served if self._cache.drained else self._overlap
            both = overlap.union(before, served)
            self.served, self._overlap, self.version = served, both, target.version
            self._publish(target, self._builder.bridge(both, served))

    def went_live(self, version: str) -> None:
        """All proxies hold this version."""
        self.live = version
        note = self._notes.get(version)
        self._notes = {} if note is None else {version: note}
        if note is not None:
            self._settled(note)
