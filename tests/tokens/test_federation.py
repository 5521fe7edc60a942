"""A ServiceAccount's token is shown to the cloud's own endpoint, and becomes what the cloud takes."""

import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.resources import SessionKey
from controller.tokens import asking, federation
from controller.tokens.asking import Ask, FederatedClient, Identity, RoleSession, TokenExchange
from controller.tokens.endpoint import Way
from controller.tokens.grants import Token
from crds.gateway import SecretValue
from tests.tokens.idp import minted
from tests.tokens.test_asking import BACKEND, resources

CLIENT = "11111111-2222-3333-4444-555555555555"
POOL = "//iam.googleapis.com/projects/42/locations/global/workloadIdentityPools/pool/providers/oidc"
GKE = (
    "identitynamespace:corp.svc.id.goog:"
    "https://container.googleapis.com/v1/projects/corp/locations/us-east1/clusters/one"
)
ROLE = "arn:aws:iam::123456789012:role/llm"
ME = Identity("infra", "llm", "aud")
HOUR = timedelta(hours=1)


def federated(kind, part, **spec):
    own = {"serviceAccountRef": {"name": "llm"}, kind.lower(): part}
    return resources({"type": kind, "workloadIdentity": own}, {}, **spec)


def azure():
    part = {"tenantID": "corp.example", "clientID": CLIENT}
    return federated("Azure", part, provider="AzureOpenAI", endpoint={"hostname": "h"})


def google(audience=POOL, **more):
    return federated("GCP", {"audience": audience, **more}, provider="Gemini")


def aws(region="eu-central-1", arn=ROLE):
    return federated("AWS", {"roleARN": arn}, provider="Bedrock", aws={"region": region})


STATEMENT = SecretValue(b"planted-statement")


class Api:
    """Vouches for everyone, or says why not."""

    def __init__(self, answer=STATEMENT):
        self.answer = answer
        self.asked = []

    async def __call__(self, identity):
        self.asked.append(identity)
        return self.answer


def test_entra_is_shown_a_token_for_its_exchange_alone() -> None:
    [ask] = asking.wanted(azure()).values()
    assert ask.url == "https://login.microsoftonline.com/corp.example/oauth2/v2.0/token"
    assert ask.grant == FederatedClient(
        Identity("infra", "llm", "api://AzureADTokenExchange"), CLIENT
    )
    assert ask.scopes == ("https://cognitiveservices.azure.com/.default",)


@pytest.mark.parametrize(
    ("audience", "shown_to"), [(POOL, f"https:{POOL}"), (GKE, "corp.svc.id.goog")]
)
def test_google_is_shown_a_token_for_its_pool_alone(audience, shown_to) -> None:
    [ask] = asking.wanted(google(audience)).values()
    assert ask.url == "https://sts.googleapis.com/v1/token"
    assert ask.grant == TokenExchange(Identity("infra", "llm", shown_to), audience)


def test_a_service_account_to_act_as_is_asked_for_at_google_alone() -> None:
    [ask] = asking.wanted(google(serviceAccount="a@corp.iam.gserviceaccount.com")).values()
    assert ask.grant.act_as_url == (
        "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/"
        "a@corp.iam.gserviceaccount.com:generateAccessToken"
    )


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("eu-central-1", "sts.eu-central-1.amazonaws.com"),
        ("cn-north-1", "sts.cn-north-1.amazonaws.com.cn"),
    ],
)
def test_aws_is_asked_in_the_backends_region(region, host) -> None:
    [ask] = asking.wanted(aws(region)).values()
    assert ask.host == host
    assert ask.grant == RoleSession(Identity("infra", "llm", "sts.amazonaws.com"), ROLE)


@pytest.mark.parametrize("given", [azure(), google(), aws()])
def test_the_service_account_is_always_of_the_backends_own_namespace(given) -> None:
    [ask] = asking.wanted(given).values()
    assert (ask.identity.namespace, ask.identity.name) == (BACKEND.namespace, "llm")


async def test_entra_takes_the_statement_in_place_of_a_secret(idp) -> None:
    api = Api()
    found = await minted(
        Ask(idp.url, FederatedClient(ME, CLIENT), ("s",), idp.authority), Way(identify=api)
    )
    assert found == Token(SecretValue(b"planted-token-1"), HOUR)
    assert api.asked == [ME]
    assert idp.asked == [
        {
            "form": {
                "grant_type": "client_credentials",
                "client_id": CLIENT,
                "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                "client_assertion": "planted-statement",
                "scope": "s",
            },
            "client": None,
        }
    ]


