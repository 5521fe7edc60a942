#!/usr/bin/env python3
"""The charts' README files, made of the comments in values.yaml: `python helm/readme.py`.

A comment describes the key below it. `--check` only says whether a file is stale.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

CHARTS = tuple(sorted(path.parent for path in Path(__file__).parent.glob("*/Chart.yaml")))
KEY = re.compile(r"(?P<indent> *)(?P<name>\w+):")


def page(chart: Path) -> str:
    """The README of one chart: what it is, how it is installed, its values."""
    about = yaml.safe_load((chart / "Chart.yaml").read_text())
    text = (chart / "values.yaml").read_text()
    name = about["name"]
    lines = [
        f"# {name}",
        "",
        f"{about['description']} Kubernetes {about['kubeVersion'].removesuffix('-0')}.",
        "",
        "```",
        f"helm upgrade --install {name} helm/{name} --namespace dragoman-system --create-namespace",
        "```",
        "",
        "More: [docs/kubernetes.md](../../docs/kubernetes.md). Made of values.yaml by `make crds`.",
        "",
        *_values(text),
    ]
    return "\n".join(lines) + "\n"


def _values(text: str) -> list[str]:
    values = yaml.safe_load(text)
    found = dict(described(text))
    parents = {path[:length] for path in found for length in range(1, len(path))}
    rows = [
        f"| `{'.'.join(path)}` | {'' if path in parents else _default(values, path)} | {comment} |"
        for path, comment in found.items()
    ]
    if not rows:
        return ["It has no values."]
    return ["| value | default | meaning |", "|---|---|---|", *rows]


def described(text: str) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every key with a comment above it, and the comment."""
    path: list[str] = []
    comment: list[str] = []
    for line in text.splitlines():
        found = KEY.match(line)
        if line.lstrip().startswith("#"):
            comment.append(line.lstrip("# ").strip())
        elif found:
            path = [*path[: len(found["indent"]) // 2], found["name"]]
            if comment:
                yield tuple(path), " ".join(comment)
            comment = []
        else:
            comment = []


def _default(values: Any, path: tuple[str, ...]) -> str:
    for name in path:
        values = values[name]
    return f"`{json.dumps(values)}`"


def main(arguments: list[str]) -> int:
    """Write the files, or with `--check` say which are stale."""
    stale = [
        chart / "README.md"
        for chart in CHARTS
        if not (chart / "README.md").exists() or (chart / "README.md").read_text() != page(chart)
    ]
    if "--check" in arguments:
        names = ", ".join(str(path) for path in stale)
        sys.stderr.write(f"stale: {names}; run `make crds`\n" if stale else "")
        return 1 if stale else 0
    for path in stale:
        path.write_text(page(path.parent))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
