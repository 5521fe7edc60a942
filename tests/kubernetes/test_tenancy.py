"""Teams on one cluster: nothing crosses namespaces unasked, and nobody learns of what is not theirs."""

import base64

import grpc
import pytest

from tests.kubernetes import conformance, rogue
from tests.kubernetes.conformance import (
    Space,
    answer,
    answers,
    becomes,
    gateway,
    grant,
    https,
    listener,
    route,
)
from tests.kubernetes.installed import PROVIDERS, SYSTEM, backend, eventually
from tests.kubernetes.tls import secret

pytestmark = pytest.mark.timeout(900)
HOST = "any.test"
KEY = "sk-of-the-platform-alone"


@pytest.fixture(scope="module")
def space(dragoman):
    """`infra` is the platform's namespace, `web` a team's."""
    with conformance.space(dragoman) as found:
        dragoman.apply(found.infra, gateway("shared", listener(from_="All"), pods=1))
        dragoman.apply(found.web, gateway("own", pods=1))
        yield found


def condition(space: Space, namespace: str, kind: str, name: str, type_: str) -> tuple[str, str]:
    found = space.dragoman.condition(namespace, kind, name, type_)
    return found.get("reason", ""), found.get("message", "")


def test_whether_anothers_backend_exists_is_not_told(space):
    there = [route(name, "shared", name=name, namespace=space.infra) for name in ("mock", "nope")]
    parent = {"name": "shared", "namespace": space.infra}
    for each in there:
        each["spec"]["parentRefs"] = [parent]
    with space.applied(*there, namespace=space.web):
        told = {}
        for name in ("mock", "nope"):
            read = lambda name=name: condition(space, space.web, "air", name, "ResolvedRefs")  # noqa: E731
            eventually(lambda read=read: read()[0] == "RefNotPermitted")
            reason, message = read()
            told[name] = (reason, message.replace(name, "it"))
        assert told["mock"] == told["nope"]


def test_whether_anothers_certificate_exists_is_not_told(space):
    told = {}
    with space.applied(secret("there", "a.test")):
        for name in ("there", "nope"):
            ref = {"name": name, "namespace": space.infra}
            with space.applied(gateway("curious", https(certificate=ref)), namespace=space.web):
                eventually(lambda name=name: name in str(listeners(space)))
                told[name] = str(listeners(space)).replace(name, "it")
    assert "RefNotPermitted" in told["there"]
    assert told["there"] == told["nope"]


def listeners(space: Space) -> list[tuple[str, str, str]]:
    status = space.dragoman.get(space.web, "gateway", "curious").get("status", {})
    conditions = [c for each in status.get("listeners", []) for c in each["conditions"]]
    conditions += status.get("conditions", [])
    return [(each["type"], each["reason"], each["message"]) for each in conditions]


def test_whether_anothers_gateway_exists_is_not_told(space):
    private = gateway("private", listener("secret-project"))
    parents = [
        {"name": name, "namespace": space.infra, **section}
        for name in ("private", "nope")
        for section in ({}, {"sectionName": "secret-project"}, {"sectionName": "nope"})
    ]
    with space.applied(private), space.applied(route("curious", *parents), namespace=space.web):
        eventually(lambda: space.attached("private") == [0])
        eventually(lambda: len(space.parents("curious", namespace=space.web)) == len(parents))
        status = space.dragoman.get(space.web, "air", "curious")["status"]
        told = {
            (each["type"], each["status"], each["reason"], each["message"])
            for number, parent in enumerate(status["parents"])
            for each in parent["conditions"]
            for each in [{**each, "message": each["message"].replace(f"[{number}]", "[n]")}]
        }
        told = {
            (*rest, text.replace("private", "it").replace("nope", "it")) for *rest, text in told
        }
        assert {each[:3] for each in told} == {
            ("Accepted", "False", "NotAllowedByListeners"),
            ("ResolvedRefs", "True", "ResolvedRefs"),
        }
        assert len(told) == 2
        assert "secret-project" not in str(told)


def test_a_certificate_is_anothers_until_granted_and_again_when_the_grant_is_gone(space):
    ref = {"name": "lent", "namespace": space.infra}
    lent = secret("lent", "a.test")
    permit = grant(("Gateway", space.web), to=("Secret", "lent"))
    team = Space(space.dragoman, space.web, space.infra)
    with (
        space.applied(lent),
        team.applied(gateway("tls", https(certificate=ref), pods=1), route("tls", "tls")),
    ):
        with space.applied(permit):
            url = team.url("tls", 443).replace("http:", "https:")
            answers(url, {("a.test", "x", "a.test"): (200, "tls")})
        told = {"ResolvedRefs": "False RefNotPermitted"}
        becomes(lambda: team.listeners("tls", "ResolvedRefs"), {"https": (1, ["AIRoute"], told)})
        # at once for new connections; when open ones have drained, nothing of it is left
        answers(url, {("a.test", "x", "a.test"): (0, "")})
        mark = f"certificate/{space.infra}/lent"
        becomes(lambda: mark in rogue.held(space.dragoman, space.web, "tls"), expected=False)
        with space.applied(permit):
            answers(url, {("a.test", "x", "a.test"): (200, "tls")})


