"""What broken policies fall back on: a Gateway that stands still holds back its own only."""

from controller.cluster import held
from controller.resources import Resources
from controller.settings import Place
from controller.sources.gather import gather
from controller.translate import NOTHING_ACCEPTED, translate
from crds.load import load
from crds.meta import Key

TEXT = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: ai, namespace: {0}}}
spec:
  gatewayClassName: dragoman
  listeners: [{{name: http, port: 80, protocol: HTTP}}]
---
apiVersion: dragoman.dev/v1alpha1
kind: AIPolicy
metadata: {{name: guards, namespace: {0}}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: Gateway, name: ai}}]
  request: {{maxBodySize: {1}Mi}}
"""


def translated(size):
    text = "---".join(TEXT.format(namespace, size) for namespace in ("one", "two"))
    loaded = load(text, "a.yaml", {})
    assert not loaded.broken
    reading = gather([(loaded, loaded)], Resources())
    return translate(reading.resources, place=Place(apart=True))


def sizes(accepted):
    return {key.namespace: policy.max_body_size for key, policy in accepted.policies.items()}


def test_a_gateway_that_stands_still_holds_back_its_own_policies_only():
    before = held(translated(1), NOTHING_ACCEPTED, ())
    assert sizes(before) == {"one": "1Mi", "two": "1Mi"}
    stuck = {Key("Gateway", "one", "ai")}
    assert sizes(held(translated(2), before, stuck)) == {"one": "1Mi", "two": "2Mi"}
    assert sizes(held(translated(2), NOTHING_ACCEPTED, stuck)) == {"two": "2Mi"}
