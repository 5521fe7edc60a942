"""AIPolicies on live Gateways: broken ones fail safe and say so, milder ones are told who won."""

import json
from typing import Any

import pytest

from tests.kubernetes import conformance, installed
from tests.kubernetes.conformance import Space, becomes, gateway, route
from tests.kubernetes.installed import ask, eventually

pytestmark = pytest.mark.timeout(900)
TEXT = "what do you know of tantalus and sisyphus?"


@pytest.fixture(scope="module")
def space(dragoman):
    with conformance.space(dragoman) as found:
        dragoman.apply(found.infra, gateway("ai", pods=1), installed.route())
        dragoman.wait(found.infra, "air/assistant")
        yield found


def policy(name: str, **spec: Any) -> dict[str, Any]:
    target = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "ai"}
    return {
        "apiVersion": "dragoman.dev/v1alpha1",
        "kind": "AIPolicy",
        "metadata": {"name": name},
        "spec": {"targetRefs": [target], **spec},
    }


def keywords(name: str, config_map: str, action: str = "Redact") -> dict[str, Any]:
    """A policy whose words are in a ConfigMap."""
    ref = {"name": config_map, "key": "words"}
    guard = {"name": "names", "type": "Keywords", "action": action, "configMapRef": ref}
    return policy(name, request={"guards": [guard]})


def words(name: str, *found: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name},
        "data": {"words": "\n".join(found)},
    }


def seen(space: Space) -> tuple[int, list[str]]:
    """The status of an answer, and which names the provider saw."""
    answer = ask(space.url("ai"), TEXT)
    content = answer.json()["choices"][0]["message"]["content"] if answer.is_success else ""
    return answer.status_code, [name for name in ("tantalus", "sisyphus") if name in content]


def ready(space: Space, name: str) -> tuple[str, str]:
    found = space.dragoman.condition(space.infra, "aip", name, "Ready")
    return found.get("status", ""), found.get("reason", "")


def message(space: Space, name: str) -> str:
    return str(space.dragoman.condition(space.infra, "aip", name, "Ready")["message"])


def test_a_policy_that_breaks_stays_in_force_as_it_was(space):
    with space.applied(keywords("names", "names")):
        with space.applied(words("names", "tantalus")):
            becomes(lambda: ready(space, "names"), ("True", "Programmed"))
            assert seen(space) == (200, ["sisyphus"])
        becomes(lambda: ready(space, "names"), ("False", "ConfigMapNotFound"))
        assert "the last accepted version stays in force" in message(space, "names")
        assert seen(space) == (200, ["sisyphus"])
        space.dragoman.apply(space.infra, route("another", "ai", model="another"))
        space.dragoman.wait(space.infra, "air/another")
        assert seen(space) == (200, ["sisyphus"])
        with space.applied(words("names", "sisyphus")):
            becomes(lambda: ready(space, "names"), ("True", "Programmed"))
            assert seen(space) == (200, ["tantalus"])


def test_a_policy_that_was_never_whole_closes_what_it_applies_to(space):
    with space.applied(keywords("fresh", "missing")):
        becomes(lambda: ready(space, "fresh"), ("False", "ConfigMapNotFound"))
        assert "its targets answer 503" in message(space, "fresh")
        becomes(lambda: seen(space)[0], 503)
        with space.applied(words("missing", "tantalus")):
            becomes(lambda: ready(space, "fresh"), ("True", "Programmed"))
            assert seen(space) == (200, ["sisyphus"])
    becomes(lambda: seen(space), (200, ["tantalus", "sisyphus"]))


def test_a_policy_that_audits_changes_nothing_and_records(space):
    audited = keywords("watching", "watched", "Block")
    audited["spec"]["mode"] = "Audit"
    with space.applied(words("watched", "tantalus"), audited):
        becomes(lambda: ready(space, "watching"), ("True", "Programmed"))
        assert seen(space) == (200, ["tantalus", "sisyphus"])
        label = "gateway.networking.k8s.io/gateway-name=ai"
        logs = ("logs", "-n", space.infra, "-l", label, "-c", "guard", "--tail=50")

        def recorded() -> list[dict[str, Any]]:
            lines = space.dragoman.kubectl(*logs).splitlines()
            records = [json.loads(line) for line in lines if line.startswith("{")]
            return [each for each in records if f"{space.infra}/watching" in json.dumps(each)]

        assert "tantalus" not in json.dumps(eventually(recorded))


def test_of_two_policies_the_stricter_wins_and_the_other_is_told(space):
    mild = policy("mild", request={"maxBodySize": "2Mi"})
    strict = policy("strict", request={"maxBodySize": "1Ki"})
    with space.applied(mild, strict):
        becomes(lambda: ready(space, "strict"), ("True", "Programmed"))
        becomes(lambda: ready(space, "mild"), ("True", "PartiallyProgrammed"))
        told = space.dragoman.condition(space.infra, "aip", "mild", "Overridden")
        assert f"loses to 1Ki of AIPolicy {space.infra}/strict" in told["message"]
        assert ask(space.url("ai"), "long " * 400).status_code == 413
        assert ask(space.url("ai"), "short").status_code == 200
