"""What is asked of which token endpoint, and which Secrets ask for nothing."""

import json

import pytest

from controller import keys
from controller.resources import Object, Resources
from controller.tokens import asking
from controller.tokens.asking import Assertion, ClientCredentials
from crds.aibackend import AIBackendSpec
from crds.gateway import SecretValue
from crds.meta import Key, ObjectMeta
from tests.tokens.idp import rsa_key

BACKEND = Key("AIBackend", "infra", "b")
_, PEM = rsa_key()
ACCOUNT = {
    "type": "service_account",
    "client_email": "dragoman@corp.iam.gserviceaccount.com",
    "private_key_id": "k1",
    "private_key": PEM,
    "token_uri": "https://oauth2.googleapis.com/token",
}
ENTRA = {"tenantID": "corp.example", "clientID": "c", "clientSecret": "planted~secret"}
OAUTH = {"type": "OAuth2", "secretRef": {"name": "s"}}


def resources(auth, secret, *, provider="OpenAI", maps=None, **more):
    spec = AIBackendSpec.model_validate({"provider": provider, "auth": auth, **more})
    backend = Object(BACKEND, ObjectMeta(name="b", namespace="infra"), spec, "f.yaml:1")
    held = {name: SecretValue(value.encode()) for name, value in secret.items()}
    return Resources(
        backends={BACKEND: backend},
        secrets={Key("Secret", "infra", "s"): held} if secret else {},
        config_maps=maps or {},
    )


def entra(secret):
    auth = {"type": "Azure", "secretRef": {"name": "s"}}
    return resources(auth, secret, provider="AzureOpenAI", endpoint={"hostname": "h"})


def google(account):
    auth = {"type": "GCP", "secretRef": {"name": "s"}}
    return resources(auth, {"key.json": json.dumps(account)}, provider="Gemini")


def oauth(secret, *, maps=None, **more):
    return resources(
        {**OAUTH, "oauth2": {"tokenURL": "https://idp.example/token", **more}}, secret, maps=maps
    )


def test_entra_is_asked_at_the_tenants_endpoint() -> None:
    [ask] = asking.wanted(entra(ENTRA)).values()
    assert ask.url == "https://login.microsoftonline.com/corp.example/oauth2/v2.0/token"
    assert ask.scopes == ("https://cognitiveservices.azure.com/.default",)
    assert ask.grant == ClientCredentials("c", SecretValue(b"planted~secret"))


def test_google_is_asked_with_the_accounts_own_key() -> None:
    [ask] = asking.wanted(google(ACCOUNT)).values()
    assert ask.url == "https://oauth2.googleapis.com/token"
    assert ask.grant == Assertion(ACCOUNT["client_email"], "k1", SecretValue(PEM.encode()))
    assert ask.host == "oauth2.googleapis.com"


def test_a_token_url_brings_its_scopes_and_authorities() -> None:
    maps = {Key("ConfigMap", "infra", "ca"): {"ca.crt": "PEM\n\n"}}
    secret = {"clientID": "c", "clientSecret": "s"}
    given = oauth(secret, maps=maps, scopes=["a", "b"], caCertificateRefs=[{"name": "ca"}])
    [ask] = asking.wanted(given).values()
    assert (ask.url, ask.scopes, ask.authorities) == (
        "https://idp.example/token",
        ("a", "b"),
        "PEM\n",
    )


@pytest.mark.parametrize(
    "given",
    [
        oauth({}),
        oauth({"clientID": "c"}),
        oauth({"clientID": "c", "clientSecret": ""}),
        oauth({"clientID": "c", "clientSecret": "s"}, caCertificateRefs=[{"name": "none"}]),
        entra({**ENTRA, "tenantID": "../evil"}),
        google({**ACCOUNT, "type": "authorized_user"}),
        google({**ACCOUNT, "private_key": "planted"}),
        google({**ACCOUNT, "private_key": 1}),
        google({**ACCOUNT, "private_key": rsa_key(4104)[1]}),
        google({**ACCOUNT, "client_email": None}),
        google({**ACCOUNT, "private_key_id": 1}),
        google({**ACCOUNT, "token_uri": "http://metadata.google.internal/"}),
        google([]),
        resources({"type": "APIKey", "secretRef": {"name": "s"}}, {"apiKey": "k"}),
        resources({"type": "None"}, {}),
    ],
)
def test_what_cannot_be_used_or_needs_no_token_asks_for_nothing(given) -> None:
    assert asking.wanted(given) == {}


@pytest.mark.parametrize("value", [b"planted", b"[" * 200_000, b'{"planted": ' * 200_000, b"\xff"])
def test_a_key_that_is_not_json_is_told_without_a_word_of_it(value) -> None:
    """Also one that is nested without end: an exception here would end the controller."""
    assert keys.service_account(value) == "must be the JSON key of a service account"


def test_nothing_that_is_held_shows_a_secret() -> None:
    for given in (entra(ENTRA), google(ACCOUNT)):
        shown = repr(asking.wanted(given))
        assert "planted" not in shown
        assert "PRIVATE" not in shown
