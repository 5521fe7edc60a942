"""Rules: what each rule of an AIRoute is served by: its targets, formats and traffic classes.

An AIRoute that cannot be read is not there at all. One whose backendRef leads nowhere keeps its
other rules, and the rule keeps its other targets. A rule with no target left stays in the index and
answers 503, so that no other rule takes its requests. One RoutePlan serves all Gateways of an
AIRoute, so a backend must be permitted at each of them. Guards are not decided here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from controller import ir, names
from controller.translate import grants as permissions
from controller.translate.backends import Backend, Backends
from controller.translate.conditions import Fault, Reason
from controller.translate.grants import Grants
from controller.translate.routes import Attached
from crds.airoute import BackendRef, RouteRule
from crds.meta import Key, seconds
from crds.plan import StickinessPlan, TargetPlan

DEFAULT_RETRIES = 2
"""Further tries where a rule has a second target and says nothing."""


@dataclass(frozen=True, slots=True)
class Served:
    """A rule, resolved. Without targets it answers 503."""

    route: Key
    index: int
    rule: RouteRule
    backends: tuple[tuple[Backend, str | None], ...]
    """All (AIBackend, model) pairs that can be called; those of weight 0 are kept warm."""
    targets: tuple[TargetPlan, ...]
    translate: bool
    classes: tuple[ir.TrafficClass, ...]
    """For calls and for streams; none without targets."""


@dataclass(frozen=True, slots=True)
class _Allowed:
    """What the backendRefs of an AIRoute may lead to."""

    backends: Backends
    grants: Grants
    gateways: list[str]
    """Namespaces of the Gateways that serve it."""


def serve(
    attached: Attached, backends: Backends, grants: Grants
) -> tuple[tuple[Served, ...], tuple[Fault, ...]]:
    """Resolve every rule of an AIRoute."""
    served: list[Served] = []
    faults: list[Fault] = []
    gateways = sorted({listener.gateway.namespace for listener, _ in attached.hosts})
    for index, rule in enumerate(attached.route.spec.rules):
        pairs, wrong = _resolve(
            attached.route.key, index, rule, _Allowed(backends, grants, gateways)
        )
        faults += wrong
        served.append(_served(attached.route.key, index, rule, pairs))
    return tuple(served), tuple(faults)


def _resolve(
    route: Key, index: int, rule: RouteRule, allowed: _Allowed
) -> tuple[dict[int, tuple[Backend, str | None]], list[Fault]]:
    """What each backendRef of a rule leads to, by its place in the list."""
    pairs: dict[int, tuple[Backend, str | None]] = {}
    seen: set[tuple[Key, str | None]] = set()
    faults: list[Fault] = []
    for number, ref in enumerate(rule.backend_refs):
        key = Key("AIBackend", ref.namespace or route.namespace, ref.name)
        refused = _refused(route, key, allowed)
        if refused is None and (key, ref.model) in seen:
            refused = "Duplicate", f"{key} stands twice with this model; add up the weights"
        if refused is None:
            seen.add((key, ref.model))
            pairs[number] = allowed.backends.found[key], ref.model
        else:
            field = f"spec.rules[{index}].backendRefs[{number}]"
            faults.append(Fault(route, "ResolvedRefs", refused[0], field, refused[1]))
    return pairs, faults


def broken(served: Served) -> Served:
    """The same rule without targets: it answers 503."""
    return _served(served.route, served.index, served.rule, {})


def stickiness(rule: RouteRule) -> StickinessPlan | None:
    """What binds requests of this rule to one target."""
    bound = rule.stickiness
    return StickinessPlan(by=bound.by, name=bound.name or "") if bound else None


def _refused(route: Key, key: Key, allowed: _Allowed) -> tuple[Reason, str] | None:
    """Why a rule may not use an AIBackend; None if it may."""
    if not allowed.grants.permit("AIRoute", route.namespace, key):
        return "RefNotPermitted", permissions.fix("AIRoute", route.namespace, key)
    for namespace in allowed.gateways:
        if not allowed.grants.permit("Gateway", namespace, key):
            return "RefNotPermitted", permissions.fix("Gateway", namespace, key)
    if key not in allowed.backends.found:
        if key in allowed.backends.refused:
            return "InvalidBackend", f"{key} cannot be used; see its status"
        return "BackendNotFound", f"{key} does not exist"
    return None


def _live(pairs: Mapping[int, tuple[Backend, str | None]], rule: RouteRule) -> list[int]:
    """The backendRefs that get requests."""
    return [number for number in pairs if rule.backend_refs[number].weight > 0]


def _served(
    route: Key, index: int, rule: RouteRule, pairs: Mapping[int, tuple[Backend, str | None]]
) -> Served:
    live = _live(pairs, rule)
    if not live:
        return Served(route, index, rule, (), (), translate=False, classes=())
    sent = [(model, backend.paths, backend.quirks) for backend, model in (pairs[n] for n in live)]
    translate = any(each != sent[0] for each in sent)
    return Served(
        route,
        index,
        rule,
        tuple(pairs.values()),
        targets=tuple(_target(*pairs[number], rule.backend_refs[number]) for number in live),
        translate=translate,
        classes=tuple(_classes(rule, translate=translate, targets=len(live))),
    )


def _target(backend: Backend, model: str | None, ref: BackendRef) -> TargetPlan:
    prices = {
        name: price for name, price in sorted(backend.prices.items()) if model in (None, name)
    }
    return TargetPlan(
        cluster=names.target(backend.key, model),
        backend=f"{backend.key.namespace}/{backend.key.name}",
        provider=backend.provider,
        model=model,
        paths=dict(backend.paths),
        quirks=backend.quirks,
        weight=ref.weight,
        priority=ref.priority,
        prices=prices,
        max_concurrent=backend.max_concurrent,
        eject_after=backend.ejection.after,
        eject_s=backend.ejection.base_s,
    )


def _classes(rule: RouteRule, *, translate: bool, targets: int) -> Iterator[ir.TrafficClass]:
    """How calls and how streams travel."""
    retries = rule.retry.attempts if rule.retry else DEFAULT_RETRIES if targets > 1 else 0
    limits = rule.timeouts
    request = _seconds(limits.request)
    yield ir.TrafficClass(
        stream=False,
        translate=translate,
        request_s=request,
        attempt_s=_seconds(limits.attempt),
        idle_s=None,
        retries=retries,
    )
    yield ir.TrafficClass(
        stream=True,
        translate=translate,
        request_s=request,
        attempt_s=_seconds(limits.first_byte),
        idle_s=_seconds(limits.stream_idle),
        retries=retries,
    )


def _seconds(duration: str | None) -> float | None:
    return None if duration is None else seconds(duration)
