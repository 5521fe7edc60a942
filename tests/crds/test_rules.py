"""Every cross-field rule both ways: its CEL text and its Python twin judge the same documents alike."""

import copy
import ipaddress
from pathlib import Path
from typing import Any

import cel
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from crds.explain import explain, models_in
from crds.meta import Model
from crds.objects import path
from crds.schema import DEFINITIONS, spec

MODELS = {each.kind: each.model for each in DEFINITIONS}
SCHEMAS = {kind: spec(model) for kind, model in MODELS.items()}
CASES = yaml.safe_load((Path(__file__).parent / "rules.yaml").read_text())


def defaulted(schema: dict[str, Any], value: Any) -> Any:
    """What the API server makes of a document before it evaluates CEL."""
    if schema["type"] == "array":
        return [defaulted(schema["items"], item) for item in value]
    if schema["type"] != "object":
        return value
    made = dict(value)
    for name, inner in schema["properties"].items():
        if name not in made and "default" in inner:
            made[name] = copy.deepcopy(inner["default"])
        if name in made:
            made[name] = defaulted(inner, made[name])
    return made


def is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def cel_failures(schema: dict[str, Any], value: Any, where: tuple = ()) -> list[tuple[str, str]]:
    """Field path and message of every rule the document breaks, judged by CEL alone."""
    found = []
    for rule in schema.get("x-kubernetes-validations", ()):
        context = cel.Context({"self": value})
        context.add_function("isIP", is_ip)
        verdict = cel.evaluate(rule["rule"], context)
        assert isinstance(verdict, bool), rule
        if not verdict:
            field = rule.get("fieldPath", "").removeprefix(".")
            found.append((path((*where, *([field] if field else []))), rule["message"]))
    if schema["type"] == "array":
        for index, item in enumerate(value):
            found += cel_failures(schema["items"], item, (*where, index))
    elif schema["type"] == "object":
        for name, inner in value.items():
            found += cel_failures(schema["properties"][name], inner, (*where, name))
    return found


def python_failures(model: type[Model], value: Any) -> list[tuple[str, str]]:
    try:
        model.model_validate(value, by_name=False)
    except ValidationError as error:
        return [(path(where), text) for where, text in explain(error, model)]
    return []


def all_rules(model: type[Model]) -> set[str]:
    inner = {m for field in model.model_fields.values() for m in models_in(field.annotation)}
    return {rule.message for rule in model.RULES}.union(*(all_rules(m) for m in inner))


def test_every_rule_has_a_case() -> None:
    written = set().union(*(all_rules(model) for model in MODELS.values()))
    assert {case["message"] for case in CASES} == written


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["message"])
def test_documents_that_keep_the_rule(case) -> None:
    for document in case["keeps"]:
        whole = defaulted(SCHEMAS[case["kind"]], document)
        assert cel_failures(SCHEMAS[case["kind"]], whole) == []
        assert python_failures(MODELS[case["kind"]], document) == []


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["message"])
def test_documents_that_break_it(case) -> None:
    for document in case["breaks"]:
        whole = defaulted(SCHEMAS[case["kind"]], document)
        by_cel = cel_failures(SCHEMAS[case["kind"]], whole)
        assert [message for _, message in by_cel] == [case["message"]]
        assert python_failures(MODELS[case["kind"]], document) == by_cel


def test_defaults_of_models_and_schema_agree() -> None:
    for case in CASES:
        for document in case["keeps"]:
            model, schema = MODELS[case["kind"]], SCHEMAS[case["kind"]]
            from_model = model.model_validate(document).model_dump(by_alias=True, mode="json")
            whole = defaulted(schema, document)
            assert model.model_validate(whole).model_dump(by_alias=True, mode="json") == from_model


def choice(*values: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(values)


guards = st.fixed_dictionaries(
    {
        "name": choice("a"),
        "type": choice("PII", "Secrets", "PromptInjection", "Keywords"),
        "action": choice("Block", "Redact", "Label", "Audit"),
    },
    optional={
        "entities": choice([], ["Email"]),
        "words": choice([], ["x"]),
        "configMapRef": choice({"name": "c", "key": "k"}),
        "threshold": choice("0.5", "1.0"),
        "label": choice({"name": "pii", "value": "true"}),
    },
)
schemas = choice([], [{"name": "a", "configMapRef": {"name": "c", "key": "k"}}])
sides = st.fixed_dictionaries(
    {}, optional={"guards": st.lists(guards, max_size=1), "schemas": schemas}
)
policies = st.fixed_dictionaries(
    {
        "targetRefs": st.lists(
            st.fixed_dictionaries(
                {
                    "group": choice("dragoman.dev", "gateway.networking.k8s.io"),
                    "kind": choice("AIRoute", "Gateway"),
                    "name": choice("r"),
                }
            ),
            min_size=1,
            max_size=2,
        )
    },
    optional={
        "request": sides,
        "response": sides,
        "authorization": choice(
            [],
            [
                {
                    "name": "a",
                    "labels": [{"name": "pii", "value": "true"}],
                    "backends": [{"name": "b"}],
                }
            ],
        ),
    },
)
durations = choice("0s", "1s", "1000ms", "1m", "59s1000ms", "1h0m0s", "61m")
rules = st.fixed_dictionaries(
    {
        "name": choice("a"),
        "backendRefs": st.lists(
            st.fixed_dictionaries({"name": choice("b")}, optional={"weight": choice(0, 1)}),
            min_size=1,
            max_size=3,
        ),
    },
    optional={
        "format": choice("Generic"),
        "selection": choice("Weighted", "LowestCost"),
        "stickiness": st.fixed_dictionaries(
            {"by": choice("Header", "Cookie", "User", "Conversation")},
            optional={"name": choice("x-tenant", "X-Tenant", "x-dragoman-a")},
        ),
        "retry": st.fixed_dictionaries(
            {"attempts": choice(0, 1)},
            optional={
                "budget": st.fixed_dictionaries(
                    {"percent": choice(0, 20)}, optional={"perSecond": choice(0, 1)}
                )
            },
        ),
        "timeouts": st.fixed_dictionaries(
            {},
            optional=dict.fromkeys(("request", "attempt", "firstByte", "streamIdle"), durations),
        ),
        "matches": st.lists(
            st.fixed_dictionaries(
                {},
                optional={
                    "model": choice({"value": "m"}),
                    "headers": choice([], [{"name": "x-dragoman-a", "value": "b"}]),
                    "path": choice({"value": "/v1"}),
                    "labels": choice([], [{"name": "pii", "value": "true"}]),
                },
            ),
            max_size=2,
        ),
    },
)


def assert_twins_agree(kind: str, document: dict[str, Any]) -> None:
    """Rules of inner parts hide those of outer ones in Python, so then only the former compare."""
    by_cel = cel_failures(SCHEMAS[kind], defaulted(SCHEMAS[kind], document))
    by_python = python_failures(MODELS[kind], document)
    assert bool(by_cel) == bool(by_python), (by_cel, by_python)
    assert set(by_python) <= set(by_cel)


@given(policies)
def test_twins_agree_on_any_policy(document) -> None:
    assert_twins_agree("AIPolicy", document)


@given(rules)
def test_twins_agree_on_any_rule(rule) -> None:
    assert_twins_agree("AIRoute", {"parentRefs": [{"name": "g"}], "rules": [rule]})
