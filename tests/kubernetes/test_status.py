"""Statuses on a real API server: accepted by the schemas, written once, and never at others' cost."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from controller import standing
from controller.sources.api import Api, ApiError, Resource
from controller.sources.login import login
from controller.sources.merge import merge
from controller.sources.status import RESOURCES, Pace, StatusWriter
from controller.standing import Delivery, World
from controller.translate import translate
from crds.meta import CONTROLLER_NAME, Key
from dragoman import golden
from tests.status import worlds
from tests.status.leading import leading, settled

ROOT = Path(__file__).parents[2]
CRD = Resource("apiextensions.k8s.io/v1", "CustomResourceDefinition")
NAMESPACE = Resource("v1", "Namespace")
EVENT = Resource("events.k8s.io/v1", "Event")
QUICK = Pace(rate=1000, patience_s=0.05, retry_s=0.05, longest_retry_s=0.5)

OBJECTS = """
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {{name: {ns}}}
spec: {{controllerName: dragoman.dev/controller}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: ai, namespace: {ns}}}
spec:
  gatewayClassName: {ns}
  listeners: [{{name: http, port: 80, protocol: HTTP}}]
---
apiVersion: dragoman.dev/v1alpha1
kind: AIBackend
metadata: {{name: openai, namespace: {ns}}}
spec: {{provider: OpenAI, auth: {{type: None}}}}
---
apiVersion: dragoman.dev/v1alpha1
kind: AIRoute
metadata: {{name: chat, namespace: {ns}}}
spec:
  parentRefs: [{{name: ai}}]
  hostnames: [ai.example.com]
  rules: [{{name: all, matches: [{{model: {{value: chat}}}}], backendRefs: [{{name: openai}}]}}]
---
apiVersion: dragoman.dev/v1alpha1
kind: AIPolicy
metadata: {{name: size, namespace: {ns}}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: Gateway, name: ai}}]
  request: {{maxBodySize: 1Mi}}
