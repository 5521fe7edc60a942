"""What Gateway API's conformance suite asks of routes at Gateways, by its intent, with AIRoutes."""

import pytest

from tests.kubernetes import conformance
from tests.kubernetes.cluster import ClusterError
from tests.kubernetes.conformance import (
    Space,
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
TYPES = ("Accepted", "ResolvedRefs")
FINE = {"Accepted": "True Accepted", "ResolvedRefs": "True ResolvedRefs"}
HOST = "any.test"
PERMISSION = (
    "The AIBackend's namespace must permit the Gateway's namespace as well: "
    "its key lives in the pods of that Gateway"
)
CODE = "503 in the caller's format where the suite expects 500"
HOSTS = "421 where the suite expects 404 for a hostname that no listener has"
PORTS = "An AIRoute's parentRefs have no `port`, and the API server refuses it; `sectionName` names the listener"


@pytest.fixture(scope="module")
def space(dragoman):
    with conformance.space(dragoman) as found:
        labelled = {"from": "Selector", "selector": {"matchLabels": {"conformance": "backend"}}}
        listeners = [
            https("https"),
            https("hostname", hostname="second-example.org"),
            https("wildcard", hostname="*.wildcard.org"),
            https("exact", hostname="fourth-example.wildcard.org"),
        ]
        dragoman.apply(
            found.infra,
            secret("certificate", "example.org"),
            gateway("same", pods=1),
            gateway("all", listener(from_="All"), pods=1),
            gateway("labelled", listener(from_=labelled), pods=1),
            gateway("secure", *listeners, pods=1),
        )
        yield found


def elsewhere(space: Space, name: str) -> dict[str, str]:
    return {"name": name, "namespace": space.infra}


@scenario("HTTPRouteSimpleSameNamespace")
def test_a_route_serves(space):
    with space.applied(route("simple", "same")):
        becomes(lambda: space.parents("simple", *TYPES), [FINE])
        answers(space.url("same"), {(HOST,): (200, "simple")})


@scenario("HTTPRouteCrossNamespace", differs=PERMISSION)
def test_a_route_of_another_namespace_attaches_where_its_label_is_allowed(space):
    permit = grant(("Gateway", space.infra), to=("AIBackend", "mock"))
    crossing = route("crossing", elsewhere(space, "labelled"))
    with space.applied(crossing, permit, namespace=space.web):
        becomes(lambda: space.parents("crossing", *TYPES, namespace=space.web), [FINE])
        answers(space.url("labelled"), {(HOST,): (200, "crossing")})


@scenario("HTTPRouteInvalidCrossNamespaceParentRef")
def test_a_route_of_another_namespace_attaches_nowhere_else(space):
    told = {**FINE, "Accepted": "False NotAllowedByListeners"}
    with space.applied(route("stranger", elsewhere(space, "same")), namespace=space.web):
        becomes(lambda: space.parents("stranger", *TYPES, namespace=space.web), [told])
        becomes(lambda: space.attached("same"), [0])


@scenario("HTTPRouteDisallowedKind")
def test_a_listener_for_other_kinds_takes_no_route(space):
    tls = {"mode": "Passthrough"}
    other = listener("tls", 443, protocol="TLS", tls=tls, allowed={"kinds": [{"kind": "TLSRoute"}]})
    told = {**FINE, "Accepted": "False NotAllowedByListeners"}
    with space.applied(gateway("tls-only", other), route("disallowed", "tls-only")):
        becomes(lambda: space.parents("disallowed", *TYPES), [told])
        becomes(lambda: space.attached("tls-only"), [0])


@scenario("HTTPRouteInvalidParentRefNotMatchingSectionName")
def test_a_listener_that_is_not_there_takes_no_route(space):
    told = {**FINE, "Accepted": "False NoMatchingParent"}
    with space.applied(route("section", {"name": "same", "sectionName": "not-there"})):
        becomes(lambda: space.parents("section", *TYPES), [told])
        becomes(lambda: space.attached("same"), [0])


@scenario("HTTPRouteInvalidParentRefNotMatchingListenerPort", missing=PORTS)
@scenario("HTTPRouteInvalidParentRefSectionNameNotMatchingPort", missing=PORTS)
@scenario("HTTPRouteListenerPortMatching", missing=PORTS)
def test_a_port_in_a_parent_is_refused_openly(space):
    with pytest.raises(ClusterError, match="port"):
        space.dragoman.apply(space.infra, route("port", {"name": "same", "port": 81}))


@scenario("HTTPRouteNoBackendRefs", differs="The API server refuses a rule without backendRefs")
def test_a_rule_without_backends_is_refused_by_the_api_server(space):
    empty = route("empty", "same")
    empty["spec"]["rules"][0]["backendRefs"] = []
    with pytest.raises(ClusterError, match="backendRefs"):
        space.dragoman.apply(space.infra, empty)


@scenario("HTTPRouteInvalidCrossNamespaceBackendRef", differs=CODE)
def test_a_backend_of_another_namespace_needs_a_grant(space):
    with space.applied(route("ungranted", "same", namespace=space.web)):
        becomes(
            lambda: space.parents("ungranted", *TYPES),
            [{**FINE, "ResolvedRefs": "False RefNotPermitted"}],
        )
        answers(space.url("same"), {(HOST,): (503, "")})


@scenario("HTTPRouteInvalidReferenceGrant", differs=CODE)
def test_grants_that_are_beside_the_point_permit_no_backend(space):
    routes, gateways = ("AIRoute", space.infra), ("Gateway", space.infra)
    beside = [
        grant(gateways, to=("AIBackend",)),
        grant(routes, to=("AIBackend",), group="not.the.group"),
        grant(("AIRoute", "not-the-namespace"), to=("AIBackend",)),
        grant(routes, to=("Secret",)),
        grant(routes, to=("AIBackend", "not-the-backend")),
    ]
    told = [{**FINE, "ResolvedRefs": "False RefNotPermitted"}]
    with (
        space.applied(*beside, namespace=space.web),
        space.applied(route("misgranted", "same", namespace=space.web)),
    ):
        becomes(lambda: space.parents("misgranted", *TYPES), told)
        answers(space.url("same"), {(HOST,): (503, "")})


@scenario("HTTPRoutePartiallyInvalidViaInvalidReferenceGrant", differs=CODE)
def test_a_rule_that_leads_nowhere_leaves_the_others_alone(space):
    partly = route("partly", "same", model="fine")
    broken = route("partly", "same", model="broken", namespace=space.web)["spec"]["rules"][0]
    partly["spec"]["rules"].append({**broken, "name": "broken"})
    with space.applied(partly):
        told = [{**FINE, "ResolvedRefs": "False RefNotPermitted"}]
        becomes(lambda: space.parents("partly", *TYPES), told)
        expected = {(HOST, "fine"): (200, "partly"), (HOST, "broken"): (503, "")}
        answers(space.url("same"), expected)


@scenario("HTTPRouteInvalidNonExistentBackendRef", differs=CODE)
def test_a_backend_that_is_not_there_is_told(space):
    told = [{**FINE, "ResolvedRefs": "False BackendNotFound"}]
    with space.applied(route("nowhere", "same", name="nonexistent")):
        becomes(lambda: space.parents("nowhere", *TYPES), told)
        answers(space.url("same"), {(HOST,): (503, "")})


@scenario("HTTPRouteReferenceGrant", differs=f"{PERMISSION}. {CODE}")
def test_a_grant_permits_a_backend_until_it_is_gone(space):
    both = ("AIRoute", space.infra), ("Gateway", space.infra)
    with space.applied(route("granted", "same", namespace=space.web)):
        with space.applied(grant(*both, to=("AIBackend", "mock")), namespace=space.web):
            becomes(lambda: space.parents("granted", *TYPES), [FINE])
            answers(space.url("same"), {(HOST,): (200, "granted")})
        answers(space.url("same"), {(HOST,): (503, "")})
        told = [{**FINE, "ResolvedRefs": "False RefNotPermitted"}]
        becomes(lambda: space.parents("granted", *TYPES), told)


@scenario("HTTPRouteMultipleGateways")
def test_each_gateway_serves_a_route_of_several(space):
    with space.applied(
        route("shared", "same", "all", model="shared"),
        route("of-same", "same"),
        route("of-all", "all"),
    ):
        becomes(lambda: space.parents("shared", *TYPES), [FINE, FINE])
        for name in ("same", "all"):
            expected = {(HOST, "shared"): (200, "shared"), (HOST, "other"): (200, f"of-{name}")}
            answers(space.url(name), expected)


@scenario("HTTPRouteMatchingAcrossRoutes", differs="Models in the place of paths")
def test_the_more_specific_match_serves_whatever_route_it_is_of(space):
    one, two = (
        route("part1", "same", hosts=("example.com", "example.net")),
        route("part2", "same", model="v2", hosts=("example.com",)),
    )
    with space.applied(one, two):
        expected = {
            ("example.com", "any"): "part1",
            ("example.net", "any"): "part1",
            ("example.com", "v2"): "part2",
            ("example.net", "v2"): "part1",
        }
        answers(space.url("same"), {each: (200, name) for each, name in expected.items()})


@scenario("HTTPRouteObservedGenerationBump")
def test_every_condition_of_a_route_says_which_generation_it_saw(space):
    with space.applied(route("bumped", "same")):
        becomes(lambda: space.latest("air", "bumped"), expected=True)
        space.dragoman.apply(space.infra, route("bumped", "same", model="another"))
        becomes(lambda: space.parents("bumped", *TYPES), [FINE])
        becomes(lambda: space.latest("air", "bumped"), expected=True)
        assert space.dragoman.get(space.infra, "air", "bumped")["metadata"]["generation"] == 2


@scenario("HTTPRouteHostnameIntersection", differs=HOSTS)
def test_a_route_serves_the_hostnames_it_has_in_common_with_a_listener(space):
    hosts = ("very.specific.com", "*.wildcard.io", "*.anotherwildcard.io")
    listeners = [listener(f"listener-{n}", hostname=host) for n, host in enumerate(hosts, 1)]
    wild = ("wildcard.io", "foo.wildcard.io", "bar.wildcard.io", "foo.bar.wildcard.io")
    routes = {
        "s1": ("non.matching.com", "*.nonmatchingwildcard.io", "very.specific.com"),
        "s2": ("non.matching.com", *wild),
        "s3": ("non.matching.com", "*.specific.com"),
        "s4": ("*.anotherwildcard.io",),
        "s5": ("specific.but.wrong.com", "wildcard.io"),
    }
    good = {
        "s1": ("very.specific.com", "very.specific.com:1234"),
        "s2": wild[1:],
        "s3": ("very.specific.com",),
        "s4": ("foo.anotherwildcard.io", "bar.anotherwildcard.io", "foo.bar.anotherwildcard.io"),
    }
    bad = {
        "s1": ("foo.wildcard.io",),
        "s2": ("very.specific.com",),
        "s3": ("foo.wildcard.io",),
        "s4": ("foo.wildcard.io", "very.specific.com"),
    }
    nowhere = {
        "s1": ("non.matching.com", "foo.nonmatchingwildcard.io"),
        "s2": ("wildcard.io",),
        "s3": ("non.matching.com", "foo.specific.com"),
        "s4": ("anotherwildcard.io",),
        "s5": ("specific.but.wrong.com", "wildcard.io"),
    }
    with space.applied(
        gateway("crossing", *listeners, pods=1),
        *(route(name, "crossing", model=name, hosts=every) for name, every in routes.items()),
    ):
        expected = {
            **{(host, name): (200, name) for name, every in good.items() for host in every},
            **{(host, name): (404, "") for name, every in bad.items() for host in every},
            **{(host, "none"): (404, "") for every in good.values() for host in every},
            **{(host, name): (421, "") for name, every in nowhere.items() for host in every},
        }
        answers(space.url("crossing"), expected)
        assert space.parents("s5", "Accepted") == [{"Accepted": "False NoMatchingListenerHostname"}]
        assert space.attached("crossing") == [2, 1, 1]


@scenario("HTTPRouteListenerHostnameMatching", differs=HOSTS)
def test_listeners_of_one_port_are_told_apart_by_hostname(space):
    hosts = ("bar.com", "foo.bar.com", "*.bar.com", "*.foo.com")
    listeners = [listener(f"listener-{n}", hostname=host) for n, host in enumerate(hosts, 1)]
    at = [{"name": "hostnames", "sectionName": each["name"]} for each in listeners]
    with space.applied(
        gateway("hostnames", *listeners, pods=1),
        route("v1", at[0]),
        route("v2", at[1]),
        route("v3", *at[2:]),
    ):
        of_v3 = ("baz.bar.com", "boo.bar.com", "multiple.prefixes.bar.com", "a.b.foo.com")
        expected = {
            ("bar.com",): (200, "v1"),
            ("foo.bar.com",): (200, "v2"),
            **{(host,): (200, "v3") for host in of_v3},
            **{(host,): (421, "") for host in ("foo.com", "no.matching.host")},
        }
        answers(space.url("hostnames"), expected)
        assert space.attached("hostnames") == [1, 1, 1, 1]


def encrypted(space: Space) -> str:
    return space.url("secure", 443).replace("http:", "https:")


@scenario("HTTPRouteHTTPSListener")
def test_an_https_listener_serves(space):
    at = {name: {"name": "secure", "sectionName": name} for name in ("https", "hostname")}
    with space.applied(
        route("https-test", at["https"], hosts=("example.org",)), route("no-host", at["hostname"])
    ):
        expected = {
            ("example.org", "x", "example.org"): (200, "https-test"),
            ("unknown-example.org", "x", "unknown-example.org"): (404, ""),
            ("second-example.org", "x", "second-example.org"): (200, "no-host"),
        }
        answers(encrypted(space), expected)


@scenario("HTTPRouteHTTPSListenerDetectMisdirectedRequests")
def test_a_request_on_a_connection_to_another_hostname_is_misdirected(space):
    at = {
        name: {"name": "secure", "sectionName": name}
        for name in ("https", "hostname", "wildcard", "exact")
    }
    one, two, unknown = "example.org", "second-example.org", "unknown-example.org"
    third, fourth, fifth = (f"{n}-example.wildcard.org" for n in ("third", "fourth", "fith"))
    rows = [
        *((one, one, "v1"), (one, two, 421), (one, unknown, 404)),
        *((two, two, "v2"), (two, one, 421), (two, unknown, 421)),
        *((third, third, "v3"), (third, fifth, "v3"), (third, fourth, 421), (third, two, 421)),
        *((third, unknown, 421), (fourth, fourth, "v4"), (fourth, fifth, 421)),
        *((unknown, one, "v1"), (unknown, unknown, 404)),
    ]
    expected = {
        (host, "x", sni): (200, said) if isinstance(said, str) else (said, "")
        for sni, host, said in rows
    }
    with space.applied(
        route("v1", at["https"], hosts=("example.org",)),
        route("v2", at["hostname"]),
        route("v3", at["wildcard"]),
        route("v4", at["exact"]),
    ):
        answers(encrypted(space), expected)
