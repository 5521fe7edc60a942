"""`python -m dragoman.golden DIR`: rewrite the golden folders from what `render` returns.

A folder is named by the sentence it proves and holds `in.yaml`, for cases with a past
`before.yaml`, and what render makes of them. Files and folders of no case are deleted.
"""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from controller.resources import Resources
from controller.sources.gather import gather
from controller.translate import translate
from controller.translate.policies import Accepted
from crds.load import load
from dragoman.render import render, text

PARTS = ("ir", "xds", "plans", "status")
GIVEN = ("in.yaml", "before.yaml")


def cases(directory: Path) -> Iterator[Path]:
    """The folders that hold a case."""
    return (path.parent for path in sorted(directory.glob("*/in.yaml")))


def resources(content: str, origin: str) -> Resources:
    """What the documents of a case say; it must be readable as YAML."""
    loaded = load(content, origin, {})
    reading = gather([(loaded, loaded)], Resources())
    if reading.unreadable:
        raise ValueError(str(reading.unreadable[0]))
    return reading.resources


def expected(case: Path) -> dict[str, str]:
    """The files of a case as render makes them, by name."""
    accepted = Accepted()
    before = case / "before.yaml"
    if before.exists():
        accepted = translate(resources(before.read_text(), before.name)).accepted
    rendered = render(resources((case / "in.yaml").read_text(), "in.yaml"), accepted)
    return {f"{part}.yaml": text(rendered[part]) for part in PARTS}


def rewrite(directory: Path) -> None:
    """Make every folder say what render returns, and nothing else."""
    known = set(cases(directory))
    for path in sorted(directory.iterdir()):
        if path.is_dir() and path not in known:
            shutil.rmtree(path)
    for case in known:
        files = expected(case)
        for path in case.iterdir():
            if path.name not in (*files, *GIVEN):
                path.unlink()
        for name, content in files.items():
            (case / name).write_text(content)


if __name__ == "__main__":
    rewrite(Path(sys.argv[1]))
