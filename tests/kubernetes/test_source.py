"""The Kubernetes source on a real API server, some of it through a way that fails."""

import asyncio
import base64
from dataclasses import replace
from functools import partial

import pytest

from controller.sources.api import Api, Resource
from controller.sources.kubernetes import Scope
from controller.sources.login import login
from crds.gateway import SecretValue
from crds.meta import Key
from tests.kubernetes.cluster import programs
from tests.kubernetes.conftest import CRDS
from tests.kubernetes.flaky import Flaky
from tests.kubernetes.reader import eventually, reading

OURS = "dragoman.dev/v1alpha1"
AIROUTE = Resource(OURS, "AIRoute")
AIBACKEND = Resource(OURS, "AIBackend")
GATEWAY = Resource("gateway.networking.k8s.io/v1", "Gateway")
GRANT = Resource("gateway.networking.k8s.io/v1beta1", "ReferenceGrant")
SECRET = Resource("v1", "Secret")
CONFIG_MAP = Resource("v1", "ConfigMap")
POD = Resource("v1", "Pod")
SERVICE = Resource("v1", "Service")
SLICE = Resource("discovery.k8s.io/v1", "EndpointSlice")
DEPLOYMENT = Resource("apps/v1", "Deployment")
NAMESPACE = Resource("v1", "Namespace")

ROUTE = {
    "parentRefs": [{"name": "ai"}],
    "rules": [{"name": "all", "backendRefs": [{"name": "openai"}]}],
}
BACKEND = {"provider": "OpenAI", "auth": {"type": "APIKey", "secretRef": {"name": "key"}}}


def made(resource, name, namespace="", **fields):
    meta = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": meta, **fields}


async def put(api, resource, name, namespace="", **fields):
    document = made(resource, name, namespace, **fields)
    path = resource.at(namespace, name)
    return await api.apply(path, document, "test", force=True)


async def put_secret(api, namespace, name, value):
    data = {"apiKey": base64.b64encode(value).decode()}
    await put(api, SECRET, name, namespace, data=data)


@pytest.fixture
async def api(kubeconfig):
    async with Api(partial(login, kubeconfig)) as connected:
        yield connected


@pytest.fixture
async def space(api):
    """A namespace."""
    meta = {"generateName": "source-"}
    document = {"apiVersion": "v1", "kind": "Namespace", "metadata": meta}
    name = (await api.create(NAMESPACE.at(), document))["metadata"]["name"]
    yield name
    await api.delete(NAMESPACE.at(name=name))


@pytest.fixture
async def flaky(kubeconfig):
    proxy = Flaky(login(kubeconfig))
    runner = await proxy.start()
    yield proxy
    await proxy.stop(runner)


@pytest.fixture
async def through(flaky):
    """An Api that goes the way that fails."""
    async with Api(flaky.login) as connected:
        yield connected


@pytest.fixture
def by(kubeconfig):
    return partial(login, kubeconfig)


def route(namespace, name="chat"):
    return Key("AIRoute", namespace, name)


async def test_what_is_there_comes_first_and_then_every_change(api, by, space) -> None:
    await put(api, AIROUTE, "chat", space, spec=ROUTE)
    async with reading(api, by) as reader:
        first = reader.last.resources.routes[route(space)]
        assert reader.count == 1
        assert (first.meta.generation, first.origin) == (1, "")
        assert first.meta.uid == reader.source.meta(route(space)).uid
        assert first.meta.creation_timestamp.endswith("Z")
        await put(api, AIROUTE, "more", space, spec=ROUTE)
        await reader.until(lambda r: route(space, "more") in r.resources.routes)
        await put(api, AIROUTE, "chat", space, spec={**ROUTE, "hostnames": ["a.example"]})
        await reader.until(
            lambda r: r.resources.routes[route(space)].spec.hostnames == ("a.example",)
        )
        await api.delete(AIROUTE.at(space, "more"))
        await reader.until(lambda r: route(space, "more") not in r.resources.routes)


