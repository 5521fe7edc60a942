"""The generated CRDs: up to date, structural, bounded, and described."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from crds import schema
from crds.schema import DEFINITIONS, definition, files

ROOTS = {
    each.kind: definition(each)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    for each in DEFINITIONS
}
ALLOWED = {
    "type", "description", "properties", "required", "items", "enum", "pattern", "format", "default",
    "minLength", "maxLength", "minimum", "maximum", "minItems", "maxItems",
    "x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-validations",
}  # fmt: skip


def nodes(node: dict[str, Any], where: str) -> Iterator[tuple[str, dict[str, Any]]]:
    yield where, node
    for name, inner in node.get("properties", {}).items():
        yield from nodes(inner, f"{where}.{name}")
    if "items" in node:
        yield from nodes(node["items"], f"{where}[]")


def every_node() -> list[tuple[str, dict[str, Any]]]:
    return [found for kind, root in ROOTS.items() for found in nodes(root, kind)]


def test_files_are_up_to_date(capsys) -> None:
    assert schema.main(["--check"]) == 0
    for path, text in files().items():
        assert path.read_text() == text


def test_check_tells_of_a_stale_file_in_one_line(monkeypatch, tmp_path, capsys) -> None:
    stale = tmp_path / "dragoman.dev_airoutes.yaml"
    stale.write_text("old\n")
    monkeypatch.setattr(schema, "files", lambda: {stale: "new\n"})
    assert schema.main(["--check"]) == 1
    assert capsys.readouterr().err == "stale: dragoman.dev_airoutes.yaml; run `make crds`\n"
    assert schema.main([]) == 0
    assert stale.read_text() == "new\n"


def test_it_is_plain_yaml_without_aliases_and_small_enough_for_kubectl_apply() -> None:
    for text in files().values():
        assert "&id" not in text
        assert len(text) < 256 * 1024
        assert yaml.safe_load(text)["kind"] == "CustomResourceDefinition"


def test_only_structural_words() -> None:
    for where, node in every_node():
        assert set(node) <= ALLOWED, where
        assert node["type"] in {"object", "array", "string", "integer"}, where


def test_everything_is_bounded_and_described() -> None:
    for where, node in every_node():
        if where.count(".") <= 1 and where.endswith((".apiVersion", ".kind", ".metadata")):
            continue
        match node:
            case {"type": "string"}:
                assert {"maxLength", "enum", "format"} & set(node), where
            case {"type": "array"}:
                assert "maxItems" in node, where
            case {"type": "integer"}:
                assert "minimum" in node, where
            case {"type": "object"}:
                assert "properties" in node, where
        assert node.get("description") or where.endswith("[]"), where


def test_list_types() -> None:
    for where, node in every_node():
        if node["type"] != "array":
            continue
        kind = node["x-kubernetes-list-type"]
        keys = node.get("x-kubernetes-list-map-keys", [])
        assert (kind == "map") == bool(keys), where
        assert set(keys) <= set(node["items"].get("required", [])), where
        if node["items"]["type"] == "object":
            assert kind != "set", where


@pytest.mark.parametrize(
    ("kind", "field"),
    [("AIRoute", "rules"), ("AIBackend", "models")],
)
def test_named_lists_merge_by_name(kind, field) -> None:
    node = ROOTS[kind]["properties"]["spec"]["properties"][field]
    assert node["x-kubernetes-list-map-keys"] == ["name"]


def test_field_paths_of_rules_exist() -> None:
    for where, node in every_node():
        for rule in node.get("x-kubernetes-validations", ()):
            field = rule.get("fieldPath", "").removeprefix(".")
            assert not field or field in node["properties"], (where, rule)
            assert "{" not in rule["message"]


def test_a_new_object_is_pending() -> None:
    for root in ROOTS.values():
        status = root["properties"]["status"]
        (condition,) = status["default"]["conditions"]
        assert (condition["type"], condition["status"], condition["reason"]) == (
            "Ready",
            "Unknown",
            "Pending",
        )
        assert "observedGeneration" in status["properties"]
    assert "parents" in ROOTS["AIRoute"]["properties"]["status"]["properties"]
    assert "ancestors" in ROOTS["AIPolicy"]["properties"]["status"]["properties"]


def test_names_and_columns() -> None:
    for each in DEFINITIONS:
        made = definition(each)["spec"]
        columns = [c["name"] for c in made["versions"][0]["additionalPrinterColumns"]]
        assert len(columns) <= 6
        assert {"Ready", "Reason"} < set(columns)
        assert columns[-1] == "Age"
        assert made["scope"] == "Namespaced"
        assert made["names"]["categories"] == ["ai"]
    assert [each.short for each in DEFINITIONS] == ["air", "aip", "aib"]
