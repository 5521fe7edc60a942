"""Conditions as the API has them: plain data, each with the generation that was judged.

When a condition last changed is not known here; whoever writes it compares with what stands there.
"""

from collections.abc import Iterable
from typing import Any

from crds.meta import Condition

LONGEST_MESSAGE = 32768
"""What API servers take."""


def written(found: Iterable[Condition], generation: int) -> list[dict[str, Any]]:
    """The conditions, without the time of their last transition."""
    return [
        {
            "type": each.type,
            "status": each.status,
            "observedGeneration": generation,
            "reason": each.reason,
            "message": each.message[:LONGEST_MESSAGE],
        }
        for each in found
    ]
