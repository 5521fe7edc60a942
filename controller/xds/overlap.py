"""Overlap: configurations between configurations, so that no request meets half an update.

While requests judged by old plans are on their way, routes serve the old traffic classes too; what
Envoy refused is taken out, with what cannot work without it, and nothing else.
"""

from collections.abc import Collection, Iterable
from dataclasses import replace

from controller import ir, names
from controller.xds.refusals import Refusal
from controller.xds.snapshot import LISTENER
from crds import plan


def union(old: ir.Config, new: ir.Config) -> ir.Config:
    """The new configuration whose virtual hosts serve the old one's traffic classes too."""
    before = {host.name: host for host in _hosts(old)}
    listeners = tuple(
        replace(
            listener,
            virtual_hosts=tuple(
                _serving_both(host, before.get(host.name)) for host in listener.virtual_hosts
            ),
        )
        for listener in new.listeners
    )
    return replace(new, listeners=listeners)


def without(config: ir.Config, refused: Iterable[Refusal]) -> ir.Config:
    """The configuration without what Envoy refused and has no older version of."""
    gone = {each.name for each in refused if not each.replaced}
    ports = {each.name for each in refused if each.type_url == LISTENER and not each.replaced}
    if not gone:
        return config
    targets = tuple(target for target in config.targets if not needs(target, gone))
    kept = {target.name for target in targets}
    return replace(
        config,
        listeners=tuple(
            listener
            for listener in config.listeners
            if names.listener(listener.port) not in ports and gone.isdisjoint(listener.certificates)
        ),
        targets=targets,
        secrets=tuple(secret for secret in config.secrets if secret.name not in gone),
        route_plans=tuple(_with_targets(route, kept) for route in config.route_plans),
    )


def _hosts(config: ir.Config) -> Iterable[ir.VirtualHost]:
    return (host for listener in config.listeners for host in listener.virtual_hosts)


def _serving_both(new: ir.VirtualHost, old: ir.VirtualHost | None) -> ir.VirtualHost:
    if old is None:
        return new
    extra = tuple(each for each in old.classes if each not in new.classes)
    return replace(
        new,
        classes=new.classes + extra,
        max_body_bytes=max(new.max_body_bytes, old.max_body_bytes) if extra else new.max_body_bytes,
    )


def needs(target: ir.Target, gone: Collection[str]) -> bool:
    """The target cannot be called without one of these: a part of it, its key, its authorities."""
    needed = {
        *names.parts(target.name, target.picker.name if target.picker else None),
        target.credential.secret if target.credential else None,
        target.tls.authorities if target.tls else None,
    }
    return any(name in gone for name in needed)


def _with_targets(route: plan.RoutePlan, kept: Collection[str]) -> plan.RoutePlan:
    if all(target.cluster in kept for rule in route.rules for target in rule.every_target):
        return route
    rules = tuple(
        rule.model_copy(
            update={
                "targets": tuple(t for t in rule.targets if t.cluster in kept),
                "mirrors": tuple(m for m in rule.mirrors if m.target.cluster in kept),
            }
        )
        for rule in route.rules
    )
    return route.model_copy(update={"rules": rules})