async def test_google_exchanges_the_statement(idp) -> None:
    ask = Ask(idp.url, TokenExchange(ME, POOL), ("s",), idp.authority)
    assert await minted(ask, Way(identify=Api())) == Token(SecretValue(b"planted-token-1"), HOUR)
    [asked] = idp.asked
    assert asked["form"] == {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "audience": POOL,
        "scope": "s",
        "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "subject_token": "planted-statement",
    }


async def test_the_service_accounts_token_is_sent_where_one_is_acted_as(idp) -> None:
    grant = TokenExchange(ME, POOL, idp.at("acting"))
    found = await minted(Ask(idp.url, grant, ("s",), idp.authority), Way(identify=Api()))
    assert found == Token(SecretValue(b"planted-acting-2"), HOUR)
    assert idp.asked[1] == {
        "document": {"scope": ["s"], "lifetime": "3600s"},
        "bearer": "Bearer planted-token-1",
    }


async def test_a_role_gives_keys_for_an_hour(idp) -> None:
    ask = Ask(idp.at("sts"), RoleSession(ME, ROLE), (), idp.authority)
    values = (SecretValue(each) for each in (b"id", b"planted-key", b"planted-t"))
    assert await minted(ask, Way(identify=Api())) == Token(SessionKey(*values), HOUR)
    assert idp.asked == [
        {
            "form": {
                "Action": "AssumeRoleWithWebIdentity",
                "Version": "2011-06-15",
                "RoleArn": ROLE,
                "RoleSessionName": "dragoman-infra",
                "DurationSeconds": "3600",
                "WebIdentityToken": "planted-statement",
            },
            "accept": "application/json",
        }
    ]


async def test_without_a_statement_no_cloud_is_asked(idp) -> None:
    ask = Ask(idp.url, TokenExchange(ME, POOL), (), idp.authority)
    assert await minted(ask, Way(identify=Api("no, because"))) == "no, because"
    assert await minted(ask, Way()) == (
        "workloadIdentity needs a cluster: nobody vouches for a ServiceAccount here"
    )
    assert idp.asked == []


async def test_who_refuses_is_named(idp) -> None:
    idp.answer = 403, "planted"
    grant = TokenExchange(ME, POOL, idp.at("acting"))
    ask = Ask(idp.url, grant, (), idp.authority)
    assert await minted(ask, Way(identify=Api())) == f"127.0.0.1:{idp.port} answered 403"
    assert len(idp.asked) == 1


NO_KEYS = "answered without keys that can be used"
NO_TOKEN = "answered without an accessToken that can be sent"


@pytest.mark.parametrize(
    ("read", "body", "told"),
    [
        (federation.lent, b"<xml/>", "answered with what is not JSON"),
        (federation.lent, b"[]", NO_KEYS),
        (federation.lent, b'{"AssumeRoleWithWebIdentityResponse": {}}', NO_KEYS),
        (federation.acting, b"planted", "answered with what is not JSON"),
        (federation.acting, b"[]", NO_TOKEN),
        (federation.acting, b'{"accessToken": "planted\\n"}', NO_TOKEN),
    ],
)
def test_any_other_answer_is_told_without_a_word_of_it(read, body, told) -> None:
    assert read(200, body) == told
    assert read(500, body) == "answered 500"


@pytest.mark.parametrize("broken", [None, 1, "", "a b"])
@pytest.mark.parametrize("name", ["AccessKeyId", "SecretAccessKey", "SessionToken"])
def test_keys_that_cannot_be_sent_are_no_keys(name, broken) -> None:
    good = {"AccessKeyId": "a", "SecretAccessKey": "b", "SessionToken": "c"}
    result = {"AssumeRoleWithWebIdentityResult": {"Credentials": {**good, name: broken}}}
    body = json.dumps({"AssumeRoleWithWebIdentityResponse": result}).encode()
    assert federation.lent(200, body) == NO_KEYS


@given(st.integers(100, 599), st.binary(max_size=60))
def test_no_answer_raises_or_is_quoted(status, body) -> None:
    for read in (federation.lent, federation.acting):
        found = read(status, body)
        assert isinstance(found, Token) or found.startswith("answered ")


def test_nothing_that_is_held_shows_a_secret() -> None:
    key = SessionKey(*(SecretValue(b"planted") for _ in range(3)))
    posted = federation.post(
        Ask("https://x/", RoleSession(ME, ROLE), ()),
        RoleSession(ME, ROLE),
        SecretValue(b"planted"),
    )
    assert "planted" not in repr((Token(key, HOUR), posted))
