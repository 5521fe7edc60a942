"""What a write is counted as."""

import pytest

from controller.sources.api import Resource
from controller.sources.held import _plural
from controller.sources.status import RESOURCES

PATHS = {
    RESOURCES["AIRoute"].at("team", "chat", "status"): "airoutes",
    RESOURCES["GatewayClass"].at(name="dragoman", subresource="status"): "gatewayclasses",
    Resource("v1", "Secret").at("team", "key"): "secrets",
    Resource("v1", "Event").at("team"): "events",
    Resource("v1", "Namespace").at(name="team"): "namespaces",
}


@pytest.mark.parametrize("path", PATHS)
def test_a_write_is_counted_by_the_plural_in_its_path(path):
    assert _plural(path) == PATHS[path]
