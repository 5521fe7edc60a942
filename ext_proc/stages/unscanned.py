"""Refusal of content that no detector can read."""

from ext_proc.call import Reject
from ext_proc.stages.inspection import Inspection


def unscanned(inspection: Inspection) -> Reject | None:
    """Refuse images, files, remote URLs and their like; the answer names their kinds."""
    if not inspection.unscanned:
        return None
    kinds = ", ".join(sorted(inspection.unscanned))
    return Reject(
        403, "blocked_by_policy", f"The request has content that cannot be inspected: {kinds}."
    )