async def test_a_user_without_a_name_hears_changes(api, by, space, monkeypatch) -> None:
    def unknown() -> str:
        raise KeyError("uid not found")

    monkeypatch.setattr("getpass.getuser", unknown)
    async with reading(api, by) as reader:
        await put(api, AIROUTE, "chat", space, spec=ROUTE)
        await reader.until(lambda r: Key("AIRoute", space, "chat") in r.resources.routes)
        assert reader.source.starts == 1


async def test_an_object_that_cannot_be_used_says_which_field(api, by, space) -> None:
    listener = {"name": "http", "port": 80, "protocol": "HTTP"}
    spec = {"gatewayClassName": "dragoman", "listeners": [listener]}
    key = Key("Gateway", space, "ai")
    await put(api, GATEWAY, "ai", space, spec=spec)
    async with reading(api, by) as reader:
        assert key in reader.last.resources.gateways
        spec["tls"] = {"backend": {"clientCertificateRef": {"name": "client"}}}
        await put(api, GATEWAY, "ai", space, spec=spec)
        last = await reader.until(lambda r: any(b.key == key for b in r.resources.broken))
        (broken,) = (each for each in last.resources.broken if each.key == key)
        assert [problem.field for problem in broken.problems] == ["spec.tls"]
        assert broken.generation == 2
        assert key in last.resources.gateways, "its last content serves on"
        assert any(each.key == key for each in last.problems)


async def test_a_status_is_known_but_no_reason_to_read_again(api, by, space) -> None:
    await put(api, AIROUTE, "chat", space, spec=ROUTE)
    async with reading(api, by) as reader:
        count = reader.count
        found = await api.get(AIROUTE.at(space, "chat"))
        ready = {"type": "Ready", "status": "True", "reason": "Live", "message": ""}
        ready |= {"lastTransitionTime": "2026-01-01T00:00:00Z", "observedGeneration": 1}
        status = {"observedGeneration": 1, "conditions": [ready]}
        await api.replace(AIROUTE.at(space, "chat", "status"), {**found, "status": status})
        key = route(space)
        await eventually(lambda: reader.source.meta(key).status.get("observedGeneration") == 1)
        assert reader.source.meta(key).version != found["metadata"]["resourceVersion"]
        await put(api, AIROUTE, "more", space, spec=ROUTE)
        await reader.until(lambda r: route(space, "more") in r.resources.routes)
        assert reader.count == count + 1


async def test_a_deletion_that_was_missed_is_found_after_a_410(
    api, through, flaky, space, caplog
) -> None:
    await put(api, AIROUTE, "stays", space, spec=ROUTE)
    await put(api, AIROUTE, "goes", space, spec=ROUTE)
    async with reading(through, flaky.login) as reader:
        await eventually(lambda: reader.source.audit.rounds)
        flaky.swallowed.add(("/airoutes", "DELETED"))
        await api.delete(AIROUTE.at(space, "goes"))
        await asyncio.sleep(0.5)
        assert route(space, "goes") in reader.last.resources.routes
        assert flaky.break_watches("/airoutes", 410)
        last = await reader.until(lambda r: route(space, "goes") not in r.resources.routes)
        assert route(space, "stays") in last.resources.routes
        assert (reader.source.audit.drift > 0, reader.source.starts) == (True, 1)
        assert f"{route(space, 'goes')} was missed" in caplog.text
        assert f"{route(space, 'stays')} was missed" not in caplog.text


async def test_an_audit_finds_what_no_event_told(api, through, flaky, space) -> None:
    await put(api, AIROUTE, "goes", space, spec=ROUTE)
    await put(api, AIROUTE, "chat", space, spec=ROUTE)
    async with reading(through, flaky.login, Scope(audit_s=5)) as reader:
        await eventually(lambda: reader.source.audit.rounds)
        flaky.swallowed |= {("/airoutes", kind) for kind in ("ADDED", "MODIFIED", "DELETED")}
        await api.delete(AIROUTE.at(space, "goes"))
        await put(api, AIROUTE, "comes", space, spec=ROUTE)
        await put(api, AIROUTE, "chat", space, spec={**ROUTE, "hostnames": ["a.example"]})
        last = await reader.until(lambda r: route(space, "comes") in r.resources.routes)
        await reader.until(lambda r: route(space, "goes") not in r.resources.routes)
        last = await reader.until(lambda r: r.resources.routes[route(space)].spec.hostnames)
        assert last.resources.routes[route(space)].meta.generation == 2
        assert reader.source.audit.drift >= 3


