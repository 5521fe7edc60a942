"""Explanation: what the guard would decide about one request, and why, as plain values.

Runs the guard's own code (door, admission, matching) on plans that were compiled in this process;
Envoy's part, choosing the virtual host, is told again in `hosts`. Holds no text of the request:
models appear only under names that the plan knows.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from controller.resources import Resources
from controller.translate import Translation
from crds.endpoints import Balancing
from crds.plan import (
    GENERIC,
    Guards,
    StickinessPlan,
    VirtualHostPlan,
)
from dragoman import hosts, lots, precedence, reasons
from dragoman.reasons import LeftOut, Mirrored
from ext_proc import admission, door, generic, matching, schemas
from ext_proc.admission import Admission, Asked
from ext_proc.call import Reject, Verdict
from ext_proc.matching import Match, Traits
from ext_proc.plans import Host
from ext_proc.record import OTHER
from ext_proc.schemas import JSON_SCHEMA
from ext_proc.stickiness import Key
from ext_proc.targets import Order

_MISDIRECTED = Reject(421, "misdirected_request", "No listener serves this hostname.")
_EMPTY_HOST = "localhost"


@dataclass(frozen=True, slots=True)
class Request:
    """A request as a client would send it; header names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    port: int | None = None

    @property
    def hostname(self) -> str:
        """The host that is asked for."""
        return self.headers.get("host", _EMPTY_HOST).rpartition("]")[2].partition(":")[0].lower()


@dataclass(frozen=True, slots=True)
class Judged:
    """One guard or schema, and what it found."""

    guard: str
    policy: str
    type: str
    action: str
    found: Mapping[str, int] | None
    """None: nothing."""


@dataclass(frozen=True, slots=True)
class Level:
    """The request guards and schemas of a Gateway, a listener, an AIRoute or a rule."""

    name: str
    reached: bool
    """False: the request was refused before."""
    guards: tuple[Judged, ...]


@dataclass(frozen=True, slots=True)
class Chosen:
    """The rule that serves."""

    route: str
    rule: str
    because: str
    selection: str
    """Who serves among targets of equal priority."""


