"""What `build` makes of an ir.Config: equal bytes for equal input, nothing that refers to nothing."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller import ir, names
from controller.settings import BuildSettings
from controller.xds import clusters, overlap, snapshot
from controller.xds.build import Builder, build
from controller.xds.refusals import Refusal
from controller.xds.snapshot import CLUSTER, LISTENER, PLAN, ROUTE, SECRET
from crds.gateway import SecretValue
from crds.meta import Key
from crds.plan import MirrorPlan
from tests.xds import configs

SETTINGS = BuildSettings()
PLANTED = "sk-planted-in-a-test"


def secure_listener(port, hostname):
    return configs.listener(
        port, hostname=hostname, name=f"s{port}", certificates=["certificate/default/c"]
    )


def certificate():
    owner = Key("Secret", "default", "c")
    return ir.CertificateSecret("certificate/default/c", b"chain", SecretValue(b"private"), owner)


classes = st.builds(
    configs.traffic,
    translate=st.booleans(),
    stream=st.booleans(),
    attempt=st.none() | st.just(1.5),
    retries=st.integers(0, 2),
)
backends = st.lists(st.sampled_from(["one", "two", "three"]), min_size=1, max_size=3, unique=True)


@st.composite
def any_config(draw):
    hosts = [
        configs.host(domain, draw(st.lists(classes, min_size=1, max_size=3, unique=True)))
        for domain in draw(st.lists(st.sampled_from(["*", "a.x", "*.x"]), min_size=1, unique=True))
    ]
    listeners = [configs.listener(8080, *hosts)]
    if draw(st.booleans()):
        listeners.append(configs.listener(8081, hostname="b.x"))
    secure = draw(st.lists(st.sampled_from([None, "c.x", "*.c.x"]), max_size=3, unique=True))
    listeners += [secure_listener(8443, hostname) for hostname in secure]
    targets = [
        configs.target(
            name,
            443,
            host=draw(st.sampled_from(["10.0.0.1", "api.x"])),
            tls=draw(st.none() | st.just(ir.UpstreamTLS("api.x", None))),
        )
        for name in draw(backends)
    ]
    secrets = [configs.key(t.backend.name) for t in targets] + ([certificate()] if secure else [])
    return configs.config(listeners, targets, secrets=secrets)


def found(value, key):
    """Every value that stands under a key, at any depth."""
    if isinstance(value, dict):
        return [
            *([value[key]] if key in value else []),
            *(hit for item in value.values() for hit in found(item, key)),
        ]
    return [hit for item in value for hit in found(item, key)] if isinstance(value, list) else []


@settings(max_examples=15, deadline=None)
@given(any_config())
def test_every_reference_leads_somewhere(config):
    held = build(config, SETTINGS)
    shown = snapshot.render(held)
    routes = {rds["routeConfigName"] for rds in found(shown["listeners"], "rds")}
    assert routes == set(held.of(ROUTE))
    clusters = {c for c in found(shown["routes"], "cluster") if isinstance(c, str)}
    assert clusters == {names.BLACKHOLE}
    secrets = {
        one["name"]
        for key in ("tlsCertificateSdsSecretConfigs", "validationContextSdsSecretConfig")
        for listed in found(shown, key)
        for one in (listed if isinstance(listed, list) else [listed])
    }
    keys = {c["name"] for c in found(shown["clusters"], "credential") if "sdsConfig" in c}
    assert secrets | keys == set(held.of(SECRET))
    plans = {
        header["value"]
        for listed in found(shown["routes"], "grpcInitialMetadata")
        for header in listed
    }
    assert plans == {name for name in held.of(PLAN) if name.startswith("vh/")}
    for table in shown["routes"].values():
        domains = [domain for host in table["virtualHosts"] for domain in host["domains"]]
        assert len(domains) == len(set(domains))
        assert "*" in domains


def test_a_percent_sign_in_a_model_is_no_command_to_envoy():
    named = replace(configs.target("one", 443), name="default/one/100%REQ(cookie)%", model="m")
    shown = snapshot.render(build(configs.config([configs.listener(8080)], [named]), SETTINGS))
    said = [each["value"] for each in found(shown["clusters"], "header") if isinstance(each, dict)]
    assert "default/one/100%%REQ(cookie)%%" in said


@settings(max_examples=8, deadline=None)
@given(any_config(), any_config())
def test_a_builder_that_built_before_builds_the_same(first, second):
    builder = Builder(SETTINGS)
    builder.build(first)
    assert builder.build(second) == build(second, SETTINGS)


def test_equal_bytes_in_another_process():
    code = (
        "from tests.xds import configs; from controller.xds.build import build;"
        "from controller.settings import BuildSettings;"
        "c = configs.config([configs.listener(8080)], [configs.target(n, 1) for n in 'abc']);"
        "print(build(c, BuildSettings()).version)"
    )
    versions = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            timeout=100,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": "."},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(versions) == 1


def test_an_edit_of_one_target_builds_one_cluster_again():
    builder = Builder(SETTINGS)
    targets = [configs.target(name, 80) for name in ("one", "two")]
    before = builder.build(configs.config([configs.listener(8080)], targets))
    moved = replace(targets[0], port=81)
    after = builder.build(configs.config([configs.listener(8080)], [moved, targets[1]]))
    same = {
        (type_url, name)
        for type_url, resources in after.resources.items()
        for name, resource in resources.items()
        if before.of(type_url).get(name) is resource
    }
    assert (CLUSTER, "default/two/*") in same
    assert (CLUSTER, "default/one/*") not in same
    assert before.of(CLUSTER)["default/one/*"].version != after.of(CLUSTER)["default/one/*"].version
    for type_url in (LISTENER, ROUTE, SECRET):
        assert before.of(type_url) == after.of(type_url)


def test_routes_do_not_grow_with_airoutes():
    target = configs.target("one", 80)

    def with_routes(count):
        routes = [configs.route_plan(f"r{i}", target) for i in range(count)]
        return build(configs.config([configs.listener(8080)], [target], routes=routes), SETTINGS)

    one, many = with_routes(1), with_routes(1000)
    for type_url in (CLUSTER, LISTENER, ROUTE, SECRET):
        assert one.of(type_url) == many.of(type_url)
    assert len(many.of(PLAN)) == 1001


def test_a_dump_shows_no_secret():
    config = configs.config(
        [secure_listener(8443, "c.x")],
        [configs.target("one", 80)],
        secrets=[configs.key("one", PLANTED), certificate()],
    )
    held = build(config, SETTINGS)
    text = json.dumps(snapshot.render(held))
    assert PLANTED not in text
    assert PLANTED not in repr(held)
    assert "<secret>" in text
    assert "listener" in text


def test_a_hostname_of_another_listener_is_misdirected():
    listeners = [secure_listener(8443, hostname) for hostname in ("*.x", "a.x")]
    held = build(configs.config(listeners, [configs.target("one", 80)]), SETTINGS)
    table = snapshot.render(held)["routes"]["https/8443/*.x"]
    refusing = {
        tuple(host["domains"]): host["routes"][0]["directResponse"]["status"]
        for host in table["virtualHosts"]
        if "directResponse" in host["routes"][0]
    }
    assert refusing == {("a.x", "*"): 421}


def test_hostile_names_stay_inside_their_lua_strings():
    hostile = '"]=1}; os.exit() --\\'
    for copies in (None, 1):
        target = replace(configs.target("one", 80), name=hostile, host=hostile, copies=copies)
        held = build(configs.config([configs.listener(8080)], [target]), SETTINGS)
        [code] = [
            source["inlineString"]
            for source in found(snapshot.render(held)["clusters"], "defaultSourceCode")
        ]
        assert "os.exit()" not in code
        assert '"]=1}' not in code


def test_a_union_serves_old_and_new_classes():
    old, new = configs.traffic(attempt=1.0), configs.traffic(attempt=2.0)
    before = configs.config([configs.listener(8080, configs.host(classes=[old], body=9))], [])
    after = configs.config([configs.listener(8080, configs.host(classes=[new], body=5))], [])
    both = overlap.union(before, after)
    [host] = both.listeners[0].virtual_hosts
    assert (host.classes, host.max_body_bytes) == ((new, old), 9)
    builder = Builder(SETTINGS)
    builder.build(after)
    assert set(builder.bridge(both, after)) == {"http/8080"}
    assert builder.bridge(overlap.union(after, after), after) == {}


def test_a_mirror_that_envoy_refused_is_taken_out_alone():
    one, two = configs.target("one", 80), replace(configs.target("two", 80), copies=5)
    plain = configs.route_plan("r", one, two)
    rule = plain.rules[0]
    mirrored = {
        "targets": rule.targets[:1],
        "mirrors": (MirrorPlan(target=rule.targets[1], percent=5),),
    }
    route = plain.model_copy(update={"rules": (rule.model_copy(update=mirrored),)})
    config = configs.config([configs.listener(8080)], [one, two], routes=[route])
    assert build(config, SETTINGS).of(PLAN)["route/default/r"].needs == (one.name, two.name)
    left = overlap.without(config, [Refusal(CLUSTER, two.name, "no", replaced=False)])
    assert left.route_plans[0].rules[0].mirrors == ()
    assert left.route_plans[0].rules[0].targets == rule.targets[:1]
    assert left.targets == (one,)


def test_what_envoy_refused_takes_out_what_needs_it_and_nothing_else():
    targets = [configs.target(name, 80) for name in ("one", "two")]
    config = configs.config(
        [configs.listener(8080), secure_listener(8443, "c.x")],
        targets,
        secrets=[configs.key("one"), configs.key("two"), certificate()],
    )

    def left(type_url, name, *, replaced=False):
        return overlap.without(config, [Refusal(type_url, name, "no", replaced)])

    no_key = left(SECRET, "key/default/one")
    assert [t.name for t in no_key.targets] == ["default/two/*"]
    assert [t.cluster for t in no_key.route_plans[0].rules[0].targets] == ["default/two/*"]
    assert no_key.listeners == config.listeners
    no_certificate = left(SECRET, "certificate/default/c")
    assert [each.port for each in no_certificate.listeners] == [8080]
    assert no_certificate.targets == config.targets
    assert [each.port for each in left(LISTENER, "listener/8080").listeners] == [8443]
    assert left(CLUSTER, "default/one/*", replaced=True) is config


@pytest.mark.parametrize(
    ("more", "codec"), [({}, 0), ({"version": "HTTP2"}, 1), ({"http2": True}, 1)]
)
def test_probes_speak_the_http_that_requests_do(more, codec):
    check = ir.HealthCheck("/health", 10, 1, 3, 1)
    target = replace(configs.target("one", 80), health_check=check, **more)
    [probe] = clusters.build(target, SETTINGS).health_checks
    assert probe.http_health_check.codec_client_type == codec
