"""Rules: what each rule of an AIRoute is served by: its targets, formats and traffic classes.

An AIRoute that cannot be read is not there at all. One whose backendRef leads nowhere keeps its
other rules, and the rule keeps its other targets. A rule with no target left stays in the index and
answers 503, so that no other rule takes its requests. One RoutePlan serves all Gateways of an
AIRoute, so a backend must be permitted at each of them. Guards are not decided here.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from controller import ir, names
from controller.translate import grants as permissions
from controller.translate import prompts, traffic
from controller.translate.backends import Backend, Backends
from controller.translate.conditions import Fault, Reason
from controller.translate.grants import Grants
from controller.translate.prompts import Problem, Prompts
from controller.translate.routes import Attached
from crds.airoute import BackendRef, RouteRule
from crds.meta import Key
from crds.mirror import Mirror
from crds.plan import MirrorPlan, PromptPlan, StickinessPlan, TargetPlan

_Known = TypeVar("_Known")
_Ref = BackendRef | Mirror


@dataclass(frozen=True, slots=True)
class Callee:
    """An (AIBackend, model) pair that can be called."""

    backend: Backend
    model: str | None
    arm: str = ""
    """What tells it from the same pair with another prompt."""
    prompt: PromptPlan | None = None
    mirror: bool = False
    """It gets copies; so it has a cluster of its own, whose troubles are no target's."""

    @property
    def cluster(self) -> str:
        """The name of its Envoy cluster."""
        target = names.target(self.backend.key, self.model, self.arm)
        return names.mirror(target) if self.mirror else target


@dataclass(frozen=True, slots=True)
class Served:
    """A rule, resolved. Without targets it answers 503."""

    route: Key
    index: int
    rule: RouteRule
    callees: tuple[Callee, ...]
    """All that can be called; those of weight 0 are kept warm."""
    targets: tuple[TargetPlan, ...]
    translate: bool
    classes: tuple[ir.TrafficClass, ...]
    """For calls and for streams; none without targets."""
    mirrors: tuple[MirrorPlan, ...] = ()
    copied: tuple[Callee, ...] = ()
    """What the mirrors lead to."""
    mirrored: tuple[ir.TrafficClass, ...] = ()
    """For calls and for streams that are copied; none without mirrors."""
    once: tuple[ir.TrafficClass, ...] = ()
    """All of these without retries; none where retries have no budget."""

    @property
    def called(self) -> tuple[Callee, ...]:
        """All that gets requests or copies."""
        return (*self.callees, *self.copied)

    @property
    def every_class(self) -> tuple[ir.TrafficClass, ...]:
        """All ways in which its requests travel."""
        return (*self.classes, *self.mirrored, *self.once)


@dataclass(frozen=True, slots=True)
class _Allowed:
    """What the backendRefs of an AIRoute may lead to."""

    backends: Backends
    grants: Grants
    prompts: Prompts
    gateways: list[str]
    """Namespaces of the Gateways that serve it."""
    generic: bool
    """To servers whose requests nobody reads, and to no others."""


def needs(attached: Attached, backends: Backends, texts: Prompts) -> tuple[object, ...]:
    """All that `serve` makes an AIRoute's rules of, besides grants: from equal comes equal."""
    namespace = attached.route.key.namespace
    rules = attached.route.spec.rules
    refs: list[_Ref] = [ref for rule in rules for ref in rule.backend_refs]
    refs += (ref for rule in rules for ref in rule.mirrors)
    keys = (_backend(namespace, ref) for ref in refs)
    maps = (Key("ConfigMap", namespace, ref.prompt_ref.name) for ref in refs if ref.prompt_ref)
    return (
        tuple(backends.found.get(key) or key in backends.refused for key in keys),
        tuple(texts.get(key) for key in maps),
    )


def serve(
    attached: Attached, backends: Backends, grants: Grants, texts: Prompts
) -> tuple[tuple[Served, ...], tuple[Fault, ...]]:
    """Resolve every rule of an AIRoute."""
    served: list[Served] = []
    faults: list[Fault] = []
    gateways = sorted({listener.gateway.namespace for listener, _ in attached.hosts})
    for index, rule in enumerate(attached.route.spec.rules):
        place = f"spec.rules[{index}]"
        allowed = _Allowed(backends, grants, texts, gateways, rule.format is not None)
        callees, wrong = _resolve(
            attached.route.key, f"{place}.backendRefs", rule.backend_refs, allowed
        )
        copied, amiss = _resolve(attached.route.key, f"{place}.mirrors", rule.mirrors, allowed)
        faults += (*wrong, *amiss)
        served.append(_served(attached.route.key, index, rule, callees, copied))
    return tuple(served), tuple(faults)


def _resolve(
    route: Key, place: str, refs: Sequence[_Ref], allowed: _Allowed
) -> tuple[dict[int, Callee], list[Fault]]:
    """What each backendRef or mirror of a rule leads to, by its place in the list."""
    callees: dict[int, Callee] = {}
    faults: list[Fault] = []
    for number, ref in enumerate(refs):
        found = _callee(route, ref, allowed)
        if isinstance(found, Callee) and (twin := _twin(found, callees.values())) is not None:
            found = "Duplicate", "", _twice(found, twin)
        if isinstance(found, Callee) and (text := _mismatch(found.backend, allowed)):
            found = "ProviderMismatch", "", text
        if isinstance(found, Callee):
            callees[number] = found
        else:
            field = f"{place}[{number}]{found[1]}"
            faults.append(Fault(route, "ResolvedRefs", found[0], field, found[2]))
    return callees, faults


def _twin(callee: Callee, others: Iterable[Callee]) -> Callee | None:
    return next((each for each in others if each.cluster == callee.cluster), None)


