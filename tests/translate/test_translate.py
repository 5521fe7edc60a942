"""What golden files show badly: limits, age, scale of the plan, and what must stay equal."""

import copy
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from controller import names
from controller.owners import owners
from controller.resources import Broken, Object, Problem, Resources
from controller.translate import rules as resolving
from controller.translate import translate
from controller.translate.conditions import problems
from controller.translate.memo import Memo
from controller.translate.virtual_hosts import CLASS_LIMIT
from crds.aibackend import AIBackendSpec
from crds.aipolicy import AIPolicySpec
from crds.airoute import AIRouteSpec
from crds.entities import ENTITIES
from crds.gateway import GatewaySpec, ReferenceGrantSpec, SecretValue
from crds.meta import Key, ObjectMeta
from ext_proc.detectors import pii

SPECS = {
    "Gateway": GatewaySpec,
    "AIRoute": AIRouteSpec,
    "AIBackend": AIBackendSpec,
    "AIPolicy": AIPolicySpec,
}
LISTENER = {"name": "http", "port": 80, "protocol": "HTTP"}
GATEWAY = {"gatewayClassName": "dragoman", "listeners": [LISTENER]}
OPENAI = {"provider": "OpenAI", "auth": {"type": "None"}}


def made(kind: str, name: str, spec: dict[str, Any], created: str = "") -> dict[Key, Object]:
    key = Key(kind, "infra", name)
    meta = ObjectMeta(name=name, namespace="infra", creation_timestamp=created, generation=7)
    return {key: Object(key, meta, SPECS[kind].model_validate(spec), f"{name}.yaml:1")}


def routed(name: str, *rules: dict[str, Any], created: str = "", **spec: Any) -> dict[Key, Object]:
    filled = [
        {"name": f"r{n}", "backendRefs": [{"name": "openai"}], **r} for n, r in enumerate(rules)
    ]
    return made("AIRoute", name, {"parentRefs": [{"name": "ai"}], "rules": filled, **spec}, created)


def world(routes: dict[Key, Object], **more: Any) -> Resources:
    return Resources(
        gateways=made("Gateway", "ai", GATEWAY),
        backends=made("AIBackend", "openai", OPENAI),
        routes=routes,
        **more,
    )


def model(name: str) -> list[dict[str, Any]]:
    return [{"model": {"value": name}}]


def test_the_entities_are_those_the_detectors_find() -> None:
    assert ENTITIES == pii.ENTITIES


def test_nothing_makes_nothing() -> None:
    translation = translate(Resources())
    assert translation.config.listeners == ()
    assert translation.statuses == {}


def test_older_comes_before_name() -> None:
    routes = routed("a", {"matches": model("chat")}, created="2026-02-01T00:00:00Z")
    routes |= routed("z", {"matches": model("chat")}, created="2026-01-01T00:00:00Z")
    plan = translate(world(routes)).config.virtual_host_plans[0]
    assert [row.route for row in plan.tiers[0].exact["chat"]] == ["infra/z"]


def test_rules_beyond_the_limit_of_classes_are_served_as_broken() -> None:
    rules = [{"matches": model(f"m{n}"), "timeouts": {"request": f"{n + 1}s"}} for n in range(40)]
    translation = translate(world(routed("many", *rules)))
    (listener,) = translation.config.listeners
    (host,) = listener.virtual_hosts
    (plan,) = translation.config.route_plans
    assert len(host.classes) == CLASS_LIMIT
    assert [bool(rule.targets) for rule in plan.rules] == [True] * 32 + [False] * 8
    assert all(
        f"m{n}" in translation.config.virtual_host_plans[0].tiers[0].exact for n in range(40)
    )
    status = translation.statuses[Key("AIRoute", "infra", "many")]
    assert {(c.type, c.status, c.reason) for c in status.conditions} >= {
        ("ResolvedRefs", "False", "TooManyTrafficClasses")
    }
    assert len(status.problems) == 8


