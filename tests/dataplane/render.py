"""Manifests of a case as YAML; `python -m tests.dataplane.render` writes all golden files anew."""

from pathlib import Path

import yaml

from controller.dataplane.certificates import Identity
from controller.dataplane.manifests import manifests
from controller.dataplane.wanted import Wanted, want
from crds.gateway import SecretValue
from crds.load import load

CASES = Path(__file__).parent / "golden"
FILES = {"envoy.json": "{}"}
IDENTITY = Identity(b"certificate", SecretValue(b"key"), b"authority")
UID = "00000000-0000-0000-0000-000000000001"


def wanted_of(text: str, defaults: str = "") -> Wanted:
    """The Gateway and ConfigMaps of a text."""
    loaded = load(text, "case", {})
    assert not loaded.broken + loaded.unreadable
    by_kind = {"Gateway": {}, "ConfigMap": {}}
    for each in loaded.objects:
        by_kind[each.key.kind][each.key] = each
    (gateway,) = by_kind["Gateway"].values()
    config_maps = {key: each.spec for key, each in by_kind["ConfigMap"].items()}
    return want(gateway, UID, defaults, config_maps)


def render(text: str) -> str:
    """What a Gateway's data plane is made of; certificate and bootstrap are stand-ins."""
    made = manifests(wanted_of(text), FILES, IDENTITY)
    return yaml.dump_all(made, Dumper=_Dumper, sort_keys=False, width=100)


class _Dumper(yaml.SafeDumper):
    """Scripts as they are, and no references."""

    def ignore_aliases(self, data):
        return True


def _text(dumper, text):
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


if __name__ == "__main__":
    for old in CASES.glob("*.out.yaml"):
        old.unlink()
    for case in CASES.glob("*.in.yaml"):
        case.with_name(case.name.replace(".in.", ".out.")).write_text(render(case.read_text()))
