"""Standing: what each object shows for what translate found and what is live."""

from dataclasses import replace
from typing import Any

import pytest

from controller import standing
from controller.standing import Delivery, Rejection, World
from controller.translate import Translation, translate
from controller.translate.memo import Memo
from crds.meta import Key
from dragoman import golden
from tests.status import worlds

WORLD = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: ai, namespace: infra}}
spec:
  gatewayClassName: dragoman
  listeners:
  - {{name: http, port: 80, protocol: HTTP, allowedRoutes: {{namespaces: {{from: All}}}}}}
{listeners}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: edge, namespace: infra}}
spec:
  gatewayClassName: dragoman
  listeners:
  - {{name: http, port: 8080, protocol: HTTP, allowedRoutes: {{namespaces: {{from: All}}}}}}
---
apiVersion: dragoman.dev/v1alpha1
kind: AIBackend
metadata: {{name: openai, namespace: infra}}
spec: {{provider: OpenAI, auth: {{type: None}}}}
---
apiVersion: dragoman.dev/v1alpha1
kind: AIRoute
metadata: {{name: chat, namespace: infra}}
spec:
  parentRefs: {parents}
  rules: [{{name: all, backendRefs: {backends}}}]
---
apiVersion: dragoman.dev/v1alpha1
kind: AIPolicy
metadata: {{name: size, namespace: infra}}
spec:
  targetRefs: [{{group: dragoman.dev, kind: AIRoute, name: chat}}]
  request: {{maxBodySize: 1Mi}}
