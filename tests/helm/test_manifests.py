"""What the recorded manifests promise: valid, hardened, and with no more rights than are needed.

Without helm: the recorded output is what helm renders, which test_helm.py holds true.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import kubernetes_validate
import pytest
import yaml

from controller.dataplane import parameters
from controller.metrics import Metrics as ControllerMetrics
from controller.settings import PRIVATE_ADDRESSES
from ext_proc.metrics import Metrics as GuardMetrics
from tests.helm import rendering

FOREIGN = ("cert-manager.io/", "monitoring.coreos.com/", "gateway.networking.k8s.io/")
OURS = "dragoman.dev"


def objects(case: str) -> list[dict[str, Any]]:
    return [each for each in yaml.safe_load_all(rendering.golden(case).read_text()) if each]


def found(case: str, kind: str) -> list[dict[str, Any]]:
    return [each for each in objects(case) if each["kind"] == kind]


@pytest.mark.parametrize("case", rendering.CASES)
def test_every_manifest_is_valid(case: str) -> None:
    """Against the schemas of two Kubernetes versions; other people's kinds are for the real server."""
    for each in objects(case):
        if not each["apiVersion"].startswith(FOREIGN):
            for version in ("1.30", "1.37"):
                kubernetes_validate.validate(each, version, strict=True)


@pytest.mark.parametrize("case", rendering.CASES)
def test_pods_are_hardened(case: str) -> None:
    pods = [each["spec"]["template"]["spec"] for each in found(case, "Deployment")]
    pods += [each["spec"] for each in found(case, "Pod")]
    assert len(pods) == 2
    for pod in pods:
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] == 65532
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert set(container["resources"]["requests"]) == {"cpu", "memory"}
            assert set(container["resources"]["limits"]) == {"memory"}


@pytest.mark.parametrize("case", rendering.CASES)
def test_no_right_is_a_star(case: str) -> None:
    for role in [*found(case, "ClusterRole"), *found(case, "Role")]:
        for rule in role["rules"]:
            assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]


@pytest.mark.parametrize("case", rendering.CASES)
def test_rights_on_secrets_are_those_of_provisioning(case: str) -> None:
    """Read, created, patched and deleted one by one; cluster-wide only without watchNamespaces."""
    for role in [*found(case, "ClusterRole"), *found(case, "Role")]:
        for rule in role["rules"]:
            if "secrets" in rule["resources"]:
                assert set(rule["verbs"]) <= {"get", "list", "watch", "create", "patch", "delete"}
                assert rule["resources"] == ["secrets"]
                assert role["kind"] == "Role" or case != "watch-namespaces"


@pytest.mark.parametrize("case", rendering.CASES)
def test_tokens_of_service_accounts_are_had_by_name_or_not_at_all(case: str) -> None:
    """None by default; whoever could ask for any would be anyone."""
    named = {"everything-on": ["llm", "llm-batch"], "watch-namespaces": ["llm"]}
    rules = [
        rule
        for role in [*found(case, "ClusterRole"), *found(case, "Role")]
        for rule in role["rules"]
        if "serviceaccounts/token" in rule["resources"]
    ]
    assert bool(rules) == (case in named)
    for rule in rules:
        assert rule["resources"] == ["serviceaccounts/token"]
        assert rule["verbs"] == ["create"]
        assert rule["resourceNames"] == named[case]


def test_watched_namespaces_get_roles_and_the_cluster_almost_nothing() -> None:
    roles = {
        (each["metadata"]["namespace"], each["metadata"]["name"])
        for each in found("watch-namespaces", "Role")
    }
    assert roles == {
        ("team-a", "dragoman-controller"),
        ("team-b", "dragoman-controller"),
        ("dragoman-system", "dragoman-controller-home"),
    }
    bound = [each["roleRef"]["name"] for each in found("watch-namespaces", "ClusterRoleBinding")]
    assert bound == ["dragoman-controller-cluster"]


def test_the_built_in_roles_get_what_is_theirs() -> None:
    """edit writes AIRoute, admin also AIPolicy, nobody AIBackend; view reads all three and no Secret."""
    writes = {"create", "update", "patch", "delete", "deletecollection"}
    given: dict[str, Any] = {}
    for role in found("default", "ClusterRole"):
        for label in role["metadata"]["labels"]:
            if label.startswith("rbac.authorization.k8s.io/aggregate-to-"):
                given[label.rpartition("-")[2]] = role["rules"]
    rule = {"apiGroups": [OURS]}
    kinds = ["airoutes", "aipolicies", "aibackends"]
    assert given.pop("view") == [rule | {"resources": kinds, "verbs": ["get", "list", "watch"]}]
    assert {name: [each["resources"] for each in rules] for name, rules in given.items()} == {
        "edit": [["airoutes"]],
        "admin": [["aipolicies"]],
    }
    assert all(set(each["verbs"]) == writes for rules in given.values() for each in rules)


