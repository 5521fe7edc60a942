"""Hostile bodies against schemas: no place names what only the caller knows, and no size explodes."""

import json
from collections import Counter

import pytest

from crds.plan import Guards, SchemaPlan, VirtualHostPlan
from ext_proc import pipeline, schemas
from ext_proc.call import Call
from ext_proc.plans import Snapshot, UnusablePlanError, compile_update
from tests.exchange import harness

TOOLS = {
    "$defs": {"t~/ %": {"allOf": [{"properties": {"a/b~": {"type": "string"}}}]}},
    "properties": {"list": {"prefixItems": [{}], "items": {"$ref": "#/$defs/t~0~1%20%25"}}},
    "patternProperties": {"^x-": {"type": "integer"}},
    "propertyNames": {"maxLength": 10},
}


def plan(document, **more) -> SchemaPlan:
    text = json.dumps(document)
    return SchemaPlan(**{"name": "s", "policy": "ns/p", "text": text, "enforced": True, **more})


def schema(document, **more) -> schemas.Schema:
    made = plan(document, **more)
    return schemas.Schema(made, schemas.compiled(made.text))


def call(document, format_="OpenAIChat") -> Call:
    text = json.dumps(document).encode()
    return Call(format_, "m", False, True, document, [], Counter(), text)


def answer(*texts: str) -> bytes:
    choices = [
        {"index": n, "message": {"role": "assistant", "content": text}}
        for n, text in enumerate(texts)
    ]
    return json.dumps({"id": "c", "choices": choices}).encode()


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ({"list": [0, {"a/b~": "x"}]}, None),
        ({"list": [{"a/b~": 1}]}, None),
        ({"list": [0, {}, {"a/b~": 1}]}, "/list/2/a~1b~0"),
        ({"x-planted": "y"}, ""),
        ({"planted-0000-key": 1}, ""),
        ([], None),
    ],
)
def test_the_place_is_said_in_the_schemas_own_names(value, place) -> None:
    assert schema(TOOLS).validator.violation(value) == place


def test_a_large_body_is_refused_without_an_error_for_each_item() -> None:
    """A hundred thousand items, each wrong in each branch; the answer stays one line."""
    branches = schema(
        {"properties": {"a": {"anyOf": [{"items": {"type": "null"}}, {"type": "null"}]}}}
    )
    verdicts: list = []
    refused = schemas.judge_request(call({"a": ["planted"] * 100_000}), [branches], verdicts)
    assert refused is not None
    assert (refused.status, refused.message) == (422, "The request does not fit schema s at /a.")
    assert [each.found for each in verdicts] == [(("Violation", 1),)]


def test_every_schema_is_asked_and_the_first_refusal_counts() -> None:
    asked = [schema({"not": {}}, name=name, enforced=name != "a") for name in "abc"]
    verdicts: list = []
    refused = schemas.judge_request(call({}), asked, verdicts)
    assert refused is not None
    assert "schema b at its top" in refused.message
    assert [(each.guard, each.action) for each in verdicts] == [
        ("a", "Audit"),
        ("b", "Block"),
        ("c", "Block"),
    ]


def test_a_long_search_in_a_text_takes_linear_time() -> None:
    pattern = schema({"pattern": "^(x+x+)+y$"})
    assert (
        schemas.judge_answer("OpenAIChat", answer(json.dumps("x" * 1_000_000)), [pattern], [])
        is not None
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", None),
        ("1" * 100, None),
        ("", "and is no JSON"),
        ("```json\n{}\n```", "and is no JSON"),
        ('{"a": 1, "a": 2}', "and is no JSON"),
        ("NaN", "and is no JSON"),
        ("[" * 100_000, "and is no JSON"),
        ("1" * 10_000, "and is no JSON"),
        ("[" * 300 + "]" * 300, None),
        ("1e999", "at its top"),
        ('"\\ud800"', "at its top"),
    ],
)
def test_odd_answers(text, message) -> None:
    loose = schema({"type": ["object", "array", "integer", "string"]})
    refused = schemas.judge_answer("OpenAIChat", answer("{}", text), [loose], [])
    assert (refused and refused.message) == (
        message and f"The model's answer does not fit schema s {message}."
    )


def test_a_schema_that_cannot_be_compiled_is_named_and_the_old_plans_stay() -> None:
    bad = SchemaPlan(name="s", policy="ns/p", text='{"type": "strin"}', enforced=True)
    host = VirtualHostPlan(
        name="host", gateway="ns/ai", listener="l", guards=(Guards(response_schemas=(bad,)),)
    )
    with pytest.raises(UnusablePlanError, match="vh/host"):
        compile_update(Snapshot(), harness.update(host))


def test_equal_schemas_are_compiled_once() -> None:
    levels = [
        pipeline.compile_level(Guards(request_schemas=(plan({"maxItems": 5}),)), {})
        for _ in range(2)
    ]
    first, second = (level.request_schemas[0].validator for level in levels)
    assert first is second
