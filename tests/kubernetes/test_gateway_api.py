"""What Gateway API's conformance suite asks of Gateways and listeners, by its intent."""

import pytest

from tests.kubernetes import conformance
from tests.kubernetes.cluster import ClusterError
from tests.kubernetes.conformance import (
    answers,
    becomes,
    gateway,
    grant,
    https,
    listener,
    route,
    scenario,
)
from tests.kubernetes.tls import secret

pytestmark = pytest.mark.timeout(900)
OK = {"Accepted": "True Accepted", "ResolvedRefs": "True ResolvedRefs"}
KIND = ["AIRoute"]


@pytest.fixture(scope="module")
def space(dragoman):
    with conformance.space(dragoman) as found:
        yield found


@scenario("GatewayInvalidRouteKind")
def test_a_kind_of_route_that_is_not_served_is_told(space):
    strange, ours = {"kind": "InvalidRoute"}, {"group": "dragoman.dev", "kind": "AIRoute"}
    told = {"ResolvedRefs": "False InvalidRouteKinds"}
    with space.applied(
        gateway("only", listener(allowed={"kinds": [strange]})),
        gateway("also", listener(allowed={"kinds": [strange, ours]})),
    ):
        becomes(lambda: space.listeners("only", "ResolvedRefs"), {"http": (0, [], told)})
        becomes(lambda: space.listeners("also", "ResolvedRefs"), {"http": (0, KIND, told)})


@scenario("GatewayListenerUnsupportedProtocol")
def test_a_protocol_that_is_not_served_costs_its_listener_alone(space):
    strange = listener("invalid", 8081, protocol="invalid.example/protocol")
    told = (0, [], {"Accepted": "False UnsupportedProtocol"})
    fine = (0, KIND, {"Accepted": "True Accepted"})
    with space.applied(gateway("only", strange), gateway("also", listener(), strange)):
        becomes(lambda: space.listeners("only", "Accepted"), {"invalid": told})
        becomes(lambda: space.listeners("also", "Accepted"), {"http": fine, "invalid": told})
        assert space.gateway("only", "Accepted") == {"Accepted": "False ListenersNotValid"}
        assert space.gateway("also", "Accepted") == {"Accepted": "True ListenersNotValid"}
        assert space.latest("gateway", "only")
        assert space.latest("gateway", "also")


@scenario("GatewayInvalidTLSConfiguration")
@pytest.mark.parametrize(
    "ref",
    [
        {"name": "nonexistent"},
        {"group": "wrong.group.company.io", "name": "certificate"},
        {"kind": "WrongKind", "name": "certificate"},
        {"name": "malformed"},
    ],
    ids=["nonexistent", "group", "kind", "malformed"],
)
def test_a_certificate_that_cannot_be_used_is_told(space, ref):
    malformed = secret("malformed", certificate="Hello world\n", key="Hello world\n")
    told = {"https": (0, KIND, {"ResolvedRefs": "False InvalidCertificateRef"})}
    with space.applied(malformed, gateway("tls", https(certificate=ref))):
        becomes(lambda: space.listeners("tls", "ResolvedRefs"), told)


@scenario("GatewayModifyListeners")
def test_listeners_come_and_go(space):
    secure, plain = https(hostname="secure.test.com"), listener(hostname="data.test.com")
    certificate = secret("certificate", "secure.test.com")
    with space.applied(certificate, route("both", "modified"), gateway("modified", secure, pods=1)):
        url = space.url("modified", 443).replace("http:", "https:")
        becomes(lambda: space.listeners("modified", *OK), {"https": (1, KIND, OK)})
        space.dragoman.apply(space.infra, gateway("modified", secure, plain, pods=1))
        both = {"https": (1, KIND, OK), "http": (1, KIND, OK)}
        becomes(lambda: space.listeners("modified", *OK), both)
        assert space.latest("gateway", "modified")
        answers(space.url("modified"), {("data.test.com", "x"): (200, "both")})
        answers(url, {("secure.test.com", "x", "secure.test.com"): (200, "both")})
        space.dragoman.apply(space.infra, gateway("modified", plain, pods=1))
        becomes(lambda: space.listeners("modified", *OK), {"http": (1, KIND, OK)})
        assert space.latest("gateway", "modified")
        answers(space.url("modified"), {("data.test.com", "x"): (200, "both")})


@scenario("GatewayObservedGenerationBump")
def test_every_condition_of_a_gateway_says_which_generation_it_saw(space):
    first, second = listener(hostname="bar.com"), listener("alternate", 8080, hostname="foo.com")
    with space.applied(gateway("bump", first)):
        becomes(lambda: space.latest("gateway", "bump"), expected=True)
        before = space.dragoman.get(space.infra, "gateway", "bump")["metadata"]["generation"]
        space.dragoman.apply(space.infra, gateway("bump", first, second))
        becomes(lambda: sorted(space.listeners("bump")), ["alternate", "http"])
        becomes(lambda: space.latest("gateway", "bump"), expected=True)
        now = space.dragoman.get(space.infra, "gateway", "bump")["metadata"]["generation"]
        assert now > before