@pytest.mark.parametrize(
    ("case", "cidrs", "ports"),
    [
        ("default", ["0.0.0.0/0", "::/0"], [443]),
        ("everything-on", ["203.0.113.0/24"], [443, 8443]),
        ("existing-secret", None, None),
    ],
)
def test_the_controller_reaches_token_endpoints_wherever_the_api_server_is(
    case, cidrs, ports
) -> None:
    policy, *_ = found(case, "NetworkPolicy")
    rules = policy["spec"]["egress"][2:]
    assert len(rules) == (cidrs is not None)
    for rule in rules:
        assert [peer["ipBlock"]["cidr"] for peer in rule["to"]] == cidrs
        assert [each["port"] for each in rule["ports"]] == ports


def test_data_planes_reach_no_metadata_server() -> None:
    policies = [
        each
        for each in found("everything-on", "NetworkPolicy")
        if each["metadata"]["name"] == "gateways-data-plane"
    ]
    assert {each["metadata"]["namespace"] for each in policies} == {
        "dragoman-system",
        "ai-platform",
    }
    for policy in policies:
        assert policy["spec"]["policyTypes"] == ["Egress"]
        blocks = [
            peer["ipBlock"]
            for rule in policy["spec"]["egress"]
            for peer in rule.get("to", [])
            if "ipBlock" in peer
        ]
        refused = {network for block in blocks for network in block["except"]}
        assert {"169.254.0.0/16", "127.0.0.0/8", "fe80::/10", "fd00:ec2::/32"} <= refused
        assert refused <= set(PRIVATE_ADDRESSES), "both fences stand at the same place"


def test_a_digest_wins_over_a_tag() -> None:
    container = found("everything-on", "Deployment")[0]["spec"]["template"]["spec"]["containers"][0]
    assert container["image"] == f"mirror/dragoman/controller@sha256:{'a' * 64}"


@pytest.mark.parametrize("case", rendering.CASES)
def test_the_controller_understands_the_data_plane_defaults(case: str) -> None:
    """The same fields as the controller's, and with the chart's own values the same defaults."""
    (document,) = [
        each["data"]["dataPlane.yaml"]
        for each in found(case, "ConfigMap")
        if each["metadata"]["name"].endswith("-data-plane")
    ]
    read = parameters.parameters(("values", document))
    assert isinstance(read, parameters.Parameters), read
    if case == "default":
        assert yaml.safe_load(document) == read.model_dump(mode="json", by_alias=True)
        assert read == parameters.Parameters()


def names_in(node: Any) -> Iterator[str]:
    """Metric names in every `expr`."""
    match node:
        case {"expr": str(text), **rest}:
            yield from re.findall(r"\b(?:dragoman|gen_ai)_\w+(?=[\[{)\s]|$)", text)
            yield from names_in(rest)
        case dict():
            for value in node.values():
                yield from names_in(value)
        case list():
            for value in node:
                yield from names_in(value)


def test_alerts_and_dashboard_speak_of_metrics_that_exist() -> None:
    files = rendering.CHART / "files"
    asked = set(names_in(yaml.safe_load((files / "alerts.yaml").read_text())))
    asked |= set(names_in(json.loads((files / "dashboard.json").read_text())))
    known: set[str] = set()
    for registry in (ControllerMetrics().registry, GuardMetrics().registry):
        for family in registry.collect():
            known |= {family.name + end for end in ("", "_total", "_sum", "_count", "_bucket")}
    assert len(asked) > 8
    assert asked - known - {"gen_ai_token_type"} == set()


def test_the_schema_knows_every_value_and_no_other() -> None:
    """Whatever has a default can be set, and what can be set has a default."""

    def walk(values: Any, schema: Any, where: str) -> None:
        properties = schema.get("properties")
        if properties is None:
            return
        assert schema["additionalProperties"] is False, where
        assert set(values) == set(properties) - {"global"}, where
        for name, value in values.items():
            walk(value, properties[name], f"{where}.{name}")

    values = yaml.safe_load((rendering.CHART / "values.yaml").read_text())
    values["certificates"]["certManager"].pop("issuerRef")
    schema = json.loads((rendering.CHART / "values.schema.json").read_text())
    issuer = schema["properties"]["certificates"]["properties"]["certManager"]["properties"]
    assert issuer.pop("issuerRef")["additionalProperties"] is False
    walk(values, schema, "values")


def test_the_readmes_are_those_of_the_values() -> None:
    made = subprocess.run(
        [sys.executable, "helm/readme.py", "--check"],
        cwd=rendering.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr


def test_every_value_is_described() -> None:
    """A comment above the key or above a key it belongs to."""
    rows = set(
        re.findall(r"^\| `([\w.]+)` \|", (rendering.CHART / "README.md").read_text(), re.MULTILINE)
    )

    def undescribed(node: Any, path: str) -> Iterator[str]:
        for name, value in node.items():
            here = f"{path}.{name}".lstrip(".")
            if here in rows and here != "dataPlane":
                continue
            if isinstance(value, dict) and value:
                yield from undescribed(value, here)
            else:
                yield here

    values = yaml.safe_load((rendering.CHART / "values.yaml").read_text())
    assert list(undescribed(values, "")) == []