"""


class Cluster:
    """One namespace of the API server, with a Gateway and an object of each of our kinds."""

    def __init__(self, api: Api, namespace: str) -> None:
        self.api = api
        self.namespace = namespace
        self.resources = golden.resources(OBJECTS.format(ns=namespace), "objects.yaml")
        self.objects: dict[Key, dict[str, Any]] = {}

    def key(self, kind: str, name: str) -> Key:
        return Key(kind, "" if kind == "GatewayClass" else self.namespace, name)

    async def create(self) -> None:
        for each in yaml.safe_load_all(OBJECTS.format(ns=self.namespace)):
            key = self.key(each["kind"], each["metadata"]["name"])
            await self.api.create(RESOURCES[key.kind].at(key.namespace), each)
        await self.see()

    async def see(self) -> None:
        """What a cache would hold now."""
        kinds = ("gateways", "gateway_classes", "backends", "routes", "policies")
        keys = [key for kind in kinds for key in getattr(self.resources, kind)]
        self.objects = {key: await self.get(key) for key in keys}

    async def get(self, key: Key) -> dict[str, Any]:
        return await self.api.get(RESOURCES[key.kind].at(key.namespace, key.name))

    def wanted(self, *, live: bool) -> dict[Key, dict[str, Any]]:
        statuses = translate(self.resources).statuses
        delivery = Delivery(
            live=statuses if live else {},
            backends=frozenset(key for key in statuses if key.kind == "AIBackend"),
            addresses=("10.0.0.1",),
        )
        gateway = self.key("Gateway", "ai")
        return standing.show(World(self.resources, statuses, {gateway: delivery}))

    async def put(self, key: Key, status: dict[str, Any]) -> dict[str, Any]:
        """Write a status as another controller would."""
        found = await self.get(key)
        path = RESOURCES[key.kind].at(key.namespace, key.name, "status")
        return await self.api.replace(path, {**found, "status": status})


@pytest.fixture
async def api(kubeconfig: Path) -> AsyncIterator[Api]:
    async with Api(partial(login, Path(kubeconfig))) as api:
        for file in sorted((ROOT / "crds").glob("*.yaml")):
            crd = yaml.safe_load(file.read_text())
            await api.apply(CRD.at(name=crd["metadata"]["name"]), crd, "test", force=True)
        for kind, resource in RESOURCES.items():
            await until(partial(served, api, resource), f"{kind} is served")
        yield api


@pytest.fixture
async def cluster(api: Api) -> AsyncIterator[Cluster]:
    name = f"status-{time.time_ns():x}"
    await api.create(NAMESPACE.at(), {"metadata": {"name": name}})
    cluster = Cluster(api, name)
    await cluster.create()
    yield cluster
    await api.delete(RESOURCES["GatewayClass"].at(name=name))
    await api.delete(NAMESPACE.at(name=name))


async def served(api: Api, resource: Resource) -> bool:
    try:
        await api.get(resource.at())
    except ApiError:
        return False
    return True


async def until(holds: Callable[[], Awaitable[bool]], what: str) -> None:
    for _ in range(600):
        if await holds():
            return
        await asyncio.sleep(0.05)
    raise AssertionError(what)


def writer(cluster: Cluster, client: Any = None) -> StatusWriter:
    read = cluster.objects.get
    return StatusWriter(client or cluster.api, read, "controller-0", QUICK, time.monotonic)


async def write(cluster: Cluster, wanted: dict[Key, dict[str, Any]], client: Any = None) -> None:
    """Have a leader write, beginning with what the cluster shows now."""
    await cluster.see()
    statuses = writer(cluster, client)
    statuses.want(wanted)
    async with leading(statuses):
        await settled(statuses)


def versions(objects: dict[Key, dict[str, Any]]) -> dict[Key, str]:
    return {key: each["metadata"]["resourceVersion"] for key, each in objects.items()}


async def test_the_schemas_take_every_status_of_the_golden_cases(cluster: Cluster) -> None:
    """Each is put on a stand-in, over whatever stood there before, and comes back as it was sent."""
    standins = {
        "Gateway": "ai",
        "GatewayClass": cluster.namespace,
        "AIBackend": "openai",
        "AIRoute": "chat",
        "AIPolicy": "size",
    }
    seen: set[str] = set()
    for where, key, wanted in worlds.everything():
        status = merge(key.kind, {}, wanted, worlds.NOW)
        if json.dumps([key.kind, status]) in seen:
            continue
        seen.add(json.dumps([key.kind, status]))
        written = await cluster.put(cluster.key(key.kind, standins[key.kind]), status)
        assert written["status"] == status, (where, key)
    assert len(seen) > 100


async def test_each_object_shows_what_is_wanted_and_is_written_once(cluster: Cluster) -> None:
    await write(cluster, cluster.wanted(live=True))
    await cluster.see()
    for key, wanted in cluster.wanted(live=True).items():
        status = cluster.objects[key]["status"]
        assert merge(key.kind, status, wanted, worlds.LATER) == status, key
    ready = [worlds.of_type(each["status"], "Ready") for each in cluster.objects.values()]
    assert [each["status"] for each in ready if each] == ["True"] * 3
    before = versions(cluster.objects)
    for _ in range(2):
        await write(cluster, cluster.wanted(live=True))
    await cluster.see()
    assert versions(cluster.objects) == before


async def test_a_leader_that_knows_less_for_a_while_changes_nothing(cluster: Cluster) -> None:
    await write(cluster, cluster.wanted(live=True))
    await cluster.see()
    before = versions(cluster.objects)
    await write(cluster, cluster.wanted(live=False))
    await cluster.see()
    assert versions(cluster.objects) == before


async def test_what_is_pending_becomes_ready(cluster: Cluster) -> None:
    route = cluster.key("AIRoute", "chat")
    await write(cluster, cluster.wanted(live=False))
    pending = (await cluster.get(route))["status"]
    assert worlds.of_type(pending, "Reconciling")["status"] == "True"
    await write(cluster, cluster.wanted(live=True))
    ready = (await cluster.get(route))["status"]
    assert worlds.of_type(ready, "Ready")["status"] == "True"
    assert worlds.of_type(ready, "Reconciling") is None


async def test_what_others_say_survives(cluster: Cluster) -> None:
    route, gateway = cluster.key("AIRoute", "chat"), cluster.key("Gateway", "ai")
    theirs = {
        "type": "example.com/Audited",
        "status": "True",
        "reason": "Audited",
        "message": "",
        "lastTransitionTime": worlds.NOW,
    }
    parent = {
        "parentRef": {"name": "theirs"},
        "controllerName": "other.example/controller",
        "conditions": [{**theirs, "type": "Accepted"}],
    }
    await cluster.put(route, {"conditions": [theirs], "parents": [parent]})
    listener = {
        "name": "http",
        "attachedRoutes": 0,
        "supportedKinds": [],
        "conditions": [theirs],
    }
    await cluster.put(gateway, {"conditions": [theirs], "listeners": [listener]})
    for live in (False, True):
        await write(cluster, cluster.wanted(live=live))
    status = (await cluster.get(route))["status"]
    assert theirs in status["conditions"]
    assert parent in status["parents"]
    assert {each["controllerName"] for each in status["parents"]} == {
        CONTROLLER_NAME,
        "other.example/controller",
    }
    status = (await cluster.get(gateway))["status"]
    assert theirs in status["conditions"]
    assert theirs in status["listeners"][0]["conditions"]
    assert status["listeners"][0]["attachedRoutes"] == 1


class Meddler:
    """An API in which someone else writes between our reading and our writing."""

    def __init__(self, cluster: Cluster, times: int) -> None:
        self.cluster = cluster
        self.left = times
        self.conflicts = 0

    async def get(self, path: str) -> dict[str, Any]:
        found = await self.cluster.api.get(path)
        if self.left:
            self.left -= 1
            labels = {"metadata": {"labels": {"meddled": str(self.left)}}}
            await self.cluster.api.merge(path, labels)
        return found

    async def replace(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        try:
            return await self.cluster.api.replace(path, body)
        except ApiError as error:
            self.conflicts += error.code == 409
            raise

    async def create(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return await self.cluster.api.create(path, body)


async def test_a_conflict_is_resolved_with_a_fresh_copy(cluster: Cluster) -> None:
    route = cluster.key("AIRoute", "chat")
    meddler = Meddler(cluster, 3)
    await write(cluster, {route: cluster.wanted(live=True)[route]}, meddler)
    found = await cluster.get(route)
    assert meddler.conflicts == 3
    assert found["metadata"]["labels"] == {"meddled": "0"}
    assert worlds.of_type(found["status"], "Ready")["status"] == "True"


async def test_an_edit_that_was_not_judged_yet_is_not_called_ready(cluster: Cluster) -> None:
    route = cluster.key("AIRoute", "chat")
    path = RESOURCES["AIRoute"].at(route.namespace, route.name)
    await cluster.see()
    statuses = writer(cluster)
    async with leading(statuses):
        await cluster.api.merge(path, {"spec": {"hostnames": ["other.example.com"]}})
        statuses.want({route: cluster.wanted(live=True)[route]})
        await settled(statuses)
    found = await cluster.get(route)
    assert found["metadata"]["generation"] == 2
    assert worlds.of_type(found["status"], "Ready")["status"] == "Unknown"


async def test_a_transition_is_an_event(cluster: Cluster) -> None:
    for live in (False, True, True):
        await write(cluster, cluster.wanted(live=live))
    found = await cluster.api.get(EVENT.at(cluster.namespace))
    told = sorted((each["regarding"]["kind"], each["reason"]) for each in found["items"])
    assert told == [
        ("AIBackend", "Programmed"),
        ("AIPolicy", "Programmed"),
        ("AIRoute", "Programmed"),
        ("Gateway", "Programmed"),
    ]
    uid = (await cluster.get(cluster.key("AIRoute", "chat")))["metadata"]["uid"]
    assert uid in {each["regarding"]["uid"] for each in found["items"]}


async def test_columns_say_what_people_ask_for(cluster: Cluster) -> None:
    await write(cluster, cluster.wanted(live=True))
    table = "application/json;as=Table;g=meta.k8s.io;v=v1"
    rows = {}
    for kind in ("AIRoute", "AIPolicy", "AIBackend"):
        path = RESOURCES[kind].at(cluster.namespace)
        found = await cluster.api._ask("GET", path, accept=table)
        columns = [each["name"] for each in found["columnDefinitions"]]
        narrow = [each["name"] for each in found["columnDefinitions"] if not each["priority"]]
        rows[kind] = narrow, dict(zip(columns, found["rows"][0]["cells"], strict=True))
    assert rows["AIRoute"][0] == ["Name", "Hostnames", "Ready", "Reason", "Age"]
    assert rows["AIPolicy"][0] == ["Name", "Mode", "Ready", "Reason", "Age"]
    assert rows["AIBackend"][0] == ["Name", "Provider", "Endpoint", "Service", "Ready", "Age"]
    route = rows["AIRoute"][1]
    assert (route["Ready"], route["Reason"]) == ("True", "Programmed")
    assert (route["First Model"], route["First Backend"]) == ("chat", "openai")
