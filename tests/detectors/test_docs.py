"""The table of entities in the docs is the one in the code."""

import json
from pathlib import Path

import ext_proc.detectors
from crds import entities
from ext_proc.detectors import pii, secrets

PAGE = Path(__file__).parents[2] / "docs" / "detectors.md"


def test_every_entity_stands_in_the_docs_under_both_its_names() -> None:
    names = json.loads((Path(ext_proc.detectors.__file__).parent / "presidio.json").read_text())
    page = PAGE.read_text()
    for entity in (*pii.ENTITIES, *secrets.ENTITIES):
        assert f"| `{entity}` | `{names[entity]}` |" in page


def test_the_controller_knows_the_same_entities() -> None:
    assert set(entities.ENTITIES) == set(pii.ENTITIES)