@scenario("GatewayClassObservedGenerationBump")
def test_every_condition_of_a_class_says_which_generation_it_saw(dragoman, space):
    spec = {"controllerName": "dragoman.dev/controller", "description": "old"}
    made = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "GatewayClass",
        "metadata": {"name": f"bump-{space.infra}"},
        "spec": spec,
    }
    with space.applied(made):
        for text in ("old", "new"):
            spec["description"] = text
            dragoman.apply(space.infra, made)
            becomes(lambda: space.latest("gatewayclass", made["metadata"]["name"]), expected=True)
            found = dragoman.get("", "gatewayclass", made["metadata"]["name"])
            assert conformance.said(found["status"]["conditions"]) == {"Accepted": "True Accepted"}
        assert found["metadata"]["generation"] == 2


@scenario("GatewayOptionalAddressValue")
def test_an_address_without_a_value_is_any(space):
    with space.applied(gateway("any", addresses=[{"type": "IPAddress"}], pods=1)):
        assert space.url("any")
        assert space.gateway("any", "Accepted") == {"Accepted": "True Accepted"}


@scenario(
    "GatewayStaticAddresses",
    missing="The Service decides. An address with a value is `Accepted: False`, `UnsupportedAddress`, whatever its type",
)
def test_an_address_of_ones_own_is_refused_openly(space):
    wrong = {"Accepted": "False UnsupportedAddress", "Programmed": "False AddressNotUsable"}
    with space.applied(gateway("static", addresses=[{"value": "203.0.113.1"}])):
        becomes(lambda: space.gateway("static"), wrong)


@scenario("GatewayInvalidParametersRef")
def test_parameters_that_are_not_there_are_told(space):
    ref = {"parametersRef": {"group": "", "kind": "ConfigMap", "name": "missing"}}
    told = {"Accepted": "False InvalidParameters"}
    with space.applied(gateway("parameters", infrastructure=ref)):
        becomes(lambda: space.gateway("parameters", "Accepted"), told)
        assert space.latest("gateway", "parameters")


@scenario("GatewayInfrastructureMetadata")
def test_labels_and_annotations_reach_what_is_made(dragoman, space):
    wanted = {"labels": {"key2": "value2"}, "annotations": {"key1": "value1"}}
    kinds = "serviceaccount,service,deployment,configmap"
    label = "gateway.networking.k8s.io/gateway-name=labelled"

    def carried() -> set[tuple[str, str, str]]:
        columns = "KIND:.kind,LABEL:.metadata.labels.key2,NOTE:.metadata.annotations.key1"
        text = dragoman.kubectl(
            *("get", kinds, "-n", space.infra, "-l", label),
            *("--no-headers", "-o", f"custom-columns={columns}"),
        )
        return {tuple(line.split()) for line in text.splitlines()}

    made = ("ServiceAccount", "Service", "Deployment", "ConfigMap")
    with space.applied(gateway("labelled", infrastructure=wanted)):
        becomes(carried, {(kind, "value2", "value1") for kind in made})
        assert space.gateway("labelled", "Accepted") == {"Accepted": "True Accepted"}


def foreign(space, name: str, pods: int = 0):
    """A Gateway whose certificate is the other team's."""
    return gateway(name, https(certificate={"name": name, "namespace": space.web}), pods=pods)


REFUSED = {"https": (0, KIND, {"ResolvedRefs": "False RefNotPermitted"})}


@scenario("GatewaySecretMissingReferenceGrant")
def test_a_certificate_of_another_namespace_needs_a_grant(space):
    there = space.applied(secret("ungranted", "a.test"), namespace=space.web)
    with there, space.applied(foreign(space, "ungranted")):
        becomes(lambda: space.listeners("ungranted", "ResolvedRefs"), REFUSED)


@scenario("GatewaySecretInvalidReferenceGrant")
def test_grants_that_are_beside_the_point_permit_nothing(space):
    gateways, this = ("Gateway", space.infra), ("Secret", "misgranted")
    beside = [
        grant(gateways, to=this, group="not.the.group"),
        grant(("AIRoute", space.infra), to=this),
        grant(("Gateway", "not-the-namespace"), to=this),
        grant(gateways, to=("AIBackend", "misgranted")),
        grant(gateways, to=("Secret", "not-the-certificate")),
    ]
    there = space.applied(secret("misgranted", "a.test"), *beside, namespace=space.web)
    with there, space.applied(foreign(space, "misgranted"), grant(gateways, to=this)):
        becomes(lambda: space.listeners("misgranted", "ResolvedRefs"), REFUSED)


