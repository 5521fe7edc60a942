"""What a data plane's owner is taken for; what is written is shown on a real API server."""

import pytest

from controller.sources.provision import Provisioner


class Asked:
    """An API with one Deployment that says it is ours; it notes the paths it is asked for."""

    def __init__(self, owner):
        reference = {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "Gateway",
            "name": owner,
            "uid": "1",
            "controller": True,
        }
        metadata = {"name": "x", "namespace": "team", "ownerReferences": [reference]}
        self.deployment = {"metadata": metadata}
        self.paths = []

    async def pages(self, *_, **__):
        yield type("Page", (), {"items": [self.deployment]})

    async def get(self, path):
        self.paths.append(path)
        return {"metadata": {"uid": "2"}}


@pytest.mark.parametrize("owner", ["../gateways", "../../pods/x", "a/b", "..", "a?b"])
async def test_the_name_of_an_owner_leads_nowhere_else(owner):
    api = Asked(owner)
    await Provisioner(api, {}).sweep(frozenset())
    assert api.paths == []


async def test_a_gateway_that_was_made_anew_is_left_to_kubernetes():
    api = Asked("ai")
    await Provisioner(api, {}).sweep(frozenset())
    assert api.paths == ["/apis/gateway.networking.k8s.io/v1/namespaces/team/gateways/ai"]