def keyed(space: Space) -> list[dict]:
    """An AIBackend of the platform with a key, reached through a Service of the platform."""
    listed = space.dragoman.client.kubectl(
        *("get", "pods", "-n", PROVIDERS, "-o", "jsonpath={.items[0].status.podIP}")
    )
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "llm"},
        "spec": {"clusterIP": "None", "ports": [{"name": "http", "port": 8000}]},
    }
    ports = [{"name": "http", "port": provider_port(space)}]
    endpoints = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "llm-1", "labels": {"kubernetes.io/service-name": "llm"}},
        "addressType": "IPv4",
        "ports": ports,
        "endpoints": [{"addresses": [listed], "conditions": {"ready": True}}],
    }
    key = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "key"},
        "stringData": {"api-key": KEY},
    }
    auth = {"type": "APIKey", "secretRef": {"name": "key", "key": "api-key"}}
    made = backend("llm", endpoint={"serviceRef": {"name": "llm", "port": 8000}}, auth=auth)
    return [service, endpoints, key, made]


def provider_port(space: Space) -> int:
    found = space.dragoman.get(PROVIDERS, "deployment", "mock")
    (container,) = found["spec"]["template"]["spec"]["containers"]
    return container["ports"][0]["containerPort"]


def test_a_gateway_holds_nothing_of_a_backend_that_only_routes_may_use(space):
    traces = (f"{space.infra}/llm", "llm.", KEY, base64.b64encode(KEY.encode()).decode())
    to_routes = grant(("AIRoute", space.web), to=("AIBackend", "llm"))
    lent = route(
        "lent", {"name": "shared", "namespace": space.infra}, name="llm", namespace=space.infra
    )
    taken = route("taken", "own", name="llm", namespace=space.infra)
    team = Space(space.dragoman, space.web, space.infra)
    with space.applied(*keyed(space), to_routes), team.applied(lent, taken):
        answers(space.url("shared"), {(HOST,): (200, "lent")})
        held = rogue.held(space.dragoman, space.infra, "shared")
        assert f"key/{space.infra}/llm" in held
        assert KEY not in held
        answers(team.url("own"), {(HOST,): (503, "")})
        reason, message = condition(space, space.web, "air", "taken", "ResolvedRefs")
        assert reason == "RefNotPermitted"
        assert f"from Gateway of {space.web}" in message
        held = rogue.held(space.dragoman, space.web, "own")
        assert [trace for trace in traces if trace in held] == []
        to_gateways = grant(("Gateway", space.web), to=("AIBackend", "llm"))
        with space.applied(to_gateways):
            answers(team.url("own"), {(HOST,): (200, "taken")})
            assert f"key/{space.infra}/llm" in rogue.held(space.dragoman, space.web, "own")
        answers(team.url("own"), {(HOST,): (503, "")})

        def left() -> list[str]:
            found = rogue.held(space.dragoman, space.web, "own")
            return [trace for trace in traces if trace in found]

        becomes(left, [])


def test_a_newer_route_of_another_team_takes_no_model(space):
    permit = grant(("Gateway", space.infra), to=("AIBackend",))
    parent = {"name": "shared", "namespace": space.infra}
    model = {"model": "contested", "name": "mock"}
    older = route("z-older", parent, **model)
    newer = route("a-newer", "shared", **model)
    for each, served in ((older, "of-older"), (newer, "of-newer")):
        each["spec"]["rules"][0]["matches"] = [{"model": {"value": "contested"}}]
        each["spec"]["rules"][0]["backendRefs"][0]["model"] = served
    with space.applied(permit, older, namespace=space.web):
        answers(space.url("shared"), {(HOST, "contested"): (200, "of-older")})
        with space.applied(newer):
            becomes(
                lambda: space.parents("a-newer", "Accepted", "Conflicted"),
                [{"Accepted": "True Accepted", "Conflicted": "True Conflicted"}],
            )
            _, message = condition(space, space.infra, "air", "a-newer", "Conflicted")
            assert f"AIRoute {space.web}/z-older" in message
            assert condition(space, space.infra, "air", "a-newer", "Ready")[0] == "Conflicted"
            space.dragoman.wait(space.web, "air/z-older")
            for _ in range(5):
                assert answer(space.url("shared"), HOST, "contested") == (200, "of-older")


