"""Who owns what, against a plain reading of the rules: every request of a small world is tried."""

from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from controller.resources import Object
from controller.translate.ownership import Claim, Owned, claims, settle
from crds.airoute import AIRouteSpec
from crds.meta import Key, ObjectMeta
from crds.plan import Candidate

MODELS = ("a", "ab", "abc", "b")
VALUES = (None, "1", "2")
REQUESTS = [
    (model, {name: value for name, value in zip(("x", "y"), values, strict=True) if value})
    for model in MODELS
    for values in product(VALUES, VALUES)
]

headers = st.dictionaries(st.sampled_from(["x", "y"]), st.sampled_from(["1", "2"]), max_size=2)
models = st.none() | st.tuples(st.sampled_from(["Exact", "Prefix"]), st.sampled_from(MODELS))
matches = st.lists(st.tuples(models, headers).filter(lambda m: m[0] or m[1]), max_size=2)
worlds = st.lists(
    st.tuples(st.sampled_from(["red", "blue"]), st.lists(matches, min_size=1, max_size=2)),
    max_size=4,
)


def route(number: int, namespace: str, rules: list) -> Object[AIRouteSpec]:
    spec = {
        "parentRefs": [{"name": "ai"}],
        "rules": [
            {
                "name": f"r{index}",
                "matches": [
                    {
                        **({"model": {"type": model[0], "value": model[1]}} if model else {}),
                        "headers": [{"name": n, "value": v} for n, v in sorted(wanted.items())],
                    }
                    for model, wanted in found
                ],
                "backendRefs": [{"name": "openai"}],
            }
            for index, found in enumerate(rules)
        ],
    }
    key = Key("AIRoute", namespace, f"n{number}")
    return Object(
        key, ObjectMeta(name=key.name, namespace=namespace), AIRouteSpec.model_validate(spec)
    )


def meets(claim: Claim, request: tuple[str, dict[str, str]]) -> bool:
    model, sent = request
    if claim.model and claim.model.type == "Exact" and claim.model.value != model:
        return False
    if claim.model and claim.model.type == "Prefix" and not model.startswith(claim.model.value):
        return False
    return all(sent.get(name) == value for name, value in claim.headers)


def specificity(claim: Claim) -> tuple[int, int, int]:
    """Exact model, longest prefix, number of headers; without matches last."""
    if claim.match_index is None:
        return 3, 0, 0
    if claim.model is None:
        return 2, 0, -len(claim.headers)
    if claim.model.type == "Exact":
        return 0, 0, -len(claim.headers)
    return 1, -len(claim.model.value), -len(claim.headers)


def served(owned: Owned, request: tuple[str, dict[str, str]]) -> Candidate | None:
    """What the guard does with the index."""
    model, sent = request
    prefixes = (owned.tier.prefix.get(model[:length], ()) for length in range(len(model), 0, -1))
    rows = (owned.tier.exact.get(model, ()), *prefixes, owned.tier.headers, owned.tier.rest)
    fits = (row for group in rows for row in group if all(sent.get(n) == v for n, v in row.headers))
    return next(fits, None)


@settings(max_examples=200, deadline=None)
@given(worlds)
def test_the_index_serves_as_the_rules_say(world: list) -> None:
    routes = [route(number, namespace, rules) for number, (namespace, rules) in enumerate(world)]
    owned = settle([claims(each) for each in routes], "*")
    age = {each.key: number for number, each in enumerate(routes)}
    order = {claim: number for number, claim in enumerate(owned.claims)}
    for request in REQUESTS:
        fit = [claim for claim in owned.claims if meets(claim, request)]
        best = min(fit, key=lambda claim: (*specificity(claim), order[claim]), default=None)
        assert served(owned, request) == (best.candidate if best else None)
        if best is not None and best.match_index is not None:
            for other in fit:
                foreign = other.route.namespace != best.route.namespace
                older = age[other.route] < age[best.route]
                assert not (foreign and older and other.match_index is not None), (best, other)


@settings(max_examples=200, deadline=None)
@given(worlds)
def test_only_what_would_do_harm_or_nothing_is_left_out(world: list) -> None:
    """Each conflicted claim equals one that stands, or would take a request from a foreign one."""
    routes = [route(number, namespace, rules) for number, (namespace, rules) in enumerate(world)]
    owned = settle([claims(each) for each in routes], "*")
    alone = [claim for each in routes for claim in settle([claims(each)], "*").claims]
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
        assert harm or equal, claim
    told = {(fault.key, fault.field) for fault in owned.faults}
    assert {(claim.route, claim.place) for claim in lost} <= told


def test_age_comes_before_name() -> None:
    rules = [[(("Exact", "a"), {})]]
    young, old = route(0, "red", rules), route(1, "red", rules)
    owned = settle([claims(old), claims(young)], "*")
    assert [row.route for row in owned.tier.exact["a"]] == ["red/n1"]
    assert owned.faults[0].key == young.key
