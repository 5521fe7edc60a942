"""What docs/kubernetes.md and docs/gitops.md tell people to write is taken by what reads it."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from cel import evaluate

from controller.dataplane import parameters
from controller.sources import files
from tests.helm import rendering

PAGES = ("kubernetes", "gitops")


def documents() -> list[dict[str, Any]]:
    found = []
    for page in PAGES:
        text = (rendering.ROOT / "docs" / f"{page}.md").read_text()
        for block in re.findall(r"^```yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            found += yaml.safe_load_all(block)
    assert len(found) > 8
    return found


def of(kind: str, name: str = "") -> dict[str, Any]:
    (found,) = [
        each
        for each in documents()
        if each["kind"] == kind and name in ("", each["metadata"]["name"])
    ]
    return found


def test_what_we_read_is_read(tmp_path: Path) -> None:
    ours = ("gateway.networking.k8s.io/", "dragoman.dev/")
    chosen = [each for each in documents() if each["apiVersion"].startswith(ours)]
    (tmp_path / "docs.yaml").write_text(yaml.safe_dump_all(chosen))
    reading = files.read(tmp_path, {})
    assert len(chosen) >= 2
    assert not (reading.unreadable or reading.problems)


def test_the_parameters_are_understood() -> None:
    text = of("ConfigMap", "ai-parameters")["data"][parameters.KEY]
    read = parameters.parameters(("docs", text))
    assert isinstance(read, parameters.Parameters), read
    assert read.autoscaling.max_replicas == 20


def test_charts_exist_and_take_the_values() -> None:
    schema = json.loads((rendering.CHART / "values.schema.json").read_text())
    release = of("HelmRelease", "dragoman")["spec"]
    application = of("Application", "dragoman")["spec"]["source"]
    for path in (release["chart"]["spec"]["chart"], application["path"]):
        assert (rendering.ROOT / path / "Chart.yaml").exists()
    jsonschema.validate(release["values"], schema)
    jsonschema.validate(application["helm"]["valuesObject"], schema)


@pytest.mark.parametrize(
    ("condition", "current", "failed"),
    [
        (("Programmed", "True", 2), True, False),
        (("Programmed", "True", 1), False, False),
        (("Programmed", "False", 2), False, False),
        (("Accepted", "False", 2), False, True),
    ],
)
def test_flux_waits_for_gateways(
    condition: tuple[str, str, int], *, current: bool, failed: bool
) -> None:
    (expressions,) = of("Kustomization")["spec"]["healthCheckExprs"]
    kind, status, generation = condition
    seen = {
        "metadata": {"generation": 2},
        "status": {
            "conditions": [{"type": kind, "status": status, "observedGeneration": generation}]
        },
    }
    assert evaluate(expressions["current"], seen) is current
    assert evaluate(expressions["failed"], seen) is failed


@pytest.mark.parametrize(
    ("matches", "allowed"),
    [
        ([{"model": {"type": "Exact", "value": "team-a/chat"}}], True),
        ([{"model": {"type": "Prefix", "value": "team-a/"}}], True),
        ([{"model": {"type": "Prefix", "value": "team-"}}], False),
        ([{"model": {"type": "Exact", "value": "team-b/chat"}}], False),
        ([{"model": {"type": "Regex", "value": "team-a/.*|.*"}}], False),
        ([{"model": {"type": "Exact", "value": "team-a/x"}}, {"headers": [{"name": "a"}]}], False),
        ([], False),
        (None, False),
    ],
)
def test_admission_holds_a_namespace_to_its_own_models(matches: Any, *, allowed: bool) -> None:
    (rule,) = of("ValidatingAdmissionPolicy")["spec"]["validations"]
    made = {"name": "r", **({} if matches is None else {"matches": matches})}
    seen = {"metadata": {"namespace": "team-a"}, "spec": {"rules": [made]}}
    assert evaluate(rule["expression"], {"object": seen}) is allowed


def test_a_listener_for_each_team_lets_no_other_attach() -> None:
    for listener in of("Gateway", "teams")["spec"]["listeners"]:
        labels = listener["allowedRoutes"]["namespaces"]["selector"]["matchLabels"]
        assert labels == {"kubernetes.io/metadata.name": listener["name"]}
        assert listener["hostname"].startswith(f"{listener['name']}.")


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        path = rendering.ROOT / "docs" / f"{page}.md"
        for target in re.findall(r"\]\(([^)#]+)\)", path.read_text()):
            assert (path.parent / target).exists(), target


def test_files_of_images_are_hashed_staged_and_without_root() -> None:
    """They can't be built here; what can be read off them is."""
    for name in ("controller", "ext-proc"):
        text = (rendering.ROOT / "images" / f"{name}.Containerfile").read_text()
        assert text.count("FROM ${BASE}") == 2
        assert re.search(r"^ARG BASE=\S+:\S*\d\S*$", text, re.MULTILINE)
        installs = re.findall(r"pip install (?!.*(?:--require-hashes|/wheels)).*", text)
        assert installs == []
        assert text.rindex("USER 65532:65532") > text.rindex("FROM")
        for copied in re.findall(r"^COPY (?!--)(.*) \S+$", text, re.MULTILINE):
            assert all((rendering.ROOT / each).exists() for each in copied.split())