"""
AI, EDGE = Key("Gateway", "infra", "ai"), Key("Gateway", "infra", "edge")
ROUTE, BACKEND = Key("AIRoute", "infra", "chat"), Key("AIBackend", "infra", "openai")
POLICY = Key("AIPolicy", "infra", "size")
BOTH = "[{name: ai}, {name: edge}]"


def parts(**changes: str) -> tuple[World, Translation]:
    given = {"parents": "[{name: ai}]", "backends": "[{name: openai}]", "listeners": "", **changes}
    resources = golden.resources(WORLD.format(**given), "in.yaml")
    translation = translate(resources)
    return World(resources, translation.statuses, {}), translation


def at(stage: str, translation: Translation, **more: Any) -> Delivery:
    live = {"live": translation.statuses} if stage == "live" else {}
    backends = frozenset(target.backend for target in translation.config.targets)
    return Delivery(backends=backends, **{**worlds.STAGES[stage], **live, **more})


def shown(world: World, **deliveries: Delivery) -> dict[Key, dict[str, Any]]:
    by_key = {Key("Gateway", "infra", name): each for name, each in deliveries.items()}
    return standing.show(replace(world, deliveries=by_key))


def said(status: dict[str, Any], type_: str = "Ready") -> str | None:
    found = worlds.of_type(status, type_)
    return f"{found['status']} {found['reason']}" if found else None


@pytest.mark.parametrize(
    ("stage", "ready", "extra"),
    [
        ("nothing is known", "Unknown Pending", "Reconciling"),
        ("no proxy", "False WaitingForProxies", "Reconciling"),
        ("live", "True Programmed", None),
    ],
)
def test_an_object_is_ready_once_it_is_live(stage: str, ready: str, extra: str | None) -> None:
    world, translation = parts()
    found = shown(world, ai=at(stage, translation))
    for key in (ROUTE, BACKEND, POLICY):
        assert said(found[key]) == ready, key
        types = {each["type"] for each in found[key]["conditions"]}
        assert types & {"Reconciling", "Stalled"} == ({extra} if extra else set())
        assert found[key]["observedGeneration"] == 1
        assert all(each["observedGeneration"] == 1 for each in found[key]["conditions"])
    assert said(found[AI], "Programmed") == ready


def test_every_gateway_that_serves_it_must_have_it() -> None:
    world, translation = parts(parents=BOTH)
    live, none = at("live", translation), at("no proxy", translation)
    pending = at("nothing is known", translation)
    for edge, ready in (
        (live, "True Programmed"),
        (none, "False WaitingForProxies"),
        (pending, "Unknown Pending"),
    ):
        found = shown(world, ai=live, edge=edge)
        assert {said(found[key]) for key in (ROUTE, BACKEND, POLICY)} == {ready}
        at_parents = [said(each, "Programmed") for each in found[ROUTE]["parents"]]
        assert at_parents == ["True Programmed", ready]
        message = worlds.of_type(found[ROUTE], "Ready")["message"]
        assert ("Gateway infra/edge" in message) == (edge is not live)


def test_a_memo_changes_the_work_and_nothing_else() -> None:
    memo = Memo()
    world, translation = parts(parents=BOTH)
    mended, _ = parts(parents="[{name: edge}]")
    stages = [at(stage, translation) for stage in worlds.STAGES]
    refused = Rejection(ROUTE, "no", replaced=False), Rejection(BACKEND, "no", replaced=True)
    stages += [replace(stages[-1], rejections=(each,)) for each in refused]
    for each in (world, mended, world):
        for ai in stages:
            for edge in stages:
                by_key = replace(each, deliveries={AI: ai, EDGE: edge})
                assert standing.show(by_key, memo) == standing.show(by_key)


def test_a_gateway_that_does_not_serve_it_is_not_waited_for() -> None:
    world, translation = parts()
    away = replace(at("no proxy", translation), backends=frozenset())
    found = shown(world, ai=at("live", translation), edge=away)
    assert {said(found[key]) for key in (ROUTE, BACKEND, POLICY)} == {"True Programmed"}
    assert said(found[EDGE], "Programmed") == "False WaitingForProxies"


def test_what_is_live_from_an_older_generation_is_pending() -> None:
    world, translation = parts()
    older = replace(translation.statuses[ROUTE], observed_generation=0)
    delivery = at("live", translation, live={**translation.statuses, ROUTE: older})
    found = shown(world, ai=delivery)
    assert said(found[ROUTE]) == "Unknown Pending"
    assert said(found[BACKEND]) == "True Programmed"


def test_what_was_judged_differently_when_it_went_live_is_pending() -> None:
    """A backend that appeared: the same generation of the AIRoute, but not what is live."""
    _, before = parts(backends="[{name: gone}]")
    world, translation = parts()
    found = shown(world, ai=at("live", translation, live=before.statuses))
    assert said(found[ROUTE]) == "Unknown Pending"


def test_proxies_that_go_or_come_revoke_nothing() -> None:
    world, translation = parts()
    found = shown(world, ai=at("live", translation, waiting_for_proxies=True))
    assert {said(found[key]) for key in (ROUTE, BACKEND, POLICY)} == {"True Programmed"}


def test_a_backend_that_nothing_refers_to_is_ready() -> None:
    world, translation = parts(backends="[{name: gone}]")
    found = shown(world, ai=at("no proxy", translation))
    assert said(found[BACKEND]) == "True NotReferenced"
    assert said(found[ROUTE]) == "False BackendNotFound"
    assert said(found[ROUTE], "Programmed") == "False WaitingForProxies"


def test_a_policy_on_a_route_that_no_gateway_serves_waits_for_nobody() -> None:
    world, translation = parts(parents="[{name: missing}]")
    found = shown(world, ai=at("no proxy", translation))
    assert said(found[POLICY]) == "True NotReferenced"
    assert said(found[ROUTE]) == "False NoMatchingParent"


@pytest.mark.parametrize("replaced", [True, False])
def test_what_envoy_refused_says_so_in_its_words_and_what_serves_on(replaced: bool) -> None:
    world, translation = parts()
    rejection = Rejection(ROUTE, "missing\n  ]: [", replaced=replaced)
    found = shown(world, ai=at("live", translation, rejections=(rejection,)))
    assert said(found[ROUTE]) == "False EnvoyRejected" == said(found[ROUTE], "Programmed")
    assert said(found[ROUTE], "Stalled") == "True EnvoyRejected"
    message = worlds.of_type(found[ROUTE], "Ready")["message"]
    serves = "its last accepted version serves on" if replaced else "it is left out"
    assert message == f"refused by Envoy: missing ]: [; {serves}"
    assert said(found[BACKEND]) == said(found[POLICY]) == "True Programmed"
    assert said(found[ROUTE]["parents"][0], "Programmed") == "False EnvoyRejected"


def test_what_suffers_from_a_refusal_of_another_object_names_it() -> None:
    world, translation = parts()
    rejection = Rejection(AI, "no", replaced=True, name="http/80", affected=frozenset({ROUTE}))
    found = shown(world, ai=at("live", translation, rejections=(rejection,)))
    assert said(found[ROUTE]) == "False Quarantined"
    assert said(found[ROUTE], "Stalled") is None
    assert "Gateway infra/ai" in worlds.of_type(found[ROUTE], "Ready")["message"]
    assert said(found[AI], "Programmed") == "False EnvoyRejected"
    assert said(found[AI]["listeners"][0], "Programmed") == "False EnvoyRejected"


def test_a_silent_proxy_is_named_on_the_gateway_and_revokes_nothing() -> None:
    world, translation = parts()
    found = shown(world, ai=at("live", translation, silent=("envoy/ai-1", "ext_proc/ai-1")))
    programmed = worlds.of_type(found[AI], "Programmed")
    assert programmed["status"] == "True"
    assert "envoy/ai-1, ext_proc/ai-1" in programmed["message"]
    assert said(found[ROUTE]) == "True Programmed"


@pytest.mark.parametrize(
    ("change", "accepted", "programmed"),
    [
        ({"addresses": ()}, "True Accepted", "False AddressNotAssigned"),
        ({"addresses": None}, "True Accepted", "Unknown Pending"),
        ({"wrong": ("spec: no",)}, "False InvalidParameters", "False Invalid"),
    ],
)
def test_what_keeps_a_gateway_from_being_programmed_leaves_its_routes_alone(
    change: dict[str, Any], accepted: str, programmed: str
) -> None:
    world, translation = parts()
    found = shown(world, ai=at("live", translation, **change))
    assert said(found[AI], "Accepted") == accepted
    assert said(found[AI], "Programmed") == programmed
    assert said(found[AI]["listeners"][0], "Programmed") == "True Programmed"
    assert said(found[ROUTE]) == "True Programmed"


@pytest.mark.parametrize(
    ("asked", "accepted", "programmed"),
    [
        ("{type: IPAddress}", "True Accepted", "True Programmed"),
        ("{value: 10.9.9.9}", "False UnsupportedAddress", "False AddressNotUsable"),
    ],
)
def test_an_address_may_be_wished_for_but_not_chosen(
    asked: str, accepted: str, programmed: str
) -> None:
    world, translation = parts(listeners=f"  addresses: [{asked}]")
    found = shown(world, ai=at("live", translation))[AI]
    assert (said(found, "Accepted"), said(found, "Programmed")) == (accepted, programmed)


def test_addresses_say_what_they_are_and_are_left_out_while_unknown() -> None:
    world, translation = parts()
    found = shown(world, ai=at("live", translation))
    assert found[AI]["addresses"] == [
        {"type": "IPAddress", "value": "10.0.0.1"},
        {"type": "Hostname", "value": "ai.example.com"},
    ]
    assert "addresses" not in found[EDGE]


LISTENERS = """
  - {name: again, port: 80, protocol: HTTP}
  - {name: secure, port: 80, protocol: HTTPS, tls: {certificateRefs: [{name: none}]}}
  - {name: missing, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: none}]}}
  - {name: foreign, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: none, namespace: other}]}}
  - {name: raw, port: 9000, protocol: TCP}
  - {name: kinds, port: 81, protocol: HTTP, allowedRoutes: {kinds: [{kind: HTTPRoute}]}}
  - {name: mixed, port: 82, protocol: HTTP, allowedRoutes: {kinds: [{kind: HTTPRoute}, {group: dragoman.dev, kind: AIRoute}]}}
