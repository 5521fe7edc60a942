"""Data planes on a real API server with its controllers, though without a node."""

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from controller.dataplane import certificates
from controller.dataplane.manifests import manifests
from controller.dataplane.parameters import Parameters, parameters
from controller.dataplane.wanted import HASH, Wanted
from controller.settings import PodSettings
from controller.sources import authority
from controller.sources.api import Api, ApiError, Resource, Selection
from controller.sources.login import login
from controller.sources.provision import DEPLOYMENT, GATEWAY, SECRET, SERVICE, Provisioner
from controller.xds.pod_bootstrap import files
from crds.gateway import GatewaySpec
from crds.meta import Key

FILES = files(PodSettings("dragoman-xds.dragoman-system.svc"))
AUTHORITY = certificates.new_authority(datetime.now(UTC))
FIXED = parameters(("test", "{replicas: 1, autoscaling: {enabled: false}}"))
AUTOSCALER = Resource("autoscaling/v2", "HorizontalPodAutoscaler")
NAMESPACE = Resource("v1", "Namespace")
SLICE = Resource("discovery.k8s.io/v1", "EndpointSlice")
MADE = (
    Resource("v1", "ServiceAccount"),
    SECRET,
    Resource("v1", "ConfigMap"),
    SERVICE,
    DEPLOYMENT,
    AUTOSCALER,
    Resource("policy/v1", "PodDisruptionBudget"),
)
PATIENCE_S = 60


@pytest.fixture
async def api(kubeconfig):
    async with Api(partial(login, Path(kubeconfig))) as connected:
        yield connected


@pytest.fixture
async def namespace(api):
    made = await api.create(
        NAMESPACE.at(),
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"generateName": "provision-"}},
    )
    name = made["metadata"]["name"]
    yield name
    await api.delete(NAMESPACE.at(name=name))


async def gateway(api, namespace, name="ai", parameters=None, gateway_class="dragoman"):
    spec = {
        "gatewayClassName": gateway_class,
        "listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}],
    }
    made = await api.create(
        GATEWAY.at(namespace),
        {
            "apiVersion": GATEWAY.api_version,
            "kind": "Gateway",
            "metadata": {"name": name},
            "spec": spec,
        },
    )
    return Wanted(
        Key("Gateway", namespace, name),
        made["metadata"]["uid"],
        GatewaySpec.model_validate(spec),
        parameters or Parameters(),
    )


async def get(api, resource, namespace, name="ai-dragoman"):
    name = f"{name}-xds" if resource == SECRET else name
    try:
        return await api.get(resource.at(namespace, name))
    except ApiError as error:
        assert error.code == 404, error
        return None


async def until(check):
    async with asyncio.timeout(PATIENCE_S):
        while not (found := await check()):
            await asyncio.sleep(0.1)
    return found


async def test_the_server_takes_every_manifest_as_it_is(api, namespace):
    wanted = await gateway(api, namespace)
    identity = certificates.client(AUTHORITY, wanted.gateway, datetime.now(UTC))
    for manifest in manifests(wanted, FILES, identity):
        resource = Resource(manifest["apiVersion"], manifest["kind"])
        path = resource.at(namespace, manifest["metadata"]["name"])
        strict = f"{path}?dryRun=All&fieldValidation=Strict"
        assert (await api.apply(strict, manifest, "dragoman"))["kind"] == manifest["kind"]


async def test_what_stands_is_not_written_again(api, namespace):
    wanted = await gateway(api, namespace)
    provisioner = Provisioner(api, FILES)
    (made,) = await provisioner.round([wanted], AUTHORITY)
    assert (made.problem, provisioner.writes) == ("", len(MADE))
    service = await get(api, SERVICE, namespace)
    assert made.addresses == (service["spec"]["clusterIP"],)
    before = [(await get(api, each, namespace))["metadata"]["resourceVersion"] for each in MADE[:4]]
    (again,) = await provisioner.round([wanted], AUTHORITY)
    assert (again, provisioner.writes) == (made, len(MADE))
    after = [(await get(api, each, namespace))["metadata"]["resourceVersion"] for each in MADE[:4]]
    assert after == before
    restarted = Provisioner(api, FILES)
    await restarted.round([wanted], AUTHORITY)
    assert restarted.writes == 0


