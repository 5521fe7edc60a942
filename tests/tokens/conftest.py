"""A token endpoint for each test."""

import pytest

from tests.tokens.idp import Idp


@pytest.fixture
def idp(tmp_path):
    started = Idp(tmp_path)
    yield started
    started.close()
