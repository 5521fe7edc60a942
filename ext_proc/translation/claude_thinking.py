"""How Claude is asked to think, at Anthropic and on Bedrock: with how many tokens, and when not."""

from ext_proc.translation import anthropic_blocks
from ext_proc.translation.neutral import Effort, Reasoning, Request, ToolResult

_BUDGETS: dict[Effort, int] = {"minimal": 1024, "low": 1024, "medium": 4096, "high": 16384}
_LEAST_BUDGET = 1024
LEAST_ANSWER = 1024
"""Tokens beyond those to think with."""


def budget(reasoning: Reasoning | None) -> int | None:
    """Tokens to think with; 0: none, None: not said."""
    if reasoning is None:
        return None
    if reasoning.budget_tokens is not None and reasoning.budget_tokens > 0:
        return max(reasoning.budget_tokens, _LEAST_BUDGET)
    if reasoning.effort == "none" or reasoning.budget_tokens == 0:
        return 0
    return _BUDGETS.get(reasoning.effort or "medium", 32768)


def fitted(wanted: int, limit: int | None) -> int:
    """What of a budget a limit of tokens leaves room for; 0: too little to think.

    The limit may be an AIPolicy's, and thoughts count: so it is never raised.
    """
    if limit is None or wanted + LEAST_ANSWER <= limit:
        return wanted
    left = limit - LEAST_ANSWER
    return left if left >= _LEAST_BUDGET else 0


def thoughtless(request: Request) -> bool:
    """A tool's result is the last word, and the thoughts of the turn that asked are not at hand."""
    last = request.messages[-1] if request.messages else None
    answers = last is not None and any(isinstance(part, ToolResult) for part in last.parts)
    asking = [each for each in request.messages if each.role == "assistant"]
    return bool(answers and asking and not anthropic_blocks.thinks(asking[-1]))
