"""Merge: a status as it stands, and what we want to say → what should stand there.

Pure. Only our own words are replaced: our condition types, and of `parents` and `ancestors` the
entries with our controllerName. A transition time stays while the status stays, so that saying the
same again changes nothing. What is merely under way never takes back Ready of the same generation:
a restarted controller, a new proxy and a scaled Deployment know less for a while, not worse.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from crds.meta import CONTROLLER_NAME

Json = dict[str, Any]

_OURS = (
    "Ready",
    "Accepted",
    "ResolvedRefs",
    "Programmed",
    "PartiallyInvalid",
    "Conflicted",
    "Overridden",
    "Reconciling",
    "Stalled",
)
TYPES: Mapping[str, Sequence[str]] = {
    "AIRoute": _OURS,
    "AIPolicy": _OURS,
    "AIBackend": _OURS,
    "Gateway": ("Accepted", "Programmed"),
    "GatewayClass": ("Accepted",),
}
"""The condition types that are ours, by kind."""
_OF_PARTS = ("Accepted", "ResolvedRefs", "Programmed", "PartiallyInvalid", "Conflicted")
_OF_POLICY_PARTS = (*_OF_PARTS, "Overridden")
_REFERENCES = {"parents": ("parentRef", 32), "ancestors": ("ancestorRef", 16)}
"""What an entry is about, and how many entries the schemas allow."""
_STANDING = ("Ready", "Programmed")
UNDER_WAY = ("Pending", "WaitingForProxies")
"""Reasons that say that proxies are waited for."""
_LIVE = ("Programmed", "PartiallyProgrammed")


def merge(kind: str, current: Json, wanted: Json, now: str) -> Json:
    """The status that should stand instead of the current one; an equal one if nothing changes."""
    merged = dict(current)
    for field in ("observedGeneration", "addresses"):
        if field in wanted:
            merged[field] = wanted[field]
    if merged.get("addresses") == [] and "addresses" not in current:
        del merged["addresses"]
    found = current.get("conditions", [])
    merged["conditions"] = _conditions(found, wanted["conditions"], TYPES[kind], now)
    if "listeners" in wanted:
        merged["listeners"] = _listeners(current.get("listeners", []), wanted["listeners"], now)
        if not merged["listeners"] and "listeners" not in current:
            del merged["listeners"]
    for field in _REFERENCES:
        if wanted.get(field) or (field in wanted and field in current):
            merged[field] = _entries(field, current.get(field, []), wanted[field], now)
    return merged


def judged(kind: str, status: Json) -> int:
    """The generation that our words in a status are about; -1 if there are none."""
    ours = (each for each in status.get("conditions", ()) if each.get("type") in TYPES[kind])
    found = (each.get("observedGeneration", -1) for each in ours)
    newest: int = max([status.get("observedGeneration", -1), *found])
    return newest


def condition(status: Json, type_: str) -> Json | None:
    """A condition of a status."""
    return next((each for each in status.get("conditions", ()) if each.get("type") == type_), None)


def under_way(status: Json) -> bool:
    """Whether a status only says that proxies are waited for."""
    summary = condition(status, "Ready") or condition(status, "Programmed")
    return summary is not None and summary["reason"] in UNDER_WAY


def _conditions(
    current: Sequence[Json], wanted: Sequence[Json], types: Sequence[str], now: str
) -> list[Json]:
    """Ours as wanted, in the places they have, and others' as they are."""
    before = {each["type"]: each for each in current}
    ours = {each["type"]: _condition(before.get(each["type"]), each, now) for each in wanted}
    ready = next((each for each in wanted if each["type"] == "Ready"), None)
    if _stays(before.get("Ready"), ready):
        ours.pop("Reconciling", None)
    placed = [
        ours.pop(each["type"], each)
        for each in current
        if each["type"] in ours or each["type"] not in types
    ]
    return [*placed, *ours.values()]


def _condition(before: Json | None, wanted: Json, now: str) -> Json:
    if before is not None and _stays(before, wanted):
        return before
    same = before is not None and before["status"] == wanted["status"]
    time = before["lastTransitionTime"] if before is not None and same else now
    return {**wanted, "lastTransitionTime": time}


def _stays(before: Json | None, wanted: Json | None) -> bool:
    """Whether what stands is true and what is wanted only says that proxies are waited for."""
    return (
        before is not None
        and wanted is not None
        and wanted["type"] in _STANDING
        and wanted["reason"] in UNDER_WAY
        and before["status"] == "True"
        and before["reason"] in _LIVE
        and before.get("observedGeneration") == wanted["observedGeneration"]
    )


def _listeners(current: Sequence[Json], wanted: Sequence[Json], now: str) -> list[Json]:
    before = {each["name"]: each for each in current}
    return [
        {
            **before.get(each["name"], {}),
            **each,
            "conditions": _conditions(
                before.get(each["name"], {}).get("conditions", []),
                each["conditions"],
                _OF_PARTS,
                now,
            ),
        }
        for each in wanted
    ]


def _entries(field: str, current: Sequence[Json], wanted: Sequence[Json], now: str) -> list[Json]:
    """Our entries where the first of them stood, as far as there is room beside others'."""
    reference, most = _REFERENCES[field]
    others = [each for each in current if not _is_ours(each)]
    first = next((place for place, each in enumerate(current) if _is_ours(each)), len(current))
    before = [each for each in current if _is_ours(each)]
    ours = [_entry(reference, before, each, now) for each in wanted]
    place = sum(not _is_ours(each) for each in current[:first])
    return [*others[:place], *ours[: max(0, most - len(others))], *others[place:]]


def _entry(reference: str, before: Sequence[Json], wanted: Json, now: str) -> Json:
    same = (each for each in before if each.get(reference) == wanted[reference])
    found = next(same, {}).get("conditions", [])
    return {**wanted, "conditions": _conditions(found, wanted["conditions"], _OF_POLICY_PARTS, now)}


def _is_ours(entry: Json) -> bool:
    return bool(entry.get("controllerName") == CONTROLLER_NAME)
