"""Every span of a text as plain data, for `dragoman detect` and for measuring.

Personal data and secrets, each entity known. What a policy does with a span is not here.
"""

from functools import cache
from typing import TypedDict

from ext_proc.detectors import pii, secrets
from ext_proc.detectors.span import SpanDetector, all_of


class Found(TypedDict):
    """One span; offsets are code points."""

    start: int
    end: int
    type: str
    score: float


@cache
def _everything() -> SpanDetector:
    return all_of([pii.detector(pii.ENTITIES), secrets.detector()])


def spans_of(text: str, detector: SpanDetector | None = None) -> list[Found]:
    """Return the spans of a text; of every entity where no detector is named."""
    return [
        {"start": s.start, "end": s.end, "type": s.entity, "score": s.score}
        for s in (detector or _everything()).find(text)
    ]