def _twice(callee: Callee, twin: Callee) -> str:
    key = callee.backend.key
    if callee.prompt == twin.prompt:
        what = "percents" if callee.mirror else "weights"
        return f"{key} stands twice with this model; add up the {what}"
    prompt = "this prompt, with other variables or another mode"
    return f"{key} stands already with this model and {prompt}; give that prompt a key of its own"


def _callee(route: Key, ref: _Ref, allowed: _Allowed) -> Callee | Problem:
    key = _backend(route.namespace, ref)
    if refused := _refused(route, key, allowed):
        return refused[0], "", refused[1]
    backend = allowed.backends.found[key]
    mirror = isinstance(ref, Mirror)
    if ref.prompt_ref is None:
        return Callee(backend, ref.model, mirror=mirror)
    prompt = prompts.plan(ref.prompt_ref, route.namespace, allowed.prompts)
    if not isinstance(prompt, PromptPlan):
        return prompt[0], f".promptRef.{prompt[1]}", prompt[2]
    return Callee(backend, ref.model, arm(route, ref), prompt, mirror)


def _backend(namespace: str, ref: _Ref) -> Key:
    return Key("AIBackend", ref.namespace or namespace, ref.name)


def _mismatch(backend: Backend, allowed: _Allowed) -> str:
    """Why a rule cannot be served by this kind of provider; empty if it can."""
    if not allowed.generic and backend.provider == "HTTP":
        return (
            f"{backend.key} has provider HTTP, which is passed on to unread; give it a rule of its"
            " own with format Generic"
        )
    if allowed.generic and backend.provider != "HTTP":
        return (
            f"{backend.key} has provider {backend.provider}, and format Generic needs provider HTTP"
        )
    return ""


def arm(route: Key, ref: _Ref) -> str:
    """What tells a backendRef or mirror from the same pair with another prompt."""
    prompt = ref.prompt_ref
    return "" if prompt is None else f"{route.namespace}/{prompt.name}/{prompt.key}"


def broken(served: Served) -> Served:
    """The same rule without targets: it answers 503."""
    return _served(served.route, served.index, served.rule, {}, {})


def stickiness(rule: RouteRule) -> StickinessPlan | None:
    """What binds requests of this rule to one target."""
    bound = rule.stickiness
    return StickinessPlan(by=bound.by, name=bound.name or "") if bound else None


def affinity(served: Served) -> StickinessPlan | None:
    """What binds requests of this rule to one endpoint; None where no target goes by it."""
    if all(each.backend.balancing != "RingHash" for each in served.callees):
        return None
    return stickiness(served.rule) or StickinessPlan(by="Conversation")


def _refused(route: Key, key: Key, allowed: _Allowed) -> tuple[Reason, str] | None:
    """Why a rule may not use an AIBackend; None if it may."""
    if not allowed.grants.permit("AIRoute", route.namespace, key):
        return "RefNotPermitted", permissions.fix("AIRoute", route.namespace, key)
    for namespace in allowed.gateways:
        if not allowed.grants.permit("Gateway", namespace, key):
            return "RefNotPermitted", permissions.fix("Gateway", namespace, key)
    if key not in allowed.backends.found:
        if key in allowed.backends.refused:
            return "InvalidBackend", f"{key} cannot be used; its own line or condition says why"
        return "BackendNotFound", f"{key} does not exist"
    return None


def _served(
    route: Key,
    index: int,
    rule: RouteRule,
    callees: Mapping[int, Callee],
    copied: Mapping[int, Callee],
) -> Served:
    live = [number for number in callees if rule.backend_refs[number].weight > 0]
    if not live:
        return Served(route, index, rule, (), (), translate=False, classes=())
    sent = [
        (each.model, each.backend.paths, each.backend.quirks, each.prompt)
        for each in (callees[number] for number in live)
    ]
    translate = any(each != sent[0] for each in sent)
    classes = traffic.classes(rule, translate=translate, targets=len(live))
    mirrored = traffic.mirrored(rule, targets=len(live)) if copied else ()
    return Served(
        route,
        index,
        rule,
        tuple(callees.values()),
        targets=tuple(_target(callees[number], rule.backend_refs[number]) for number in live),
        translate=translate,
        classes=classes,
        mirrors=tuple(_mirror(callee, rule.mirrors[number]) for number, callee in copied.items()),
        copied=tuple(copied.values()),
        mirrored=mirrored,
        once=traffic.once(rule, (*classes, *mirrored)),
    )


def _mirror(callee: Callee, ref: Mirror) -> MirrorPlan:
    alone = BackendRef(name=ref.name)
    return MirrorPlan(target=_target(callee, alone), percent=ref.percent)


def _target(callee: Callee, ref: BackendRef) -> TargetPlan:
    backend, model = callee.backend, callee.model
    return TargetPlan(
        cluster=callee.cluster,
        backend=f"{backend.key.namespace}/{backend.key.name}",
        provider=backend.provider,
        model=model,
        paths=dict(backend.paths),
        path_prefix="" if backend.paths else backend.path_prefix,
        quirks=backend.quirks,
        prompt=callee.prompt,
        weight=ref.weight,
        priority=ref.priority,
        prices=_of(model, backend.prices),
        contexts=_of(model, backend.contexts),
        max_concurrent=backend.max_concurrent,
        eject_after=backend.ejection.after,
        eject_s=backend.ejection.base_s,
    )


def _of(model: str | None, by_name: Mapping[str, _Known]) -> dict[str, _Known]:
    """What is known of the model that is asked for, or of all where the caller names it."""
    return {name: known for name, known in sorted(by_name.items()) if model in (None, name)}