"""


@pytest.mark.parametrize(
    ("name", "accepted", "resolved", "programmed", "conflicted"),
    [
        ("http", "True Accepted", "True ResolvedRefs", "True Programmed", "False NoConflicts"),
        (
            "again",
            "False HostnameConflict",
            "True ResolvedRefs",
            "False HostnameConflict",
            "True HostnameConflict",
        ),
        (
            "missing",
            "True Accepted",
            "False InvalidCertificateRef",
            "False Invalid",
            "False NoConflicts",
        ),
        ("foreign", "True Accepted", "False RefNotPermitted", "False Invalid", "False NoConflicts"),
        (
            "raw",
            "False UnsupportedProtocol",
            "True ResolvedRefs",
            "False Invalid",
            "False NoConflicts",
        ),
        ("kinds", "True Accepted", "False InvalidRouteKinds", "False Invalid", "False NoConflicts"),
        (
            "mixed",
            "True Accepted",
            "False InvalidRouteKinds",
            "True Programmed",
            "False NoConflicts",
        ),
    ],
)
def test_listeners_speak_gateway_apis_words(
    name: str, accepted: str, resolved: str, programmed: str, conflicted: str
) -> None:
    world, translation = parts(listeners=LISTENERS)
    found = shown(world, ai=at("live", translation))[AI]
    listener = next(each for each in found["listeners"] if each["name"] == name)
    types = ("Accepted", "ResolvedRefs", "Programmed", "Conflicted")
    assert [said(listener, type_) for type_ in types] == [
        accepted,
        resolved,
        programmed,
        conflicted,
    ]
    ours = [{"group": "dragoman.dev", "kind": "AIRoute"}]
    assert listener["supportedKinds"] == ([] if name in ("kinds", "raw") else ours)
    assert listener["attachedRoutes"] == int(name not in ("kinds", "raw"))
    assert said(found, "Accepted") == "True ListenersNotValid"


def test_a_protocol_conflict_is_told() -> None:
    case = worlds.GOLDEN / "listeners-that-claim-the-same-are-in-conflict"
    told = {
        said(listener, "Conflicted")
        for key, status in worlds.shown(case, "live").items()
        if key.kind == "Gateway"
        for listener in status["listeners"]
    }
    assert told == {"False NoConflicts", "True HostnameConflict", "True ProtocolConflict"}


def test_a_parent_is_repeated_as_its_user_wrote_it() -> None:
    world, translation = parts(
        parents="[{name: ai, sectionName: http}, {group: gateway.networking.k8s.io, kind: Gateway, "
        "namespace: infra, name: edge}]"
    )
    found = shown(world, ai=at("live", translation))[ROUTE]["parents"]
    assert [each["parentRef"] for each in found] == [
        {"name": "ai", "sectionName": "http"},
        {
            "group": "gateway.networking.k8s.io",
            "kind": "Gateway",
            "namespace": "infra",
            "name": "edge",
        },
    ]
    assert {each["controllerName"] for each in found} == {"dragoman.dev/controller"}


def test_an_ancestor_is_what_the_policy_targets() -> None:
    world, translation = parts()
    found = shown(world, ai=at("live", translation))[POLICY]["ancestors"]
    assert [each["ancestorRef"] for each in found] == [
        {"group": "dragoman.dev", "kind": "AIRoute", "name": "chat"}
    ]
    assert said(found[0], "Programmed") == "True Programmed"


def test_a_policy_that_is_stricter_elsewhere_is_partially_programmed_and_ready() -> None:
    case = worlds.GOLDEN / "the-smallest-body-and-the-strictest-word-win"
    told = {
        said(status): worlds.of_type(status, "Ready")["message"]
        for key, status in worlds.shown(case, "live").items()
        if key.kind == "AIPolicy"
    }
    assert "loses to" in told["True PartiallyProgrammed"]


def test_a_broken_policy_says_what_its_targets_do() -> None:
    closed = worlds.GOLDEN / "a-broken-policy-without-accepted-version-answers-503"
    kept = worlds.GOLDEN / "a-broken-policy-keeps-its-last-accepted-version"
    for case, text in ((closed, "answer 503"), (kept, "last accepted version stays in force")):
        policies = [
            status for key, status in worlds.shown(case, "live").items() if key.kind == "AIPolicy"
        ]
        broken = [each for each in policies if said(each, "Programmed") == "False Invalid"]
        assert broken
        for status in broken:
            assert text in worlds.of_type(status, "Ready")["message"]
            at_targets = [said(each, "Programmed") for each in status["ancestors"]]
            assert "True Programmed" not in at_targets


def test_a_gateway_class_of_ours_is_accepted_and_no_other() -> None:
    case = worlds.GOLDEN / "a-gateway-class-says-whose-its-gateways-are"
    found = {key: each for key, each in worlds.shown(case, "live").items() if not key.namespace}
    assert found
    assert {said(each, "Accepted") for each in found.values()} == {"True Accepted"}
    world, _ = worlds.translated(case)
    assert found.keys() < world.resources.gateway_classes.keys()


def test_a_gateway_that_cannot_be_read_is_spoken_of_only_if_it_is_ours() -> None:
    content = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: ai, namespace: infra}
spec: {gatewayClassName: dragoman, listeners: []}
"""
    resources = golden.resources(content, "in.yaml")
    translation = translate(resources)
    assert standing.show(World(resources, translation.statuses, {})) == {}
    world = World(resources, translation.statuses, {}, frozenset({AI}))
    found = standing.show(world)[AI]
    assert said(found, "Accepted") == "False Invalid" == said(found, "Programmed")
    assert found["listeners"] == found["addresses"] == []


def test_every_ready_condition_agrees_with_the_others() -> None:
    for where, key, status in worlds.everything():
        ready = worlds.of_type(status, "Ready")
        if ready is None:
            assert key.kind in ("Gateway", "GatewayClass")
            continue
        whole = [
            worlds.of_type(status, type_) for type_ in ("Accepted", "ResolvedRefs", "Programmed")
        ]
        all_true = all(each is None or each["status"] == "True" for each in whole)
        assert all_true or ready["status"] != "True", (where, key)
        assert worlds.of_type(status, "Stalled") is None or ready["status"] == "False"
        types = [each["type"] for each in status["conditions"]]
        assert len(types) == len(set(types)) <= 8


def test_a_class_with_parameters_is_told_that_they_mean_nothing() -> None:
    text = """
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: ours, generation: 3}
spec: {controllerName: dragoman.dev/controller, parametersRef: {group: "", kind: ConfigMap, name: a}}
"""
    world = World(golden.resources(text, "in.yaml"), {}, {})
    [found] = standing.show(world).values()
    assert said(found, "Accepted") == "False InvalidParameters"
    assert "spec.infrastructure.parametersRef" in found["conditions"][0]["message"]
