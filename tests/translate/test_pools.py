"""Pools: which pods are of them, and which pickers are asked."""

import pytest

from controller.resources import Resources
from controller.settings import Place
from controller.sources.gather import gather
from controller.translate import translate
from crds.load import load
from crds.meta import Key

WORLD = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: ai}
spec: {gatewayClassName: dragoman, listeners: [{name: http, port: 8080, protocol: HTTP}]}
---
apiVersion: dragoman.dev/v1alpha1
kind: AIRoute
metadata: {name: r}
spec: {parentRefs: [{name: ai}], rules: [{name: a, backendRefs: [{name: b, model: m}, {name: b, model: n}]}]}
---
apiVersion: dragoman.dev/v1alpha1
kind: AIBackend
metadata: {name: b}
spec: {provider: OpenAICompatible, endpoint: {inferencePoolRef: {name: p}}, tls: {mode: None}, auth: {type: None}}
---
apiVersion: inference.networking.k8s.io/v1
kind: InferencePool
metadata: {name: p}
spec:
  selector: {matchLabels: {app: x}}
  targetPorts: [{number: 8000}]
  endpointPickerRef: {name: picker, port: {number: 9002}, failureMode: MODE}
---
apiVersion: v1
kind: Service
metadata: {name: picker}
spec: {ports: [{port: 9002}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: picker, labels: {kubernetes.io/service-name: picker}}
addressType: IPv4
endpoints: [{addresses: [ADDRESS]}]
ports: [{port: 9102}]
---
apiVersion: v1
kind: Pod
metadata: {name: x-1, labels: {app: x, more: y}}
status: {podIP: 10.0.0.1, conditions: [{type: Ready, status: "True"}]}
"""


def found(text, *, refused=(), mode="FailClose", address="10.0.0.9"):
    loaded = load(text.replace("MODE", mode).replace("ADDRESS", address), "w", {})
    reading = gather([(loaded, loaded)], Resources())
    assert reading.problems == ()
    return translate(reading.resources, place=Place(refused=refused))


def resolved(translation):
    status = translation.statuses[Key("AIBackend", "default", "b")]
    (condition,) = (each for each in status.conditions if each.type == "ResolvedRefs")
    return condition


def test_all_targets_of_a_pool_ask_the_same_picker() -> None:
    one, two = found(WORLD).config.targets
    assert one.endpoints == two.endpoints == (("10.0.0.1", 8000),)
    assert one.picker == two.picker
    assert (one.picker.endpoints, one.picker.fails_open) == ((("10.0.0.9", 9102),), False)
    assert (one.host, one.authority) == ("p.default.svc", "p.default.svc")


def test_fail_open_is_the_pools_own_word() -> None:
    assert all(each.picker.fails_open for each in found(WORLD, mode="FailOpen").config.targets)


@pytest.mark.parametrize(
    "change",
    [
        ("labels: {app: x, more: y}", "labels: {app: z}"),
        ("labels: {app: x, more: y}", "labels: {more: y}"),
        ("name: x-1,", "name: x-1, namespace: other,"),
        ('status: "True"', 'status: "False"'),
        ("podIP: 10.0.0.1, ", ""),
        ("name: x-1,", 'name: x-1, deletionTimestamp: "2026-01-01T00:00:00Z",'),
    ],
)
def test_a_pod_that_is_not_of_the_pool_or_not_ready_is_no_endpoint(change) -> None:
    translation = found(WORLD.replace(*change))
    assert {each.endpoints for each in translation.config.targets} == {()}
    assert resolved(translation).status == "True"


def test_a_picker_where_nobody_is_called_takes_its_backends_out() -> None:
    refused = ("169.254.0.0/16",)
    assert resolved(found(WORLD, refused=refused)).status == "True"
    translation = found(WORLD, refused=refused, address="169.254.169.254")
    condition = resolved(translation)
    assert (condition.status, condition.reason) == ("False", "EndpointRefused")
    assert "169.254.169.254 is in 169.254.0.0/16" in condition.message
    assert translation.config.targets == ()


def test_a_service_of_another_name_is_never_asked() -> None:
    external = WORLD.replace(
        "spec: {ports: [{port: 9002}]}", "spec: {type: ExternalName, ports: [{port: 9002}]}"
    )
    condition = resolved(found(external))
    assert (condition.status, condition.reason) == ("False", "UnsupportedValue")


def test_a_picker_without_port_is_told() -> None:
    condition = resolved(found(WORLD.replace("port: {number: 9002}, ", "")))
    assert (condition.status, condition.reason) == ("False", "UnsupportedValue")
    assert "has no port" in condition.message
