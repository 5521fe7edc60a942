"""The charts, by the real helm: golden output, the same bytes twice, lint, and values it refuses."""

import re

import pytest

from tests.helm import rendering


@pytest.mark.parametrize("case", rendering.CASES)
def test_renders_as_recorded(case: str) -> None:
    """`python -m tests.helm.rendering` rewrites; read the difference."""
    assert rendering.template(case) == rendering.golden(case).read_text()


@pytest.mark.parametrize("case", rendering.CASES)
def test_equal_bytes_twice(case: str) -> None:
    """No random values, no clock, no look-up: an upgrade renders what the installation did."""
    assert rendering.template(case) == rendering.template(case, "--is-upgrade")


def test_lint_is_clean() -> None:
    for case in rendering.CASES:
        values = f"--values={rendering.GOLDEN / case}.values.yaml"
        made = rendering.helm("lint", "--strict", str(rendering.CHART), values)
        assert made.returncode == 0, made.stdout
    made = rendering.helm("lint", "--strict", str(rendering.CRDS))
    assert made.returncode == 0, made.stdout


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ("replica=3", "replica"),
        ("image.name=x", "name"),
        ("image.digest=latest", "image/digest"),
        ("dataPlane.envoy.cpu=1", "cpu"),
        ("dataPlane.drainSeconds=soon", "dataPlane/drainSeconds"),
        ("dataPlane.service.type=ExternalName", "dataPlane/service/type"),
        ("certificates.mode=magic", "certificates/mode"),
        ("certificates.mode=existingSecret", "certificates/existingSecret"),
        ("metrics.serviceMonitor.every=30s", "every"),
        ("watchNamespaces={Team_A}", "watchNamespaces/0"),
        ("allowEndpoints={10.0.0.1}", "allowEndpoints/0"),
    ],
)
def test_unknown_or_impossible_values_are_refused(setting: str, named: str) -> None:
    made = rendering.helm("template", str(rendering.CHART), f"--set={setting}")
    assert made.returncode != 0
    assert re.search(re.escape(named), made.stderr), made.stderr


def test_the_crds_are_rendered_as_they_stand() -> None:
    """Helm adds its comment and nothing else."""
    made = rendering.helm("template", str(rendering.CRDS))
    assert made.returncode == 0, made.stderr
    found = sorted(re.split(r"^---\n# Source: .*\n", made.stdout, flags=re.MULTILINE)[1:])
    files = sorted((rendering.CRDS / "templates").glob("*.yaml"))
    assert [text.strip() for text in found] == sorted(path.read_text().strip() for path in files)


def test_notes_end_with_commands() -> None:
    made = rendering.helm("install", "x", str(rendering.CHART), "--dry-run=client")
    assert made.returncode == 0, made.stderr
    notes = made.stdout.split("NOTES:")[1]
    assert len(re.findall(r"^ +kubectl ", notes, re.MULTILINE)) == 3
