"""docs/conformance.md lists exactly the scenarios that are tested."""

from pathlib import Path

from tests.kubernetes import conformance

FILE = Path(__file__).parents[2] / "docs/conformance.md"


def test_the_table_is_what_the_scenarios_say() -> None:
    assert FILE.read_text() == conformance.table()
