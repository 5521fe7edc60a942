"""Guards that find spans: personal data, secrets, keywords. What they find is kept for `redact`."""

from collections import Counter

from crds.plan import GuardPlan
from ext_proc.call import Reject
from ext_proc.detectors.span import Span, SpanDetector, covers
from ext_proc.stages.inspection import Inspection, Stage, found_something, verdict


def spans(plan: GuardPlan, detector: SpanDetector) -> Stage:
    """Find spans in every text in scope."""

    def stage(inspection: Inspection) -> Reject | None:
        found: dict[int, list[Span]] = {
            index: spans
            for index, text in enumerate(inspection.texts)
            if (not plan.scope or text.origin in plan.scope)
            and (spans := detector.find(text.value))
        }
        if not found:
            return None
        entities = Counter(cover.entity for spans in found.values() for cover in covers(spans))
        inspection.verdicts.append(verdict(plan, inspection.phase, entities))
        if plan.action == "Redact":
            for index, spans in found.items():
                inspection.redactions.setdefault(index, []).extend(spans)
        return found_something(plan, inspection)

    return stage
