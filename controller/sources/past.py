"""What a source held before: as texts, from which a controller that starts again resumes."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from crds.meta import Key


@dataclass(frozen=True, slots=True)
class Past:
    """Enough to read again everything that was serving; texts only, no values."""

    files: Mapping[str, bytes] = field(default_factory=dict)
    """By path: the last readable content."""
    objects: Mapping[Key, tuple[str, bytes]] = field(default_factory=dict)
    """Objects that are broken there: path and content in which each was last good."""