@pytest.mark.parametrize(
    "to",
    [
        pytest.param(("Secret", "granted"), id="specific"),
        pytest.param(("Secret",), id="all-in-namespace"),
    ],
)
@scenario("GatewaySecretReferenceGrantAllInNamespace")
@scenario("GatewaySecretReferenceGrantSpecific")
def test_a_grant_permits_a_certificate(space, to):
    fine = {"Programmed": "True Programmed", "ResolvedRefs": "True ResolvedRefs"}
    given = (secret("granted", "a.test"), grant(("Gateway", space.infra), to=to))
    there = space.applied(*given, namespace=space.web)
    with there, space.applied(foreign(space, "granted", pods=1)):
        becomes(lambda: space.listeners("granted", *fine), {"https": (0, KIND, fine)})


@scenario("GatewayWithAttachedRoutes")
def test_routes_that_attach_are_counted(space):
    here = {"matchLabels": {"kubernetes.io/metadata.name": space.infra}}
    allowed = {"from": "Selector", "selector": here}
    kinds = {"kinds": [{"group": "dragoman.dev", "kind": "AIRoute"}]}
    with space.applied(
        gateway("one", listener(from_=allowed, allowed=kinds)),
        gateway("two", listener(from_=allowed, allowed=kinds, hostname="foo.example.com")),
        gateway("broken", https("tls", certificate={"name": "does-not-exist"}, from_=allowed)),
        route("route-1", "one"),
        route("route-2", "two", model="a"),
        route("route-3", "two", model="b"),
        route("not-accepted", "two", hosts=("not-accepted.test.com",)),
        route("route-4", {"name": "broken", "sectionName": "tls"}, name="does-not-exist"),
    ):
        becomes(lambda: space.listeners("one", *OK), {"http": (1, KIND, OK)})
        becomes(lambda: space.listeners("two", *OK), {"http": (2, KIND, OK)})
        told = {"Programmed": "False Invalid", "ResolvedRefs": "False InvalidCertificateRef"}
        becomes(lambda: space.listeners("broken", *told), {"tls": (1, KIND, told)})
        nothing = [{"ResolvedRefs": "False BackendNotFound"}]
        becomes(lambda: space.parents("route-4", "ResolvedRefs"), nothing)
        mismatch = [{"Accepted": "False NoMatchingListenerHostname"}]
        becomes(lambda: space.parents("not-accepted", "Accepted"), mismatch)


@scenario("GatewayWithAttachedRoutesWithPort8080")
def test_a_route_counts_only_at_the_listener_it_names(space):
    two = gateway("ports", listener("unattached", 80), listener("http", 8080))
    with space.applied(two, route("named", {"name": "ports", "sectionName": "http"})):
        counted = {"unattached": (0, KIND, OK), "http": (1, KIND, OK)}
        becomes(lambda: space.listeners("ports", *OK), counted)


@scenario("GatewayHTTPListenerIsolation")
def test_a_hostname_belongs_to_its_most_specific_listener(space):
    hosts = {
        "empty": (None, "bar.com"),
        "wildcard": ("*.example.com", "bar.example.com"),
        "wildcard-foo": ("*.foo.example.com", "bar.foo.example.com"),
        "abc-foo": ("abc.foo.example.com", "abc.foo.example.com"),
    }
    listeners = [
        listener(name, from_="All", **({"hostname": host} if host else {}))
        for name, (host, _) in hosts.items()
    ]
    every = tuple(host for host, _ in hosts.values() if host)
    sections = {name: {"name": "isolated", "sectionName": name} for name in hosts}
    alone = [route(name, ref, model=name) for name, ref in sections.items()]
    crossing = [
        route(name, ref, model=name, hosts=every)
        for name, ref in sections.items()
        if name != "empty"
    ]
    expected = {
        (example, model): (200, model) if model == owner else (404, "")
        for owner, (_, example) in hosts.items()
        for model in hosts
    }
    with space.applied(gateway("isolated", *listeners, pods=1), *alone):
        answers(space.url("isolated"), expected)
        space.dragoman.apply(space.infra, *crossing)
        becomes(lambda: space.latest("air", "abc-foo"), expected=True)
        answers(space.url("isolated"), expected)


@scenario(
    "GatewayFrontendClientCertificateValidation",
    missing="A Gateway with `spec.tls` is not accepted at all, so that nobody is let in who was meant to show a certificate",
)
def test_certificates_of_clients_are_refused_openly(space):
    validation = {"caCertificateRefs": [{"group": "", "kind": "ConfigMap", "name": "ca"}]}
    asked = {"frontend": {"default": {"validation": validation}}}
    with space.applied(gateway("clients", https(), tls=asked)):
        becomes(lambda: space.gateway("clients", "Accepted"), {"Accepted": "False Invalid"})


@scenario(
    "HTTPRouteInvalidBackendRefUnknownKind",
    differs="The API server refuses the AIRoute: a backendRef is always an AIBackend",
)
def test_a_backend_of_another_kind_is_refused_by_the_api_server(space):
    with pytest.raises(ClusterError, match="kind"):
        space.dragoman.apply(space.infra, route("kind", "any", kind="NonExistent"))
