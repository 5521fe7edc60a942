"""Who owns what, against a plain reading of the rules: every request of a small world is tried."""

import re
from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from controller.resources import Object
from controller.translate import claims
from controller.translate.claims import Claim
from controller.translate.ownership import PATH_LIMIT, PATTERN_LIMIT, Owned, settle
from crds.airoute import AIRouteSpec
from crds.meta import Key, ObjectMeta
from crds.plan import VirtualHostPlan
from ext_proc import matching
from ext_proc.matching import Traits
from ext_proc.plans import Host, Snapshot, compile_update
from tests.exchange import harness

TEXTS = ("a", "ab", "b")
MODELS = sorted({*TEXTS, *(one + other for one in TEXTS for other in TEXTS)})
PATHS = ("/v1", "/v1/x", "/v2")
LABELS = (frozenset(), frozenset({("k", "1")}), frozenset({("k", "1"), ("l", "1")}))
VALUES = (None, "1", "2")
REQUESTS = [
    Traits(model, {":path": path + "?q=1", **{n: v for n, v in sent if v}}, labels)
    for model in MODELS
    for path in PATHS
    for labels in LABELS
    for sent in product((("x", value) for value in VALUES), (("y", value) for value in VALUES))
]

headers = st.dictionaries(st.sampled_from(["x", "y"]), st.sampled_from(["1", "2"]), max_size=2)
models = (
    st.tuples(st.sampled_from(["Exact", "Prefix", "Suffix"]), st.sampled_from(TEXTS))
    | st.none()
    | st.tuples(st.just("Regex"), st.sampled_from(["a.*", "[ab]", ".*b"]))
)
paths = st.none() | st.tuples(st.sampled_from(["Exact", "Prefix"]), st.sampled_from(PATHS))
labels = st.sets(st.sampled_from(["k", "l"]))
matches = st.lists(
    st.tuples(models, headers, paths, labels).filter(any),
    max_size=2,
)
worlds = st.lists(
    st.tuples(st.sampled_from(["red", "blue"]), st.lists(matches, min_size=1, max_size=2)),
    max_size=4,
)


def match(model, wanted, path=None, labels=()):
    return {
        **({"model": {"type": model[0], "value": model[1]}} if model else {}),
        **({"path": {"type": path[0], "value": path[1]}} if path else {}),
        "headers": [{"name": n, "value": v} for n, v in sorted(wanted.items())],
        "labels": [{"name": name, "value": "1"} for name in sorted(labels)],
    }


def route(number: int, namespace: str, rules: list) -> Object[AIRouteSpec]:
    spec = {
        "parentRefs": [{"name": "ai"}],
        "rules": [
            {
                "name": f"r{index}",
                "matches": [match(*each) for each in found],
                "backendRefs": [{"name": "openai"}],
            }
            for index, found in enumerate(rules)
        ],
    }
    key = Key("AIRoute", namespace, f"n{number}")
    return Object(
        key, ObjectMeta(name=key.name, namespace=namespace), AIRouteSpec.model_validate(spec)
    )


def claimed(routes: list) -> list:
    return [claims.find(each).claims for each in routes]


def meets(claim: Claim, request: Traits) -> bool:
    type_, text = claim.model or ("Prefix", "")
    if type_ == "Regex":
        fits = re.fullmatch(text, request.model) is not None
    else:
        fits = {
            "Exact": request.model == text,
            "Prefix": request.model.startswith(text),
            "Suffix": request.model.endswith(text),
        }[type_]
    path = request.headers[":path"].removesuffix("?q=1")
    kind, start = claim.path or ("Prefix", "")
    return (
        fits
        and (path == start if kind == "Exact" else path.startswith(start))
        and set(claim.labels) <= request.labels
        and all(request.headers.get(name) == value for name, value in claim.headers)
    )


def specificity(claim: Claim) -> tuple:
    """More labels; Exact, Prefix, Suffix, Regex, none; Exact path, Prefix, none; more headers."""
    if claim.match_index is None:
        return (1,)
    type_, text = claim.model or ("none", "")
    kind, start = claim.path or ("none", "")
    return (
        0,
        -len(claim.labels),
        ["Exact", "Prefix", "Suffix", "Regex", "none"].index(type_),
        0 if type_ == "Regex" else -len(text),
        ["Exact", "Prefix", "none"].index(kind),
        -len(start) if kind == "Prefix" else 0,
        -len(claim.headers),
    )


def served(owned: Owned) -> Host:
    """The index as the guard compiles it."""
    plan = VirtualHostPlan(name="host", gateway="ns/ai", listener="http", tiers=owned.tiers)
    return compile_update(Snapshot(), harness.update(plan)).hosts["vh/host"]


@settings(max_examples=150, deadline=None)
@given(worlds)
def test_the_index_serves_as_the_rules_say(world: list) -> None:
    routes = [route(number, namespace, rules) for number, (namespace, rules) in enumerate(world)]
    owned = settle(claimed(routes), "*")
    host = served(owned)
    age = {each.key: number for number, each in enumerate(routes)}
    order = {claim: number for number, claim in enumerate(owned.claims)}
    for request in REQUESTS:
        fit = [claim for claim in owned.claims if meets(claim, request)]
        best = min(fit, key=lambda claim: (*specificity(claim), order[claim]), default=None)
        first = next(matching.fits(host, request), None)
        assert (first and first.candidate) == (best.candidate if best else None)
        if best is not None and best.match_index is not None:
            for other in fit:
                foreign = other.route.namespace != best.route.namespace
                older = age[other.route] < age[best.route]
                assert not (foreign and older and other.match_index is not None), (best, other)


