"""Golden cases as worlds: what standing is asked about them, at every stage of a rollout."""

import functools
from pathlib import Path
from typing import Any

from controller import standing
from controller.standing import Delivery, World
from controller.translate import Translation, translate
from controller.translate.policies import Accepted
from crds.meta import Key
from dragoman import golden

GOLDEN = Path(__file__).parents[1] / "golden"
CASES = list(golden.cases(GOLDEN))
IDS = [case.name for case in CASES]
NOW = "2026-01-01T00:00:00Z"
LATER = "2026-01-02T00:00:00Z"
STAGES: dict[str, dict[str, Any]] = {
    "nothing is known": {},
    "no proxy": {"waiting_for_proxies": True, "addresses": ()},
    "live": {"addresses": ("10.0.0.1", "ai.example.com")},
}


@functools.cache
def translated(case: Path) -> tuple[World, Translation]:
    accepted = Accepted()
    before = case / "before.yaml"
    if before.exists():
        accepted = translate(golden.resources(before.read_text(), before.name)).accepted
    resources = golden.resources((case / "in.yaml").read_text(), "in.yaml")
    translation = translate(resources, accepted)
    return World(resources, translation.statuses, {}), translation


def world(case: Path, stage: str, **more: Any) -> World:
    """A case with every Gateway at a stage of its rollout."""
    bare, translation = translated(case)
    live = {"live": translation.statuses} if stage == "live" else {}
    delivery = Delivery(
        backends=frozenset(target.backend for target in translation.config.targets),
        **{**STAGES[stage], **live, **more},
    )
    gateways = [key for key in translation.statuses if key.kind == "Gateway"]
    unread = frozenset(gateways) - bare.resources.gateways.keys()
    return World(bare.resources, bare.statuses, dict.fromkeys(gateways, delivery), unread)


def shown(case: Path, stage: str, **more: Any) -> dict[Key, dict[str, Any]]:
    return standing.show(world(case, stage, **more))


@functools.cache
def everything() -> list[tuple[str, Key, dict[str, Any]]]:
    """Every status that any case yields at any stage."""
    return [
        (f"{case.name}, {stage}", key, status)
        for case in CASES
        for stage in STAGES
        for key, status in shown(case, stage).items()
    ]


def of_type(status: dict[str, Any], type_: str) -> dict[str, Any] | None:
    return next((each for each in status["conditions"] if each["type"] == type_), None)
