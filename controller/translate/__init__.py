"""Translate: Resources → what the gateway should be, and what every object is told about itself.

Pure, and never raises for what users wrote: bad input becomes Conditions. Gateways open listeners,
AIRoutes attach to them, their rules are resolved to targets, AIPolicies are put on their levels,
and virtual hosts bring these together. Knows nothing of Envoy and nothing of files.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from controller import ir, names
from controller.resources import Object, Resources
from controller.settings import Place
from controller.translate import (
    backends,
    gateways,
    grants,
    levels,
    policies,
    prompts,
    routes,
    rules,
    sizes,
    statuses,
    traffic,
    virtual_hosts,
)
from controller.translate.backends import Backends
from controller.translate.conditions import Fault, Status
from controller.translate.grants import Grants
from controller.translate.levels import Levels
from controller.translate.memo import Memo
from controller.translate.policies import Accepted
from controller.translate.prompts import Prompts
from controller.translate.routes import Attached
from controller.translate.rules import Callee, Served
from controller.translate.virtual_hosts import Hosts
from crds.gateway import GatewaySpec
from crds.meta import Key
from crds.plan import RoutePlan, RulePlan

NOTHING_ACCEPTED = Accepted()
DEFAULT_COPIES = 1024
"""Copies that may be under way at a mirror whose AIBackend has no circuitBreaker."""
HERE = Place()
"""One Envoy on this machine serves all Gateways."""


@dataclass(frozen=True, slots=True)
class Translation:
    """What the gateway should be, and what to tell every object."""

    config: ir.Config
    statuses: Mapping[Key, Status]
    accepted: Accepted
    """To be handed to the next translation once this one is live."""
    gateways: Mapping[Key, Object[GatewaySpec]] = field(default_factory=dict)
    """Those that are ours."""
    classes: frozenset[str] = frozenset()
    """The GatewayClasses that are ours."""


class _Faulty(Protocol):
    @property
    def faults(self) -> tuple[Fault, ...]: ...


def translate(
    resources: Resources,
    accepted: Accepted = NOTHING_ACCEPTED,
    place: Place = HERE,
    memo: Memo | None = None,
) -> Translation:
    """Translate everything that was read; `accepted` answers for AIPolicies that are broken.

    With the memo of the translation before, only what changed since is made anew.
    """
    memo = memo or Memo()
    permits = grants.gather(resources.reference_grants)
    opened = gateways.find(resources, permits, place)
    called = backends.find(resources, place.refused)
    attached = routes.attach(resources, opened, memo)
    in_force = policies.find(resources, accepted)
    levelled = levels.attach(in_force, resources, opened, attached.attached)
    texts = prompts.find(resources)
    served, wrong = _served(attached.attached, called, permits, texts, memo)
    hosts = virtual_hosts.build(opened.listeners, attached.attached, served, levelled, memo)
    live = {
        each.route.key: _live(served[each.route.key], hosts)
        for each in attached.attached
        if each.hosts
    }
    callees = _callees(live.values())
    plans = memo.each(
        "plans",
        levelled.guards,
        sorted(live.items()),
        lambda served: sizes.fit(served[0].route, _plan(served, levelled)),
    )
    before, after = (opened, called, attached), (hosts, in_force, levelled)
    oversized = (fault for each in plans.values() for fault in each.faults)
    outcome = statuses.Outcome(
        opened,
        called,
        attached.attached,
        in_force,
        frozenset(each.backend.key for each in callees.values()),
        (*_faults(before), *wrong, *_faults(after), *oversized),
    )
    secrets = (*opened.certificates, *_secrets(callees.values(), called))
    fitted = tuple(each.plan for each in plans.values())
    config = _config(hosts, callees, secrets, live, fitted)
    told = statuses.write(resources, outcome, memo)
    return Translation(config, told, in_force.accepted, opened.objects, opened.classes)


def _faults(parts: Iterable[_Faulty]) -> Iterator[Fault]:
    return (fault for part in parts for fault in part.faults)


def _served(
    attached: Sequence[Attached], called: Backends, permits: Grants, texts: Prompts, memo: Memo
) -> tuple[dict[Key, tuple[Served, ...]], list[Fault]]:
    """The rules of every AIRoute, resolved, and what is wrong with them."""
    found = memo.each("backends", None, called.found.items(), lambda each: each)
    kept = replace(called, found=found)  # equal ones are those of before, and so quickly compared
    resolved = memo.each(
        "rules",
        permits,
        ((each.route.key, (each, rules.needs(each, kept, texts))) for each in attached),
        lambda asked: rules.serve(asked[0], kept, permits, texts),
    )
    served = {key: found for key, (found, _) in resolved.items()}
    return served, [fault for _, wrong in resolved.values() for fault in wrong]


def _live(served: Sequence[Served], hosts: Hosts) -> tuple[Served, ...]:
    """The rules of an AIRoute as they are served."""
    if not any((rule.route, rule.index) in hosts.crowded for rule in served):
        return tuple(served)
    return tuple(
        rules.broken(rule) if (rule.route, rule.index) in hosts.crowded else rule for rule in served
    )


def _callees(live: Iterable[Sequence[Served]]) -> dict[str, Callee]:
    """Everything that some rule refers to, by the name of its cluster."""
    callees = {
        callee.cluster: callee for served in live for rule in served for callee in rule.called
    }
    return dict(sorted(callees.items()))


def _config(
    hosts: Hosts,
    callees: Mapping[str, Callee],
    secrets: Sequence[ir.Secret],
    live: Mapping[Key, Sequence[Served]],
    plans: tuple[RoutePlan, ...],
) -> ir.Config:
    targets = tuple(
        _target(name, callee, hosts.largest_body.get(name, levels.DEFAULT_MAX_BODY_BYTES))
        for name, callee in callees.items()
    )
    return ir.Config(
        listeners=hosts.listeners,
        targets=targets,
        secrets=tuple(sorted(secrets, key=lambda secret: secret.name)),
        virtual_host_plans=hosts.plans,
        route_plans=plans,
        uses={names.route(route): _uses(served) for route, served in sorted(live.items())},
    )


def _secrets(callees: Iterable[Callee], called: Backends) -> list[ir.Secret]:
    """The secrets of all that is called, as they are now: a remembered rule has those of before."""
    keys = sorted({each.backend.key for each in callees})
    return [secret for key in keys for secret in called.found[key].secrets]


def _uses(served: Sequence[Served]) -> tuple[str, ...]:
    return tuple(sorted({callee.cluster for rule in served for callee in rule.called}))


def _target(name: str, callee: Callee, max_body_bytes: int) -> ir.Target:
    backend = callee.backend
    return ir.Target(
        name=name,
        backend=backend.key,
        provider=backend.provider,
        host=backend.host,
        port=backend.port,
        endpoints=backend.endpoints,
        tls=backend.tls,
        credential=backend.credential,
        signing=backend.signing,
        model=callee.model,
        formats=tuple(backend.paths),
        headers=backend.headers,
        max_body_bytes=max_body_bytes,
        ejection=backend.ejection,
        balancing=backend.balancing,
        health_check=backend.health_check,
        copies=(backend.max_concurrent or DEFAULT_COPIES) if callee.mirror else None,
        picker=backend.picker,
        http2=backend.http2,
        version=backend.version,
    )


def _plan(served: Sequence[Served], levelled: Levels) -> RoutePlan:
    route = served[0].route
    return RoutePlan(
        name=names.route(route),
        rules=tuple(_rule(rule, levelled) for rule in served),
        guards=levelled.of(route),
    )


def _rule(served: Served, levelled: Levels) -> RulePlan:
    unary, stream = _class_names(served.classes)
    mirrored_unary, mirrored_stream = _class_names(served.mirrored)
    return RulePlan(
        name=served.rule.name,
        targets=served.targets,
        unary_class=unary,
        stream_class=stream,
        translate=served.translate,
        selection=served.rule.selection,
        stickiness=rules.stickiness(served.rule),
        mirrors=served.mirrors,
        mirrored_unary_class=mirrored_unary,
        mirrored_stream_class=mirrored_stream,
        affinity=rules.affinity(served),
        budget=traffic.budget(served.rule, served.once),
        guards=levelled.of(served.route, served.rule.name),
    )


def _class_names(classes: Sequence[ir.TrafficClass]) -> tuple[str, str]:
    """Those of calls and of streams; empty where there are none."""
    unary, stream = (each.name for each in classes) if classes else ("", "")
    return unary, stream
