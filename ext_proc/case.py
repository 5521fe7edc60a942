"""The case of one exchange: its facts, the ways to answer, and what must be given back at its end.

Both halves of an exchange work on it: the request's in `exchange`, the response's in `reception`.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from crds.plan import TargetPlan
from ext_proc import account, wording
from ext_proc.account import End, Facts
from ext_proc.admission import Admission
from ext_proc.attempts import Answered, Attempts, is_failure
from ext_proc.budgets import RuleName
from ext_proc.call import Call, Reject
from ext_proc.events import Answer
from ext_proc.formats import table
from ext_proc.formats.dialect import Dialect
from ext_proc.machine import Outcome, Pending, Replies, Step, World
from ext_proc.matching import Match
from ext_proc.plans import Host
from ext_proc.selection import Choice

LARGE_BYTES = 8 * 1024
"""Bodies beyond it are judged on another thread, so that small ones do not queue behind them."""

T = TypeVar("T")


class Case:
    """One exchange."""

    def __init__(self, host: Host, world: World) -> None:
        self.world = world
        self.facts = Facts(host=host, asked_at=world.now(), started_s=world.clock())
        self.dialect: Dialect = table.DIALECTS["OpenAIChat"]
        """The format that is spoken."""
        self.wording = wording.of(self.dialect)
        """How errors are written."""
        self.over = False
        """The last answer is given."""
        self.attempts: Attempts | None = None
        """Made once there is a verdict."""
        self._slot: TargetPlan | None = None
        self._granted = True
        """The rule's budget let it be tried again."""

    def refuse(self, reject: Reject) -> Replies:
        """Answer with an error in the caller's own words."""
        self.facts.error = reject.code
        body = self.wording.error(reject, self.facts.request_id)
        headers = (*self.wording.headers, *reject.headers)
        return self._answer(reject.status, body, headers, reject.code)

    def answer(
        self,
        status: int,
        body: bytes,
        headers: tuple[tuple[str, str], ...] = (),
        details: str = "",
    ) -> Replies:
        """Answer in place of the provider, with JSON."""
        return self._answer(status, body, (wording.JSON_TYPE, *headers), details)

    def _answer(
        self, status: int, body: bytes, headers: tuple[tuple[str, str], ...], details: str
    ) -> Replies:
        self.facts.status = status
        self.facts.decided = True
        self.over = True
        return (Answer(status, body, headers, details),)

    def apart(self, size: int, work: Callable[[], T], then: Callable[[T], Replies]) -> Outcome:
        """Do the work here, or hand it over if it is long."""
        if size <= LARGE_BYTES:
            return then(work())

        def resume() -> Step:
            return partial(self.timed, partial(then, self.timed(work)))

        return Pending(resume)

    def timed(self, step: Callable[[], T]) -> T:
        """Count the time of a step as the guard's own."""
        began = self.world.clock()
        try:
            return step()
        finally:
            self.facts.overhead_s += self.world.clock() - began

    def choice(
        self,
        admitted: Admission,
        call: Call | None,
        match: Match,
        able: tuple[TargetPlan, ...],
    ) -> Choice:
        """All that decides which of the able targets serve this request; None: nobody reads it."""
        world = self.world
        return Choice(
            route=match.route.plan.name,
            rule=match.rule.plan,
            able=able,
            model=call.model if call is not None else "",
            stream=call is not None and call.stream,
            input_tokens=admitted.input_tokens,
            held_tokens=admitted.held_tokens,
            output_limit=admitted.output_limit,
            bound=admitted.bound,
            slots=world.slots,
            learned=world.learned,
            chance=world.chance,
            now=world.now(),
            now_s=world.clock(),
        )

    def may_retry(self, match: Match) -> bool:
        """Whether the rule's budget, if it has one, lets this request be tried again."""
        limit = match.rule.plan.budget
        if limit is None:
            return True
        world = self.world
        self._granted = world.learned.budgets.ask(_name(match), limit, world.clock())
        return self._granted

    def send(self, order: Sequence[TargetPlan], *, stream: bool) -> None:
        """The request goes to these targets."""
        self._occupy(order[0])
        self.attempts = Attempts(self.world.learned, order, self.world.clock(), stream=stream)

    def copy(self, mirrors: Sequence[TargetPlan]) -> tuple[TargetPlan, ...]:
        """Copies go to these mirrors, but for those whose AIBackend callers keep busy."""
        self.facts.copies = tuple(each for each in mirrors if self.world.slots.free(each))
        return self.facts.copies

    def answered(self, answer: Answered) -> None:
        """A target answers, or Envoy does because none did."""
        facts = self.facts
        facts.status, facts.attempts = answer.status, answer.attempts
        match, now_s = facts.admission.match, self.world.clock()
        if match is not None and match.rule.plan.budget is not None:
            self.world.learned.budgets.spend(_name(match), answer.attempts - 1, now_s)
        if self.attempts is not None:
            facts.failed = self.attempts.answered(answer, now_s)
        facts.budget_spent = not self._granted and is_failure(answer.status)
        if answer.target is not None:
            self._occupy(answer.target)

    def _occupy(self, target: TargetPlan) -> None:
        """Count this request at the AIBackend that has it now, and at no other."""
        self._vacate()
        self._slot = target
        self.world.slots.take(target)
        self.facts.target = target

    def close(self, end: End) -> None:
        """Give back what was taken, and report."""
        self._vacate()
        closed: End = "complete" if self.over else end
        ended_s = self.world.clock()
        record = account.settle(self.facts, ended_s, closed)
        if self.attempts is not None:
            self.attempts.over(record, ended_s)
        self.world.report(record)

    def _vacate(self) -> None:
        if self._slot is not None:
            self.world.slots.give_back(self._slot)
            self._slot = None


def _name(match: Match) -> RuleName:
    return RuleName(match.route.plan.name, match.rule.plan.name)
