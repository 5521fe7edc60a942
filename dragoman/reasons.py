"""Reasons: why a backendRef of the rule that serves is not among the targets."""

from collections.abc import Iterator
from dataclasses import dataclass

from controller import names
from controller.resources import Object, Resources
from controller.translate import Translation, rules
from crds.airoute import AIRouteSpec, RouteRule
from crds.meta import Key
from crds.plan import BindingPlan, TargetPlan
from ext_proc import authorization
from ext_proc.admission import Admission, Asked
from ext_proc.targets import Order


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A backendRef that gets no request of this kind."""

    backend: str
    model: str | None
    why: str


def left_out(
    resources: Resources, translation: Translation, asked: Asked, admitted: Admission
) -> Iterator[LeftOut]:
    """Why each backendRef without request has none; nothing if the request came to no rule."""
    match = admitted.match
    if match is None:
        return
    route = Key("AIRoute", *match.route.plan.name.split("/"))
    index, rule = _rule(resources.routes[route], match.rule.plan.name)
    told = {each.field: each.message for each in translation.statuses[route].problems}
    planned = {target.cluster: target for target in match.rule.plan.targets}
    for number, ref in enumerate(rule.backend_refs):
        backend = Key("AIBackend", ref.namespace or route.namespace, ref.name)
        target = planned.get(names.target(backend, ref.model, rules.arm(route, ref)))
        place = f"spec.rules[{index}].backendRefs[{number}]"
        why = next((text for field, text in told.items() if field.startswith(place)), "")
        if ref.weight == 0:
            why = "its weight is 0"
        elif not why and target is None:
            why = "the rule is out of service; the line about its AIRoute says why"
        elif not why and target is not None:
            why = _unfit(target, asked, admitted)
        if why:
            yield LeftOut(f"{backend.namespace}/{backend.name}", ref.model, why)


def too_small(order: Order) -> Iterator[LeftOut]:
    """The targets whose model could not hold the request, while another's can."""
    for each in order.left_out:
        if each.reason == "TooSmall":
            why = "its context is too small for this request"
            yield LeftOut(each.target.backend, each.target.model, why)


def _rule(route: Object[AIRouteSpec], name: str) -> tuple[int, RouteRule]:
    return next(each for each in enumerate(route.spec.rules) if each[1].name == name)


def _unfit(target: TargetPlan, asked: Asked, admitted: Admission) -> str:
    """Why this request cannot go to a target that is in service; empty if it can."""
    refusing = [each for each in _bindings(asked, admitted) if target.backend not in each.backends]
    if refusing:
        return "; ".join(map(_bound, refusing))
    outgoing = admitted.outgoing
    if outgoing is None or target in outgoing.targets:
        return ""
    lost = [each.field for each in outgoing.losses.get(target.cluster, ()) if each.essential]
    if lost:
        return f"it cannot be told: {', '.join(lost)}"
    return f"it cannot be asked in the format {asked.dialect.name}"


def _bindings(asked: Asked, admitted: Admission) -> Iterator[BindingPlan]:
    match = admitted.match
    own = (match.route.level, match.rule.level) if match else ()
    every = (binding for level in (*asked.host.levels, *own) for binding in level.bindings)
    return (each for each in authorization.applying(every, admitted.labels) if each.enforced)


def _bound(binding: BindingPlan) -> str:
    labels = ", ".join(f"{name}={value}" for name, value in binding.labels)
    return f"authorization {binding.name} of {binding.policy} binds {labels} to other AIBackends"