async def test_an_error_in_a_watch_is_survived(api, through, flaky, space) -> None:
    async with reading(through, flaky.login) as reader:
        await eventually(lambda: flaky.break_watches("/airoutes", 500))
        await eventually(lambda: reader.source.starts == 2)
        await put(api, AIROUTE, "chat", space, spec=ROUTE)
        await reader.until(lambda r: route(space) in r.resources.routes)


async def test_all_goes_on_after_an_outage(api, through, flaky, space) -> None:
    await put_secret(api, space, "key", b"one")
    await put(api, AIBACKEND, "openai", space, spec=BACKEND)
    await put(api, AIROUTE, "goes", space, spec=ROUTE)
    secret = Key("Secret", space, "key")
    async with reading(through, flaky.login) as reader:
        flaky.go_away()
        await api.delete(AIROUTE.at(space, "goes"))
        await put(api, AIROUTE, "comes", space, spec=ROUTE)
        await put_secret(api, space, "key", b"two")
        await asyncio.sleep(1)
        assert reader.last.resources.secrets[secret] == {"apiKey": SecretValue(b"one")}
        flaky.come_back()
        await reader.until(lambda r: route(space, "comes") in r.resources.routes)
        await reader.until(lambda r: route(space, "goes") not in r.resources.routes)
        await reader.until(lambda r: r.resources.secrets[secret] == {"apiKey": SecretValue(b"two")})


async def test_nothing_is_yielded_before_all_is_listed(api, through, flaky, space) -> None:
    await put(api, AIROUTE, "chat", space, spec=ROUTE)
    flaky.refused["/airoutes"] = 503
    opened = asyncio.create_task(_first(through, flaky.login))
    await eventually(lambda: sum("/airoutes" in each for each in flaky.asked) > 2)
    assert not opened.done()
    del flaky.refused["/airoutes"]
    first = await opened
    assert route(space) in first.resources.routes


async def _first(api, by):
    async with reading(api, by) as reader:
        return reader.last


def secrets_asked(flaky):
    """But for the data planes' own certificates, which are watched by label and without content."""
    return [each for each in flaky.asked if "/secrets" in each and "labelSelector" not in each]


async def test_a_secret_is_read_only_while_something_refers_to_it(
    api, through, flaky, space
) -> None:
    await put_secret(api, space, "key", b"one")
    await put_secret(api, space, "other", b"other")
    key = Key("Secret", space, "key")
    async with reading(through, flaky.login) as reader:
        assert reader.last.resources.secrets.keys() & {key} == set()
        assert not secrets_asked(flaky)
        await put(api, AIBACKEND, "openai", space, spec=BACKEND)
        last = await reader.until(
            lambda r: Key("AIBackend", space, "openai") in r.resources.backends
        )
        assert last.resources.secrets[key] == {"apiKey": SecretValue(b"one")}, "never without it"
        await put_secret(api, space, "key", b"two")
        await reader.until(lambda r: r.resources.secrets[key] == {"apiKey": SecretValue(b"two")})
        assert flaky.break_watches(f"/namespaces/{space}/secrets", 410) == 1
        await put_secret(api, space, "key", b"three")
        await reader.until(lambda r: r.resources.secrets[key] == {"apiKey": SecretValue(b"three")})
        await api.delete(SECRET.at(space, "key"))
        await reader.until(lambda r: key not in r.resources.secrets)
        await put_secret(api, space, "key", b"four")
        await reader.until(lambda r: key in r.resources.secrets)
        await api.delete(AIBACKEND.at(space, "openai"))
        await reader.until(lambda r: key not in r.resources.secrets)
        asked = secrets_asked(flaky)
        assert asked
        assert all("metadata.name%3Dkey" in each or "metadata.name=key" in each for each in asked)


