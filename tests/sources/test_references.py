"""What an object refers to, and what of it may be read."""

import pytest

from controller.sources.follow import selections
from controller.sources.references import references, wanted
from crds.gateway import GatewayClassSpec, ReferenceGrantSpec
from crds.meta import CONTROLLER_NAME, Key, ObjectMeta
from crds.objects import Object

OURS = {"dragoman": GatewayClassSpec(controller_name=CONTROLLER_NAME)}


def document(kind, spec):
    return {"kind": kind, "metadata": {"name": "x", "namespace": "team"}, "spec": spec}


def found(kind, spec, classes=OURS, grants=()):
    return wanted(references(document(kind, spec)), classes, grants, "dragoman")


def gateway(ref, gateway_class="dragoman"):
    return {"gatewayClassName": gateway_class, "listeners": [{"tls": {"certificateRefs": [ref]}}]}


def grant(namespace="infra", kind="Gateway", to=None):
    source = {"group": "gateway.networking.k8s.io", "kind": kind, "namespace": "team"}
    spec = ReferenceGrantSpec.model_validate(
        {"from": [source], "to": [{"group": "", "kind": "Secret", **(to or {})}]}
    )
    key = Key("ReferenceGrant", namespace, "g")
    return Object(key, ObjectMeta(name="g", namespace=namespace), spec)


def test_every_place_where_something_is_referred_to() -> None:
    backend = {
        "auth": {
            "secretRef": {"name": "key"},
            "oauth2": {"caCertificateRefs": [{"name": "ca-0"}]},
        },
        "tls": {"caCertificateRefs": [{"name": "ca-1"}, {"name": "ca-2"}]},
        "endpoint": {"serviceRef": {"name": "vllm", "port": 80}},
    }
    assert found("AIBackend", backend) == {
        Key("Secret", "team", "key"),
        Key("ConfigMap", "team", "ca-0"),
        Key("ConfigMap", "team", "ca-1"),
        Key("ConfigMap", "team", "ca-2"),
        Key("Service", "team", "vllm"),
    }
    policy = {
        "request": {"guards": [{"name": "a"}, {"configMapRef": {"name": "w-1", "key": "k"}}]},
        "response": {
            "guards": [{"configMapRef": {"name": "w-2", "key": "k"}}],
            "schemas": [{"configMapRef": {"name": "s-2", "key": "k"}}],
        },
    }
    policy["request"]["schemas"] = [{"configMapRef": {"name": "s-1", "key": "k"}}]
    assert {key.name for key in found("AIPolicy", policy)} == {"w-1", "w-2", "s-1", "s-2"}
    prompted = {"name": "b", "promptRef": {"name": "of-target"}}
    mirrored = {"name": "b", "promptRef": {"name": "of-mirror"}}
    route = {"rules": [{"backendRefs": [prompted], "mirrors": [mirrored]}]}
    assert {key.name for key in found("AIRoute", route)} == {"of-target", "of-mirror"}
    parameters = {"parametersRef": {"group": "", "kind": "ConfigMap", "name": "p"}}
    spec = {**gateway({"name": "tls"}), "infrastructure": parameters}
    assert found("Gateway", spec) == {Key("Secret", "team", "tls"), Key("ConfigMap", "team", "p")}


@pytest.mark.parametrize(
    "spec",
    [
        None,
        "text",
        [],
        {"auth": None},
        {"auth": {"secretRef": [[{"name": 1}]]}},
        {"auth": {"secretRef": {"name": ""}}},
        {"auth": {"secretRef": {"name": "key", "kind": "ConfigMap"}}},
        {"tls": {"caCertificateRefs": "text"}},
    ],
)
def test_what_cannot_be_read_refers_to_nothing(spec) -> None:
    assert found("AIBackend", spec) == set()


def test_another_namespace_counts_only_where_one_may_be_named_and_with_a_grant() -> None:
    there = {"name": "tls", "namespace": "infra"}
    key = Key("Secret", "infra", "tls")
    assert found("AIBackend", {"auth": {"secretRef": there}}) == {Key("Secret", "team", "tls")}
    assert found("Gateway", gateway(there)) == set()
    assert found("Gateway", gateway(there), grants=[grant()]) == {key}
    assert found("Gateway", gateway(there), grants=[grant(to={"name": "tls"})]) == {key}
    for other in (grant(to={"name": "x"}), grant("else"), grant(kind="AIRoute")):
        assert found("Gateway", gateway(there), grants=[other]) == set()


def test_gateways_of_others_do_not_concern_us() -> None:
    ref, key = {"name": "tls"}, Key("Secret", "team", "tls")
    theirs = {"dragoman": GatewayClassSpec(controller_name="example.com/x")}
    assert found("Gateway", gateway(ref), classes=theirs) == set()
    assert found("Gateway", gateway(ref, "other")) == set()
    assert found("Gateway", gateway(ref, "other"), classes={"other": OURS["dragoman"]}) == {key}
    assert found("Gateway", gateway(ref), classes={}) == {key}, "ours by its name"


def test_one_object_is_followed_by_its_name_and_a_service_with_its_slices() -> None:
    (secret,) = selections([Key("Secret", "team", "key")])
    assert (secret.namespace, secret.fields) == ("team", "metadata.name=key")
    service = selections([Key("Service", "team", "vllm")])
    assert {(each.resource.kind, each.fields, each.labels) for each in service} == {
        ("Service", "metadata.name=vllm", ""),
        ("EndpointSlice", "", "kubernetes.io/service-name=vllm"),
    }


def test_a_pool_is_followed_by_its_name_and_with_it_its_picker_and_its_pods() -> None:
    backend = {"endpoint": {"inferencePoolRef": {"name": "llama"}}}
    assert found("AIBackend", backend) == {Key("InferencePool", "team", "llama")}
    (pool,) = selections(found("AIBackend", backend))
    assert pool.resource.at("team") == (
        "/apis/inference.networking.k8s.io/v1/namespaces/team/inferencepools"
    )
    spec = {
        "selector": {"matchLabels": {"role": "decode", "app": "llama"}},
        "endpointPickerRef": {"name": "picker", "port": {"number": 9002}},
    }
    needed = found("InferencePool", spec)
    assert needed == {Key("Service", "team", "picker"), Key("Pod", "team", "app=llama,role=decode")}
    pods = next(each for each in selections(needed) if each.resource.kind == "Pod")
    assert (pods.namespace, pods.labels, pods.fields) == ("team", "app=llama,role=decode", "")


@pytest.mark.parametrize("labels", [None, {}, [], {"app": 1}, {"app": None}, "app=llama"])
def test_a_pool_whose_labels_cannot_be_read_selects_no_pods(labels) -> None:
    assert found("InferencePool", {"selector": {"matchLabels": labels}}) == set()


def test_a_picker_that_is_no_service_is_not_read() -> None:
    ref = {"group": "example.com", "kind": "Picker", "name": "picker"}
    assert found("InferencePool", {"endpointPickerRef": ref}) == set()


@pytest.mark.parametrize("name", ["a=b", "a,metadata.name!=a", "../x", "A", "-a", "", "a" * 254])
def test_a_name_that_no_object_can_have_is_not_asked_for(name) -> None:
    assert found("Gateway", gateway({"name": name})) == frozenset()
    assert found("AIBackend", {"auth": {"secretRef": {"name": name}}}) == frozenset()
