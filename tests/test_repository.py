"""The rules of the repository that no linter knows: sizes, module docstrings, no traces of a machine."""

import ast
import re
import statistics
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("crds", "controller", "ext_proc", "dragoman")


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [ROOT / line for line in listed.stdout.splitlines() if (ROOT / line).is_file()]


def modules() -> list[Path]:
    return [
        p
        for p in tracked()
        if p.suffix == ".py" and p.relative_to(ROOT).parts[0] in PACKAGES and "_pb2" not in p.name
    ]


def test_functions_and_files_stay_small() -> None:
    """p90 of functions at most 25 lines, none over 50, no file over 300."""
    lengths: dict[str, int] = {}
    for path in modules():
        source = path.read_text()
        assert source.count("\n") <= 300, path
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lengths[f"{path.relative_to(ROOT)}:{node.name}"] = (
                    (node.end_lineno or 0) - node.lineno + 1
                )
    assert {name: n for name, n in lengths.items() if n > 50} == {}
    assert statistics.quantiles(lengths.values(), n=10)[-1] <= 25


def test_every_module_says_what_it_is() -> None:
    for path in modules():
        tree = ast.parse(path.read_text())
        if tree.body:
            assert ast.get_docstring(tree), path


def test_no_machine_and_no_registry_shows() -> None:
    """Absolute paths, index addresses, unexplained ignores."""
    patterns = {
        "a path of a machine": re.compile(r"(?<![\w.])/(root|work|farm|home/\w+)/"),
        "an index address": re.compile(
            r"index-url\s+http|https?://[^\s\"']+/simple\b|\"resolved\": *\"http"
        ),
        "a bare ignore": re.compile(r"type: ignore(?!\[)|noqa(?!: )"),
    }
    for path in tracked():
        if path == Path(__file__) or path.suffix in {".npz", ".bin"}:
            continue
        text = path.read_text(errors="replace")
        for what, pattern in patterns.items():
            found = pattern.search(text)
            assert not found, f"{path}: {what}: {found and found[0]}"


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_the_lock_has_a_hash_for_everything(name: str) -> None:
    lock = (ROOT / name).read_text()
    pinned = re.findall(r"^[A-Za-z0-9_.-]+==", lock, re.MULTILINE)
    blocks = re.split(r"^(?=[A-Za-z0-9_.-]+==)", lock, flags=re.MULTILINE)[1:]
    assert len(pinned) == len(blocks) > 50
    assert all("--hash=sha256:" in block for block in blocks)
