"""Reasons: why a backendRef or mirror of the rule that serves gets nothing of a request."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from controller import names
from controller.resources import Resources
from controller.translate import Translation, rules
from crds.airoute import RouteRule
from crds.meta import Key
from crds.plan import BindingPlan, TargetPlan
from ext_proc import authorization
from ext_proc.admission import Admission, Asked
from ext_proc.matching import Match
from ext_proc.targets import Order


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A backendRef that gets no request of this kind."""

    backend: str
    model: str | None
    why: str


@dataclass(frozen=True, slots=True)
class Mirrored:
    """A mirror of the rule that serves."""

    backend: str
    model: str | None
    """None: the caller's."""
    prompt: str | None
    percent: int
    why: str
    """Why it gets no copy of such a request, whatever its lot; empty: it does."""


def left_out(
    resources: Resources, translation: Translation, asked: Asked, admitted: Admission
) -> Iterator[LeftOut]:
    """Why each backendRef without request has none; nothing if the request came to no rule."""
    match = admitted.match
    if match is None:
        return
    route, index, rule = _rule(resources, match)
    told = _told(translation, route)
    planned = {target.cluster: target for target in match.rule.plan.targets}
    for number, ref in enumerate(rule.backend_refs):
        backend = Key("AIBackend", ref.namespace or route.namespace, ref.name)
        target = planned.get(names.target(backend, ref.model, rules.arm(route, ref)))
        place = f"spec.rules[{index}].backendRefs[{number}]"
        why = told(place)
        if ref.weight == 0:
            why = "its weight is 0"
        elif not why and target is None:
            why = "the rule is out of service; the line about its AIRoute says why"
        elif not why and target is not None:
            why = _unfit(target, asked, admitted)
        if why:
            yield LeftOut(f"{backend.namespace}/{backend.name}", ref.model, why)


def mirrors(
    resources: Resources, translation: Translation, asked: Asked, admitted: Admission
) -> Iterator[Mirrored]:
    """The mirrors of the rule, if the request is sent at all."""
    match = admitted.match
    if match is None or admitted.outgoing is None:
        return
    route, index, rule = _rule(resources, match)
    told = _told(translation, route)
    planned = {mirror.target.cluster: mirror.target for mirror in match.rule.plan.mirrors}
    for number, ref in enumerate(rule.mirrors):
        backend = Key("AIBackend", ref.namespace or route.namespace, ref.name)
        cluster = names.mirror(names.target(backend, ref.model, rules.arm(route, ref)))
        target = planned.get(cluster)
        why = told(f"spec.rules[{index}].mirrors[{number}]")
        if ref.percent == 0:
            why = "its percent is 0"
        elif not why:
            why = _unfit(target, asked, admitted) if target else "the rule is out of service"
        prompt = ref.prompt_ref.name if ref.prompt_ref else None
        name = f"{backend.namespace}/{backend.name}"
        yield Mirrored(name, ref.model, prompt, ref.percent, why)


def too_small(order: Order) -> Iterator[LeftOut]:
    """The targets whose model could not hold the request, while another's can."""
    for each in order.left_out:
        if each.reason == "TooSmall":
            why = "its context is too small for this request"
            yield LeftOut(each.target.backend, each.target.model, why)


def _rule(resources: Resources, match: Match) -> tuple[Key, int, RouteRule]:
    """The AIRoute, and the rule with its place there."""
    route = Key("AIRoute", *match.route.plan.name.split("/"))
    rules_ = enumerate(resources.routes[route].spec.rules)
    index, rule = next(each for each in rules_ if each[1].name == match.rule.plan.name)
    return route, index, rule


def _told(translation: Translation, route: Key) -> Callable[[str], str]:
    """What the AIRoute's status says of a place in it; empty: nothing."""
    problems = translation.statuses[route].problems
    return lambda place: next((p.message for p in problems if p.field.startswith(place)), "")


def _unfit(target: TargetPlan, asked: Asked, admitted: Admission) -> str:
    """Why this request cannot go to a target that is in service; empty if it can."""
    refusing = [each for each in _bindings(asked, admitted) if target.backend not in each.backends]
    if refusing:
        return "; ".join(map(_bound, refusing))
    outgoing = admitted.outgoing
    if outgoing is None or target in (*outgoing.targets, *outgoing.mirrors):
        return ""
    lost = [each.field for each in outgoing.losses.get(target.cluster, ()) if each.essential]
    if lost:
        return f"it cannot be told: {', '.join(lost)}"
    return f"it cannot be asked in the format {asked.dialect.name}"


def _bindings(asked: Asked, admitted: Admission) -> Iterator[BindingPlan]:
    match = admitted.match
    own = (match.route.level, match.rule.level) if match else ()
    every = (binding for level in (*asked.host.levels, *own) for binding in level.bindings)
    # of a request that nobody reads, every binding speaks
    applying = every if admitted.unread else authorization.applying(every, admitted.labels)
    return (each for each in applying if each.enforced)


def _bound(binding: BindingPlan) -> str:
    labels = ", ".join(f"{name}={value}" for name, value in binding.labels)
    return f"authorization {binding.name} of {binding.policy} binds {labels} to other AIBackends"
