"""Every block of docs/providers-setup.md is a provider that can be called as it stands."""

import json
import re
from collections import defaultdict
from pathlib import Path

import pytest

from controller.resources import Resources
from controller.sources.gather import gather
from controller.tokens.minter import assumed
from controller.translate import backends
from crds.load import load
from crds.providers import Provider
from tests.tokens.test_asking import ACCOUNT

PAGE = Path(__file__).parents[2] / "docs" / "providers-setup.md"
BLOCKS = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)


class Environment(defaultdict):
    """Has every variable."""

    def __contains__(self, name: object) -> bool:
        return True

    def get(self, name, default=None):
        return self[name]


def read(text: str) -> Resources:
    environment = Environment(lambda: "planted")
    environment["GCP_KEY_JSON"] = json.dumps(ACCOUNT)
    loaded = load(text, PAGE.name, environment)
    reading = gather([(loaded, loaded)], Resources())
    assert (reading.problems, reading.unreadable) == ((), ())
    return reading.resources


@pytest.mark.parametrize("block", BLOCKS, ids=lambda text: text.split("name: ")[1].split("}")[0])
def test_a_block_is_a_whole_provider(block: str) -> None:
    resources = assumed(read(block))
    found = backends.find(resources, ())
    assert found.faults == ()
    assert found.found.keys() == resources.backends.keys()
    assert found.found
    needed = {
        b.spec.auth.secret_ref.name for b in resources.backends.values() if b.spec.auth.secret_ref
    }
    assert {key.name for key in resources.secrets} == needed


def test_every_provider_has_its_block() -> None:
    shown = {backend.spec.provider for block in BLOCKS for backend in read(block).backends.values()}
    assert shown == set(Provider.__args__)
