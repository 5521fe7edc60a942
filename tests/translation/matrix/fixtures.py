"""What one format has for each row: as its SDK asks, and as its provider answers and streams."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from crds.plan import Format

Json = dict[str, Any]


@dataclass(frozen=True)
class Fixtures:
    """One format's own words for the rows of `features`."""

    format: Format
    model: str
    requests: Mapping[str, Json]
    answers: Mapping[str, Json]
    streams: Mapping[str, bytes]
    errors: Mapping[int, bytes]
    """Bodies of errors by status."""
    failing: bytes
    """A stream that says `Fine` and then that the provider is overloaded."""
    again: Callable[[Json, Json, str], Json]
    """A request, its answer and the next words of the user: the request for the next turn, as
    people write it with the SDK."""


def sse(*events: Json, named: bool = False, last: str = "") -> bytes:
    """Server-sent events; `named`: with the type of each as its name."""
    blocks = [
        (f"event: {each['type']}\n" if named else "") + f"data: {json.dumps(each)}\n\n"
        for each in events
    ]
    return "".join((*blocks, last)).encode()