@dataclass(frozen=True, slots=True)
class Target:
    """One target that is asked, in order.

    Lots, and what a running gateway has learned, may change the order within a priority.
    """

    backend: str
    model: str | None
    """None: the caller's."""
    prompt: str | None
    """The system prompt it adds."""
    priority: int
    weight: int
    score: float | None
    """What the rule's selection goes by, such as US dollars; None: unknown."""
    endpoint: str
    """How one of its endpoints is chosen."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Who refuses, and with what answer."""

    by: str
    status: int
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """What happens to a request."""

    virtual_host: str | None
    format: str | None = None
    model: str | None = None
    levels: tuple[Level, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    rule: Chosen | None = None
    others: tuple[precedence.Other, ...] = ()
    targets: tuple[Target, ...] = ()
    chooser: str | None = None
    """What chose among the targets that come first alike; None: one alone comes first."""
    left_out: tuple[LeftOut, ...] = ()
    mirrors: tuple[Mirrored, ...] = ()
    answered: bool = False
    """The gateway itself answers, such as with its list of models."""
    refusal: Refusal | None = None


_NOBODY = Refusal("the rule", 503, "no_backend", "No backend of this model is in service.")


def explain(resources: Resources, translation: Translation, request: Request) -> Explanation:
    """Decide as the guard would; raises hosts.UnclearError."""
    name = hosts.pick(translation.config.listeners, request.hostname, request.port)
    if name is None:
        return Explanation(None, refusal=_refusal("Envoy", _MISDIRECTED))
    host, snapshot = hosts.compiled(translation.config, name)
    headers = _received(request)
    entry = door.enter(host, snapshot, headers, ends=not request.body)
    if isinstance(entry.answer, bytes):
        return Explanation(name, answered=True)
    if isinstance(entry.answer, Reject):
        return Explanation(name, refusal=_refusal("the format table", entry.answer))
    asked = Asked(host, snapshot, headers, entry.shape, entry.line, lambda: 0.0)
    balancing = {each.name: each.balancing for each in translation.config.targets}
    if entry.generic is not None:
        admitted, _ = generic.admit(entry.generic, host.levels, headers)
        outs = tuple(reasons.left_out(resources, translation, asked, admitted))
        return replace(_unread(asked, admitted, balancing), left_out=outs)
    admitted = admission.admit(asked, request.body)
    order, chooser = lots.order(host, admitted)
    outs = (*reasons.left_out(resources, translation, asked, admitted), *reasons.too_small(order))
    copied = tuple(reasons.mirrors(resources, translation, asked, admitted))
    chosen = tuple(_targets(order, admitted, balancing))
    found = _admitted(asked, admitted)
    return replace(found, targets=chosen, chooser=chooser, left_out=outs, mirrors=copied)


def _admitted(asked: Asked, admitted: Admission) -> Explanation:
    call, match = admitted.call, admitted.match
    rule: Chosen | None = None
    others: tuple[precedence.Other, ...] = ()
    if call is not None and match is not None:
        traits = Traits(call.model, asked.headers, admitted.labels)
        first, *rest = matching.fits(asked.host, traits)
        because = precedence.because(first)
        rule = _chosen(match, because)
        others = precedence.others(asked.host.plan, first, rest)
    return Explanation(
        virtual_host=asked.host.plan.name,
        format=asked.dialect.name,
        model=_model(asked.host, call.model) if call else None,
        levels=tuple(_levels(asked.host.plan, admitted)),
        labels=tuple(sorted(admitted.labels)),
        rule=rule,
        others=others,
        refusal=_refused(admitted),
    )


def _unread(asked: Asked, admitted: Admission, balancing: Mapping[str, Balancing]) -> Explanation:
    """What becomes of a request in no format, but for the reasons of those who are not asked."""
    match = admitted.match
    first, *rest = matching.generic(asked.host, Traits("", asked.headers))
    order, chooser = lots.order(asked.host, admitted)
    refusal = _refused(admitted)
    if refusal is None and not order.ranked:
        refusal = _NOBODY
    return Explanation(
        virtual_host=asked.host.plan.name,
        format=GENERIC,
        rule=_chosen(match, precedence.asked(first)) if match else None,
        others=precedence.later(first, rest),
        targets=tuple(_targets(order, admitted, balancing)) if refusal is None else (),
        chooser=chooser if refusal is None else None,
        refusal=refusal,
    )


def _chosen(match: Match, because: str) -> Chosen:
    plan = match.rule.plan
    return Chosen(match.route.plan.name, plan.name, because, plan.selection)


def _targets(
    order: Order, admitted: Admission, balancing: Mapping[str, Balancing]
) -> Iterator[Target]:
    plan = admitted.match.rule.plan.affinity if admitted.match else None
    for each in order.ranked:
        it, score = each.target, each.score if math.isfinite(each.score) else None
        prompt = it.prompt.name if it.prompt else None
        endpoint = _endpoint(balancing[it.cluster], plan, admitted.affinity)
        yield Target(it.backend, it.model, prompt, it.priority, it.weight, score, endpoint)


def _endpoint(balancing: Balancing, plan: StickinessPlan | None, key: Key | None) -> str:
    if balancing != "RingHash" or plan is None:
        return balancing
    by = f"{plan.by} {plan.name}".strip()
    return f"RingHash by {by}" if key else f"RingHash by {by}, which the request lacks: by lot"


def _received(request: Request) -> Mapping[str, str]:
    """The headers as Envoy hands them on: nobody sends Dragoman's or Envoy's own."""
    given = {
        name: value
        for name, value in request.headers.items()
        if not name.startswith(("x-dragoman-", "x-envoy-", ":")) and name != "host"
    }
    pseudo = {":method": request.method, ":path": request.path, ":authority": request.hostname}
    return {"content-type": "application/json", **given, **pseudo}


def _model(host: Host, model: str) -> str:
    return model if matching.names(host, model) else OTHER


def _levels(plan: VirtualHostPlan, admitted: Admission) -> Iterator[Level]:
    names = (f"Gateway {plan.gateway}", f"listener {plan.listener}")
    read = admitted.call is not None
    for name, guards in zip(names, plan.guards, strict=True):
        yield Level(name, read, tuple(_judged(guards, admitted.verdicts)))
    if admitted.match is not None:
        route, rule = admitted.match.route.plan, admitted.match.rule.plan
        own = (admitted.match.route.level, admitted.match.rule.level)
        reached = not any(level.unavailable for level in own)
        for name, guards in (
            (f"AIRoute {route.name}", route.guards),
            (f"rule {rule.name}", rule.guards),
        ):
            yield Level(name, reached, tuple(_judged(guards, admitted.verdicts)))


def _judged(guards: Guards, verdicts: Iterable[Verdict]) -> Iterator[Judged]:
    said = {(each.policy, each.guard, each.type): dict(each.found) for each in verdicts}
    for schema in guards.request_schemas:
        found = said.get((schema.policy, schema.name, JSON_SCHEMA))
        action = "Block" if schema.enforced else "Audit"
        yield Judged(schema.name, schema.policy, JSON_SCHEMA, action, found)
    for plan in guards.request:
        found = said.get((plan.policy, plan.name, plan.type))
        yield Judged(plan.name, plan.policy, plan.type, plan.action, found)


def _refused(admitted: Admission) -> Refusal | None:
    reject = admitted.reject
    if reject is None:
        if admitted.outgoing is not None and not admitted.outgoing.targets:
            return _NOBODY
        return None
    blocking = [f"{v.guard} of {v.policy}" for v in admitted.verdicts if v.action == "Block"]
    if reject.code in ("blocked_by_policy", schemas.CODE) and blocking:
        return _refusal(", ".join(blocking), reject)
    return _refusal("matching" if admitted.call and not admitted.match else "admission", reject)


def _refusal(by: str, reject: Reject) -> Refusal:
    return Refusal(by, reject.status, reject.code, reject.message)
