"""`dragoman render DIR`: what a directory of YAML becomes: IR, xDS, plans and statuses, as YAML.

The golden tests use the same function. Everything in order, so that equal input gives equal bytes;
every secret is shown as `<secret>`. Nothing is served, asked for or kept: tokens are assumed.
"""

import argparse
import os
import sys
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import yaml
from pydantic.alias_generators import to_camel

from controller.resources import Resources
from controller.settings import BuildSettings
from controller.sources import files
from controller.tokens.minter import assumed
from controller.translate import NOTHING_ACCEPTED, translate
from controller.translate.conditions import Status, problems
from controller.translate.policies import Accepted
from controller.xds import build, snapshot
from crds.gateway import SecretValue
from crds.meta import Condition, Key

ELSEWHERE = {"virtual_host_plans", "route_plans"}
"""Fields of the IR that are shown as plans."""


def render(resources: Resources, accepted: Accepted = NOTHING_ACCEPTED) -> dict[str, Any]:
    """Everything that is made of the resources, as plain values: ir, xds, plans, status."""
    translation = translate(assumed(resources), accepted)
    xds = snapshot.render(build.build(translation.config, BuildSettings()))
    plans = xds.pop("plans")
    return {
        "ir": {
            field.name: plain(getattr(translation.config, field.name))
            for field in fields(translation.config)
            if field.name not in ELSEWHERE
        },
        "xds": xds,
        "plans": plans,
        "status": {str(key): _status(each) for key, each in sorted(translation.statuses.items())},
    }


def text(values: Mapping[str, Any]) -> str:
    """Plain values as YAML."""
    return yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def plain(value: Any) -> Any:
    """A frozen value of the IR as mappings, lists and scalars."""
    if isinstance(value, SecretValue):
        return "<secret>"
    if isinstance(value, Key):
        return str(value)
    if isinstance(value, bytes):
        return value.decode()
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, tuple) else value


def _status(status: Status) -> dict[str, Any]:
    """A status as the API server would show it, and the lines that are printed, without place."""
    shown: dict[str, Any] = {
        "observedGeneration": status.observed_generation,
        "conditions": [_condition(each) for each in status.conditions],
    }
    for name in ("parents", "ancestors", "listeners"):
        if parts := getattr(status, name):
            shown[name] = [_part(part) for part in parts]
    if status.problems:
        shown["problems"] = [str(replace(line, origin="")) for line in status.problems]
    return shown


def _part(part: Any) -> dict[str, Any]:
    values = plain(part)
    values["conditions"] = [_condition(each) for each in part.conditions]
    return {to_camel(name): value for name, value in values.items()}


def _condition(condition: Condition) -> dict[str, str]:
    return {name: value for name, value in condition._asdict().items() if value}


class _Dumper(yaml.CSafeDumper):
    """Writes long texts as blocks and repeats what stands twice."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  # yaml's own signature
        return True


def _block(dumper: _Dumper, value: str) -> yaml.ScalarNode:
    style = "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _block)


def main(argv: list[str]) -> int:
    """Print what the directory becomes; problems go to standard error, one line each.

    0 without problems, 1 with some, 2 if there is nothing to print.
    """
    parser = argparse.ArgumentParser(
        prog="dragoman render", description="Show what a directory of YAML becomes."
    )
    parser.add_argument("directory", type=Path, metavar="DIR", help="a directory of YAML")
    reading = files.read(parser.parse_args(argv).directory, dict(os.environ))
    for line in (*reading.unreadable, *reading.problems):
        sys.stderr.write(f"{line}\n")
    if reading.unreadable:
        return 2
    wrong = problems(translate(assumed(reading.resources)).statuses)
    sys.stderr.writelines(f"{line}\n" for line in wrong)
    sys.stdout.write(text(render(reading.resources)))
    return 1 if wrong or reading.problems else 0
