"""Retry: what happens when a target fails before it answers, and how much of it is too much."""

from typing import Annotated, ClassVar

from pydantic import Field

from crds.meta import Model, Rule


class RetryBudget(Model):
    """How many further tries a rule may make, so that an outage is not met with more load."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.percent > 0 || self.perSecond > 0",
            "percent or perSecond must be above 0; for no further tries at all set attempts: 0",
            lambda self: self.percent > 0 or self.per_second > 0,
        ),
    )

    percent: Annotated[int, Field(ge=0, le=100, strict=True)]
    """Further tries for each hundred requests of the last 10 seconds."""
    per_second: Annotated[int, Field(ge=0, le=1000, strict=True)] = 1
    """As many more each second, for rules with few requests; of each data-plane pod."""


class Retry(Model):
    """What happens when a target fails before it answers."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.budget) || self.attempts > 0",
            "budget needs attempts above 0",
            lambda self: self.budget is None or self.attempts > 0,
            "budget",
        ),
    )

    attempts: Annotated[int, Field(ge=0, le=8, strict=True)]
    """Further tries after the first; 2 by default where the rule has a second target, else 0."""
    budget: RetryBudget | None = None
    """No limit when left out. While it is spent, a request is sent to its first target alone."""
