"""Standing: what translate found, and what is live → the status each object should show.

Pure. `translate` leaves open whether an object that proxies must serve is served; with what the
rollout knows of each Gateway that is decided here, and summed up in one Ready condition. Who may
write it, and what of others is left alone, is the writer's affair.
"""

from typing import Any

from controller.standing import conditions, gateways, progress, summary
from controller.standing.delivery import Delivery, Rejection, World
from controller.standing.progress import Progress
from controller.translate.conditions import ReferenceStatus, Status
from controller.translate.memo import Memo
from crds.meta import CONTROLLER_NAME, GATEWAY_GROUP, GROUP, Condition, Key

__all__ = ["Delivery", "Rejection", "World", "show"]

MOST_ANCESTORS = 16
_NOWHERE = "no Gateway serves what it applies to, so no proxy needs it"


def show(world: World, memo: Memo | None = None) -> dict[Key, dict[str, Any]]:
    """The status that every object of ours should show, without transition times.

    With the memo of the time before, only AIRoutes whose own state changed are looked at anew.
    """
    known = progress.known(world)
    found = gateways.classes(world)
    found |= _routes(world, known, memo or Memo())
    for key, status in world.statuses.items():
        if key.kind in ("AIPolicy", "AIBackend"):
            found[key] = _object(key, status, world, known)
        elif key in world.unread:
            found[key] = gateways.unread(status)
        elif (gateway := world.resources.gateways.get(key)) is not None:
            found[key] = gateways.shown(gateway, status, known)
    return found


def _routes(world: World, known: Progress, memo: Memo) -> dict[Key, dict[str, Any]]:
    """The status of every AIRoute: its own, what is live of it, and what befell its Gateways."""
    lives = [delivery.live for delivery in world.deliveries.values()]
    befell = (
        known.rejections,
        known.quarantined,
        {gateway: each.waiting_for_proxies for gateway, each in world.deliveries.items()},
    )
    routes = world.resources.routes
    return memo.each(
        "routes",
        befell,
        (
            (key, (key, status, routes.get(key), [live.get(key) for live in lives]))
            for key, status in world.statuses.items()
            if key.kind == "AIRoute"
        ),
        lambda each: _object(each[0], each[1], world, known),
    )


def _object(key: Key, status: Status, world: World, known: Progress) -> dict[str, Any]:
    """The status of an AIRoute, an AIPolicy or an AIBackend."""
    generation = status.observed_generation
    whole = tuple(_decided(each, key, status, known) for each in status.conditions)
    parts = [condition for parent in status.parents for condition in parent.conditions]
    summed_up = summary.summed_up(key.kind, whole, parts)
    found = {
        "observedGeneration": generation,
        "conditions": conditions.written(summed_up, generation),
    }
    if key.kind == "AIRoute":
        found["parents"] = _parents(key, status, world, known)
    if key.kind == "AIPolicy":
        found["ancestors"] = [
            _ancestor(key, each, status, known) for each in status.ancestors[:MOST_ANCESTORS]
        ]
    return found


def _decided(condition: Condition, key: Key, status: Status, known: Progress) -> Condition:
    """A condition as it is, or whether the object is live where that was left open."""
    if condition.type != "Programmed":
        return condition
    serving = known.gateways(key)
    refused = any(gateway in serving for gateway, _ in known.rejections.get(key, ()))
    if condition.status != "Unknown" and not refused:
        return condition
    if not serving:
        if key.kind == "AIPolicy":
            return Condition("Programmed", "True", "NotReferenced", _NOWHERE)
        return condition
    return _overridden(known.programmed(key, serving), status.conditions)


def _overridden(programmed: Condition, whole: tuple[Condition, ...]) -> Condition:
    """What is live and yet not all in force says whose word counts."""
    for each in whole:
        if each.type == "Overridden" and programmed.status == "True":
            return Condition("Programmed", "True", "PartiallyProgrammed", each.message)
    return programmed


def _parents(key: Key, status: Status, world: World, known: Progress) -> list[dict[str, Any]]:
    """One entry for each parentRef, which is repeated as its user wrote it."""
    route = world.resources.routes.get(key)
    refs = route.spec.parent_refs if route else ()
    return [
        {
            "parentRef": ref.model_dump(exclude_unset=True, exclude_none=True),
            "controllerName": CONTROLLER_NAME,
            "conditions": conditions.written(
                _part(key, parent, status, (progress.at(parent),), known),
                status.observed_generation,
            ),
        }
        for ref, parent in zip(refs, status.parents, strict=True)
    ]


def _ancestor(
    key: Key, ancestor: ReferenceStatus, status: Status, known: Progress
) -> dict[str, Any]:
    target = progress.at(ancestor)
    serving = known.gateways(target) if target.kind == "AIRoute" else (target,)
    ref = {
        "group": GATEWAY_GROUP if target.kind == "Gateway" else GROUP,
        "kind": target.kind,
        "name": target.name,
    }
    if ancestor.reference.section is not None:
        ref["sectionName"] = ancestor.reference.section
    found = _part(key, ancestor, status, serving, known)
    return {
        "ancestorRef": ref,
        "controllerName": CONTROLLER_NAME,
        "conditions": conditions.written(found, status.observed_generation),
    }


def _part(
    key: Key, part: ReferenceStatus, status: Status, serving: tuple[Key, ...], known: Progress
) -> tuple[Condition, ...]:
    """The conditions of a parent or ancestor; what it does not accept is not programmed there."""
    refused = any(each.status == "False" for each in part.conditions if each.type == "Accepted")
    if refused or not serving:
        return part.conditions
    whole = next(each for each in status.conditions if each.type == "Programmed")
    if whole.status == "False":
        return (*part.conditions, whole)
    return (*part.conditions, _overridden(known.programmed(key, serving), part.conditions))
