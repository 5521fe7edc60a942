"""What each `selection` goes by: a number for every target, the lowest of which serves.

Equal numbers leave the choice to the weights. `Weighted` sees no difference at all.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from crds.plan import RulePlan, Selection, TargetPlan
from ext_proc import prices
from ext_proc.call import Usage
from ext_proc.learned import Learned
from ext_proc.slots import Slots
from ext_proc.stickiness import Key

EXPLORED = 0.02
"""The share of LowestLatency's requests that lots decide, so that a change for the better shows."""

Chance = Callable[[], float]
"""Uniform in [0, 1)."""


@dataclass(frozen=True, slots=True)
class Choice:
    """All that decides which targets serve a request, and in which order."""

    route: str
    """`namespace/name` of the AIRoute."""
    rule: RulePlan
    able: tuple[TargetPlan, ...]
    """Those of its targets that can be told what this request says."""
    model: str
    """The caller's."""
    stream: bool
    input_tokens: int
    held_tokens: int
    """How many of them a context must hold at once."""
    output_limit: int | None
    """What the request itself allows; None where it does not say."""
    bound: Key | None
    """The caller's key, where the rule is sticky and the request has one."""
    slots: Slots
    learned: Learned
    chance: Chance
    now: datetime
    now_s: float

    @property
    def output_tokens(self) -> int:
        """What is expected to be written."""
        return self.learned.output_tokens(self.route, self.rule.name, self.output_limit, self.now_s)


Score = Callable[[TargetPlan], float]


def score(choice: Choice) -> Score:
    """Return what gives each target its number."""
    return _SCORES[choice.rule.selection](choice)


def _equal(_: TargetPlan) -> float:
    return 0.0


def _cost(choice: Choice) -> Score:
    """US dollars this request may cost; unpriced targets come last."""
    usage = Usage(input_tokens=choice.input_tokens, output_tokens=choice.output_tokens)

    def dollars(target: TargetPlan) -> float:
        rates = prices.find(target, (target.model or choice.model,), choice.now)
        cost = prices.cost(usage, rates) if rates is not None else None
        return math.inf if cost is None else float(cost)

    return dollars


def _latency(choice: Choice) -> Score:
    """Seconds this request may take; an unknown target is tried first, by one request at a time."""
    if choice.chance() < EXPLORED:
        return _equal
    latency, output_tokens = choice.learned.latency, choice.output_tokens

    def seconds(target: TargetPlan) -> float:
        expected = latency.expected(
            target.cluster, output_tokens, choice.now_s, stream=choice.stream
        )
        if expected is not None:
            return expected
        return math.inf if latency.has_waiting(target.cluster, stream=choice.stream) else 0.0

    return seconds


def _busy(choice: Choice) -> Score:
    """Requests in flight, this one included, for each unit of weight."""
    return lambda target: (choice.slots.busy(target) + 1) / target.weight


_SCORES: Mapping[Selection, Callable[[Choice], Score]] = MappingProxyType(
    {
        "Weighted": lambda _: _equal,
        "LowestCost": _cost,
        "LowestLatency": _latency,
        "LeastBusy": _busy,
    }
)