@settings(max_examples=150, deadline=None)
@given(worlds)
def test_only_what_would_do_harm_or_nothing_is_left_out(world: list) -> None:
    """Each conflicted claim equals one that stands, or would take a request from a foreign one.

    Of patterns nobody can say what they have in common, so they may conflict without doing harm.
    """
    routes = [route(number, namespace, rules) for number, (namespace, rules) in enumerate(world)]
    owned = settle(claimed(routes), "*")
    alone = [claim for each in routes for claim in settle(claimed([each]), "*").claims]
    lost = [claim for claim in alone if claim not in owned.claims]
    for claim in lost:
        rank = specificity(claim)
        harm = [
            other
            for other in owned.claims
            for request in REQUESTS
            if other.match_index is not None
            and other.route.namespace != claim.route.namespace
            and meets(claim, request)
            and meets(other, request)
            and rank < specificity(other)
        ]
        equal = [
            other
            for other in owned.claims
            if (other.model, other.headers, other.match_index is None)
            == (claim.model, claim.headers, claim.match_index is None)
        ]
        patterns = [
            other
            for other in (claim, *owned.claims)
            if other.model is not None and other.model.type == "Regex"
        ]
        assert harm or equal or patterns, claim
    told = {(fault.key, fault.field) for fault in owned.faults}
    assert {(claim.route, claim.place) for claim in lost} <= told


def test_age_comes_before_name() -> None:
    rules = [[(("Exact", "a"), {})]]
    young, old = route(0, "red", rules), route(1, "red", rules)
    owned = settle(claimed([old, young]), "*")
    assert [row.route for row in owned.tiers[-1].exact["a"]] == ["red/n1"]
    assert owned.faults[0].key == young.key


def test_patterns_that_plainly_differ_do_not_conflict() -> None:
    """Nor does a prefix with a pattern that takes no such name."""
    old = route(0, "red", [[(("Regex", "claude-[0-9]+"), {})]])
    young = route(
        1,
        "blue",
        [
            [(("Regex", "gpt-[0-9]+"), {"x": "1"})],
            [(("Prefix", "gpt-"), {})],
            [(("Prefix", "claude-1"), {})],
            [(("Exact", "claude-x"), {})],
            [(("Exact", "claude-2"), {})],
        ],
    )
    owned = settle(claimed([old, young]), "*")
    assert [fault.field for fault in owned.faults] == [
        "spec.rules[2].matches[0]",
        "spec.rules[4].matches[0]",
    ]


def test_a_hostname_takes_so_many_patterns() -> None:
    """The youngest beyond them is left out and told; names are not counted."""
    rules = [[(("Regex", f"m{n}-.*"), {})] for n in range(PATTERN_LIMIT - 1)]
    old = route(0, "red", [rules[0], [(("Exact", "m"), {})], *rules[1:]])
    young = route(1, "red", [[(("Regex", "n.*"), {}), (("Regex", "o.*"), {})]])
    owned = settle(claimed([old, young]), "*")
    assert len(owned.tiers[-1].regex) == PATTERN_LIMIT
    (fault,) = owned.faults
    assert (fault.key, fault.reason, fault.field) == (
        young.key,
        "TooManyPatterns",
        "spec.rules[0].matches[1].model",
    )


def test_a_hostname_takes_so_many_paths() -> None:
    """One that is known already finds room, and so does none."""
    paths = [(("Exact", "m"), {}, ("Exact", f"/{n}")) for n in range(PATH_LIMIT)]
    old = route(0, "red", [paths[: PATH_LIMIT // 2], [paths[0], *paths[PATH_LIMIT // 2 :]]])
    new = [(None, {}, ("Exact", "/0")), (None, {}, ("Prefix", "/0"))]
    owned = settle(claimed([old, route(1, "red", [new, [(("Exact", "n"), {})]])]), "*")
    assert [(fault.reason, fault.field) for fault in owned.faults] == [
        ("Conflicted", "spec.rules[1].matches[0]"),
        ("TooManyPatterns", "spec.rules[0].matches[1].path"),
    ]
    assert len(owned.claims) == PATH_LIMIT + 2


def test_a_pattern_that_re2_does_not_take_claims_nothing() -> None:
    """The rule's other match stands, and no pattern makes it a rule without matches."""
    bad = ["a(", "(?=a)", r"(a)\1", "(?:a{999}){999}", r"\pL{300}"]
    rules = [[(("Regex", text), {}), (("Exact", text[0]), {})] for text in bad]
    found = claims.find(route(0, "red", [*rules, [(("Regex", "["), {})]]))
    assert [claim.place for claim in found.claims] == [
        f"spec.rules[{n}].matches[1]" for n in range(len(bad))
    ]
    assert [fault.field for fault in found.faults] == [
        f"spec.rules[{n}].matches[0].model.value" for n in range(len(bad) + 1)
    ]
    assert "missing )" in found.faults[0].message
