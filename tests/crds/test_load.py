"""The door: what is read, and what is said of that which is not."""

import textwrap
from pathlib import Path

import pytest
import yaml

from crds.aipolicy import AIPolicySpec, TargetRef
from crds.airoute import AIRouteSpec
from crds.explain import closest
from crds.gateway import SecretValue
from crds.load import Loaded, load
from crds.meta import Key
from crds.objects import findings

INVALID = yaml.safe_load((Path(__file__).parent / "invalid.yaml").read_text())
OURS = {"route": "AIRoute", "backend": "AIBackend", "policy": "AIPolicy"}


def text_of(case: dict) -> str:
    for short, kind in OURS.items():
        if short in case:
            head = (
                f"apiVersion: dragoman.dev/v1alpha1\nkind: {kind}\nmetadata: {{name: r}}\nspec:\n"
            )
            return head + textwrap.indent(case[short], "  ")
    return case["text"]


@pytest.mark.parametrize("case", INVALID, ids=lambda case: case["name"])
def test_what_is_wrong_is_said_exactly(case) -> None:
    loaded = load(text_of(case), "f.yaml", {})
    assert [str(each) for each in loaded.unreadable] == case.get("unreadable", [])
    assert [str(f) for each in loaded.broken for f in findings(each)] == case.get("broken", [])
    assert [str(each) for each in loaded.notes] == case.get("notes", [])
    assert loaded.objects == ()
    assert "planted" not in repr(loaded)


ROUTE = """
apiVersion: dragoman.dev/v1alpha1
kind: AIRoute
metadata: {name: chat, namespace: team-a, labels: {a: b}, creationTimestamp: 2026-01-01T00:00:00Z}
spec:
  parentRefs: [{name: ai, namespace: platform}]
  rules:
  - name: default
    backendRefs: [{name: openai, model: gpt-4o}]
"""


def test_an_object_knows_its_key_place_and_spec() -> None:
    (found,) = load(ROUTE, "x/route.yaml", {}).objects
    assert found.key == Key("AIRoute", "team-a", "chat")
    assert found.origin == "x/route.yaml:2"
    assert found.meta.labels == {"a": "b"}
    assert found.meta.creation_timestamp == ""
    assert isinstance(found.spec, AIRouteSpec)
    assert found.spec.rules[0].backend_refs[0].model == "gpt-4o"
    assert found.spec.rules[0].backend_refs[0].weight == 1


def test_many_documents_and_empty_ones() -> None:
    text = f"---\n# only a comment\n---\n{ROUTE}\n---\n{ROUTE.replace('chat', 'other')}\n---\n"
    loaded = load(text, "f", {})
    assert [each.key.name for each in loaded.objects] == ["chat", "other"]
    assert load("", "f", {}) == Loaded()


def test_lists() -> None:
    items = textwrap.indent("- " + textwrap.indent(ROUTE.strip(), "  ").lstrip(), "")
    for head in (
        "apiVersion: v1\nkind: List",
        "apiVersion: dragoman.dev/v1alpha1\nkind: AIRouteList",
    ):
        (found,) = load(f"{head}\nmetadata: {{}}\nitems:\n{items}\n", "f", {}).objects
        assert (found.key.name, found.origin) == ("chat", "f:5")
    (finding,) = load(f"apiVersion: v1\nkind: List\nitems:\n{items}\n- 3\n", "f", {}).unreadable
    assert "not a Kubernetes object" in str(finding)


def test_a_broken_object_leaves_its_neighbours_alone() -> None:
    loaded = load(f"{ROUTE}---{ROUTE.replace('chat', 'bad').replace('rules', 'ruels')}", "f", {})
    assert [each.key.name for each in loaded.objects] == ["chat"]
    assert [each.key.name for each in loaded.broken] == ["bad"]


def test_kinds_without_namespace() -> None:
    text = """
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: dragoman}
spec: {controllerName: dragoman.dev/controller}
---
apiVersion: v1
kind: Namespace
metadata: {name: team-a, labels: {tier: gold}}
"""
    gateway_class, namespace = load(text, "f", {}).objects
    assert gateway_class.key == Key("GatewayClass", "", "dragoman")
    assert namespace.key == Key("Namespace", "", "team-a")
    assert namespace.spec == {"tier": "gold"}


def test_what_a_reused_kind_has_beyond_our_needs_is_passed_over() -> None:
    text = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: ai, annotations: {a: b}}
