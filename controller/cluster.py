"""Cluster: every Gateway of a Kubernetes cluster, from what was read to what each object shows.

Level-triggered: a reading becomes one translation, and every Gateway gets its share of it. The
statuses follow from the translation and from how far the proxies are. Who may serve and write is
decided in `term`; reading and writing themselves are in `sources`.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from controller import ir, names
from controller.dataplane.manifests import addresses
from controller.dataplane.parameters import Unusable
from controller.dataplane.wanted import Wanted, want
from controller.metrics import Metrics
from controller.resources import Object, Resources
from controller.settings import BuildSettings, Place
from controller.share import shares
from controller.site import Site
from controller.sources.gather import Reading
from controller.sources.seen import Sight
from controller.standing import World, show
from controller.standing.progress import Progress
from controller.translate import NOTHING_ACCEPTED, Translation, translate
from controller.translate.conditions import problems
from controller.translate.memo import Memo
from controller.translate.policies import Accepted
from controller.xds.build import Builder
from controller.xds.server import Feed
from crds.gateway import GatewaySpec
from crds.meta import Key

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What depends on where the controller runs."""

    place: Place
    build: BuildSettings
    drain_s: float
    data_plane: str
    """The defaults of data planes, as YAML."""


class Cluster:
    """All Gateways that are ours; listeners hear when statuses or data planes may differ."""

    def __init__(self, settings: Surroundings, sight: Sight, metrics: Metrics) -> None:
        self._settings = settings
        self._sight = sight
        self._metrics = metrics
        self._of_statuses: list[Callable[[], None]] = []
        self._of_planes: list[Callable[[], None]] = []
        self._sites: dict[Key, Site] = {}
        self._builders: dict[Key, Builder] = {}
        self._accepted: Accepted = NOTHING_ACCEPTED
        self._memo, self._shown = Memo(), Memo()
        self._wants: dict[Key, tuple[object, object, Wanted | Unusable]] = {}
        self._resources = Resources()
        self._translation: Translation | None = None
        self._leading = False
        self.translated = asyncio.Event()
        """There was a first translation."""
        self.problems: dict[Key, str] = {}
        """Why the API server refuses the data plane of a Gateway."""
        sight.listen(self._seen)
        for role in ("envoy", "ext_proc"):
            metrics.connected.labels(role).set_function(lambda role=role: self._connected(role))  # type: ignore[misc]

    def listen(self, statuses: Callable[[], None], planes: Callable[[], None]) -> None:
        """Call the first when statuses may differ, and the second when data planes may."""
        self._of_statuses.append(statuses)
        self._of_planes.append(planes)

    @property
    def classes(self) -> frozenset[str]:
        """The GatewayClasses that are ours."""
        return self._translation.classes if self._translation else frozenset()

    async def reconcile(self, readings: AsyncIterator[Reading]) -> None:
        """Translate every reading and hand it on; a fault of ours costs that reading alone."""
        async for reading in readings:
            try:
                translation = await self._translated(reading.resources)
                found = shares(translation.config)
                await asyncio.to_thread(self._build, found)
                self._apply(reading.resources, translation, found)
            except Exception:
                logger.exception("this is a bug of ours; what runs goes on unchanged")

    async def _translated(self, resources: Resources) -> Translation:
        """The translation; again if meanwhile another version of a policy was accepted."""
        while True:
            accepted = self._accepted
            with self._metrics.translate.time():
                translation = await asyncio.to_thread(
                    translate, resources, accepted, self._settings.place, self._memo
                )
            if self._accepted == accepted:
                return translation

    def lead(self) -> None:
        """Serve all proxies from now on."""
        self._leading = True
        for site in self._sites.values():
            site.lead()

    def follow(self) -> None:
        """Another replica serves them."""
        self._leading = False
        for site in self._sites.values():
            site.follow()

    def feed(self, identity: str) -> Feed | None:
        """What a proxy with this identity is fed from."""
        for gateway, site in self._sites.items():
            if names.spiffe(gateway) == identity:
                return site.feed
        return None

    def wanted(self) -> list[Wanted]:
        """The data planes that should be there."""
        found = (self._want(gateway) for gateway in self._serving())
        return [each for each in found if isinstance(each, Wanted)]

    def statuses(self) -> dict[Key, dict[str, Any]]:
        """What every object should show."""
        if self._translation is None:
            return {}
        deliveries = {
            key: site.delivery(*self._reached(self._translation.gateways[key]))
            for key, site in self._sites.items()
        }
        unread = frozenset(
            each.key for each in self._resources.broken if each.gateway_class in self.classes
        )
        world = World(self._resources, self._translation.statuses, deliveries, unread)
        return show(world, self._shown)

    def _build(self, found: Mapping[Key, ir.Config]) -> None:
        """Build aside what will be served: the loop has proxies and probes to answer meanwhile."""
        for key, config in found.items():
            self._builder(key).build(config)

    def _builder(self, key: Key) -> Builder:
        return self._builders.setdefault(key, Builder(self._settings.build))

    def _apply(
        self, resources: Resources, translation: Translation, found: Mapping[Key, ir.Config]
    ) -> None:
        self._resources, self._translation = resources, translation
        self._metrics.count_objects(resources.count())
        self._metrics.problems.set(len(problems(translation.statuses)))
        for key in self._sites.keys() - translation.gateways.keys():
            self._sites.pop(key).follow()
            self._wants.pop(key, None)
            del self._builders[key]
        for key in translation.gateways:
            site = self._sites.get(key) or self._site(key)
            site.serve(found.get(key, ir.Config()), translation)
        self._settle()
        self._changed(planes=True)
        self.translated.set()

    def _site(self, key: Key) -> Site:
        settings = self._settings
        site = Site(key, self._builder(key), settings.drain_s, self._metrics, self._moved)
        site.expect(self._ready(key))
        if self._leading:
            site.lead()
        self._sites[key] = site
        return site

    def _moved(self) -> None:
        """Proxies of some Gateway hold more, or refused something."""
        self._settle()
        self._changed(planes=False)

    def _changed(self, *, planes: bool) -> None:
        for listener in (*self._of_statuses, *(self._of_planes if planes else ())):
            listener()

    def _settle(self) -> None:
        """What no proxy lacks is what broken policies fall back on."""
        if self._translation is None:
            return
        lacking = {
            key
            for key, site in self._sites.items()
            if self._leading and not site.waits and site.live is not self._translation
        }
        self._accepted = held(self._translation, self._accepted, lacking)

    def _seen(self, key: Key) -> None:
        if key.kind == "Pod":
            for gateway, site in self._sites.items():
                if gateway.namespace == key.namespace:
                    site.expect(self._ready(gateway))
        self._changed(planes=key.kind != "Pod")

    def _ready(self, gateway: Key) -> frozenset[str]:
        pods = self._sight.of("Pod", gateway)
        return frozenset(pod.key.name for pod in pods if pod.ready)

    def _serving(self) -> list[Object[GatewaySpec]]:
        """The Gateways with an open listener."""
        if self._translation is None:
            return []
        opened = dict.fromkeys(each.gateway for each in self._translation.config.listeners)
        return [self._translation.gateways[key] for key in opened]

    def _want(self, gateway: Object[GatewaySpec]) -> Wanted | Unusable:
        """What its data plane is made of; read anew only if it is written anew."""
        maps, ref = self._resources.config_maps, gateway.spec.infrastructure.parameters_ref
        own = maps.get(Key("ConfigMap", gateway.key.namespace, ref.name)) if ref else None
        last = self._wants.get(gateway.key)
        if last is None or last[0] is not gateway or last[1] is not own:
            found = want(gateway, gateway.meta.uid, self._settings.data_plane, maps)
            last = self._wants[gateway.key] = gateway, own, found
        return last[2]

    def _reached(
        self, gateway: Object[GatewaySpec]
    ) -> tuple[tuple[str, ...] | None, tuple[str, ...]]:
        """The addresses of a Gateway's Service, and what is wrong with its parameters."""
        name = names.data_plane(gateway.key.name, gateway.spec.gateway_class_name)
        service = self._sight.get(Key("Service", gateway.key.namespace, name))
        where = addresses({"spec": service.spec, "status": service.status}) if service else None
        wanted = self._want(gateway)
        wrong = wanted.lines if isinstance(wanted, Unusable) else ()
        refused = self.problems.get(gateway.key)
        return where, (*wrong, *([refused] if refused else []))

    def _connected(self, role: str) -> int:
        return sum(site.connected(role) for site in self._sites.values())


def held(found: Translation, before: Accepted, lacking: Collection[Key]) -> Accepted:
    """The AIPolicies that no proxy lacks; one that a lacking Gateway needs stays as it was.

    Others' Gateways count for nothing: a stuck one would keep every AIPolicy from growing up.
    """
    if not lacking:
        return found.accepted
    known = Progress(found.statuses, {}, {}, {}, {})
    policies = {
        key: policy if set(lacking).isdisjoint(known.gateways(key)) else before.policies.get(key)
        for key, policy in found.accepted.policies.items()
    }
    return Accepted({key: policy for key, policy in policies.items() if policy is not None})
