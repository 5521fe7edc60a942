"""InferencePools on a real API server: before their kind is there, and with pods that come, change and go."""

from functools import partial
from pathlib import Path

import pytest

from controller.sources import follow
from controller.sources.api import Api, Resource
from controller.sources.login import login
from controller.translate import translate
from crds.meta import Key
from tests.kubernetes.reader import reading

BACKEND = Resource("dragoman.dev/v1alpha1", "AIBackend")
POOL = Resource("inference.networking.k8s.io/v1", "InferencePool")
POD = Resource("v1", "Pod")
SERVICE = Resource("v1", "Service")
KIND = Path(__file__).with_name("inferencepools.yaml")
PICKER = {"name": "picker", "port": {"number": 9002}}


@pytest.fixture
async def api(kubeconfig):
    async with Api(partial(login, kubeconfig)) as connected:
        yield connected


@pytest.fixture
def by(kubeconfig):
    return partial(login, kubeconfig)


@pytest.fixture
def kind(kubectl):
    """Installs the kind when it is called; the cluster is left without it."""

    def install() -> None:
        kubectl("apply", "-f", str(KIND))
        kubectl("wait", "--for=condition=Established", "-f", str(KIND), "--timeout=60s")

    yield install
    kubectl("delete", "-f", str(KIND), "--ignore-not-found")


async def put(api, resource, namespace, name, **fields):
    meta = {"name": name, "namespace": namespace, **fields.pop("metadata", {})}
    kind = {"apiVersion": resource.api_version, "kind": resource.kind}
    path = resource.at(namespace, name)
    await api.apply(path, {**kind, "metadata": meta, **fields}, "test", force=True)


async def put_pod(api, namespace, name, address, *, ready="True", **labels):
    """A pod as a kubelet would report it; no node runs it."""
    container = {"name": "server", "image": "none.example/none"}
    spec = {"containers": [container], "nodeSelector": {"no": "node"}}
    await put(api, POD, namespace, name, metadata={"labels": labels}, spec=spec)
    conditions = [{"type": "Ready", "status": ready}]
    status = {"podIP": address, "podIPs": [{"ip": address}], "conditions": conditions}
    await api.merge(POD.at(namespace, name, "status"), {"status": status})


async def put_pool(api, namespace, **labels):
    spec = {"selector": {"matchLabels": labels}, "targetPorts": [{"number": 8000}]}
    await put(api, POOL, namespace, "llama", spec={**spec, "endpointPickerRef": PICKER})


async def put_backend(api, namespace):
    endpoint = {"inferencePoolRef": {"name": "llama"}}
    spec = {"provider": "OpenAICompatible", "endpoint": endpoint, "auth": {"type": "None"}}
    await put(api, BACKEND, namespace, "llama", spec={**spec, "tls": {"mode": "None"}})
    await put(api, SERVICE, namespace, "picker", spec={"ports": [{"port": 9002}]})


def pods(reading):
    return sorted(key.name for key in reading.resources.pods)


def resolved(reading, namespace):
    status = translate(reading.resources).statuses[Key("AIBackend", namespace, "llama")]
    return next(each.status for each in status.conditions if each.type == "ResolvedRefs")


async def test_a_pool_is_read_as_soon_as_its_kind_is_served(
    api, by, namespace, kind, monkeypatch
) -> None:
    monkeypatch.setattr(follow, "REFUSED_S", 0.5)
    await put_backend(api, namespace)
    async with reading(api, by) as reader:
        assert reader.last.resources.inference_pools == {}
        assert resolved(reader.last, namespace) == "False"
        kind()
        await put_pool(api, namespace, app="llama")
        await reader.until(lambda r: resolved(r, namespace) == "True")


async def test_pods_come_with_the_pool_that_selects_them(api, by, namespace, kind) -> None:
    kind()
    await put_backend(api, namespace)
    await put_pool(api, namespace, app="llama")
    await put_pod(api, namespace, "a", "10.9.0.1", app="llama")
    await put_pod(api, namespace, "b", "10.9.0.2", app="other")
    async with reading(api, by) as reader:
        assert (pods(reader.last), reader.count) == (["a"], 1), "whole from the first"
        assert Key("Service", namespace, "picker") in reader.last.resources.services
        await put_pod(api, namespace, "c", "10.9.0.3", app="llama", ready="False")
        last = await reader.until(lambda r: pods(r) == ["a", "c"])
        assert not last.resources.pods[Key("Pod", namespace, "c")].spec.ready
        await put_pod(api, namespace, "c", "10.9.0.3", app="llama")
        await reader.until(lambda r: r.resources.pods[Key("Pod", namespace, "c")].spec.ready)
        await put_pod(api, namespace, "a", "10.9.0.1", app="other")
        await reader.until(lambda r: pods(r) == ["c"])
        await put_pool(api, namespace, app="other")
        await reader.until(lambda r: pods(r) == ["a", "b"])
        await api.delete(BACKEND.at(namespace, "llama"))
        await reader.until(lambda r: not (r.resources.pods or r.resources.inference_pools))
