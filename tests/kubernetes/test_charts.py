"""The charts on a real API server: accepted, installed, upgraded, rolled back, and no right too many."""

import subprocess
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.helm import rendering

pytestmark = pytest.mark.kubernetes

ABSENT = ("cert-manager.io/", "monitoring.coreos.com/")
"""Kinds that no server here has; tests/helm renders them."""
NAMESPACES = ("dragoman-system", "team-a", "team-b", "ai-platform", "quickstart")
CLASS = "charts"
PATIENCE_S = 60


class Tools:
    """kubectl and helm for one cluster."""

    def __init__(self, kubeconfig: Path) -> None:
        self.kubeconfig = kubeconfig

    def run(self, tool: str, *arguments: str | Path, stdin: str = "") -> str:
        command = [str(rendering.programs() / tool), "--kubeconfig", str(self.kubeconfig)]
        done = subprocess.run(
            [*command, *map(str, arguments)],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def kubectl(self, *arguments: str | Path, **more: Any) -> str:
        return self.run("kubectl", *arguments, **more)

    def helm(self, *arguments: str | Path) -> str:
        return self.run("helm", *arguments)

    def may(self, who: str, actions: Iterable[str], *namespaces: str) -> set[tuple[str, str]]:
        """Which actions ("verb kind.group/subresource:name") are allowed in which namespaces."""
        asked = [(action, namespace) for namespace in namespaces for action in actions]
        reviews = [_review(who, action, namespace) for action, namespace in asked]
        text = self.kubectl("create", "-f", "-", "-o", "yaml", stdin=yaml.safe_dump_all(reviews))
        answers = yaml.safe_load_all(text)
        return {
            each for each, seen in zip(asked, answers, strict=True) if seen["status"]["allowed"]
        }


def _review(who: str, action: str, namespace: str) -> dict[str, Any]:
    verb, _, what = action.partition(" ")
    what, _, name = what.partition(":")
    kind, _, subresource = what.partition("/")
    resource, _, group = kind.partition(".")
    attributes = {"verb": verb, "resource": resource, "group": group, "namespace": namespace}
    attributes |= {"subresource": subresource, "name": name}
    return {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": who, "resourceAttributes": attributes},
    }


@pytest.fixture(scope="module")
def tools(kubeconfig):
    made = Tools(kubeconfig)
    for name in NAMESPACES:
        text = f"{{apiVersion: v1, kind: Namespace, metadata: {{name: {name}}}}}"
        made.kubectl("apply", "--server-side", "-f", "-", stdin=text)
    install_crds(made)
    return made


def install_crds(tools: Tools) -> None:
    """Over definitions that are there already, as from plain manifests to the chart."""
    tools.helm(
        *("upgrade", "--install", "dragoman-crds", rendering.CRDS, "--namespace=dragoman-system"),
        *("--take-ownership", "--force-conflicts", "--wait"),
    )


@pytest.fixture
def release(tools, request):
    """Installs the main chart beside whatever else there is, and uninstalls it."""
    installed: list[str] = []

    def install(name: str, *settings: str) -> str:
        installed.append(name)
        tools.helm("install", name, rendering.CHART, *place(name), *settings)
        return f"system:serviceaccount:team-a:{name}-dragoman-controller"

    yield install
    for name in installed:
        tools.helm("uninstall", name, "--namespace=team-a", "--ignore-not-found")


def place(name: str) -> tuple[str, ...]:
    return (f"--set=gatewayClass.name={CLASS}-{name}", "--namespace=team-a")


@pytest.mark.parametrize("case", rendering.CASES)
def test_the_server_accepts_every_manifest(tools, case: str) -> None:
    """Unknown fields are errors there."""
    documents = [each for each in yaml.safe_load_all(rendering.golden(case).read_text()) if each]
    known = [each for each in documents if not each["apiVersion"].startswith(ABSENT)]
    answer = tools.kubectl(
        *("apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-"),
        *("--force-conflicts",),
        stdin=yaml.safe_dump_all(known),
    )
    assert len(answer.splitlines()) == len(known)


def test_the_server_accepts_the_example(tools) -> None:
    example = rendering.ROOT / "examples" / "07-kubernetes"
    answer = tools.kubectl(
        *(
            "apply",
            "--server-side",
            "--dry-run=server",
            "--validate=strict",
            "--kustomize",
            example,
        ),
    )
    assert "airoute.dragoman.dev/assistant serverside-applied" in answer


def test_upgrade_and_rollback_change_nothing_that_is_equal(tools, release) -> None:
    """The same values again: the same manifest, nothing to apply; and a rollback is one, too."""
    release("again")
    first = tools.helm("get", "manifest", "again", "--namespace=team-a")
    tools.kubectl("diff", "--server-side", "-f", "-", stdin=first)
    generation = (
        *("get", "deployment", "again-dragoman-controller", "--namespace=team-a"),
        *("-o", "jsonpath={.metadata.generation}"),
    )
    before = tools.kubectl(*generation)
    tools.helm("upgrade", "again", rendering.CHART, *place("again"))
    assert tools.helm("get", "manifest", "again", "--namespace=team-a") == first
    assert tools.kubectl(*generation) == before
    tools.helm("upgrade", "again", rendering.CHART, *place("again"), "--set=replicas=3")
    tools.helm("rollback", "again", "1", "--namespace=team-a")
    assert tools.helm("get", "manifest", "again", "--namespace=team-a") == first
    tools.kubectl("diff", "--server-side", "-f", "-", stdin=first)


def test_uninstalling_the_kinds_keeps_them_and_what_people_wrote(tools) -> None:
    written = """
        apiVersion: dragoman.dev/v1alpha1
        kind: AIBackend
        metadata: {name: kept, namespace: ai-platform}
        spec: {provider: OpenAI, auth: {type: None}}
    """
    tools.kubectl("apply", "--server-side", "-f", "-", stdin=written)
    tools.helm("uninstall", "dragoman-crds", "--namespace=dragoman-system")
    assert "kept" in tools.kubectl("get", "aib", "--namespace=ai-platform")
    install_crds(tools)
    assert "kept" in tools.kubectl("get", "aib", "--namespace=ai-platform")
    tools.kubectl("delete", "aib", "kept", "--namespace=ai-platform")


OURS, GATEWAY, SLICES = (
    "dragoman.dev",
    "gateway.networking.k8s.io",
    "endpointslices.discovery.k8s.io",
)
NEEDED = (
    *(f"list airoutes.{OURS}", f"watch aipolicies.{OURS}", f"update aibackends.{OURS}/status"),
    *(f"watch referencegrants.{GATEWAY}", f"update gateways.{GATEWAY}/status"),
    *("list secrets", "watch configmaps", "list pods", f"watch {SLICES}"),
    *("patch deployments.apps", "create serviceaccounts", "create events.events.k8s.io"),
    *("delete horizontalpodautoscalers.autoscaling", "delete poddisruptionbudgets.policy"),
)
NEVER = (
    *(f"update airoutes.{OURS}", f"create aibackends.{OURS}", f"patch aipolicies.{OURS}"),
    *(f"delete gateways.{GATEWAY}", "update secrets", "deletecollection secrets", "create pods"),
    *("create roles.rbac.authorization.k8s.io", "get nodes", f"patch {SLICES}"),
)
ANYWHERE = (
    *(f"list gatewayclasses.{GATEWAY}", f"patch gatewayclasses.{GATEWAY}/status"),
    *("watch namespaces", "list customresourcedefinitions.apiextensions.k8s.io"),
)
LEASE = ("create leases.coordination.k8s.io", "update leases.coordination.k8s.io:{}-controller")


def every(actions: Iterable[str], *namespaces: str) -> set[tuple[str, str]]:
    return {(action, namespace) for namespace in namespaces for action in actions}


def test_the_controller_may_do_its_work_and_no_more(tools, release) -> None:
    who = release("all")
    home = (
        *(each.format("all-dragoman") for each in LEASE),
        f"patch {SLICES}:all-dragoman-xds-leader",
    )
    actions = (*NEEDED, *ANYWHERE, *NEVER, *home)
    expected = every((*NEEDED, *ANYWHERE), "team-a", "team-b") | every(home, "team-a")
    assert tools.may(who, actions, "team-a", "team-b") == expected


def test_watched_namespaces_end_the_rights(tools, release) -> None:
    who = release("some", "--set=watchNamespaces={team-b}")
    home = ("get secrets:some-dragoman-ca", "create secrets")
    actions = (*NEEDED, *ANYWHERE, *NEVER, "get secrets:another", *home)
    expected = every((*NEEDED, *home, "get secrets:another"), "team-b") | every(home, "team-a")
    expected |= every(ANYWHERE, "team-a", "team-b", "ai-platform")
    assert tools.may(who, actions, "team-a", "team-b", "ai-platform") == expected


def test_built_in_roles_gain_the_kinds(tools, release) -> None:
    """edit: AIRoute. admin: AIPolicy too. Nobody: AIBackend, which holds a provider's key."""
    release("roles")
    for role in ("view", "edit", "admin"):
        text = f"""
            apiVersion: rbac.authorization.k8s.io/v1
            kind: RoleBinding
            metadata: {{name: charts-{role}, namespace: team-b}}
            roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {role}}}
            subjects: [{{apiGroup: rbac.authorization.k8s.io, kind: User, name: charts-{role}}}]
        """
        tools.kubectl("apply", "--server-side", "-f", "-", stdin=text)
    reads, *writes = (
        f"get aibackends.{OURS}",
        f"create airoutes.{OURS}",
        f"create aipolicies.{OURS}",
    )
    expected = {"view": {reads}, "edit": {reads, writes[0]}, "admin": {reads, *writes}}
    until = time.monotonic() + PATIENCE_S  # a controller of the cluster adds the rights up
    while True:
        actions = (reads, *writes, f"create aibackends.{OURS}")
        found = {
            role: {action for action, _ in tools.may(f"charts-{role}", actions, "team-b")}
            for role in expected
        }
        if found == expected:
            return
        assert time.monotonic() < until, found
        time.sleep(0.2)