async def test_its_pods_are_made(api, namespace):
    wanted = await gateway(api, namespace, parameters=FIXED)
    await Provisioner(api, FILES).round([wanted], AUTHORITY)
    pods = Selection(
        Resource("v1", "Pod"), namespace, labels="gateway.networking.k8s.io/gateway-name=ai"
    )

    async def listed():
        return [pod async for page in api.pages(pods) for pod in page.items]

    (pod,) = await until(listed)
    assert [each["name"] for each in pod["spec"]["initContainers"]] == ["guard"]
    assert [each["name"] for each in pod["spec"]["containers"]] == ["envoy"]


async def test_replicas_scaled_by_hand_survive(api, namespace):
    wanted = await gateway(api, namespace, parameters=FIXED)
    provisioner = Provisioner(api, FILES)
    await provisioner.round([wanted], AUTHORITY)
    scale = DEPLOYMENT.at(namespace, "ai-dragoman", "scale")
    await api.merge(scale, {"spec": {"replicas": 3}})
    await provisioner.round([wanted], AUTHORITY)
    assert (await get(api, DEPLOYMENT, namespace))["spec"]["replicas"] == 3


async def test_an_autoscaler_takes_over_what_runs_and_leaves_again(api, namespace):
    three = parameters(("test", "{replicas: 3, autoscaling: {enabled: false}}"))
    wanted = await gateway(api, namespace, parameters=three)
    provisioner = Provisioner(api, FILES)
    await provisioner.round([wanted], AUTHORITY)
    assert await get(api, AUTOSCALER, namespace) is None
    await provisioner.round([replace(wanted, parameters=Parameters())], AUTHORITY)
    assert (await get(api, DEPLOYMENT, namespace))["spec"]["replicas"] == 3
    assert await get(api, AUTOSCALER, namespace)
    await provisioner.round([replace(wanted, parameters=FIXED)], AUTHORITY)
    assert (await get(api, DEPLOYMENT, namespace))["spec"]["replicas"] == 1
    assert await get(api, AUTOSCALER, namespace) is None


async def test_what_is_missing_or_changed_is_mended(api, namespace):
    wanted = await gateway(api, namespace)
    provisioner = Provisioner(api, FILES)
    await provisioner.round([wanted], AUTHORITY)
    for resource in (SERVICE, DEPLOYMENT, MADE[2]):
        await api.delete(resource.at(namespace, "ai-dragoman"))
    await api.merge(AUTOSCALER.at(namespace, "ai-dragoman"), {
        "metadata": {"annotations": {HASH: "other"}}, "spec": {"maxReplicas": 99},
    })  # fmt: skip

    async def gone():
        return await get(api, DEPLOYMENT, namespace) is None

    await until(gone)
    (outcome,) = await provisioner.round([wanted], AUTHORITY)
    assert outcome.problem == ""
    assert all([await get(api, each, namespace) for each in MADE])
    assert (await get(api, AUTOSCALER, namespace))["spec"]["maxReplicas"] == 10


async def test_all_is_gone_with_the_gateway(api, namespace):
    wanted = await gateway(api, namespace)
    await Provisioner(api, FILES).round([wanted], AUTHORITY)
    await api.delete(GATEWAY.at(namespace, "ai"))

    async def gone():
        return not any([await get(api, each, namespace) for each in MADE])

    await until(gone)


async def test_a_gateway_made_again_has_its_data_plane(api, namespace):
    """Either it takes over what the old one left, or it makes all anew."""
    provisioner = Provisioner(api, FILES)
    await provisioner.round([await gateway(api, namespace)], AUTHORITY)
    await api.delete(GATEWAY.at(namespace, "ai"))
    wanted = await gateway(api, namespace)

    async def stands():
        (outcome,) = await provisioner.round([wanted], AUTHORITY)
        held = [await get(api, each, namespace) for each in MADE]
        return outcome.problem == "" and all(
            each and each["metadata"]["ownerReferences"][0]["uid"] == wanted.uid for each in held
        )

    await until(stands)


async def test_a_client_certificate_is_renewed_in_the_middle_of_its_life(api, namespace):
    wanted = await gateway(api, namespace)
    await Provisioner(api, FILES).round([wanted], AUTHORITY)
    before = await get(api, SECRET, namespace)
    later = Provisioner(api, FILES, lambda: datetime.now(UTC) + timedelta(hours=13))
    await later.round([wanted], AUTHORITY)
    assert later.writes == 1
    after = await get(api, SECRET, namespace)
    assert after["data"]["tls.crt"] != before["data"]["tls.crt"]
    assert after["data"]["ca.crt"] == before["data"]["ca.crt"]


