"""The three kinds on a real API server: what it takes, what it refuses, and what people see of it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from crds.meta import API_VERSION
from crds.schema import DEFINITIONS
from tests.crds.test_load import INVALID, OURS, text_of
from tests.crds.test_rules import CASES
from tests.kubernetes.cluster import ClusterError

CRDS = Path(__file__).parents[2] / "crds"
KINDS = {each.kind: each.plural for each in DEFINITIONS}
WRONG = [case for case in INVALID if set(OURS) & set(case)]
"""What `dragoman run` refuses in files of our kinds, the server has to refuse as well."""
BROKEN = [(case, n) for case in CASES for n in range(len(case["breaks"]))]
BASIC = {
    "AIBackend": {"provider": "OpenAI", "auth": {"type": "None"}},
    "AIRoute": {"parentRefs": [{"name": "ai"}], "rules": [{"name": "all", "backendRefs": [{"name": "openai"}]}]},
    "AIPolicy": {"targetRefs": [{"group": "dragoman.dev", "kind": "AIRoute", "name": "chat"}], "request": {"maxBodySize": "1Mi"}},
}  # fmt: skip


def written(kind: str, name: str, spec: dict[str, Any]) -> str:
    return yaml.safe_dump(
        {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec}
    )


def refusals(cluster, documents: list[str]) -> list[str]:
    """What kubectl says of each document, none of which may pass; one call for all of them."""
    command = ("create", "--dry-run=server", "--namespace=default", "--filename=-")
    with pytest.raises(ClusterError) as said:
        cluster.kubectl(*command, stdin="\n---\n".join(documents))
    blocks = re.split(r"^(?=The AI|Error from server)", said.value.output, flags=re.MULTILINE)
    assert blocks[0] == "", "something was accepted"
    return blocks[1:]


@pytest.fixture(scope="module")
def told_of_broken(cluster) -> dict[tuple[str, int], str]:
    specs = [(case["kind"], case["breaks"][n]) for case, n in BROKEN]
    documents = [written(kind, f"b{i}", spec) for i, (kind, spec) in enumerate(specs)]
    keys = [(case["message"], n) for case, n in BROKEN]
    return dict(zip(keys, refusals(cluster, documents), strict=True))


@pytest.fixture(scope="module")
def told_of_wrong(cluster) -> dict[str, str]:
    said = refusals(cluster, [text_of(case) for case in WRONG])
    return dict(zip([case["name"] for case in WRONG], said, strict=True))


@pytest.mark.parametrize(("case", "number"), BROKEN, ids=lambda v: v["message"] if isinstance(v, dict) else v)  # fmt: skip
def test_a_broken_rule_is_said_with_its_message(told_of_broken, case, number) -> None:
    said = told_of_broken[case["message"], number]
    assert case["message"] in said
    assert f'{case["kind"]}.dragoman.dev "b' in said
    assert said.count("Invalid value") == 1, "only this rule speaks"


@pytest.mark.parametrize("case", WRONG, ids=lambda case: case["name"])
def test_a_wrong_field_is_named(told_of_wrong, case) -> None:
    said = told_of_wrong[case["name"]]
    paths = [line.split(": ")[2] for line in case["broken"]]
    assert any(path in said or "(not a name)" in path for path in paths), said


def test_whatever_keeps_the_rules_is_taken(cluster) -> None:
    cases = [(case["kind"], spec) for case in CASES for spec in case["keeps"]]
    documents = [written(kind, f"k{i}", spec) for i, (kind, spec) in enumerate(cases)]
    command = ("create", "--dry-run=server", "--namespace=default", "--filename=-", "--output=name")
    taken = cluster.kubectl(*command, stdin="\n---\n".join(documents)).split()
    assert len(taken) == len(cases) > 30


@pytest.mark.parametrize("how", [(), ("--server-side",)], ids=["client-side", "server-side"])
def test_the_definitions_themselves_apply(cluster, how) -> None:
    said = cluster.kubectl("apply", "--dry-run=server", *how, "--filename", CRDS)
    assert said.count("customresourcedefinition") == len(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_object_is_pending(kubectl, namespace, kind) -> None:
    kubectl("create", "-n", namespace, "-f", "-", stdin=written(kind, "new", BASIC[kind]))
    made = json.loads(kubectl("get", KINDS[kind], "new", "-n", namespace, "-o", "json"))
    (condition,) = made["status"]["conditions"]
    assert condition["type"] == "Ready"
    assert (condition["status"], condition["reason"]) == ("Unknown", "Pending")
    assert condition["message"]


@pytest.mark.parametrize("kind", KINDS)
def test_status_is_written_apart(kubectl, namespace, kind) -> None:
    kubectl("create", "-n", namespace, "-f", "-", stdin=written(kind, "a", BASIC[kind]))
    ready = {"type": "Ready", "status": "True", "reason": "Live", "message": "", "observedGeneration": 1,
             "lastTransitionTime": "2026-01-01T00:00:00Z"}  # fmt: skip
    patch = json.dumps({"status": {"conditions": [ready]}, "spec": {"nonsense": 1}})
    kubectl("patch", KINDS[kind], "a", "-n", namespace, "--subresource=status", "--type=merge", "-p", patch)  # fmt: skip
    made = json.loads(kubectl("get", KINDS[kind], "a", "-n", namespace, "-o", "json"))
    assert made["metadata"]["generation"] == 1
    assert made["status"]["conditions"] == [ready]
    kubectl("wait", f"{KINDS[kind]}/a", "-n", namespace, "--for=condition=Ready", "--timeout=5s")


@pytest.mark.parametrize("how", [(), ("--server-side",)], ids=["client-side", "server-side"])
def test_applied_again_nothing_changes(kubectl, namespace, how) -> None:
    """The first update after the creation stores the default status, which a creation only shows."""
    documents = "\n---\n".join(written(kind, "a", spec) for kind, spec in BASIC.items())
    for _ in range(2):
        kubectl("apply", *how, "-n", namespace, "-f", "-", stdin=documents)
    versions = ("get", "ai", "-n", namespace, "-o", "jsonpath={.items[*].metadata.resourceVersion}")
    before = kubectl(*versions)
    kubectl("apply", *how, "-n", namespace, "-f", "-", stdin=documents)
    assert kubectl(*versions) == before
    assert kubectl("diff", *how, "-n", namespace, "-f", "-", stdin=documents) == ""


def test_two_owners_of_one_route_keep_their_rules(kubectl, namespace) -> None:
    apply = ("apply", "--server-side", "-n", namespace, "-f", "-")
    route = BASIC["AIRoute"]
    other = {"rules": [{"name": "other", "backendRefs": [{"name": "claude"}]}]}
    kubectl(*apply, "--field-manager=one", stdin=written("AIRoute", "both", route))
    kubectl(*apply, "--field-manager=two", stdin=written("AIRoute", "both", other))
    names = kubectl("get", "air/both", "-n", namespace, "-o", "jsonpath={.spec.rules[*].name}")
    assert names.split() == ["all", "other"]


def test_get_ai_reads_well(kubectl, namespace) -> None:
    for kind, spec in BASIC.items():
        kubectl("create", "-n", namespace, "-f", "-", stdin=written(kind, kind.lower(), spec))
    rows = [line.split() for line in kubectl("get", "ai", "-A").splitlines()]
    heads = [row for row in rows if row[:1] == ["NAMESPACE"]]
    assert len(heads) == len(KINDS)
    assert all("READY" in head and head[-1] == "AGE" for head in heads)
    ours = {
        row[1].partition("/")[0].partition(".")[0]: row for row in rows if row[:1] == [namespace]
    }
    assert set(ours) == {kind.lower() for kind in KINDS}
    assert all("Unknown" in row for row in ours.values())
    assert ours["aibackend"][2] == "OpenAI"


@pytest.mark.parametrize("kind", KINDS)
def test_explain_has_a_word_on_every_field(cluster, kind) -> None:
    """`kubectl explain` prints the descriptions that the server publishes."""
    published = json.loads(cluster.kubectl("get", "--raw", f"/openapi/v3/apis/{API_VERSION}"))
    (schema,) = (
        found
        for name, found in published["components"]["schemas"].items()
        if name.endswith(f".{kind}")
    )
    assert [where for where in undescribed(schema, kind) if "metadata" not in where] == []


def undescribed(schema: dict[str, Any], where: str) -> list[str]:
    inner = {f"{where}.{name}": found for name, found in schema.get("properties", {}).items()}
    found = [name for name, field in inner.items() if not field.get("description", "").strip()]
    for name, field in inner.items():
        found += undescribed(field.get("items", field), name)
    return found


def test_explain_follows_a_path_of_fields(kubectl) -> None:
    for path, words in {
        "aipolicy.spec.request.guards.action": ("Block", "Redact", "Audit"),
        "airoute.spec.rules.timeouts": ("firstByte", "streamIdle"),
        "aibackend.spec.auth": ("secretRef", "APIKey"),
    }.items():
        said = kubectl("explain", path)
        assert "DESCRIPTION" in said
        assert all(word in said for word in words), said
