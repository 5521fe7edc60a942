"""What stages share: the texts of one request or response, and what has been found in them so far.

A stage reads an `Inspection`, adds to it, and returns a `Reject` or None to go on. All detectors
read the texts as they came; texts change only in `redact`, after the last of them.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from crds.plan import GuardPlan
from ext_proc.call import Reject, Text, Verdict
from ext_proc.detectors.span import Span

Phase = Literal["request", "response"]


@dataclass(slots=True)
class Inspection:
    """One request or response on its way through the stages."""

    phase: Phase
    texts: Sequence[Text]
    unscanned: Counter[str]
    verdicts: list[Verdict] = field(default_factory=list)
    redactions: dict[int, list[Span]] = field(default_factory=dict)
    """Spans to redact, by the text's index."""
    labels: set[tuple[str, str]] = field(default_factory=set)
    """What Label guards found to be so."""


Stage = Callable[[Inspection], Reject | None]


def found_something(plan: GuardPlan, inspection: Inspection) -> Reject | None:
    """Do what the guard's action is once it found something, but for what is masked."""
    if plan.label is not None:
        inspection.labels.add(plan.label)
    return blocked(plan, inspection.phase) if plan.action == "Block" else None


def verdict(
    plan: GuardPlan, phase: Phase, found: Counter[str], score: float | None = None
) -> Verdict:
    """Say what a guard found, and nothing of what it saw."""
    return Verdict(
        guard=plan.name,
        policy=plan.policy,
        type=plan.type,
        action=plan.action,
        phase=phase,
        found=tuple(sorted(found.items())),
        score=score,
    )


def blocked(plan: GuardPlan, phase: Phase) -> Reject:
    """Refuse in a guard's name; the matched text is never repeated."""
    return Reject(
        403, "blocked_by_policy", f"The {phase} was blocked by guard {plan.name} ({plan.type})."
    )
