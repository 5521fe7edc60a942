"""Admission of a request body: decode, judge at each level, find the rule, redact.

Pure but for the body it is given, so that a large one can be judged on another thread. Which
target serves is chosen in `exchange`, where other requests are known.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from crds.plan import TargetPlan
from ext_proc import (
    authorization,
    lengths,
    matching,
    mirrors,
    outgoing,
    pipeline,
    schemas,
    stickiness,
    tokens,
)
from ext_proc.call import Call, Line, Reject, Verdict
from ext_proc.formats import parameters
from ext_proc.formats.dialect import Dialect
from ext_proc.matching import Match, Traits
from ext_proc.outgoing import Outgoing
from ext_proc.pipeline import Level
from ext_proc.plans import Host, Snapshot
from ext_proc.selection import Chance
from ext_proc.stages.inspection import Inspection

MAX_BODY_BYTES = 4 * 1024 * 1024
"""The limit where no AIPolicy sets one."""
UNAVAILABLE = Reject(
    503, "guard_unavailable", "An AIPolicy that guards this request is not in force."
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is known of a request before its body."""

    host: Host
    snapshot: Snapshot
    headers: Mapping[str, str]
    dialect: Dialect
    line: Line
    chance: Chance
    """Draws who gets a copy."""


@dataclass(slots=True)
class Admission:
    """What became of a request: refused, or ready to be sent."""

    reject: Reject | None = None
    call: Call | None = None
    match: Match | None = None
    labels: frozenset[tuple[str, str]] = frozenset()
    """What guards of the Gateway and the listener marked it with."""
    targets: tuple[TargetPlan, ...] = ()
    """Those of the rule's targets that may serve it."""
    mirrors: tuple[TargetPlan, ...] = ()
    """Those that were drawn to get a copy and may have one."""
    verdicts: list[Verdict] = field(default_factory=list)
    outgoing: Outgoing | None = None
    """Set where it is to be sent."""
    answer: bytes | None = None
    """Set where we answer ourselves, from our own count."""
    input_tokens: int = 0
    """Our own count, for when the provider states none."""
    held_tokens: int = 0
    """How many of them a context must hold at once."""
    output_limit: int | None = None
    """What the request allows to be written, if it says."""
    bound: stickiness.Key | None = None
    """The caller's key, where the rule is sticky: read before anything is redacted."""
    affinity: stickiness.Key | None = None
    """The same, where it also decides which endpoint serves."""
    unread: Mapping[str, int] = field(default_factory=dict)
    """What passes without a call that anyone could read, by kind."""


def admit(asked: Asked, body: bytes) -> Admission:
    """Judge a request body."""
    admission = Admission()
    admission.reject = _judge(asked, body, admission)
    return admission


def _judge(asked: Asked, body: bytes, admission: Admission) -> Reject | None:
    """Go through the levels from the Gateway down; the first refusal ends it."""
    host = asked.host.levels
    if reject := _unavailable(host) or _too_large(body, _limits(host)):
        return reject
    call = asked.dialect.decode_request(body, asked.line)
    if isinstance(call, Reject):
        return call
    admission.call = call
    inspection = Inspection("request", call.texts, call.unscanned, admission.verdicts)
    reject = _inspect(inspection, host, call)
    admission.labels = frozenset(inspection.labels)
    if reject is not None:
        return reject
    traits = Traits(call.model, asked.headers, admission.labels)
    match = matching.find(asked.host, asked.snapshot, traits)
    if isinstance(match, Reject):
        return match
    admission.match = match
    own = (match.route.level, match.rule.level)
    limits = _limits((*host, *own)) or (MAX_BODY_BYTES,)
    if (
        reject := _unavailable(own)
        or _too_large(body, limits)
        or _inspect(inspection, own, call)
        or _stream(call, (*host, *own))
        or _authorize(asked, admission, match, (*host, *own))
        or _measure(asked, admission, call, match)
    ):
        return reject
    pipeline.finish(inspection)
    return _prepare(asked, admission, call, match)