async def test_a_certificate_of_another_namespace_is_read_once_granted(api, by, space) -> None:
    there = (await api.create(NAMESPACE.at(), {"metadata": {"generateName": "source-"}}))[
        "metadata"
    ]["name"]
    try:
        await put_secret(api, there, "tls", b"one")
        listener = {"name": "https", "port": 443, "protocol": "HTTPS"}
        listener["tls"] = {"certificateRefs": [{"name": "tls", "namespace": there}]}
        spec = {"gatewayClassName": "dragoman", "listeners": [listener]}
        await put(api, GATEWAY, "ai", space, spec=spec)
        key = Key("Secret", there, "tls")
        async with reading(api, by) as reader:
            assert key not in reader.last.resources.secrets
            source = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "namespace": space}
            grant = {"from": [source], "to": [{"group": "", "kind": "Secret"}]}
            await put(api, GRANT, "tls", there, spec=grant)
            await reader.until(lambda r: key in r.resources.secrets)
            await api.delete(GRANT.at(there, "tls"))
            await reader.until(lambda r: key not in r.resources.secrets)
    finally:
        await api.delete(NAMESPACE.at(name=there))


async def test_a_service_comes_with_its_endpoints(api, by, space) -> None:
    reference = {"serviceRef": {"name": "vllm", "port": 80}}
    spec = {"provider": "OpenAICompatible", "endpoint": reference, "auth": {"type": "None"}}
    spec["tls"] = {"mode": "None"}
    await put(api, AIBACKEND, "vllm", space, spec=spec)
    await put(api, SERVICE, "vllm", space, spec={"ports": [{"port": 80}]})
    labels = {"kubernetes.io/service-name": "vllm"}
    held = made(SLICE, "vllm-1", space, addressType="IPv4", ports=[{"name": "", "port": 8000}])
    held["metadata"]["labels"] = labels
    held["endpoints"] = [{"addresses": ["10.0.0.1"], "conditions": {"ready": True}}]
    key = Key("EndpointSlice", space, "vllm-1")
    async with reading(api, by) as reader:
        assert Key("Service", space, "vllm") in reader.last.resources.services
        assert not any(k.namespace == "default" for k in reader.last.resources.services)
        await api.create(SLICE.at(space), held)
        last = await reader.until(lambda r: key in r.resources.endpoint_slices)
        assert last.resources.endpoint_slices[key].spec.service == "vllm"
        held["endpoints"][0]["conditions"]["ready"] = False
        await api.merge(SLICE.at(space, "vllm-1"), {"endpoints": held["endpoints"]})
        await reader.until(
            lambda r: not r.resources.endpoint_slices[key].spec.endpoints[0].conditions.ready
        )


async def test_words_and_parameters_of_config_maps_are_read(api, by, space) -> None:
    await put(api, CONFIG_MAP, "parameters", space, data={"dataPlane.yaml": "replicas: 1"})
    listener = {"name": "http", "port": 80, "protocol": "HTTP"}
    reference = {"group": "", "kind": "ConfigMap", "name": "parameters"}
    spec = {"gatewayClassName": "dragoman", "listeners": [listener]}
    spec["infrastructure"] = {"parametersRef": reference}
    await put(api, GATEWAY, "ai", space, spec=spec)
    key = Key("ConfigMap", space, "parameters")
    async with reading(api, by) as reader:
        assert reader.last.resources.config_maps[key] == {"dataPlane.yaml": "replicas: 1"}
        await put(api, CONFIG_MAP, "parameters", space, data={"dataPlane.yaml": "replicas: 2"})
        await reader.until(lambda r: "2" in r.resources.config_maps[key]["dataPlane.yaml"])