def test_classes_of_a_plan_are_classes_of_its_virtual_hosts() -> None:
    rule = {"timeouts": {"request": "9s", "firstByte": "2s"}, "retry": {"attempts": 1}}
    translation = translate(world(routed("one", rule)))
    named = {each.name for each in translation.config.listeners[0].virtual_hosts[0].classes}
    served = translation.config.route_plans[0].rules[0]
    assert {served.unary_class, served.stream_class} == named


def test_a_mirror_is_no_target_and_asks_for_room() -> None:
    """Its models are not listed, its copies have classes of their own, and those count."""
    mirror = {"mirrors": [{"name": "openai", "model": "copied", "percent": 5}]}
    rules = [
        {"matches": model(f"m{n}"), "timeouts": {"request": f"{n + 1}s"}, **mirror}
        for n in range(17)
    ]
    config = translate(world(routed("many", *rules))).config
    (host,) = config.listeners[0].virtual_hosts
    assert len(host.classes) == CLASS_LIMIT
    assert sum(each.mirrored for each in host.classes) == 32
    assert [len(rule.mirrors) for rule in config.route_plans[0].rules] == [1] * 16 + [0]
    assert "copied" not in str(config.virtual_host_plans[0].models)
    assert [(each.name, each.copies) for each in config.targets] == [
        ("infra/openai/*", None),
        ("mirror:infra/openai/copied", 1024),
    ]


def test_an_edit_of_one_route_changes_one_plan() -> None:
    routes = {}
    for number in range(50):
        routes |= routed(f"route-{number}", {"matches": model(f"m{number}")})
    before = translate(world(routes)).config
    edited = routes | routed("route-7", {"matches": model("m7"), "retry": {"attempts": 0}})
    again = edited | routed(
        "route-7", {"matches": model("m7"), "backendRefs": [{"name": "openai", "model": "x"}]}
    )
    unchanged, after = translate(world(edited)).config, translate(world(again)).config
    assert unchanged == before
    changed = [
        old.name
        for old, new in zip(before.route_plans, after.route_plans, strict=True)
        if old != new
    ]
    assert changed == ["infra/route-7"]
    assert after.virtual_host_plans[0].tiers == before.virtual_host_plans[0].tiers
    assert after.listeners == before.listeners


def test_every_name_has_an_owner() -> None:
    config = translate(world(routed("one", {}))).config
    assert set(owners(config)) == {
        names.listener(80),
        names.http_routes(80),
        "vh/infra/ai/http/*",
        "route/infra/one",
        *names.parts("infra/openai/*", None),
    }


def test_statuses_bear_the_generation_they_judge() -> None:
    statuses = translate(world(routed("one", {}))).statuses
    assert {status.observed_generation for status in statuses.values()} == {7}


def test_what_was_accepted_before_stays_until_it_is_mended_or_deleted() -> None:
    target = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "ai"}
    guard = {"name": "pii", "type": "PII", "action": "Block", "entities": ["Email"]}
    spec = {"targetRefs": [target], "request": {"guards": [guard]}}
    good = made("AIPolicy", "cards", spec)
    key = next(iter(good))
    bad = made(
        "AIPolicy", "cards", {**spec, "request": {"guards": [{**guard, "entities": ["Emial"]}]}}
    )
    unread = (Broken(key, "cards.yaml:1", (Problem("spec", "cannot be read"),)),)

    first = translate(world({}, policies=good))
    second = translate(world({}, policies=bad), first.accepted)
    third = translate(world({}, broken=unread), second.accepted)
    guards = [each.config.virtual_host_plans[0].guards[0] for each in (first, second, third)]
    assert guards[0].request
    assert guards == [guards[0]] * 3

    deleted = translate(world({}), third.accepted)
    fresh = translate(world({}, policies=bad), deleted.accepted)
    assert deleted.config.virtual_host_plans[0].guards[0].request == ()
    assert fresh.config.virtual_host_plans[0].guards[0].unavailable == "infra/cards"


