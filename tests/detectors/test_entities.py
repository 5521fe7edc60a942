"""Every entity: what it finds, exactly, and what it leaves alone (entities.yaml, national.yaml)."""

import json
from pathlib import Path

import pytest
import yaml

from ext_proc.detectors import pii, report, secrets
from ext_proc.detectors.span import SpanDetector, covers

HERE = Path(__file__).parent
CASES = {
    **yaml.safe_load((HERE / "entities.yaml").read_text(encoding="utf-8")),
    **yaml.safe_load((HERE / "national.yaml").read_text(encoding="utf-8")),
}
ENTITIES = (*pii.ENTITIES, *secrets.ENTITIES)


def detector_of(entity: str) -> SpanDetector:
    return secrets.detector() if entity in secrets.ENTITIES else pii.detector((entity,))


def found(entity: str, text: str) -> set[str]:
    spans = [s for s in detector_of(entity).find(text) if s.entity == entity]
    return {text[s.start : s.end] for s in (*spans, *covers(spans))}


@pytest.mark.parametrize(
    ("entity", "marked"), [(e, t) for e, c in CASES.items() for t in c["match"]]
)
def test_match(entity, marked):
    before, _, rest = marked.partition("‹")
    wanted, _, after = rest.partition("›")
    assert wanted in found(entity, before + wanted + after)


@pytest.mark.parametrize(
    ("entity", "text"), [(e, t) for e, c in CASES.items() for t in c["no_match"]]
)
def test_no_match(entity, text):
    assert found(entity, text) == set()


def test_every_entity_has_a_rule_both_lists_and_a_presidio_name():
    names = json.loads(Path(report.__file__).with_name("presidio.json").read_text(encoding="utf-8"))
    assert set(CASES) == set(ENTITIES) == set(names)
    assert all(case["match"] and case["no_match"] for case in CASES.values())
    assert {rule.entity for rule in (*pii.RULES, *secrets.RULES)} == set(ENTITIES)


def test_the_default_leaves_out_only_what_is_named_optional():
    assert set(pii.DEFAULT) < set(pii.ENTITIES)
    assert {"Email", "Phone", "CreditCard", "IBAN", "USSSN", "UKNINO"} <= set(pii.DEFAULT)
    assert "URL" not in pii.DEFAULT


def test_offsets_are_code_points():
    text = "😀 héllo\u00a0中文 bob@mail.example，４１１１ １１１１ １１１１ １１１１"
    spans = [(text[s["start"] : s["end"]], s["type"]) for s in report.spans_of(text)]
    assert ("bob@mail.example", "Email") in spans
    assert ("４１１１ １１１１ １１１１ １１１１", "CreditCard") in spans