async def test_pods_and_what_was_made_are_seen_but_not_read(api, by, space) -> None:
    labels = {
        "app.kubernetes.io/name": "dragoman-gateway",
        "app.kubernetes.io/managed-by": "dragoman",
        "gateway.networking.k8s.io/gateway-name": "ai",
    }
    await put(api, Resource("v1", "ServiceAccount"), "default", space)
    async with reading(api, by) as reader:
        count, sight, told = reader.count, reader.source.sight, []
        sight.listen(told.append)
        pod = made(POD, "ai-1", space, spec={"containers": [{"name": "a", "image": "a:1"}]})
        pod["metadata"]["labels"] = labels
        await api.create(POD.at(space), pod)
        gateway = Key("Gateway", space, "ai")
        await eventually(lambda: sight.of("Pod", gateway))
        assert not sight.of("Pod", gateway)[0].ready
        ready = {"type": "Ready", "status": "True"}
        status = {"status": {"conditions": [ready], "podIP": "10.0.0.7"}}
        await api.merge(POD.at(space, "ai-1", "status"), status)
        await eventually(lambda: sight.of("Pod", gateway)[0].ready)
        assert sight.of("Pod", gateway)[0].status["podIP"] == "10.0.0.7"
        service = made(SERVICE, "ai-dragoman", space, spec={"ports": [{"port": 80}]})
        service["metadata"] |= {
            "labels": labels,
            "annotations": {"dragoman.dev/hash": "h", "x": "y"},
        }
        await api.create(SERVICE.at(space), service)
        key = Key("Service", space, "ai-dragoman")
        await eventually(lambda: sight.get(key))
        assert sight.get(key).annotations == {"dragoman.dev/hash": "h"}
        assert sight.get(key).spec["clusterIP"]
        await api.delete(POD.at(space, "ai-1"))
        await eventually(lambda: not sight.of("Pod", gateway))
        assert {Key("Pod", space, "ai-1"), key} <= set(told)
        assert reader.count == count


async def test_one_namespace_needs_rights_in_that_namespace_only(api, kubeconfig, space) -> None:
    """Roles in the namespace, read access to GatewayClasses, nothing else."""
    await put(api, AIROUTE, "chat", space, spec=ROUTE)
    await put(api, AIROUTE, "elsewhere", "default", spec=ROUTE)
    await put(api, AIBACKEND, "openai", space, spec=BACKEND)
    await put_secret(api, space, "key", b"one")
    by = await _restricted(api, kubeconfig, space)
    scope = Scope(namespaces=(space,))
    async with Api(by) as restricted, reading(restricted, by, scope) as reader:
        resources = reader.last.resources
        assert {key.namespace for key in resources.routes} == {space}
        assert Key("Secret", space, "key") in resources.secrets
        assert space in resources.namespace_labels
        await put(api, AIROUTE, "more", space, spec=ROUTE)
        await reader.until(lambda r: route(space, "more") in r.resources.routes)
        await api.delete(AIROUTE.at("default", "elsewhere"))
        await api.delete(AIROUTE.at(space, "more"))
        await reader.until(lambda r: route(space, "more") not in r.resources.routes)
        assert reader.source.starts == 1


