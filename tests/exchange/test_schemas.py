"""Hostile bodies against schemas: no place names what only the caller knows, and no size explodes."""

import json
from collections import Counter

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

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
        ({"x-planted": "y"}, "/*"),
        ({"planted-0000-key": 1}, ""),
        ([], None),
    ],
)
def test_the_place_is_said_in_the_schemas_own_names(value, place) -> None:
    assert schema(TOOLS).validator.violation(value) == place


@pytest.mark.parametrize(
    ("document", "value", "place"),
    [
        ({"anyOf": [{"items": {"type": "null"}}, {"type": "null"}]}, ["planted"] * 100_000, "/a"),
        ({"items": {"oneOf": [{"type": "null"}] * 9}}, [["x"]] * 100_000, "/a/0"),
    ],
)
def test_a_large_body_is_refused_without_an_error_for_each_item(document, value, place) -> None:
    """A hundred thousand items, each wrong in each branch; what is kept of the failure is small."""
    branches = schema({"properties": {"a": document}}, name="s")
    error: list = []
    try:
        branches.validator.compiled.validate({"a": value})
    except jsonschema_rs.ValidationError as failure:
        error.append(failure.kind)
    assert isinstance(error[0], jsonschema_rs.ValidationErrorKind.Not)
    verdicts: list = []
    refused = schemas.judge_request(call({"a": value}), [branches], verdicts)
    assert refused is not None
    assert (refused.status, refused.message) == (
        422,
        f"The request does not fit schema s at {place}.",
    )
    assert [each.found for each in verdicts] == [(("Violation", 1),)]


@pytest.mark.parametrize("keyword", ["anyOf", "oneOf"])
@given(data=st.data())
def test_what_stands_behind_a_double_not_means_the_same(keyword, data) -> None:
    """Branches beside others, in definitions, as names of properties and as values."""
    branches = st.lists(
        st.sampled_from([{"type": "object"}, {"minimum": 2}, {"required": ["a"]}]), min_size=1
    )
    document = {
        keyword: data.draw(branches),
        "allOf": data.draw(st.sampled_from([[], [{"type": ["object", "integer"]}]])),
        "properties": {keyword: {"const": {keyword: [1]}}, "a": {"$ref": "#/$defs/d"}},
        "$defs": {"d": {keyword: data.draw(branches)}},
    }
    if not document["allOf"]:
        del document["allOf"]
    inner = st.sampled_from([1, 3, "x", {}, {"a": 1}, {keyword: [1]}])
    value = data.draw(
        st.one_of(inner, st.fixed_dictionaries({}, optional={"a": inner, keyword: inner}))
    )
    plainly = jsonschema_rs.validator_for(document).is_valid(value)
    assert (schema(document).validator.violation(value) is None) == plainly


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
