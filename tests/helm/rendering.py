"""The charts as the real helm renders them; `python -m tests.helm.rendering` rewrites golden/."""

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
CHART = ROOT / "helm" / "dragoman"
CRDS = ROOT / "helm" / "dragoman-crds"
GOLDEN = Path(__file__).parent / "golden"
CASES = tuple(
    sorted(path.name.removesuffix(".values.yaml") for path in GOLDEN.glob("*.values.yaml"))
)


@cache
def programs() -> Path:
    """The folder of helm and kubectl: $DRAGOMAN_KUBE_BIN, else that of the tests' own cluster."""
    given = os.environ.get("DRAGOMAN_KUBE_BIN")
    if given:
        return Path(given)
    command = [sys.executable, "-m", "tests.kubernetes.cluster", "bin"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return Path(found.stdout.strip())


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run helm, far from anybody's own settings."""
    return subprocess.run(
        [str(programs() / "helm"), *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "KUBECONFIG": "/dev/null"},
        check=False,
    )


def template(case: str, *more: str) -> str:
    """The manifests of the main chart with the values of a case."""
    values = GOLDEN / f"{case}.values.yaml"
    made = helm(
        "template",
        "dragoman",
        str(CHART),
        "--namespace=dragoman-system",
        f"--values={values}",
        *more,
    )
    assert made.returncode == 0, made.stderr
    return made.stdout


def golden(case: str) -> Path:
    return GOLDEN / f"{case}.yaml"


def main() -> None:
    """Rewrite what is rendered, and delete what has no values any more."""
    for path in GOLDEN.glob("*.yaml"):
        if path.name.split(".")[0] not in CASES:
            path.unlink()
    for case in CASES:
        golden(case).write_text(template(case))


if __name__ == "__main__":
    main()
