"""Schemas from strangers: which may judge, and which are refused because judging has no bound."""

import json

import pytest

from controller.resources import Resources
from controller.translate import schemas
from crds.json_schemas import ConfigMapRef, ResponseSchema
from crds.meta import Key

POLICY = Key("AIPolicy", "ns", "p")
SCHEMA = ResponseSchema(name="s", config_map_ref=ConfigMapRef(name="c", key="k"))


def world(text: str) -> Resources:
    return Resources(config_maps={Key("ConfigMap", "ns", "c"): {"k": text}})


def told(document) -> str:
    text = document if isinstance(document, str) else json.dumps(document)
    found = list(schemas.faults(POLICY, "spec.x[0]", SCHEMA, world(text)))
    assert all(each.field == "spec.x[0].configMapRef" for each in found)
    return "; ".join(each.message for each in found)


def doubling(levels: int) -> dict:
    """Each definition refers to the next one twice."""
    twice = {f"d{n}": {"anyOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(levels)}
    return {"$ref": "#/$defs/d0", "$defs": {**twice, f"d{levels}": {"type": "string"}}}


def chain(length: int) -> dict:
    """Each definition refers to the one before: every step is known when it is reached."""
    links = {f"d{n}": {"$ref": f"#/$defs/d{n - 1}"} for n in range(1, length)}
    return {"$defs": {"d0": {}, **links}, "$ref": f"#/$defs/d{length - 1}"}


def nested(levels: int) -> dict:
    document: dict = {}
    for _ in range(levels):
        document = {"not": document}
    return document


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"$schema": "http://json-schema.org/draft-07/schema#", "definitions": {"a": {}}},
        {"$id": "https://example.com/tools", "$ref": "#/$defs/a", "$defs": {"a": {"type": "null"}}},
        {"$defs": {"a/b c": {}}, "items": {"$ref": "#/$defs/a~1b%20c"}},
        {"properties": {"uniqueItems": {"type": "boolean"}, "$id": {}, "$ref": {"type": "string"}}},
        {"enum": [{"$ref": "https://example.com"}], "default": {"uniqueItems": True}},
        {"uniqueItems": False, "pattern": "^(a+)+$"},
        {"patternProperties": {f"^x{n}": {"pattern": "y"} for n in range(32)}},
        {"pattern": "^[\\w.+-]{1,64}@[a-z0-9-]+(\\.[a-z0-9-]+)+$"},
        {"pattern": "^\\p{Lu}[\\p{L} ]*$"},
        doubling(8),
        chain(60),
        nested(60),
    ],
)
def test_what_is_bounded_may_judge(document) -> None:
    assert told(document) == ""


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ("", "is not JSON"),
        ("type: object", "is not JSON"),
        ("[" * 30_000, "is not JSON"),
        ('{"type": "object", "type": "string"}', "a key stands twice"),
        ('{"maximum": NaN}', "NaN or Infinity"),
        ("true", "is not a JSON object"),
        ("[]", "is not a JSON object"),
        ({"enum": ["x" * 70_000]}, "is larger than 64 KiB"),
        ({"type": "strin"}, "no JSON Schema at /type"),
        ({"properties": {"a": {"minLength": -1}}}, "at /properties/a/minLength"),
        ({"pattern": "(?=a)b"}, "at /pattern"),
        ({"pattern": "(a)\\1"}, "at /pattern"),
        ({"pattern": "((a{100}){100}){100}"}, "at /pattern"),
        ({"$schema": "http://json-schema.org/draft-04/schema#"}, "draft 4"),
        ({"$schema": "https://example.com/mine"}, "no JSON Schema"),
        ({"$ref": "https://example.com/s"}, "a $ref out of itself"),
        ({"$ref": "file:///etc/passwd"}, "a $ref out of itself"),
        ({"items": {"$ref": "other.json"}}, "a $ref out of itself"),
        ({"$ref": "#anchor"}, "a $ref out of itself"),
        ({"$ref": 1}, "a $ref out of itself"),
        ({"$ref": "#/$defs/none"}, "a $ref to what is not there"),
        ({"$defs": [{}], "$ref": "#/$defs/0"}, "a $ref to what is not there"),
        ({"allOf": [{}], "$ref": "#/allOf/0"}, "into another part"),
        ({"$defs": {"a": {"anyOf": [{}]}}, "$ref": "#/$defs/a/anyOf/0"}, "into another part"),
        ({"$ref": "#"}, "into another part"),
        ({"$ref": "#/"}, "into another part"),
        ({"$defs": {"a": {"items": {"$ref": "#/$defs/a"}}}}, "leads back to itself"),
        ({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}, "back to itself"),
        ({"$dynamicRef": "#a"}, "has $dynamicRef"),
        ({"items": {"uniqueItems": True}}, "has uniqueItems"),
        ({"anyOf": [{"unevaluatedProperties": False}]}, "has unevaluatedProperties"),
        ({"$defs": {"a": {"unevaluatedItems": {}}}}, "has unevaluatedItems"),
        ({"items": {"$id": "https://example.com/a"}}, "an $id below its top"),
        ({"pattern": "\\p{L}{100}"}, "at /pattern"),
        ({"patternProperties": {f"^x{n}": {"pattern": "y"} for n in range(33)}}, "64 patterns"),
        (doubling(30), "more than 2000 parts"),
        (chain(70), "deeper than 64 levels"),
        (nested(70), "deeper than 64 levels"),
        (nested(300), "deeper than 64 levels"),
    ],
)
def test_what_is_not_is_refused_with_the_reason(document, why) -> None:
    assert why in told(document)


def test_the_text_does_not_depend_on_its_layout() -> None:
    texts = [' {"type" :\n"object"}', '{"type":"object"}']
    made = [schemas.plan(POLICY, SCHEMA, world(text), enforced=True) for text in texts]
    assert made[0] == made[1]
    assert (made[0].name, made[0].policy, made[0].formats) == ("s", "ns/p", ())
