"""AIBackends that need a token: without one they are left out and say which endpoint said what."""

from dataclasses import replace

import pytest

from controller import ir
from controller.resources import Resources, SessionKey, Unminted
from controller.sources.gather import gather
from controller.translate import backends, ownership, translate
from controller.translate.memo import Memo
from crds.gateway import SecretValue
from crds.load import load
from crds.meta import Key
from dragoman import golden
from tests.tokens.test_asking import BACKEND, oauth, resources
from tests.tokens.test_federation import aws

GIVEN = oauth({"clientID": "c", "clientSecret": "planted"})
MINTED = SecretValue(b"planted-token")


def test_a_token_is_sent_as_a_bearer_whatever_header_keys_have() -> None:
    auth = {
        "type": "OAuth2",
        "secretRef": {"name": "s"},
        "oauth2": {"tokenURL": "https://idp.example/token"},
    }
    given = resources(auth, {"clientID": "c", "clientSecret": "s"}, provider="Anthropic")
    found = backends.find(replace(given, tokens={BACKEND: MINTED}), ())
    backend = found.found[BACKEND]
    assert backend.credential == ir.Credential("token/infra/b", "authorization", "Bearer ")
    assert backend.secrets == (ir.GenericSecret("token/infra/b", MINTED, BACKEND),)


def test_keys_of_a_role_sign_in_place_of_an_accounts() -> None:
    [key] = aws().backends
    parts = [SecretValue(each) for each in (b"id", b"planted-key", b"planted-session")]
    found = backends.find(replace(aws(), tokens={key: SessionKey(*parts)}), ())
    assert found.found[key].signing == ir.Signing("bedrock", "eu-central-1", ir.AccessKey(*parts))
    assert found.found[key].secrets == ()


def test_without_keys_a_role_serves_nothing_rather_than_as_the_pod() -> None:
    for tokens in ({}, {BACKEND: Unminted("sts answered 403")}):
        found = backends.find(replace(aws(), tokens=tokens), ())
        assert found.refused == {BACKEND}
        assert [fault.reason for fault in found.faults] == ["TokenNotMinted"]


@pytest.mark.parametrize(
    ("tokens", "told"),
    [
        ({}, "the token endpoint has not answered yet"),
        ({BACKEND: Unminted("idp.example answered 401")}, "idp.example answered 401"),
    ],
)
def test_without_a_token_nothing_is_served_and_the_endpoint_is_named(tokens, told) -> None:
    found = backends.find(replace(GIVEN, tokens=tokens), ())
    assert (found.found, found.refused) == ({}, {BACKEND})
    [fault] = found.faults
    assert (fault.type, fault.reason, fault.text) == (
        "ResolvedRefs",
        "TokenNotMinted",
        f"spec.auth: {told}",
    )


def test_a_secret_that_cannot_be_used_is_told_instead_of_the_token() -> None:
    found = backends.find(oauth({"clientID": "c"}), ())
    assert [fault.reason for fault in found.faults] == ["InvalidKeyFormat"]


def test_a_secret_that_cannot_be_read_is_not_told_as_missing() -> None:
    secret = Key("Secret", BACKEND.namespace, "s")
    text = f"""
apiVersion: v1
kind: Secret
metadata: {{name: {secret.name}, namespace: {secret.namespace}}}
stringData: {{clientID: $(NOT_SET)}}
"""
    loaded = load(text, "secrets.yaml", {})
    broken = gather([(loaded, loaded)], Resources()).resources.broken
    missing = replace(GIVEN, secrets={})
    for given, told in (
        (
            replace(missing, broken=broken),
            f"{secret} is there but cannot be read; the line about it says why",
        ),
        (missing, f"{secret} does not exist; create it with the keys clientID and clientSecret"),
    ):
        [fault] = backends.find(given, ()).faults
        assert (fault.reason, fault.text) == (
            "SecretNotFound",
            f"spec.auth.secretRef.name: {told}",
        )


ROUTED = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: ai}
spec: {gatewayClassName: dragoman, listeners: [{name: http, port: 8080, protocol: HTTP}]}
---
apiVersion: dragoman.dev/v1alpha1
kind: AIRoute
metadata: {name: assistant}
spec:
  parentRefs: [{name: ai}]
  rules: [{name: all, backendRefs: [{name: one}]}]
---
apiVersion: dragoman.dev/v1alpha1
kind: AIBackend
metadata: {name: one}
spec:
  provider: OpenAI
  auth: {type: OAuth2, secretRef: {name: s}, oauth2: {tokenURL: "https://idp.example/token"}}
---
apiVersion: v1
kind: Secret
metadata: {name: s}
stringData: {clientID: c, clientSecret: s}
"""


def test_a_renewed_token_is_another_secret_and_nothing_else() -> None:
    """Also where the rules are remembered from the translation before."""
    given, memo = golden.resources(ROUTED, "in.yaml"), Memo()
    key = Key("AIBackend", "default", "one")
    first, second = (
        translate(replace(given, tokens={key: SecretValue(value)}), memo=memo).config
        for value in (b"first", b"second")
    )
    assert [each.value for each in second.secrets] == [SecretValue(b"second")]
    assert first.secrets != second.secrets
    assert second.route_plans[0] is first.route_plans[0]
    assert replace(second, secrets=first.secrets) == first


def test_a_renewed_token_settles_no_hostname_anew(monkeypatch) -> None:
    """Who owns which match is work for every AIRoute of a hostname, and tokens change all day."""
    given, memo, settled = golden.resources(ROUTED, "in.yaml"), Memo(), []
    settle = ownership.settle

    def noted(claimed, host):
        settled.append(host)
        return settle(claimed, host)

    monkeypatch.setattr(ownership, "settle", noted)
    for value in (b"first", b"second"):
        tokens = {Key("AIBackend", "default", "one"): SecretValue(value)}
        translate(replace(given, tokens=tokens), memo=memo)
    assert settled == ["*"]
    [route] = given.routes.values()
    other = replace(route, key=route.key._replace(name="newer"))
    translate(replace(given, routes={**given.routes, other.key: other}), memo=memo)
    assert settled == ["*", "*"]