def test_only_a_gateways_own_certificate_opens_its_configuration(space):
    mine = rogue.papers(space.dragoman, space.web, "own")
    assert rogue.greeting(space.dragoman, mine, mine)
    theirs = rogue.forged(mine, space.web, "own")
    for shown in (None, theirs):
        assert rogue.greeting(space.dragoman, mine, shown) == b""
    with rogue.rogue(space.dragoman, mine) as client:
        other = f"{space.infra}/shared"
        client.send(rogue.request(rogue.CLUSTERS, "*", cluster=other))
        assert client.ending() == (grpc.StatusCode.PERMISSION_DENIED, 0)


def hostile(space: Space, mine: rogue.Papers) -> None:
    """Ask for too much and never answer, while routes of both Gateways change."""
    wanted = [f"{space.infra}/mock/{number}" for number in range(10_000)]
    with rogue.rogue(space.dragoman, mine) as client:
        client.send(rogue.request(rogue.CLUSTERS, "*", f"{space.infra}/mock/*", *wanted))
        names = {each.name for each in client.answer().resources}
        assert names
        assert {name for name in names if space.infra in name} == set()
        client.send(rogue.request(rogue.SECRETS, f"key/{space.infra}/llm"))
        for _ in range(100):
            client.send(rogue.request(rogue.CLUSTERS, response_nonce="replayed"))
        for namespace in (space.infra, space.web):
            changed = route("steady", "shared" if namespace == space.infra else "own", model="new")
            space.dragoman.apply(namespace, changed)
            space.dragoman.wait(namespace, "air/steady")


def test_a_rogue_client_gets_its_own_and_hurts_nobody(space):
    """Row 41 of the attack suite: garbage, 10,000 subscriptions, replayed nonces."""
    mine = rogue.papers(space.dragoman, space.web, "own")
    leader = space.dragoman.leader()
    pods = space.dragoman.get(SYSTEM, "pod", leader)["status"]["containerStatuses"]
    with rogue.rogue(space.dragoman, mine) as client:
        client.send(b"\xff\xfe this is no message")
        assert client.ending() == (grpc.StatusCode.INVALID_ARGUMENT, 0)
    with (
        space.applied(route("steady", "shared")),
        space.applied(route("steady", "own"), namespace=space.web),
    ):
        for namespace in (space.infra, space.web):
            space.dragoman.wait(namespace, "air/steady", patience_s=300)
        hostile(space, mine)
    assert space.dragoman.leader() == leader
    now = space.dragoman.get(SYSTEM, "pod", leader)["status"]["containerStatuses"]
    assert [each["restartCount"] for each in now] == [each["restartCount"] for each in pods]


@pytest.mark.parametrize("host", ["169.254.169.254", "127.0.0.1", "::1", "fe80::1"])
def test_an_address_that_leads_inward_is_refused(space, host):
    made = backend("inward", endpoint={"hostname": host, "port": 80})
    with space.applied(made):
        eventually(
            lambda: (
                condition(space, space.infra, "aib", "inward", "ResolvedRefs")[0]
                == "EndpointRefused"
            )
        )
        assert host in condition(space, space.infra, "aib", "inward", "Ready")[1]


@pytest.mark.parametrize("host", ["localhost", "metadata.localhost"])
def test_a_name_that_leads_inward_gets_no_connection(space, host):
    """Envoy resolves these to loopback by itself; at this port its own pod would listen."""
    inward = backend("inward", endpoint={"hostname": host, "port": 19002})
    made = route("inward", "shared", model="inward", name="inward")
    with space.applied(inward, made):
        answers(space.url("shared"), {(HOST, "inward"): (502, "")})
        for pod in space.dragoman.pods(space.infra, "shared"):
            name = pod["metadata"]["name"]
            clusters = rogue.admin(space.dragoman, space.infra, name, "/clusters")
            assert f"{space.infra}/inward/inward::127.0.0.1:19002::cx_total::0" in clusters
            count = "listener.127.0.0.1_19002.downstream_cx_total"
            assert rogue.stat(space.dragoman, space.infra, name, count) == 0


def test_an_editor_of_a_namespace_writes_routes_and_neither_policies_nor_backends(space):
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "editor"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"},
        "subjects": [{"kind": "User", "name": "editor", "apiGroup": "rbac.authorization.k8s.io"}],
    }
    wanted = {"airoutes": True, "aipolicies": False, "aibackends": False}

    def may() -> dict[str, bool]:
        ask = ("auth", "can-i", "create", "--as=editor", "--namespace", space.web)
        return {
            kind: space.dragoman.client.answers(*ask, f"{kind}.dragoman.dev") for kind in wanted
        }

    with space.applied(binding, namespace=space.web):
        becomes(may, wanted)
