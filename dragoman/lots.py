"""Lots: in which order the targets are asked, and what decides between those that are alike."""

from collections.abc import Sequence
from datetime import UTC, datetime

from ext_proc import targets
from ext_proc.admission import Admission
from ext_proc.case import Case
from ext_proc.machine import World
from ext_proc.plans import Host
from ext_proc.selection import Choice
from ext_proc.slots import Slots
from ext_proc.targets import Order, Ranked


def order(host: Host, admitted: Admission) -> tuple[Order, str | None]:
    """An order that a gateway could choose that has just started.

    And what chose among those that come first alike; None: one alone comes first.
    """
    call, match, outgoing = admitted.call, admitted.match, admitted.outgoing
    able = outgoing.targets if outgoing is not None else admitted.targets
    if match is None or (outgoing is None and not admitted.unread):
        return Order((), ()), None
    now = datetime.now(UTC)
    world = World(Slots(), lambda: 0.5, lambda: now, lambda: 0.0, lambda _: None)
    choice = Case(host, world).choice(admitted, call, match, able)
    found = targets.order(choice)
    return found, _chooser(choice) if _alike(found.ranked) else None


def _alike(ranked: Sequence[Ranked]) -> bool:
    """Whether nothing but a lot tells the first from the second."""
    places = [(each.target.priority, each.score) for each in ranked[:2]]
    return len(places) == 2 and places[0] == places[1]


def _chooser(choice: Choice) -> str:
    bound = choice.rule.stickiness
    if bound is None:
        return "a lot by weight, drawn anew for each request"
    by = f"{bound.by} {bound.name}".strip()
    if choice.bound is None:
        return f"a lot by weight: the request has no {by} for stickiness to go by"
    return f"stickiness by {by}: its value always leads to the same target"
