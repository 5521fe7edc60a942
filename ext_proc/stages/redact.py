"""The end of every pipeline: what `Redact` guards found is masked."""

from ext_proc.call import Reject
from ext_proc.detectors.span import redact as mask
from ext_proc.stages.inspection import Inspection


def redact(inspection: Inspection) -> Reject | None:
    """Mask the spans; overlapping ones, of whichever guards, become one."""
    for index, spans in inspection.redactions.items():
        text = inspection.texts[index]
        text.replace(mask(text.value, spans)[0])
    return None
