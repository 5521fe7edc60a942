"""Statuses: what every object is told about itself.

Joins the faults of all parts of `translate` with what came of each object. Objects that could not
be read have a status too, but their lines are printed by the source that read them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from controller.resources import Broken, Object, Resources
from controller.translate import conditions, routes
from controller.translate.backends import Backends
from controller.translate.conditions import (
    ConditionType,
    Fault,
    ListenerStatus,
    Reference,
    ReferenceStatus,
    Status,
)
from controller.translate.gateways import Gateways
from controller.translate.policies import Policies
from controller.translate.routes import Attached
from crds.aibackend import AIBackendSpec
from crds.aipolicy import AIPolicySpec, TargetRef
from crds.airoute import AIRouteSpec
from crds.gateway import GatewaySpec
from crds.meta import Condition, Key
from crds.objects import Finding

ROUTE_TYPES: tuple[ConditionType, ...] = ("Accepted", "ResolvedRefs", "Conflicted")
POLICY_TYPES: tuple[ConditionType, ...] = ("Accepted", "ResolvedRefs", "Overridden")
KEPT = "the last accepted version stays in force until this is mended"
CLOSED = "its targets answer 503 until this is mended"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the parts of `translate` found."""

    gateways: Gateways
    backends: Backends
    routes: tuple[Attached, ...]
    policies: Policies
    referenced: frozenset[Key]
    """AIBackends that some rule which is served refers to."""
    faults: tuple[Fault, ...]


def write(resources: Resources, outcome: Outcome) -> dict[Key, Status]:
    """The status of every Gateway that is ours, AIRoute, AIPolicy and AIBackend."""
    unread = {broken.key: broken for broken in resources.broken}
    faults = _by_key(outcome.faults)
    found: dict[Key, Status] = {}
    attached = {each.route.key: each for each in outcome.routes}
    for key, gateway in outcome.gateways.objects.items():
        found[key] = _gateway(gateway, outcome, faults.get(key, []))
    for key, route in resources.routes.items():
        found[key] = _route(route, attached[key], faults.get(key, []))
    for key, backend in resources.backends.items():
        found[key] = _backend(backend, outcome, faults.get(key, []))
    for key, policy in resources.policies.items():
        found[key] = _policy(policy, outcome.policies, faults.get(key, []))
    for key, broken in unread.items():
        if key.kind in ("Gateway", "AIRoute", "AIPolicy", "AIBackend"):
            found[key] = _unread(broken, found.get(key), outcome.policies)
    return dict(sorted(found.items()))


def _by_key(faults: Iterable[Fault]) -> dict[Key, list[Fault]]:
    found: dict[Key, list[Fault]] = {}
    for fault in dict.fromkeys(faults):
        found.setdefault(fault.key, []).append(fault)
    return found


def _gateway(gateway: Object[GatewaySpec], outcome: Outcome, faults: list[Fault]) -> Status:
    served = {
        listener.index for listener in outcome.gateways.listeners if listener.gateway == gateway.key
    }
    counts = [
        sum(
            (gateway.key, listener.name) in {place.place for place, _ in attached.hosts}
            for attached in outcome.routes
        )
        for listener in gateway.spec.listeners
    ]
    if served:
        accepted = Condition("Accepted", "True", "Accepted", conditions.message(faults))
        programmed = conditions.pending()
    else:
        accepted = Condition("Accepted", "False", "ListenersNotValid", conditions.message(faults))
        programmed = conditions.not_programmed("Invalid", "no listener can be served")
    return Status(
        gateway.meta.generation,
        (accepted, programmed),
        listeners=tuple(
            ListenerStatus(
                listener.name,
                counts[index],
                (
                    *conditions.judged(
                        conditions.of_part(faults, index), ("Accepted", "ResolvedRefs")
                    ),
                    conditions.pending()
                    if index in served
                    else conditions.not_programmed("Invalid", "the listener cannot be served"),
                ),
            )
            for index, listener in enumerate(gateway.spec.listeners)
        ),
        problems=conditions.lines(faults, gateway.origin),
    )


