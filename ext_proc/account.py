"""The account of one exchange: its record, with usage and cost, made once when it is over."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Literal

from crds.plan import GENERIC, Format, TargetPlan, Unread
from ext_proc import catalogue, matching, prices
from ext_proc.admission import Admission
from ext_proc.call import Usage
from ext_proc.formats.table import DIALECTS
from ext_proc.plans import Host
from ext_proc.record import OTHER, Arm, Record
from ext_proc.response import Result

End = Literal["complete", "gone", "failed"]
"""`gone`: the client or Envoy ended it first; `failed`: we did, with an error."""
_STATUSES: dict[End, int] = {"gone": 499, "failed": 500}
_ERRORS: dict[End, str] = {"gone": "cut_short", "failed": "guard_failed"}


@dataclass(slots=True)
class Facts:
    """What happened so far in one exchange."""

    host: Host
    asked_at: datetime
    started_s: float
    request_id: str = ""
    format: Format | Unread | None = None
    admission: Admission = field(default_factory=Admission)
    target: TargetPlan | None = None
    """Who answered, or who was asked first."""
    attempts: int = 0
    failed: tuple[TargetPlan, ...] = ()
    """Those that were tried before it."""
    copies: tuple[TargetPlan, ...] = ()
    """The mirrors that got a copy."""
    status: int = 0
    """The provider's status, or that of our own answer; 0 until there is one."""
    decided: bool = False
    """A verdict was given, or an answer."""
    served: bool = False
    """A provider answered with success, so tokens were used."""
    result: Result = field(default_factory=Result)
    budget_spent: bool = False
    """It was sent to one target alone, because its rule's budget for further tries was spent."""
    error: str | None = None
    first_token_s: float | None = None
    overhead_s: float = 0.0


def settle(facts: Facts, ended_s: float, end: End) -> Record:
    """Close the account."""
    call, match, target = facts.admission.call, facts.admission.match, facts.target
    usage = _usage(facts)
    return Record(
        time=facts.asked_at,
        request_id=facts.request_id,
        status=_STATUSES.get(end, facts.status),
        duration_s=ended_s - facts.started_s,
        overhead_s=facts.overhead_s,
        first_token_s=facts.first_token_s,
        gateway=facts.host.plan.gateway,
        route=match.route.plan.name if match else None,
        rule=match.rule.plan.name if match else None,
        backend=target.backend if target else None,
        provider=target.provider if target else None,
        model=_asked_model(facts),
        served_model=_served_model(facts),
        prompt=_prompt(target),
        format=facts.format,
        stream=call.stream if call else False,
        attempts=facts.attempts,
        failed=tuple(_arm(facts, each) for each in facts.failed),
        mirrors=tuple(_arm(facts, each) for each in facts.copies),
        budget_spent=facts.budget_spent,
        plan=_versions(facts),
        logged=facts.decided and end != "failed",
        usage=usage,
        usage_invalid=facts.result.usage_invalid,
        cost=_spent(facts, usage),
        labels=tuple(sorted(facts.admission.labels)),
        verdicts=(*facts.admission.verdicts, *facts.result.verdicts),
        unscanned=dict(call.unscanned) if call else facts.admission.unread,
        error=_ERRORS.get(end) or facts.error,
    )


def stated_cost(facts: Facts, result: Result) -> Decimal | None:
    """The cost of what the provider stated so far, if that has a price."""
    facts.result = result
    cost = _cost(facts, result.usage) if result.usage is not None else None
    return cost if isinstance(cost, Decimal) else None


def _usage(facts: Facts) -> Usage | None:
    """The provider's own count, else ours."""
    if not facts.served:
        return None
    if facts.result.usage is not None:
        return facts.result.usage
    if _unstated(facts) != "counted":
        return None
    return Usage(
        input_tokens=facts.admission.input_tokens,
        output_tokens=facts.result.output_tokens,
        estimated=True,
    )


def _unstated(facts: Facts) -> Literal["counted", "unpriced", "free"]:
    """What a call used whose provider stated no tokens."""
    if facts.format == GENERIC:
        return "unpriced"
    return DIALECTS[facts.format].unstated if facts.format is not None else "free"


def _spent(facts: Facts, usage: Usage | None) -> Decimal | Literal["unpriced"] | None:
    if usage is not None:
        return _cost(facts, usage)
    return "unpriced" if facts.served and _unstated(facts) == "unpriced" else None


def _cost(facts: Facts, usage: Usage) -> Decimal | Literal["unpriced"]:
    target = facts.target
    if target is None:
        return "unpriced"
    rates = prices.find(target, _names(facts, target), facts.asked_at)
    cost = prices.cost(usage, rates) if rates is not None else None
    return "unpriced" if cost is None else cost


def _names(facts: Facts, target: TargetPlan) -> tuple[str, ...]:
    """What the model that served is called: by the provider, and by us."""
    call = facts.admission.call
    names = (facts.result.model, target.model or (call.model if call else None))
    return tuple(name for name in names if name)


def _asked_model(facts: Facts) -> str | None:
    """The caller's model if plan or price list know it: a name may hold anything."""
    call = facts.admission.call
    if call is None:
        return None
    if matching.names(facts.host, call.model):
        return call.model
    return _public_name(facts, (call.model,))


def _served_model(facts: Facts) -> str | None:
    if facts.target is None or facts.admission.call is None:
        return None
    if facts.target.model is not None:
        return facts.target.model
    return _public_name(facts, _names(facts, facts.target))


def _arm(facts: Facts, target: TargetPlan) -> Arm:
    """A target under names that may be told."""
    call = facts.admission.call
    if call is None:  # nobody read what model it is for
        return Arm(target.backend, "")
    model = target.model or _known_name(facts, target, (call.model,))
    return Arm(target.backend, model, _prompt(target))


def _prompt(target: TargetPlan | None) -> str:
    return target.prompt.name if target is not None and target.prompt is not None else ""


def _public_name(facts: Facts, names: tuple[str, ...]) -> str:
    return _known_name(facts, facts.target, names) if facts.target is not None else OTHER


def _known_name(facts: Facts, target: TargetPlan, names: tuple[str, ...]) -> str:
    for name in names:
        if name == target.model or name in target.prices or matching.names(facts.host, name):
            return name
        if known := catalogue.known_as(target.provider, name):
            return known
    return OTHER


def _versions(facts: Facts) -> dict[str, str]:
    host, match = facts.host, facts.admission.match
    versions = {f"vh/{host.plan.name}": host.version}
    if match is not None:
        versions[f"route/{match.route.plan.name}"] = match.route.version
    return versions