spec:
  gatewayClassName: dragoman
  infrastructure: {labels: {a: b}}
  addresses:
  listeners:
  - {name: web, port: 80, protocol: HTTP, hostname: null, tls: null}
status: {conditions: []}
"""
    (found,) = load(text, "f", {}).objects
    assert found.spec.listeners[0].allowed_routes.namespaces.from_ == "Same"


SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n"


def values(text: str, environ: dict[str, str]) -> dict[str, bytes]:
    (found,) = load(SECRET + text, "f", environ).objects
    assert all(isinstance(value, SecretValue) for value in found.spec.values())
    return {key: value.reveal() for key, value in found.spec.items()}


def test_secret_values() -> None:
    assert values("data: {a: aGk=, b: 'aG\n k='}", {}) == {"a": b"hi", "b": b"hi"}
    assert values("data: {a: aGk=}\nstringData: {a: ho}", {}) == {"a": b"ho"}
    assert values("", {}) == {}
    assert values("stringData: {a: $(K), b: x$(K)y$(K), c: $$(K), d: $K, e: $()}", {"K": "v"}) == {
        "a": b"v",
        "b": b"xvyv",
        "c": b"$(K)",
        "d": b"$K",
        "e": b"$()",
    }


def test_a_filled_value_is_not_filled_again() -> None:
    assert values("stringData: {a: $(K)}", {"K": "$(L)", "L": "no"}) == {"a": b"$(L)"}


def test_an_empty_variable_is_a_missing_one() -> None:
    (broken,) = load(f"{SECRET}stringData: {{a: $(K)}}", "f", {"K": ""}).broken
    assert broken.problems[0].message == "environment variable K is not set"


def test_secrets_show_nowhere() -> None:
    loaded = load(
        f"{SECRET}stringData: {{a: planted}}\n---\n{SECRET}data: {{a: 'planted!'}}", "f", {}
    )
    assert len(loaded.objects) == len(loaded.broken) == 1
    assert "planted" not in repr(loaded)


def test_config_maps() -> None:
    text = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {words: "a\\nb"}\n'
    (found,) = load(text, "f", {}).objects
    assert found.spec == {"words": "a\nb"}


def policy(refs: str) -> str:
    return (
        "apiVersion: dragoman.dev/v1alpha1\nkind: AIPolicy\nmetadata: {name: p}\n"
        f"spec:\n  targetRefs: {refs}\n  request: {{guards: [{{name: a, type: PPI, action: Block}}]}}\n"
    )


@pytest.mark.parametrize(
    ("refs", "found"),
    [
        (
            "[{group: dragoman.dev, kind: AIRoute, name: r, sectionName: x}]",
            [("AIRoute", "r", "x")],
        ),
        ("[{group: wrong, kind: Gateway, name: g}]", [("Gateway", "g", None)]),
        ("[{kind: AIRoute, name: r, sectoinName: x}]", [("AIRoute", "r", None)]),
        ("[{kind: AIRoute, name: r, sectionName: X!}]", [("AIRoute", "r", None)]),
        ("[{kind: AIRoute, name: r}, {kind: AIRoute}, 3]", None),
        ("[{kind: Service, name: r}]", None),
        ("{kind: AIRoute, name: r}", None),
    ],
)
def test_a_broken_policy_still_names_its_targets(refs, found) -> None:
    (broken,) = load(policy(refs), "f", {}).broken
    if found is None:
        assert broken.target_refs is None
        return
    assert broken.target_refs is not None
    assert all(isinstance(ref, TargetRef) for ref in broken.target_refs)
    assert [(ref.kind, ref.name, ref.section_name) for ref in broken.target_refs] == found


def test_a_whole_policy() -> None:
    text = policy("[{group: dragoman.dev, kind: AIRoute, name: r}]").replace("PPI", "PII")
    (found,) = load(text, "f", {}).objects
    assert isinstance(found.spec, AIPolicySpec)


@pytest.mark.parametrize(
    ("word", "meant"),
    [("EmailAddress", "Email"), ("Emial", "Email"), ("ipadress", "IPAddress"), ("Passport", "")],
)
def test_the_word_that_was_meant_is_found(word: str, meant: str) -> None:
    known = ("Email", "MACAddress", "IPAddress")
    assert closest(word, known) == (f"; did you mean {meant}?" if meant else "")