async def test_what_belongs_to_someone_else_is_left_alone(api, namespace):
    theirs = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "ai-dragoman"},
        "spec": {"ports": [{"port": 1}]},
    }
    await api.create(SERVICE.at(namespace), theirs)
    wanted = await gateway(api, namespace)
    (outcome,) = await Provisioner(api, FILES).round([wanted], AUTHORITY)
    assert outcome.invalid
    assert outcome.problem == (
        f"Service {namespace}/ai-dragoman exists and is not this Gateway's; "
        "delete it, or give the Gateway another name"
    )
    assert (await get(api, SERVICE, namespace))["spec"]["ports"][0]["port"] == 1


async def test_what_the_server_refuses_concerns_one_gateway(api, namespace):
    bad = parameters(("test", "{tolerations: [{key: k, operator: Sometimes}]}"))
    wanted = [
        await gateway(api, namespace, "bad", bad),
        await gateway(api, namespace, "good"),
    ]
    refused, made = await Provisioner(api, FILES).round(wanted, AUTHORITY)
    assert refused.invalid
    assert "tolerations[0].operator" in refused.problem
    assert (made.problem, bool(made.addresses)) == ("", True)


async def test_a_gateway_of_another_class_loses_its_data_plane(api, namespace):
    provisioner = Provisioner(api, FILES)
    wanted = [await gateway(api, namespace), await gateway(api, namespace, "stays")]
    await provisioner.round(wanted, AUTHORITY)
    await api.merge(GATEWAY.at(namespace, "ai"), {"spec": {"gatewayClassName": "theirs"}})
    await provisioner.sweep(frozenset({"dragoman"}), [namespace])
    assert not any([await get(api, each, namespace) for each in MADE])
    assert all([await get(api, each, namespace, "stays-dragoman") for each in MADE])


async def test_the_authority_is_made_once(api, namespace):
    assert await authority.read(api, namespace, "dragoman-ca") is None
    now = datetime.now(UTC)
    made, same = await asyncio.gather(
        *(authority.ensure(api, namespace, "dragoman-ca", now) for _ in range(2))
    )
    assert made == same == await authority.read(api, namespace, "dragoman-ca")
    broken = {"data": {"tls.crt": "cGxhbnRlZA=="}}
    await api.merge(SECRET.at(namespace, "dragoman-ca"), broken)
    with pytest.raises(certificates.UnusableError, match=r"tls\.crt is not a PEM certificate"):
        await authority.ensure(api, namespace, "dragoman-ca", now)


async def test_the_xds_service_leads_to_the_leader(api, namespace):
    ports = [{"name": "xds", "port": 18000}]
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "dragoman-xds"}}
    await api.create(SERVICE.at(namespace), {**service, "spec": {"ports": ports}})
    lead = partial(authority.lead_here, api, namespace, "dragoman-xds")
    assert await lead("one", "192.0.2.1", 18000)
    assert not await lead("one", "192.0.2.1", 18000)
    assert await lead("two", "192.0.2.2", 18000)
    held = await api.get(SLICE.at(namespace, "dragoman-xds-leader"))
    assert [each["addresses"] for each in held["endpoints"]] == [["192.0.2.2"]]
    assert held["ports"] == [{"name": "xds", "port": 18000, "protocol": "TCP"}]
    assert await lead("three", "2001:db8::3", 18000)
    assert (await api.get(SLICE.at(namespace, "dragoman-xds-leader")))["addressType"] == "IPv6"
    await api.delete(SERVICE.at(namespace, "dragoman-xds"))

    async def gone():
        return await get(api, SLICE, namespace, "dragoman-xds-leader") is None

    await until(gone)


async def test_no_private_key_is_written_to_a_log(api, namespace, caplog):
    caplog.set_level("DEBUG")
    wanted = await gateway(api, namespace)
    await Provisioner(api, FILES).round([wanted], AUTHORITY)
    secret = await get(api, SECRET, namespace)
    assert secret["data"]["tls.key"] not in caplog.text
    assert secret["data"]["tls.key"] not in json.dumps(await get(api, DEPLOYMENT, namespace))
