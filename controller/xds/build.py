"""Build: ir.Config → Snapshot. Pure; equal input gives equal bytes.

A Builder remembers what each object became, so that an edit costs only what it changed. What is
sent when, and to whom, is in `cache`.
"""

from collections.abc import Callable, Iterable, Mapping
from itertools import groupby
from typing import Any

from controller import ir, names
from controller.settings import BuildSettings
from controller.xds import clusters, listeners, parts, picking, plans, routes, secrets, snapshot
from controller.xds.snapshot import Resource, Snapshot

_Memo = dict[tuple[str, str], tuple[object, Resource]]


class Builder:
    """Builds Snapshots and keeps the last one's resources to build the next one from."""

    def __init__(self, settings: BuildSettings) -> None:
        self._settings = settings
        self._memo: _Memo = {}

    def build(self, config: ir.Config) -> Snapshot:
        """The Snapshot of a configuration."""
        memo: _Memo = {}
        by_port = _by_port(config.listeners)
        resources = {
            snapshot.CLUSTER: {
                names.BLACKHOLE: self._blackhole(memo),
                **self._each(memo, snapshot.CLUSTER, parts.clusters_of(config.targets), self._part),
                **self._each(memo, snapshot.CLUSTER, parts.pickers_of(config.targets), _picker),
            },
            snapshot.SECRET: self._each(memo, snapshot.SECRET, _named(config.secrets), _secret),
            snapshot.LISTENER: {
                **self._each(memo, snapshot.LISTENER, by_port, self._listener),
                **self._each(
                    memo, snapshot.LISTENER, parts.listeners_of(config.targets), self._part
                ),
            },
            snapshot.ROUTE: self._each(memo, snapshot.ROUTE, _tables(by_port), _routes),
            snapshot.PLAN: self._each(memo, snapshot.PLAN, _plans(config), _plan),
        }
        self._memo = memo
        return Snapshot(resources)

    def bridge(self, both: ir.Config, new: ir.Config) -> Mapping[str, Resource]:
        """Routes of a union of configurations, where they differ from the new one's."""
        wanted = dict(_tables(_by_port(new.listeners)))
        return {
            name: _routes(name, table)
            for name, table in _tables(_by_port(both.listeners))
            if table != wanted[name]
        }

    def _each(
        self,
        memo: _Memo,
        type_url: str,
        items: Iterable[tuple[str, Any]],
        make: Callable[[str, Any], Resource],
    ) -> Mapping[str, Resource]:
        """One resource per item; an item equal to the last one keeps its resource."""
        made = {}
        for name, item in items:
            last = self._memo.get((type_url, name))
            same = last is not None and (last[0] is item or last[0] == item)
            resource = last[1] if last is not None and same else make(name, item)
            memo[type_url, name] = (item, resource)
            made[name] = resource
        return made

    def _blackhole(self, memo: _Memo) -> Resource:
        held = self._each(
            memo,
            snapshot.CLUSTER,
            [(names.BLACKHOLE, None)],
            lambda name, _: snapshot.resource(name, clusters.blackhole()),
        )
        return held[names.BLACKHOLE]

    def _part(self, name: str, part: parts.Part) -> Resource:
        return snapshot.resource(name, part.make(part.target, self._settings))

    def _listener(self, name: str, group: tuple[ir.Listener, ...]) -> Resource:
        return snapshot.resource(name, listeners.build(group, self._settings))


def build(config: ir.Config, settings: BuildSettings) -> Snapshot:
    """The Snapshot of a configuration, from nothing."""
    return Builder(settings).build(config)


def _picker(name: str, picker: ir.Picker) -> Resource:
    return snapshot.resource(name, picking.build(picker))


def _secret(name: str, secret: ir.Secret) -> Resource:
    return snapshot.resource(name, secrets.build(secret))


def _routes(name: str, table: routes.Table) -> Resource:
    return snapshot.encoded(name, routes.build(table))


def _plan(_name: str, item: plans.Plan) -> Resource:
    return plans.build(item)


def _named(items: Iterable[ir.Secret]) -> Iterable[tuple[str, ir.Secret]]:
    return ((item.name, item) for item in items)


def _by_port(items: Iterable[ir.Listener]) -> list[tuple[str, tuple[ir.Listener, ...]]]:
    """Listeners of one port are one Envoy listener; `translate` saw to one protocol a port."""
    ordered = sorted(items, key=lambda each: each.port)
    return [
        (names.listener(port), tuple(group))
        for port, group in groupby(ordered, key=lambda each: each.port)
    ]


def _tables(
    by_port: Iterable[tuple[str, tuple[ir.Listener, ...]]],
) -> Iterable[tuple[str, routes.Table]]:
    return ((table.name, table) for _, group in by_port for table in routes.tables(group))


def _plans(config: ir.Config) -> Iterable[tuple[str, plans.Plan]]:
    every: tuple[plans.Plan, ...] = (*config.virtual_host_plans, *config.route_plans)
    return ((plans.name(item), item) for item in every)
