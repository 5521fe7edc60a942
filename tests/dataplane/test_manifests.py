"""What is made for a Gateway, as golden files; and the rules behind the names."""

import json
import re

import kubernetes_validate
import pytest
import yaml

from controller import names
from controller.dataplane.certificates import Identity
from controller.dataplane.manifests import addresses, manifests
from controller.dataplane.parameters import Unusable
from controller.dataplane.wanted import HASH
from crds.gateway import SecretValue
from tests.dataplane.render import CASES, FILES, IDENTITY, render, wanted_of

NAMES = sorted(each.name.removesuffix(".in.yaml") for each in CASES.glob("*.in.yaml"))
MINIMAL = (CASES / "minimal.in.yaml").read_text()


def hashes(*parts):
    return {
        each["kind"]: each["metadata"]["annotations"][HASH]
        for each in manifests(wanted_of(MINIMAL), *parts)
    }


@pytest.mark.parametrize("name", NAMES)
def test_a_data_plane_is_made_as_agreed(name):
    text = (CASES / f"{name}.in.yaml").read_text()
    assert render(text) == (CASES / f"{name}.out.yaml").read_text()
    for each in manifests(wanted_of(text), FILES, IDENTITY):
        kubernetes_validate.validate(json.loads(json.dumps(each)), "1.37", strict=True)


def test_no_golden_file_is_left_over():
    outputs = {each.name.removesuffix(".out.yaml") for each in CASES.glob("*.out.yaml")}
    assert outputs == set(NAMES)


def test_another_bootstrap_makes_new_pods_and_another_certificate_does_not():
    before = hashes(FILES, IDENTITY)
    changed = hashes({"envoy.json": "{ }"}, IDENTITY)
    assert {kind for kind in before if before[kind] != changed[kind]} == {"ConfigMap", "Deployment"}
    renewed = hashes(FILES, Identity(b"newer", SecretValue(b"newer"), b"authority"))
    assert {kind for kind in before if before[kind] != renewed[kind]} == {"Secret"}


def test_a_hash_tells_nothing_of_a_private_key():
    other = Identity(b"certificate", SecretValue(b"another"), b"authority")
    assert hashes(FILES, IDENTITY) == hashes(FILES, other)


def test_a_gateway_without_a_port_to_serve_has_no_service():
    text = MINIMAL.replace("protocol: HTTP", "protocol: TCP")
    kinds = [each["kind"] for each in manifests(wanted_of(text), FILES, IDENTITY)]
    assert "Service" not in kinds
    assert "Deployment" in kinds


def test_names_fit_services_and_labels():
    long = "a" * 250
    for gateway in ("ai", "a.b", "1", long, f"{long[:60]}.b"):
        name = names.data_plane(gateway, "dragoman")
        assert re.fullmatch(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?", name), name
        assert re.fullmatch(
            r"[a-z0-9][-a-z0-9.]{0,61}[a-z0-9]|[a-z0-9]", names.label_value(gateway)
        )
    assert names.data_plane("a.b", "c") != names.data_plane("a-b", "c")
    assert names.data_plane(long, "c") != names.data_plane(long + "b", "c")


def test_ports_a_pod_may_not_bind_or_has_itself_are_moved():
    given = (80, 443, 1023, 1024, 8080, 19001, 19002)
    served = (10080, 10443, 11023, 1024, 8080, 29001, 29002)
    assert tuple(map(names.container_port, given)) == served


def test_two_ports_that_would_meet_in_the_pod_are_not_both_served():
    listeners = "[{name: a, port: 443, protocol: HTTP}, {name: b, port: 10443, protocol: HTTP}]"
    text = re.sub(r"listeners:\n.*", f"listeners: {listeners}", MINIMAL)
    (service,) = (e for e in manifests(wanted_of(text), FILES, IDENTITY) if e["kind"] == "Service")
    assert [each["port"] for each in service["spec"]["ports"]] == [443]


def test_addresses_are_the_load_balancers_else_the_services_own():
    inside = {"clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1", "fd00::1"]}
    balancer = {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}, {"hostname": "lb.example"}]}}
    assert addresses({"spec": inside, "status": balancer}) == ("192.0.2.1", "lb.example")
    assert addresses({"spec": inside, "status": {"loadBalancer": {}}}) == ("10.0.0.1", "fd00::1")
    assert addresses({"spec": {"clusterIP": "None"}}) == ()
    assert addresses({}) == ()


def test_parameters_that_cannot_be_used_are_told_with_their_place():
    text = (CASES / "a-config-map-overrides-field-by-field.in.yaml").read_text()
    gateway, config_map = text.split("---\n")
    place = "spec.infrastructure.parametersRef"
    assert wanted_of(gateway) == Unusable((f"{place}: ConfigMap shop/large does not exist",))
    bad = yaml.safe_load(config_map)
    bad["data"] = {"dataPlane.yaml": "drainSeconds: soon\n"}
    assert wanted_of(gateway + "---\n" + yaml.safe_dump(bad)) == Unusable(
        (f"{place}: ConfigMap shop/large: drainSeconds: must be a whole number",)
    )
    bad["data"] = {"other": ""}
    assert wanted_of(gateway + "---\n" + yaml.safe_dump(bad)) == Unusable(
        (f"{place}: ConfigMap shop/large needs the key dataPlane.yaml",)
    )
    strange = gateway.replace("kind: ConfigMap", "kind: Secret")
    assert wanted_of(strange) == Unusable((f"{place}: Secret is not read; name a ConfigMap",))