async def _restricted(api, kubeconfig, namespace):
    group = "rbac.authorization.k8s.io"
    read = ["get", "list", "watch"]
    rules = [
        {
            "apiGroups": ["dragoman.dev", "gateway.networking.k8s.io"],
            "resources": ["*"],
            "verbs": read,
        },
        {
            "apiGroups": [""],
            "resources": ["secrets", "configmaps", "services", "pods"],
            "verbs": read,
        },
        {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": read},
    ]
    account = Resource("v1", "ServiceAccount")
    await put(api, account, "reader", namespace)
    await put(api, Resource(f"{group}/v1", "Role"), "reader", namespace, rules=rules)
    subject = {"kind": "ServiceAccount", "name": "reader", "namespace": namespace}
    binding = {"subjects": [subject]}
    reference = {"apiGroup": group, "kind": "Role", "name": "reader"}
    await put(
        api,
        Resource(f"{group}/v1", "RoleBinding"),
        "reader",
        namespace,
        roleRef=reference,
        **binding,
    )
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    token = (await api.create(account.at(namespace, "reader", "token"), request))["status"]["token"]
    admin = login(kubeconfig)
    given = replace(admin, token=token, certificate_data=None, private_key_data=None, certificate_path=None, private_key_path=None)  # fmt: skip
    return lambda: given


async def test_a_thousand_routes_are_read_at_once(api, by, space) -> None:
    async def several(numbers):
        for number in numbers:
            await api.create(AIROUTE.at(space), made(AIROUTE, f"r-{number}", space, spec=ROUTE))

    await asyncio.gather(*(several(range(start, 1000, 10)) for start in range(10)))
    async with reading(api, by) as reader:
        mine = [key for key in reader.last.resources.routes if key.namespace == space]
        assert (len(mine), reader.count) == (1000, 1)
        await put(api, AIROUTE, "chat", space, spec=ROUTE)
        await reader.until(lambda r: route(space) in r.resources.routes)
        await eventually(lambda: reader.source.audit.rounds)
        assert reader.source.audit.drift == 0


@pytest.mark.parametrize("how", ["stopped", "paused"])
async def test_the_api_server_may_be_away_for_a_while(own_cluster, api, by, space, how) -> None:
    """A real one: what was read stays, and what changed meanwhile comes once it is back."""
    await put_secret(api, space, "key", b"one")
    await put(api, AIBACKEND, "openai", space, spec=BACKEND)
    async with reading(api, by) as reader:
        await eventually(lambda: reader.source.audit.rounds)
        if how == "stopped":
            await asyncio.to_thread(own_cluster.stop, "kube-apiserver")
        else:
            own_cluster.pause("kube-apiserver")
        try:
            await asyncio.sleep(1)  # what was under way arrives
            count = reader.count
            await asyncio.sleep(3)
            assert reader.count == count
            assert Key("AIBackend", space, "openai") in reader.last.resources.backends
        finally:  # the tests after this one need it
            if how == "stopped":
                await asyncio.to_thread(own_cluster.start, "kube-apiserver")
            else:
                own_cluster.resume("kube-apiserver")
        await put(api, AIROUTE, "chat", space, spec=ROUTE)
        await put_secret(api, space, "key", b"two")
        await reader.until(lambda r: route(space) in r.resources.routes)
        two = {"apiKey": SecretValue(b"two")}
        await reader.until(lambda r: r.resources.secrets[Key("Secret", space, "key")] == two)
        assert reader.source.starts <= 3


@pytest.mark.parametrize("namespaces", [(), ("default",)], ids=["cluster", "namespace"])
async def test_kinds_may_come_later(make_cluster, namespaces) -> None:
    """On an API server that knows neither Gateway API nor our kinds."""
    young = await asyncio.to_thread(make_cluster)
    by = partial(login, young.kubeconfig)
    scope = Scope(namespaces=namespaces)
    async with Api(by) as api, reading(api, by, scope) as reader:
        assert {"Gateway", "AIRoute"} <= reader.source.absent
        await asyncio.to_thread(young.apply_crds, programs.gateway_api())
        await asyncio.to_thread(young.apply_crds, CRDS)
        listener = {"name": "http", "port": 80, "protocol": "HTTP"}
        spec = {"gatewayClassName": "dragoman", "listeners": [listener]}
        await put(api, GATEWAY, "ai", "default", spec=spec)
        await put(api, AIROUTE, "chat", "default", spec=ROUTE)
        await reader.until(lambda r: Key("Gateway", "default", "ai") in r.resources.gateways)
        await reader.until(lambda r: route("default") in r.resources.routes)
        await eventually(lambda: not reader.source.absent)
        await put(api, AIROUTE, "more", "default", spec=ROUTE)
        await reader.until(lambda r: route("default", "more") in r.resources.routes)
    await asyncio.to_thread(young.down)
