"""Retry budgets: how many further tries each rule has left, so that an outage is not multiplied.

Requests of the last seconds earn tries, tries that were seen spend them, and both are forgotten
together. Tries are seen when an answer comes, so requests that are under way together may overdraw;
then there are none until that is earned or forgotten. Envoy's own budget would be counted at the
first target and so end failover to healthy ones.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from crds.plan import BudgetPlan
from ext_proc.decayed import Recent

WINDOW_S = 10
"""What is older is forgotten."""


class RuleName(NamedTuple):
    """A rule of an AIRoute."""

    route: str
    rule: str


@dataclass(slots=True)
class _Second:
    at: int
    requests: int = 0
    tries: int = 0
    """Further ones."""


@dataclass(slots=True)
class _Window:
    """The last seconds of one rule, each counted from its beginning."""

    seconds: deque[_Second] = field(default_factory=deque)

    def now(self, now_s: float) -> _Second:
        """Forget what is old; return the second that is under way."""
        while self.seconds and self.seconds[0].at <= int(now_s) - WINDOW_S:
            self.seconds.popleft()
        if not self.seconds or self.seconds[-1].at != int(now_s):
            self.seconds.append(_Second(int(now_s)))
        return self.seconds[-1]


class Budgets:
    """The budgets of all rules that have one."""

    def __init__(self) -> None:
        self._windows: Recent[RuleName, _Window] = Recent()

    def ask(self, rule: RuleName, limit: BudgetPlan, now_s: float) -> bool:
        """Count a request in; tell whether it may be tried again."""
        window = self._window(rule)
        window.now(now_s).requests += 1
        earned = limit.percent * sum(each.requests for each in window.seconds)
        given = limit.per_second * WINDOW_S * 100
        spent = 100 * sum(each.tries for each in window.seconds)
        return spent + 100 <= earned + given

    def spend(self, rule: RuleName, tries: int, now_s: float) -> None:
        """Further tries were made."""
        if tries > 0:
            self._window(rule).now(now_s).tries += tries

    def _window(self, rule: RuleName) -> _Window:
        window = self._windows.get(rule) or _Window()
        self._windows[rule] = window
        return window