def _prepare(asked: Asked, admission: Admission, call: Call, match: Match) -> Reject | None:
    dialect, targets = asked.dialect, admission.targets
    if dialect.estimate is not None and outgoing.unspoken(call, targets):
        admission.answer = dialect.estimate(admission.input_tokens)
        return None
    levels = (*asked.host.levels, match.route.level, match.rule.level)
    strict = any(level.refuse_losses for level in levels)
    apart = match.rule.plan.translate
    prepared = outgoing.prepare(dialect, call, targets, apart=apart, strict=strict)
    if isinstance(prepared, Reject):
        return prepared
    admission.outgoing = outgoing.copied(prepared, dialect, call, admission.mirrors, strict=strict)
    return None


def bind(admission: Admission, match: Match, headers: Mapping[str, str], call: Call | None) -> None:
    """Read what binds a request to a target and to an endpoint of it."""
    rule = match.rule.plan
    name = f"{match.route.plan.name}/{rule.name}"
    if rule.stickiness is not None:
        admission.bound = stickiness.key(rule.stickiness, name, headers, call)
    if rule.affinity is not None and rule.affinity == rule.stickiness:
        admission.affinity = admission.bound
    elif rule.affinity is not None:
        admission.affinity = stickiness.key(rule.affinity, name, headers, call)


def _measure(asked: Asked, admission: Admission, call: Call, match: Match) -> Reject | None:
    """Read what decides who serves, and limit what a model may be given and write."""
    bind(admission, match, asked.headers, call)
    counts = tokens.counts((text.value for text in call.texts), call.model)
    admission.input_tokens = sum(counts)
    admission.held_tokens = max(counts, default=0) if asked.dialect.is_batch else sum(counts)
    levels = (*asked.host.levels, match.route.level, match.rule.level)
    if reject := lengths.limit(call, admission.input_tokens, levels):
        return reject
    admission.output_limit = parameters.output_limit(call)
    return None


def _authorize(
    asked: Asked, admission: Admission, match: Match, levels: Iterable[Level]
) -> Reject | None:
    """Leave out who may not serve, and who may not have a copy."""
    rule = match.rule.plan
    bindings = [binding for level in levels for binding in level.bindings]
    permitted = authorization.permit(rule.targets, bindings, admission.labels)
    admission.targets = permitted.targets
    admission.verdicts += permitted.verdicts
    if rule.mirrors:
        drawn = mirrors.drawn(rule, asked.chance)
        copied = authorization.permit(drawn, bindings, admission.labels)
        admission.mirrors = copied.targets
        admission.verdicts += (each for each in copied.verdicts if each.action == "Audit")
    return permitted.reject


def _inspect(inspection: Inspection, levels: Sequence[Level], call: Call) -> Reject | None:
    """Ask all schemas and guards, so that each verdict is recorded; the first refusal counts."""
    asked = [schema for level in levels for schema in level.request_schemas]
    refusals = [schemas.judge_request(call, asked, inspection.verdicts)]
    refusals += [pipeline.judge(inspection, level.request) for level in levels]
    return next((refusal for refusal in refusals if refusal is not None), None)


def _stream(call: Call, levels: Iterable[Level]) -> Reject | None:
    """Refuse a stream where answers must fit a schema."""
    demands = (schema for level in levels for schema in level.response_schemas)
    return schemas.NO_STREAM if call.stream and schemas.demanded(call.format, demands) else None


def _unavailable(levels: Iterable[Level]) -> Reject | None:
    return UNAVAILABLE if any(level.unavailable for level in levels) else None


def _limits(levels: Iterable[Level]) -> tuple[int, ...]:
    return tuple(level.max_body_bytes for level in levels if level.max_body_bytes is not None)


def _too_large(body: bytes, limits: tuple[int, ...]) -> Reject | None:
    if not limits or len(body) <= min(limits):
        return None
    return Reject(413, "request_too_large", f"The body is larger than {min(limits)} bytes.")
