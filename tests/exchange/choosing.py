"""Choices of targets with everything in hand: plans, lots, clock, what was learned."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from crds.plan import PricePlan, RulePlan, StickinessPlan, TargetPlan
from ext_proc.learned import Learned
from ext_proc.selection import Choice
from ext_proc.slots import Slots

CHAT = {"OpenAIChat": {"call": "/v1/chat/completions", "stream": "/v1/chat/completions"}}
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def target(name: str, weight: int = 1, priority: int = 0, **more: Any) -> TargetPlan:
    return TargetPlan(
        cluster=name,
        backend=more.pop("backend", name),
        provider="OpenAI",
        model=more.pop("model", None),
        paths=more.pop("paths", CHAT),
        weight=weight,
        priority=priority,
        **more,
    )


def priced(name: str, dollars: str, **more: Any) -> TargetPlan:
    price = PricePlan(input=dollars, cached_input=dollars, cache_write=dollars, output=dollars)
    return target(name, prices={"m": price}, **more)


def choice(targets: Sequence[TargetPlan], selection: str = "Weighted", **more: Any) -> Choice:
    rule = RulePlan(
        name="default",
        targets=tuple(targets),
        unary_class="call",
        stream_class="stream",
        translate=False,
        selection=selection,
        stickiness=StickinessPlan(by="User"),
    )
    plain = Choice(
        route="ns/assistant",
        rule=rule,
        able=tuple(targets),
        model="m",
        stream=False,
        input_tokens=1000,
        held_tokens=1000,
        output_limit=None,
        bound=None,
        slots=Slots(),
        learned=Learned(),
        chance=lambda: 0.5,
        now=NOW,
        now_s=0.0,
    )
    return replace(plain, **more)
