"""Traffic: the ways in which a rule's requests travel: how long they may take, how often be tried.

Each becomes an Envoy route of the virtual hosts that serve the rule, shared by all rules that want
the same.
"""

from collections.abc import Sequence
from dataclasses import replace

from controller import ir
from crds.airoute import RouteRule
from crds.meta import seconds
from crds.plan import BudgetPlan

DEFAULT_RETRIES = 2
"""Further tries where a rule has a second target and says nothing."""


def classes(rule: RouteRule, *, translate: bool, targets: int) -> tuple[ir.TrafficClass, ...]:
    """How calls and how streams travel."""
    retries = rule.retry.attempts if rule.retry else DEFAULT_RETRIES if targets > 1 else 0
    limits = rule.timeouts
    if rule.format is not None:  # calls and streams are alike where nobody reads them
        passing = ir.TrafficClass(
            stream=False,
            translate=False,
            request_s=_seconds(limits.request),
            attempt_s=_seconds(limits.attempt),
            idle_s=_seconds(limits.stream_idle),
            retries=retries,
            generic=True,
        )
        return passing, passing
    call = ir.TrafficClass(
        stream=False,
        translate=translate,
        request_s=_seconds(limits.request),
        attempt_s=_seconds(limits.attempt),
        idle_s=None,
        retries=retries,
    )
    stream = replace(
        call,
        stream=True,
        attempt_s=_seconds(limits.first_byte),
        idle_s=_seconds(limits.stream_idle),
    )
    return call, stream


def mirrored(rule: RouteRule, *, targets: int) -> tuple[ir.TrafficClass, ...]:
    """As other requests travel, but with the caller's own body, which mirrors need too."""
    same = classes(rule, translate=True, targets=targets)
    return tuple(replace(each, mirrored=True) for each in same)


def once(rule: RouteRule, whole: Sequence[ir.TrafficClass]) -> tuple[ir.TrafficClass, ...]:
    """The same without retries, for when the rule's budget of these is spent; none without one."""
    bounded = rule.retry is not None and rule.retry.budget is not None
    return tuple(replace(each, retries=0) for each in whole if bounded)


def budget(rule: RouteRule, once: Sequence[ir.TrafficClass]) -> BudgetPlan | None:
    """How many further tries a rule may make."""
    limit = rule.retry.budget if rule.retry else None
    if limit is None or not once:
        return None
    unary, stream, *copied = (each.name for each in once)
    mirrored_unary, mirrored_stream = copied or ("", "")
    return BudgetPlan(
        percent=limit.percent,
        per_second=limit.per_second,
        unary_class=unary,
        stream_class=stream,
        mirrored_unary_class=mirrored_unary,
        mirrored_stream_class=mirrored_stream,
    )


def _seconds(duration: str | None) -> float | None:
    return None if duration is None else seconds(duration)
