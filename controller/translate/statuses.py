"""Statuses: what every object is told about itself.

Joins the faults of all parts of `translate` with what came of each object. Objects that could not
be read have a status too, but their lines are printed by the source that read them.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from controller.resources import Broken, Object, Resources
from controller.translate import conditions
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
from controller.translate.memo import Memo
from controller.translate.policies import Policies
from controller.translate.routes import Attached, reference
from crds.aibackend import AIBackendSpec
from crds.aipolicy import AIPolicySpec, TargetRef
from crds.gateway import GatewaySpec
from crds.meta import Condition, Key
from crds.objects import Finding

KINDS = ("Gateway", "AIRoute", "AIPolicy", "AIBackend")
"""Kinds that have a status we write."""
TYPES: tuple[ConditionType, ...] = ("Accepted", "ResolvedRefs")
ROUTE_TYPES: tuple[ConditionType, ...] = (*TYPES, "PartiallyInvalid", "Conflicted")
POLICY_TYPES: tuple[ConditionType, ...] = (*TYPES, "Overridden")
KEPT = "the last accepted version stays in force until this is mended"
CLOSED = "its targets answer 503 until this is mended"
TAKEN_OUT = "taken out until this is mended; meanwhile its requests go to other rules that fit them"


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


def write(resources: Resources, outcome: Outcome, memo: Memo) -> dict[Key, Status]:
    """The status of every Gateway that is ours, AIRoute, AIPolicy and AIBackend."""
    faults = _by_key(outcome.faults)
    found: dict[Key, Status] = {}
    open_ = {listener.place for listener in outcome.gateways.listeners}
    counts = Counter(
        place
        for each in outcome.routes
        for place in (*each.closed, *(listener.place for listener, _ in each.hosts))
    )
    standing = _standing(outcome.policies)
    for key, gateway in outcome.gateways.objects.items():
        found[key] = _gateway(gateway, open_, counts, faults.get(key, []))
    routes = {each.route.key: each for each in outcome.routes}
    sound = ((key, each) for key, each in routes.items() if key not in faults)
    found |= memo.each("statuses", None, sound, lambda each: _route(each, []))
    found |= {key: _route(routes[key], faults[key]) for key in faults.keys() & routes.keys()}
    for key, backend in resources.backends.items():
        found[key] = _backend(backend, outcome, faults.get(key, []))
    for key, policy in resources.policies.items():
        found[key] = _policy(policy, standing, faults.get(key, []))
    for broken in resources.broken:
        if broken.key.kind in KINDS:
            found[broken.key] = _unread(broken, found.get(broken.key), standing)
    return dict(sorted(found.items()))


def _by_key(faults: Iterable[Fault]) -> dict[Key, list[Fault]]:
    found: dict[Key, list[Fault]] = {}
    for fault in dict.fromkeys(faults):
        found.setdefault(fault.key, []).append(fault)
    return found


def _gateway(
    gateway: Object[GatewaySpec],
    open_: set[tuple[Key, str]],
    counts: Mapping[tuple[Key, str], int],
    faults: list[Fault],
) -> Status:
    places = [(gateway.key, listener.name) for listener in gateway.spec.listeners]
    closed = conditions.not_programmed("Invalid", "the listener cannot be served")
    if not open_.isdisjoint(places):
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
                counts.get(places[index], 0),
                (
                    *conditions.judged(conditions.of_part(faults, index), TYPES),
                    conditions.pending() if places[index] in open_ else closed,
                ),
            )
            for index, listener in enumerate(gateway.spec.listeners)
        ),
        problems=conditions.lines(faults, gateway.origin),
    )


def _route(attached: Attached, faults: list[Fault]) -> Status:
    route = attached.route
    whole = judged = conditions.judged(faults, ROUTE_TYPES)
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
                reference(route.key, ref),
                conditions.judged(conditions.of_part(faults, index), ROUTE_TYPES)
                if faults
                else judged,
            )
            for index, ref in enumerate(route.spec.parent_refs)
        ),
        problems=conditions.lines(faults, route.origin),
    )


def _backend(backend: Object[AIBackendSpec], outcome: Outcome, faults: list[Fault]) -> Status:
    if faults:
        programmed = conditions.not_programmed("Invalid", "it serves nothing until this is mended")
    elif backend.key in outcome.referenced:
        programmed = conditions.pending()
    else:
        text = "no rule that is served refers to it, so no proxy needs it"
        programmed = Condition("Programmed", "True", "NotReferenced", text)
    judged = conditions.judged(faults, TYPES)
    lines = conditions.lines(faults, backend.origin)
    return Status(backend.meta.generation, (*judged, programmed), problems=lines)


@dataclass(frozen=True, slots=True)
class _Standing:
    """What came of the AIPolicies: the targets of those in force, and what broken ones mean."""

    targets: Mapping[Key, tuple[TargetRef, ...]]
    consequences: Mapping[Key, str]


def _standing(policies: Policies) -> _Standing:
    return _Standing(
        {policy.key: policy.targets for policy in policies.in_force},
        {
            **dict.fromkeys(sorted(policies.kept), KEPT),
            **{broken.key: CLOSED for broken in policies.unavailable},
        },
    )


def _policy(policy: Object[AIPolicySpec], standing: _Standing, faults: list[Fault]) -> Status:
    judged = conditions.judged(faults, POLICY_TYPES)
    missing = {fault.part for fault in faults if fault.reason == "TargetNotFound"}
    lines = conditions.lines(faults, policy.origin)
    targets = standing.targets.get(policy.key, policy.spec.target_refs)
    if consequence := standing.consequences.get(policy.key):
        programmed = conditions.not_programmed("Invalid", consequence)
        lines = (*lines, Finding(policy.origin, consequence, policy.key))
    elif len(missing) == len(policy.spec.target_refs):
        programmed = conditions.not_programmed("TargetNotFound", "it applies to nothing")
    else:
        programmed = conditions.pending()
    return Status(
        policy.meta.generation,
        (*judged, programmed),
        ancestors=_ancestors(policy.key, targets, faults),
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


def _unread(broken: Broken, status: Status | None, standing: _Standing) -> Status:
    """The status of an object that could not be read; an older content of it may be served."""
    faults = [
        Fault(broken.key, "Accepted", "Invalid", problem.field, problem.message)
        for problem in broken.problems
    ]
    judged = conditions.judged(faults, ("Accepted",))
    if status is not None:
        rest = tuple(each for each in status.conditions if each.type != "Accepted")
        return replace(status, conditions=(*judged, *rest))
    usual = TAKEN_OUT if broken.key.kind == "AIRoute" else "it is not served"
    consequence = standing.consequences.get(broken.key, usual)
    programmed = conditions.not_programmed("Invalid", consequence)
    told = broken.key.kind in ("AIPolicy", "AIRoute")
    lines = [Finding(broken.origin, consequence, broken.key)][:told]
    targets = standing.targets.get(broken.key, broken.target_refs or ())
    return Status(
        broken.generation,
        (*judged, programmed),
        ancestors=_ancestors(broken.key, targets, faults),
        problems=tuple(lines),
    )
