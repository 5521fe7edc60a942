"""Which AIRoutes suffer from what Envoy refused."""

import pytest

from controller import ir
from controller.metrics import Metrics
from controller.settings import BuildSettings
from controller.site import Site
from controller.xds.build import Builder
from controller.xds.refusals import Refusal
from controller.xds.snapshot import CLUSTER, SECRET
from crds.meta import Key
from tests.xds import configs

TLS = ir.UpstreamTLS("two.example", "authorities/two")
REFUSED = {
    (CLUSTER, "default/one/*"): {"first", "both"},
    (SECRET, "key/default/one"): {"first", "both"},
    (SECRET, "authorities/two"): {"second", "both"},
    (SECRET, "certificate/default/cert"): set(),
}


@pytest.mark.parametrize("refused", REFUSED)
def test_routes_suffer_from_their_targets_and_from_the_secrets_of_these(refused):
    uses = {
        "default/first": ("default/one/*",),
        "default/second": ("default/two/*",),
        "default/both": ("default/one/*", "default/two/*"),
    }
    targets = (configs.target("one", 1), configs.target("two", 2, tls=TLS))
    site = Site(configs.GATEWAY, Builder(BuildSettings()), 0, Metrics(), lambda: None)
    site._config = ir.Config(targets=targets, uses=uses)
    found = set(site._affected(Refusal(*refused, "no", replaced=False)))
    assert found == {Key("AIRoute", "default", name) for name in REFUSED[refused]}
