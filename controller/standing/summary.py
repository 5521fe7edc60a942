"""Summary: one Ready condition from all others, and what GitOps tools need beside it.

Pure. Ready is true only if all that the user wrote is served; else it says the worst there is.
`Stalled` stands only where this very object must be edited, `Reconciling` only while proxies are
waited for: Flux and every kstatus tool stop at the first and go on waiting at the second.
"""

from collections.abc import Iterator, Sequence

from crds.meta import Condition

PENDING = "Pending"
WAITING = "WaitingForProxies"
REJECTED = "EnvoyRejected"
_TOLD = ("PartiallyInvalid", "Conflicted")
_UNDER_WAY = (PENDING, WAITING)
_NEEDS_EDIT = {
    ("Accepted", "Invalid"),
    ("Accepted", "UnsupportedValue"),
    ("ResolvedRefs", "Duplicate"),
    ("Programmed", REJECTED),
}
_NEEDS_EDIT_OF_ROUTE = {
    *_NEEDS_EDIT,
    ("ResolvedRefs", "UnsupportedValue"),
    ("PartiallyInvalid", "UnsupportedValue"),
}
"""An AIPolicy's ResolvedRefs speaks of a ConfigMap, which may be mended without the AIPolicy."""


def summed_up(
    kind: str, conditions: Sequence[Condition], parts: Sequence[Condition] = ()
) -> tuple[Condition, ...]:
    """Ready, the conditions as given, and Reconciling or Stalled; `parts` are those of parents."""
    wrong = list(_wrong(conditions, parts))
    programmed = next(each for each in conditions if each.type == "Programmed")
    if not wrong:
        return Condition("Ready", *programmed[1:]), *conditions
    worst = wrong[0]
    status = worst.status if worst.status == "Unknown" else "False"
    ready = Condition("Ready", status, worst.reason, _text(worst, programmed))
    edits = _NEEDS_EDIT_OF_ROUTE if kind == "AIRoute" else _NEEDS_EDIT
    stalled = [each for each in wrong if (each.type, each.reason) in edits]
    if stalled:
        return ready, *conditions, Condition("Stalled", "True", *stalled[0][2:])
    if worst.reason in _UNDER_WAY:
        return ready, *conditions, Condition("Reconciling", "True", *worst[2:])
    return ready, *conditions


def _wrong(conditions: Sequence[Condition], parts: Sequence[Condition]) -> Iterator[Condition]:
    """Whatever keeps the object from being Ready, the worst first."""
    of_type = {each.type: each for each in conditions}
    programmed = of_type["Programmed"]
    if programmed.reason == REJECTED:
        yield programmed
    if of_type["Accepted"].status != "True":
        yield of_type["Accepted"]
    yield from (each for each in parts if each.type == "Accepted" and each.status != "True")
    if "ResolvedRefs" in of_type and of_type["ResolvedRefs"].status != "True":
        yield of_type["ResolvedRefs"]
    yield from (each for type_, each in of_type.items() if type_ in _TOLD)
    if programmed.status != "True" and programmed.reason != REJECTED:
        yield programmed


def _text(worst: Condition, programmed: Condition) -> str:
    """What is wrong and, where something was decided because of it, what that was."""
    if programmed.reason != "Invalid" or programmed == worst:
        return worst.message
    return f"{worst.message}; {programmed.message}"
