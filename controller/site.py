"""Site: one Gateway and its proxies, as the controller sees them.

A replica that does not lead builds every configuration and sends none, so that it could take over
at once. While it leads, a Rollout brings the configuration to the proxies; what a new leader knows
of them it hears from themselves.
"""

from collections.abc import Callable, Iterator

from controller import ir
from controller.metrics import Metrics
from controller.owners import owners
from controller.rollout import Rollout
from controller.standing import Delivery, Rejection
from controller.translate import Translation
from controller.xds.build import Builder
from controller.xds.cache import Cache
from controller.xds.happenings import Event, Live, Refused
from controller.xds.overlap import needs
from controller.xds.refusals import Refusal
from controller.xds.server import Feed
from controller.xds.snapshot import TYPES
from crds.meta import Key


class Site:
    """What the proxies of one Gateway should hold, and how far they are."""

    def __init__(
        self,
        gateway: Key,
        builder: Builder,
        drain_s: float,
        metrics: Metrics,
        changed: Callable[[], None],
    ) -> None:
        self._gateway = gateway
        self._builder = builder
        self._drain_s = drain_s
        self._metrics = metrics
        self._changed = changed
        self._config = ir.Config()
        self._translation: Translation | None = None
        self._places: frozenset[str] = frozenset()
        self._cache: Cache | None = None
        self._rollout: Rollout[Translation] | None = None
        self.feed: Feed | None = None
        """Where its proxies are fed from; None while another replica leads."""
        self.live: Translation | None = None
        """What all awaited proxies hold."""

    @property
    def waits(self) -> bool:
        """No proxy serves requests."""
        return not self._places

    def serve(self, config: ir.Config, translation: Translation) -> None:
        """Bring the Gateway's part of a translation to its proxies, or be ready to."""
        self._config, self._translation = config, translation
        with self._metrics.build.time():
            if self._rollout is None:
                self._builder.build(config)
            else:
                self._rollout.serve(config, translation)

    def lead(self) -> None:
        """Serve the proxies from now on."""
        cache = self._cache = Cache(self._drain_s)
        cache.expect(self._places)
        name = f"{self._gateway.namespace}/{self._gateway.name}"
        self.feed = Feed(cache, self._happened, self._metrics.count_push, cluster=name)
        self._rollout = Rollout(self._builder, cache, self.feed.publish, self._settle)
        if self._translation is not None:
            self.serve(self._config, self._translation)

    def follow(self) -> None:
        """Another replica serves the proxies."""
        if self.feed is not None:
            self.feed.stop()
        self.feed = self._cache = self._rollout = self.live = None

    def expect(self, places: frozenset[str]) -> None:
        """Say which pods serve requests now."""
        if places != self._places:
            self._places = places
            if self.feed is not None:
                self.feed.expect(places)

    def connected(self, role: str) -> int:
        """How many proxies are fed here."""
        return self._cache.connected()[role] if self._cache else 0

    def delivery(self, addresses: tuple[str, ...] | None, wrong: tuple[str, ...]) -> Delivery:
        """How far the proxies are, for statuses."""
        return Delivery(
            live=self.live.statuses if self.live else {},
            backends=frozenset(target.backend for target in self._config.targets),
            waiting_for_proxies=self.waits,
            silent=self.feed.silent() if self.feed else (),
            rejections=tuple(self._rejections()),
            addresses=addresses,
            wrong=wrong,
        )

    def _happened(self, event: Event) -> None:
        if self._rollout is None or self._translation is None:
            return
        match event:
            case Live(version):
                self._rollout.went_live(version)
            case Refused():
                self._metrics.nacks.labels(TYPES[event.type_url]).inc()
                if not event.replaced:
                    self.serve(self._config, self._translation)
        self._changed()

    def _settle(self, translation: Translation) -> None:
        self.live = translation
        self._changed()

    def _rejections(self) -> Iterator[Rejection]:
        refusals = self._rollout.refusals if self._rollout else ()
        known = owners(self._config) if refusals else {}
        for refusal in refusals:
            yield Rejection(
                owner=known.get(refusal.name, self._gateway),
                message=refusal.message,
                replaced=refusal.replaced,
                name=refusal.name,
                affected=frozenset(self._affected(refusal)),
            )

    def _affected(self, refusal: Refusal) -> Iterator[Key]:
        """The AIRoutes not served as written because of a target, its secret, or a virtual host."""
        for plan in self._config.virtual_host_plans:
            if f"vh/{plan.name}" == refusal.name:
                yield from (_route(name) for name in plan.routes)
        lost = {each.name for each in self._config.targets if needs(each, (refusal.name,))}
        for name, targets in self._config.uses.items():
            if not lost.isdisjoint(targets):
                yield _route(name)


def _route(name: str) -> Key:
    namespace, _, own = name.partition("/")
    return Key("AIRoute", namespace, own)
