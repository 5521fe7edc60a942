"""Proxies of one Gateway get what concerns it, and nothing of another's."""

from controller import names
from controller.owners import owners
from controller.resources import Resources
from controller.settings import Place
from controller.share import shares
from controller.sources.gather import gather
from controller.translate import translate
from crds.load import load
from crds.meta import Key

BOTH = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: one, namespace: infra}
spec:
  gatewayClassName: dragoman
  listeners: [{name: http, port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: All}}}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: two, namespace: team}
spec:
  gatewayClassName: dragoman
  listeners: [{name: http, port: 80, protocol: HTTP}]
---
apiVersion: dragoman.dev/v1alpha1
kind: AIBackend
metadata: {name: paid, namespace: infra}
spec: {provider: OpenAI, auth: {type: APIKey, secretRef: {name: key}}}
---
apiVersion: v1
kind: Secret
metadata: {name: key, namespace: infra}
stringData: {apiKey: sk-planted}
---
apiVersion: dragoman.dev/v1alpha1
kind: AIBackend
metadata: {name: own, namespace: team}
spec: {provider: OpenAICompatible, endpoint: {hostname: vllm}, auth: {type: None}}
---
apiVersion: dragoman.dev/v1alpha1
kind: AIBackend
metadata: {name: spare, namespace: team}
spec: {provider: OpenAICompatible, endpoint: {hostname: spare}, auth: {type: None}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: ReferenceGrant
metadata: {name: team, namespace: infra}
spec:
  from: [{group: dragoman.dev, kind: AIRoute, namespace: team}]
  to: [{group: dragoman.dev, kind: AIBackend}]
---
apiVersion: dragoman.dev/v1alpha1
kind: AIRoute
metadata: {name: at-one, namespace: team}
spec:
  parentRefs: [{name: one, namespace: infra}]
  rules: [{name: all, backendRefs: [{name: paid, namespace: infra}]}]
---
apiVersion: dragoman.dev/v1alpha1
kind: AIRoute
metadata: {name: at-two, namespace: team}
spec:
  parentRefs: [{name: two}]
  rules: [{name: all, backendRefs: [{name: own}, {name: spare, weight: 0}]}]
---
apiVersion: dragoman.dev/v1alpha1
kind: AIRoute
metadata: {name: greedy, namespace: team}
spec:
  parentRefs: [{name: two}]
  rules: [{name: all, matches: [{model: {value: x}}], backendRefs: [{name: paid, namespace: infra}]}]
"""
ONE, TWO = Key("Gateway", "infra", "one"), Key("Gateway", "team", "two")


def world(text=BOTH):
    loaded = load(text, "all.yaml", {})
    return gather([(loaded, loaded)], Resources()).resources


def test_gateways_with_proxies_of_their_own_share_no_port():
    together = translate(world()).statuses
    apart = translate(world(), place=Place(apart=True)).statuses
    assert together[TWO].conditions[0].reason == "ListenersNotValid"
    assert apart[TWO].conditions[0].status == "True"


def test_a_gateway_gets_neither_key_nor_target_of_another():
    config = translate(world(), place=Place(apart=True)).config
    found = shares(config)
    assert set(found) == {ONE, TWO}
    assert [target.name for target in found[ONE].targets] == ["infra/paid/*"]
    assert [secret.name for secret in found[ONE].secrets] == ["key/infra/paid"]
    assert [plan.name for plan in found[ONE].route_plans] == ["team/at-one"]
    assert [target.name for target in found[TWO].targets] == ["team/own/*", "team/spare/*"]
    assert found[TWO].secrets == ()
    assert {plan.name for plan in found[TWO].route_plans} == {"team/at-two", "team/greedy"}
    assert all(host.gateway == "team/two" for host in found[TWO].virtual_host_plans)


def test_a_backend_granted_to_routes_only_does_not_serve_a_teams_own_gateway():
    statuses = translate(world(), place=Place(apart=True)).statuses
    resolved = {c.type: c for c in statuses[Key("AIRoute", "team", "greedy")].conditions}
    assert resolved["ResolvedRefs"].reason == "RefNotPermitted"


def test_the_owners_of_a_share_are_its_own():
    found = shares(translate(world(), place=Place(apart=True)).config)
    assert owners(found[ONE])[names.listener(80)] == ONE
    assert owners(found[TWO])[names.listener(80)] == TWO


def test_an_address_where_no_provider_may_be_is_refused():
    text = BOTH.replace("hostname: vllm", "hostname: 169.254.169.254")
    place = Place(apart=True, refused=("169.254.0.0/16", "fe80::/10"))
    status = translate(world(text), place=place).statuses[Key("AIBackend", "team", "own")]
    [resolved] = [each for each in status.conditions if each.type == "ResolvedRefs"]
    assert (resolved.status, resolved.reason) == ("False", "EndpointRefused")
    assert "spec.endpoint.hostname" in resolved.message
    allowed = translate(world(text), place=Place(apart=True)).statuses
    assert allowed[Key("AIBackend", "team", "own")].conditions[1].status == "True"


SERVED = """
---
apiVersion: v1
kind: Service
metadata: {name: vllm, namespace: team}
spec: {ports: [{port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: vllm-1, namespace: team, labels: {kubernetes.io/service-name: vllm}}
addressType: IPv4
endpoints: [{addresses: [10.0.0.7]}, {addresses: [169.254.169.254]}]
ports: [{port: 80}]
"""


def test_what_no_provider_may_be_is_not_probed_and_its_backend_says_so():
    """Requests are judged by a filter; probes go around it, so the controller judges these."""
    probed = "serviceRef: {name: vllm, port: 80}}, healthCheck: {path: /health}"
    text = BOTH.replace("hostname: vllm}", probed) + SERVED
    key = Key("AIBackend", "team", "own")
    place = Place(apart=True, refused=("169.254.0.0/16", "fe80::/10"))
    translation = translate(world(text), place=place)
    [resolved] = [c for c in translation.statuses[key].conditions if c.type == "ResolvedRefs"]
    assert (resolved.status, resolved.reason) == ("False", "EndpointRefused")
    assert resolved.message.startswith(
        "spec.healthCheck: Service team/vllm leads to 169.254.169.254, which is in 169.254.0.0/16"
    )
    assert not [each for each in translation.config.targets if each.backend == key]
    for fine in (
        text.replace(", {addresses: [169.254.169.254]}", ""),
        text.replace(", healthCheck: {path: /health}", ""),
    ):
        assert translate(world(fine), place=place).statuses[key].conditions[1].status == "True"


def test_what_is_no_address_is_not_probed():
    probed = "serviceRef: {name: vllm, port: 80}}, healthCheck: {path: /health}"
    text = BOTH.replace("hostname: vllm}", probed) + SERVED.replace("169.254.169.254", "metadata")
    statuses = translate(world(text), place=Place(apart=True)).statuses
    assert "is no IP address" in statuses[Key("AIBackend", "team", "own")].conditions[1].message


def test_two_ports_that_a_pod_would_bind_at_the_same_place_are_told():
    more = "{name: tall, port: 10080, protocol: HTTP}"
    text = BOTH.replace(
        "listeners: [{name: http, port: 80, protocol: HTTP}]",
        f"listeners: [{{name: http, port: 80, protocol: HTTP}}, {more}]",
    )
    translation = translate(world(text), place=Place(apart=True))
    [_, tall] = translation.statuses[TWO].listeners
    assert tall.conditions[0].status == "False"
    assert "listeners[1].port" in tall.conditions[0].message
    assert [each.port for each in shares(translation.config)[TWO].listeners] == [80]