def _route(route: Object[AIRouteSpec], attached: Attached, faults: list[Fault]) -> Status:
    whole = conditions.judged(faults, ROUTE_TYPES)
    if attached.hosts:
        told = [fault for fault in faults if fault.type == "Accepted"]
        accepted = Condition("Accepted", "True", "Accepted", conditions.message(told))
        whole = (accepted, *whole[1:], conditions.pending())
    else:
        nowhere = conditions.not_programmed("NotAccepted", "no listener serves this AIRoute")
        whole = (*whole, nowhere)
    return Status(
        route.meta.generation,
        whole,
        parents=tuple(
            ReferenceStatus(
                routes.reference(route.key, ref),
                conditions.judged(conditions.of_part(faults, index), ROUTE_TYPES),
            )
            for index, ref in enumerate(route.spec.parent_refs)
        ),
        problems=conditions.lines(faults, route.origin),
    )


def _backend(backend: Object[AIBackendSpec], outcome: Outcome, faults: list[Fault]) -> Status:
    if faults:
        programmed = conditions.not_programmed("Invalid", "no rule is served by it")
    elif backend.key in outcome.referenced:
        programmed = conditions.pending()
    else:
        text = "no rule that is served refers to it, so no proxy needs it"
        programmed = Condition("Programmed", "True", "NotReferenced", text)
    judged = conditions.judged(faults, ("Accepted", "ResolvedRefs"))
    lines = conditions.lines(faults, backend.origin)
    return Status(backend.meta.generation, (*judged, programmed), problems=lines)


def _policy(policy: Object[AIPolicySpec], policies: Policies, faults: list[Fault]) -> Status:
    judged = conditions.judged(faults, POLICY_TYPES)
    missing = {fault.part for fault in faults if fault.reason == "TargetNotFound"}
    lines = conditions.lines(faults, policy.origin)
    targets = _in_force(policy.key, policies)
    if consequence := _consequence(policy.key, policies):
        programmed = conditions.not_programmed("Invalid", consequence)
        lines = (*lines, Finding(policy.origin, consequence, policy.key))
    elif len(missing) == len(policy.spec.target_refs):
        programmed = conditions.not_programmed("TargetNotFound", "it applies to nothing")
    else:
        programmed = conditions.pending()
    return Status(
        policy.meta.generation,
        (*judged, programmed),
        ancestors=_ancestors(policy.key, targets or policy.spec.target_refs, faults),
        problems=lines,
    )


def _ancestors(
    policy: Key, targets: Sequence[TargetRef], faults: list[Fault]
) -> tuple[ReferenceStatus, ...]:
    return tuple(
        ReferenceStatus(
            Reference(ref.kind, policy.namespace, ref.name, ref.section_name),
            conditions.judged(conditions.of_part(faults, index), POLICY_TYPES),
        )
        for index, ref in enumerate(targets)
    )


def _in_force(policy: Key, policies: Policies) -> tuple[TargetRef, ...]:
    return next((each.targets for each in policies.in_force if each.key == policy), ())


def _consequence(policy: Key, policies: Policies) -> str:
    """What a broken policy means; empty if it is not broken."""
    if policy in policies.kept:
        return KEPT
    return CLOSED if any(each.key == policy for each in policies.unavailable) else ""


def _unread(broken: Broken, status: Status | None, policies: Policies) -> Status:
    """The status of an object that could not be read; an older content of it may be served."""
    faults = [
        Fault(broken.key, "Accepted", "Invalid", problem.field, problem.message)
        for problem in broken.problems
    ]
    judged = conditions.judged(faults, ("Accepted",))
    if status is not None:
        rest = tuple(each for each in status.conditions if each.type != "Accepted")
        return replace(status, conditions=(*judged, *rest))
    consequence = _consequence(broken.key, policies) or "it is not served"
    programmed = conditions.not_programmed("Invalid", consequence)
    lines = [Finding(broken.origin, consequence, broken.key)][: broken.key.kind == "AIPolicy"]
    targets = _in_force(broken.key, policies) or broken.target_refs or ()
    return Status(
        broken.generation,
        (*judged, programmed),
        ancestors=_ancestors(broken.key, targets, faults),
        problems=tuple(lines),
    )
