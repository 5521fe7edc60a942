"""Efforts to think with: how formats call them, and what a budget of tokens comes to."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import get_args

from ext_proc.translation.neutral import Effort, Reasoning

EFFORTS: Mapping[str, Effort] = MappingProxyType(
    {**{effort: effort for effort in get_args(Effort)}, "max": "xhigh"}
)
"""By their names in requests; what only some formats know is the nearest that others do."""
_BUDGETS: tuple[tuple[int, Effort], ...] = ((0, "none"), (2048, "low"), (8192, "medium"))
"""Up to so many tokens, this effort."""


def effort(reasoning: Reasoning | None) -> Effort | None:
    """The effort, or the one that a budget comes to; None: not said, or as the model likes."""
    if reasoning is None or reasoning.effort is not None:
        return reasoning.effort if reasoning else None
    budget = reasoning.budget_tokens
    if budget is None or budget < 0:
        return None
    return next((effort for most, effort in _BUDGETS if budget <= most), "high")
