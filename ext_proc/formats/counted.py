"""Counted: what numbers the characters of a text says nothing once a guard has changed the text.

Answers are looked at before and after; their streams by `scans.Scans.changed`.
"""

from collections.abc import Callable, Iterable
from typing import Any

Json = dict[str, Any]


def settle(
    owners: Iterable[Json], words: Callable[[Json], Any], drop: Callable[[Json], None]
) -> Callable[[], None]:
    """What drops the numbers beside each of these texts, if by then it is another."""
    before = [(owner, words(owner)) for owner in owners]

    def settle_() -> None:
        for owner, said in before:
            if words(owner) != said:
                drop(owner)

    return settle_


def drop_annotations(owner: Json) -> None:
    """Drop those of OpenAI's two chat formats."""
    if owner.get("annotations"):
        owner["annotations"] = []


def drop_grounding(candidate: Json) -> None:
    """Of Gemini's sources, drop which words rest on each."""
    for name in ("groundingMetadata", "grounding_metadata"):
        for supports in ("groundingSupports", "grounding_supports"):
            _pop(candidate.get(name), supports)
    for name in ("citationMetadata", "citation_metadata"):
        metadata = candidate.get(name)
        citations = metadata.get("citations") if isinstance(metadata, dict) else None
        for citation in citations if isinstance(citations, list) else ():
            for number in ("startIndex", "start_index", "endIndex", "end_index"):
                _pop(citation, number)


def _pop(owner: Any, name: str) -> None:
    if isinstance(owner, dict):
        owner.pop(name, None)
