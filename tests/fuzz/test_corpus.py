"""Every input that fuzzing kept, and every seed, passes without a crash."""

import base64

import pytest

from tests.fuzz import seeds
from tests.fuzz.run import CORPUS
from tests.fuzz.targets import TARGETS


@pytest.mark.parametrize("target", TARGETS)
def test_seeds(target):
    for data in seeds.of(target):
        TARGETS[target](data)


@pytest.mark.parametrize("target", TARGETS)
def test_what_fuzzing_kept(target):
    kept = (CORPUS / f"{target}.txt").read_text().split()
    assert kept
    for line in kept:
        TARGETS[target](base64.b64decode(line))
