"""The reference documentation of the kinds, made from the generated schemas: `docs/reference.md`.

`python -m crds.reference` rewrites it; `--check` says in one line whether it is stale.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "reference.md"
INTRODUCTION = """\
# Reference

Written from the schemas in `crds/` by `make crds`. A field in bold is required. Unknown fields are
errors.
"""


def page() -> str:
    """The whole page."""
    kinds = [yaml.safe_load(path.read_text()) for path in sorted(HERE.glob("dragoman.dev_*.yaml"))]
    return "\n".join([INTRODUCTION, *(line for kind in kinds for line in _kind(kind))])


def _kind(definition: dict[str, Any]) -> Iterator[str]:
    names = definition["spec"]["names"]
    version = definition["spec"]["versions"][0]
    spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    group = definition["spec"]["group"]
    yield f"## {names['kind']}"
    yield ""
    short = names["shortNames"][0]
    yield f"`{group}/{version['name']}`, short name `{short}`. {spec['description']}"
    yield ""
    yield "| field | type | meaning |"
    yield "|---|---|---|"
    yield from _fields("spec", spec)
    rules = list(_rules("spec", spec))
    if rules:
        yield ""
        yield "Rules:"
        yield from (f"- `{path}`: {message}" for path, message in rules)
    yield ""


def _fields(path: str, schema: dict[str, Any]) -> Iterator[str]:
    required = schema.get("required", [])
    for name, field in schema.get("properties", {}).items():
        here = f"{path}.{name}"
        label = f"**`{here}`**" if name in required else f"`{here}`"
        yield f"| {label} | {_type(field)} | {_meaning(field)} |"
        inner = field.get("items", field)
        yield from _fields(here + "[]" * ("items" in field), inner)


def _type(field: dict[str, Any]) -> str:
    if "items" in field:
        return f"list of {_type(field['items'])}, at most {field['maxItems']}"
    if "enum" in field:
        return " \\| ".join(f"`{value}`" if value else "empty" for value in field["enum"])
    bounds = [f"{field[key]}" for key in ("minimum", "maximum") if key in field]
    return f"{field['type']} {'…'.join(bounds)}".strip()


def _meaning(field: dict[str, Any]) -> str:
    text = " ".join(str(field.get("description", "")).split())
    default = field.get("default")
    return (
        f"{text} Default `{default}`." if isinstance(default, str | int) and default != "" else text
    )


def _rules(path: str, schema: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for rule in schema.get("x-kubernetes-validations", []):
        yield path, rule["message"]
    for name, field in schema.get("properties", {}).items():
        inner = field.get("items", field)
        yield from _rules(f"{path}.{name}" + "[]" * ("items" in field), inner)


def main(argv: list[str]) -> int:
    """Write the page, or check it."""
    if argv == ["--check"]:
        stale = not PAGE.exists() or PAGE.read_text() != page()
        if stale:
            sys.stderr.write("docs/reference.md is stale: run `make crds`\n")
        return int(stale)
    PAGE.write_text(page())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