def test_no_secret_shows() -> None:
    auth = {"type": "APIKey", "secretRef": {"name": "key"}}
    for value in (b"planted-value", b"planted-value\n", "planted-välue".encode()):
        resources = Resources(
            gateways=made("Gateway", "ai", GATEWAY),
            backends=made("AIBackend", "openai", {"provider": "OpenAI", "auth": auth}),
            routes=routed("one", {}),
            secrets={Key("Secret", "infra", "key"): {"apiKey": SecretValue(value)}},
        )
        translation = translate(resources)
        assert "planted" not in repr(translation)
        assert "planted" not in " ".join(map(str, problems(translation.statuses)))


names_ = st.sampled_from(["ai", "openai", "one", "http", "r0", "nowhere"])
hosts = st.sampled_from(["a.example", "*.example", "b.a.example"])
certificates = st.fixed_dictionaries(
    {"certificateRefs": st.lists(st.fixed_dictionaries({"name": names_}), max_size=2)}
)
listeners = st.lists(
    st.fixed_dictionaries(
        {
            "name": names_,
            "port": st.integers(1, 3),
            "protocol": st.sampled_from(["HTTP", "HTTPS", "TLS"]),
        },
        optional={"hostname": hosts, "tls": certificates},
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda each: each["name"],
)
refs = st.fixed_dictionaries(
    {"name": names_},
    optional={
        "namespace": st.sampled_from(["infra", "other"]),
        "model": names_,
        "priority": st.integers(0, 2),
    },
)
rules = st.lists(
    st.fixed_dictionaries(
        {"name": names_, "backendRefs": st.lists(refs, min_size=1, max_size=3)},
        optional={
            "matches": st.builds(model, names_),
            "mirrors": st.lists(
                st.fixed_dictionaries(
                    {"name": names_, "percent": st.integers(0, 100)}, optional={"model": names_}
                ),
                max_size=4,
            ),
        },
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda each: each["name"],
)
parents = st.lists(
    st.fixed_dictionaries({"name": names_}, optional={"sectionName": names_}),
    min_size=1,
    max_size=2,
)
targets = st.lists(
    st.one_of(
        st.fixed_dictionaries(
            {
                "group": st.just("gateway.networking.k8s.io"),
                "kind": st.just("Gateway"),
                "name": names_,
            },
            optional={"sectionName": names_},
        ),
        st.fixed_dictionaries(
            {"group": st.just("dragoman.dev"), "kind": st.just("AIRoute"), "name": names_},
            optional={"sectionName": names_},
        ),
    ),
    min_size=1,
    max_size=3,
)
requests = st.fixed_dictionaries(
    {"unscanned": st.sampled_from(["Allow", "Block"])},
    optional={
        "maxBodySize": st.sampled_from(["1Ki", "1Mi", "8Mi"]),
        "guards": st.just(
            [
                {
                    "name": "w",
                    "type": "Keywords",
                    "action": "Block",
                    "configMapRef": {"name": "lists", "key": "w"},
                }
            ]
        ),
    },
)


@st.composite
def resources(draw: st.DrawFn) -> Resources:
    def some(kind: str, specs: st.SearchStrategy) -> dict[Key, Object]:
        found: dict[Key, Object] = {}
        for name in draw(st.lists(names_, max_size=3, unique=True)):
            found |= made(kind, name, draw(specs))
        return found

    spec = {
        "parentRefs": parents,
        "rules": rules,
        "hostnames": st.lists(hosts, max_size=2, unique=True),
    }
    auth = st.sampled_from([{"type": "None"}, {"type": "APIKey", "secretRef": {"name": "key"}}])
    provider = st.sampled_from(["OpenAI", "Anthropic"])
    policy = {
        "targetRefs": targets,
        "request": requests,
        "mode": st.sampled_from(["Enforce", "Audit"]),
    }
    gateway = {"gatewayClassName": st.sampled_from(["dragoman", "x"]), "listeners": listeners}
    return Resources(
        gateways=some("Gateway", st.fixed_dictionaries(gateway)),
        routes=some("AIRoute", st.fixed_dictionaries(spec)),
        backends=some("AIBackend", st.fixed_dictionaries({"provider": provider, "auth": auth})),
        policies=some("AIPolicy", st.fixed_dictionaries(policy)),
        config_maps=draw(
            st.sampled_from([{}, {Key("ConfigMap", "infra", "lists"): {"w": "word"}}])
        ),
        secrets=draw(
            st.sampled_from([{}, {Key("Secret", "infra", "key"): {"apiKey": SecretValue(b"k")}}])
        ),
    )


@settings(max_examples=150, deadline=None)
@given(resources())
def test_any_world_is_translated_and_nothing_dangles(given_: Resources) -> None:
    """Never raises; same input, same output; every reference leads somewhere."""
    before = copy.deepcopy(given_)
    translation = translate(given_)
    config = translation.config
    assert given_ == before
    turned = Resources(
        gateways=dict(reversed(given_.gateways.items())),
        routes=dict(reversed(given_.routes.items())),
        backends=dict(reversed(given_.backends.items())),
        policies=dict(reversed(given_.policies.items())),
        config_maps=given_.config_maps,
        secrets=given_.secrets,
    )
    assert repr(translate(turned)) == repr(translation)

    clusters = {target.name for target in config.targets}
    secrets = {secret.name for secret in config.secrets}
    plans = {plan.name: plan for plan in config.route_plans}
    assert {t.credential.secret for t in config.targets if t.credential} <= secrets
    assert {name for each in config.listeners for name in each.certificates} <= secrets
    by_name = {plan.name: plan for plan in config.virtual_host_plans}
    for listener in config.listeners:
        for host in listener.virtual_hosts:
            plan = by_name.pop(host.name)
            assert len(host.classes) <= CLASS_LIMIT
            for tier in plan.tiers:
                rows = [
                    *tier.headers,
                    *tier.rest,
                    *sum([*tier.exact.values(), *tier.prefix.values()], ()),
                ]
                for row in rows:
                    assert row.route in plan.routes
                    (rule,) = [r for r in plans[row.route].rules if r.name == row.rule]
                    assert {target.cluster for target in rule.every_target} <= clusters
                    named = {each.name for each in host.classes}
                    if rule.targets:
                        assert {rule.unary_class, rule.stream_class} <= named
                    if rule.mirrors:
                        assert rule.targets
                        assert {rule.mirrored_unary_class, rule.mirrored_stream_class} <= named
    assert by_name == {}
    domains = [
        (each.port, host.domain)
        for each in config.listeners
        if each.protocol == "HTTP"
        for host in each.virtual_hosts
    ]
    assert len(domains) == len(set(domains))


EDITS = st.sampled_from(
    [
        "edit",
        "drop",
        "policy",
        "backend",
        "mirror",
        "gateway",
        "prompt",
        "promptless",
        "lost",
        "grant",
    ]
)
PROMPTS = Key("ConfigMap", "infra", "prompts")


def prompted(name: str) -> dict[Key, Object]:
    ref = {"name": "openai", "model": "m", "promptRef": {"name": "prompts"}}
    return routed(name, {"backendRefs": [ref]})


def granted(namespace: str) -> dict[Key, Object]:
    key = Key("ReferenceGrant", "infra", "g")
    who = {"group": "dragoman.dev", "kind": "AIRoute", "namespace": namespace}
    spec = {"from": [who], "to": [{"group": "dragoman.dev", "kind": "AIBackend"}]}
    meta = ObjectMeta(name="g", namespace="infra")
    return {key: Object(key, meta, ReferenceGrantSpec.model_validate(spec), "g.yaml:1")}


@given(st.lists(EDITS, max_size=6))
@settings(max_examples=40, deadline=None)
def test_a_memo_changes_the_work_and_nothing_else(edits: list[str]) -> None:
    memo = Memo()
    target = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "ai"}
    held = {
        "routes": {k: v for i in range(4) for k, v in routed(f"route-{i}", {}).items()},
        "policies": {},
        "backends": made("AIBackend", "openai", OPENAI),
        "gateways": made("Gateway", "ai", GATEWAY),
        "config_maps": {PROMPTS: {"prompt": "Be kind."}},
        "reference_grants": {},
    }
    held["routes"] |= prompted("prompted")
    copied = [{"name": "shadow", "model": "m", "percent": 5, "promptRef": {"name": "prompts"}}]
    held["routes"] |= routed("copied", {"mirrors": copied})
    for number, edit in enumerate(["none", *edits]):
        match edit:
            case "edit":
                held["routes"] |= routed(f"route-{number % 4}", {"name": f"r{number}"})
            case "drop":
                held["routes"].pop(next(iter(held["routes"]), None), None)
            case "policy":
                request = {"maxBodySize": f"{number + 1}Mi"}
                spec = {"targetRefs": [target], "request": request}
                held["policies"] = made("AIPolicy", "p", spec)
            case "backend":
                held["backends"] = made(
                    "AIBackend", "openai", {**OPENAI, "models": [{"name": f"m{number}"}]}
                )
            case "mirror":
                models = [{"name": f"m{number}"}]
                held["backends"] |= made("AIBackend", "shadow", {**OPENAI, "models": models})
            case "prompt":
                held["config_maps"] = {PROMPTS: {"prompt": f"Be number {number}."}}
                held["routes"] |= prompted("prompted")
            case "promptless":
                held["config_maps"] = {}
            case "lost":
                held["backends"] = {}
            case "grant":
                held["reference_grants"] = granted(f"n{number}")
            case "gateway":
                listener = {**LISTENER, "port": 80 + number}
                held["gateways"] = made("Gateway", "ai", {**GATEWAY, "listeners": [listener]})
        resources = Resources(**{kind: dict(objects) for kind, objects in held.items()})
        assert translate(resources, memo=memo) == translate(resources)


def test_only_what_leans_on_a_change_is_resolved_anew(monkeypatch) -> None:
    """One AIBackend of many, and one prompt of many; another route's rules are left as they were."""
    backends = {k: v for n in range(4) for k, v in made("AIBackend", f"b{n}", OPENAI).items()}
    maps = {Key("ConfigMap", "infra", f"p{n}"): {"prompt": f"Be {n}."} for n in range(4)}
    routes = {}
    for n in range(4):
        ref = {"name": f"b{n}", "model": "m", "promptRef": {"name": f"p{n}"}}
        routes |= routed(f"route-{n}", {"matches": model(f"m{n}"), "backendRefs": [ref]})
    given_ = replace(world(routes), backends=backends, config_maps=maps)
    resolved, serve = [], resolving.serve

    def noted(attached, *rest):
        resolved.append(attached.route.key.name)
        return serve(attached, *rest)

    monkeypatch.setattr(resolving, "serve", noted)
    memo = Memo()
    translate(given_, memo=memo)
    assert resolved == [f"route-{n}" for n in range(4)]
    priced = {**OPENAI, "models": [{"name": "m", "price": {"input": "1", "output": "2"}}]}
    edited = replace(given_, backends={**backends, **made("AIBackend", "b2", priced)})
    resolved.clear()
    translate(edited, memo=memo)
    assert resolved == ["route-2"]
    resolved.clear()
    other = {**maps, Key("ConfigMap", "infra", "p1"): {"prompt": "Be another."}}
    translate(replace(edited, config_maps=other), memo=memo)
    assert resolved == ["route-1"]
