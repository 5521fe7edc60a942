"""Argo CD's health script says of real Lua what each example's first line expects.

Argo CD runs it in a Lua 5.1 that gives `obj` and takes the table that is returned.
"""

from pathlib import Path
from typing import Any

import pytest
import yaml
from lupa.lua51 import LuaRuntime

from controller.sources.merge import merge
from tests.status import worlds

SCRIPT = Path(__file__).parents[2] / "docs" / "argocd" / "health.lua"
EXAMPLES = sorted((Path(__file__).parent / "argocd").glob("*.yaml"))


def health(obj: dict[str, Any]) -> tuple[str, str]:
    lua = LuaRuntime(unpack_returned_tuples=True)
    lua.globals().obj = lua.table_from(obj, recursive=True)
    found = lua.execute(SCRIPT.read_text())
    return found.status, found.message


@pytest.mark.parametrize("example", EXAMPLES, ids=[each.stem for each in EXAMPLES])
def test_an_example_is_as_healthy_as_its_first_line_says(example: Path) -> None:
    status, _, message = example.read_text().splitlines()[0].removeprefix("# ").partition(": ")
    assert health(yaml.safe_load(example.read_text())) == (status, message)


def test_every_status_of_the_golden_cases_has_the_health_its_ready_condition_asks_for() -> None:
    seen = set()
    for where, key, wanted in worlds.everything():
        if not key.kind.startswith("AI"):
            continue
        status = merge(key.kind, {}, wanted, worlds.NOW)
        found, _ = health(
            {"metadata": {"generation": status["observedGeneration"]}, "status": status}
        )
        ready = worlds.of_type(status, "Ready")
        waiting = worlds.of_type(status, "Reconciling") is not None
        failed = "Progressing" if waiting or ready["status"] == "Unknown" else "Degraded"
        assert found == ("Healthy" if ready["status"] == "True" else failed), (where, key)
        seen.add(found)
    assert seen == {"Healthy", "Progressing", "Degraded"}
