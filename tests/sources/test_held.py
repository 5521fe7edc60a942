"""What a write is counted as."""

import pytest

from controller.sources.api import Resource
from controller.sources.held import Views, _plural
from controller.sources.status import RESOURCES
from controller.sources.store import Meta
from crds.meta import Key

KEY = Key("AIRoute", "team", "chat")

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


def test_a_view_stays_the_same_until_the_object_is_seen_anew_and_ends_with_its_reader():
    meta = {KEY: Meta("u", "1", 1)}
    views = Views(meta.get)
    first = views.read(KEY)
    assert views.read(KEY) is first
    meta[KEY] = Meta("u", "2", 1)
    second = views.read(KEY)
    assert second is not first
    del first, second
    assert not views._views
    del meta[KEY]
    assert views.read(KEY) is None
