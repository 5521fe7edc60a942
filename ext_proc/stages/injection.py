"""The guard against prompt injection: each text in scope is scored, the highest score counts."""

from collections import Counter

from crds.plan import GuardPlan
from ext_proc.call import Reject
from ext_proc.detectors.injection import Detector
from ext_proc.stages.inspection import Inspection, Stage, found_something, verdict


def injection(plan: GuardPlan, detector: Detector) -> Stage:
    """Score every text in scope."""

    def stage(inspection: Inspection) -> Reject | None:
        worst = max(
            (
                detector.score(text.value)
                for text in inspection.texts
                if (not plan.scope or text.origin in plan.scope)
            ),
            key=lambda scored: scored.score,
            default=None,
        )
        if worst is None or worst.score < plan.threshold:
            return None
        reasons = Counter(dict.fromkeys(worst.reasons, 1))
        inspection.verdicts.append(verdict(plan, inspection.phase, reasons, round(worst.score, 3)))
        return found_something(plan, inspection)

    return stage
