"""How tokens are asked for, and what is made of any answer."""

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from hypothesis import given
from hypothesis import strategies as st

from controller.tokens import grants, renewal
from controller.tokens.asking import Ask, Assertion, ClientCredentials
from controller.tokens.grants import Token
from crds.gateway import SecretValue
from tests.tokens.idp import basic, rsa_key

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def decoded(part):
    return json.loads(base64.urlsafe_b64decode(part + "=="))


def test_a_client_proves_itself_in_the_header() -> None:
    grant = ClientCredentials("id:with@signs", SecretValue(b"planted/secret+="))
    posted = grants.post(Ask("https://idp/token", grant, ("a", "b")), grant, NOW)
    assert posted.form == {"grant_type": "client_credentials", "scope": "a b"}
    assert basic(posted.headers["authorization"]) == ("id:with@signs", "planted/secret+=")
    assert repr(posted) == "<secret>"
    assert "scope" not in grants.post(Ask("https://idp/token", grant, ()), grant, NOW).form


def test_a_service_account_signs_what_it_states() -> None:
    key, pem = rsa_key()
    grant = Assertion("a@corp", "k1", SecretValue(pem.encode()))
    posted = grants.post(Ask("https://idp/token", grant, ("s1", "s2")), grant, NOW)
    assert posted.form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    header, claims, signature = posted.form["assertion"].split(".")
    key.public_key().verify(
        base64.urlsafe_b64decode(signature + "=="),
        f"{header}.{claims}".encode(),
        PKCS1v15(),
        hashes.SHA256(),
    )
    assert decoded(header) == {"alg": "RS256", "typ": "JWT", "kid": "k1"}
    assert decoded(claims) == {
        "iss": "a@corp",
        "scope": "s1 s2",
        "aud": "https://idp/token",
        "iat": int(NOW.timestamp()),
        "exp": int(NOW.timestamp()) + 3600,
    }


@pytest.mark.parametrize(
    ("said", "lasts_s"),
    [
        (3600, 3600),
        ("3599", 3599),
        (3599.9, 3599),
        (10**30, 86400),
        (0, 300),
        (-1, 300),
        (None, 300),
        ("soon", 300),
        ([], 300),
    ],
)
def test_a_token_lasts_as_it_says_within_reason(said, lasts_s) -> None:
    answer = {"access_token": "planted", "token_type": "bearer", "expires_in": said}
    assert grants.read(200, json.dumps(answer).encode()) == Token(
        SecretValue(b"planted"), timedelta(seconds=lasts_s)
    )


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (401, b'{"error_description": "planted"}', "answered 401"),
        (302, b"", "answered 302"),
        (200, b"planted", "answered with what is not JSON"),
        (200, b"\xff", "answered with what is not JSON"),
        (200, b"[" * 200_000, "answered with what is not JSON"),
        (200, b'{"access_token": "\\ud800"}', "answered with what is not JSON"),
        (200, b"[]", "answered without an access_token that can be sent"),
        (200, b"{}", "answered without an access_token that can be sent"),
        (
            200,
            b'{"access_token": "planted\\n"}',
            "answered without an access_token that can be sent",
        ),
        (200, b'{"access_token": ""}', "answered without an access_token that can be sent"),
        (
            200,
            b'{"access_token": "planted", "token_type": "DPoP"}',
            "answered with a token that is not of type Bearer",
        ),
    ],
)
def test_any_other_answer_is_told_by_its_status_alone(status, body, told) -> None:
    assert grants.read(status, body) == told


@given(st.integers(100, 599), st.binary(max_size=60))
def test_no_answer_raises_or_is_quoted(status, body) -> None:
    found = grants.read(status, body)
    assert isinstance(found, Token) or found.startswith("answered ")


@given(st.floats(1, 86400))
def test_a_token_is_renewed_before_it_is_of_no_use(lasts_s) -> None:
    assert 0 < renewal.renew_after(lasts_s) < lasts_s
    assert renewal.usable_for(lasts_s) < lasts_s
    assert lasts_s - renewal.renew_after(lasts_s) <= 300


@given(st.floats(0.001, 86400), st.floats(0, 1))
def test_chance_takes_little_off_a_wait_and_adds_nothing(wait_s, chance) -> None:
    assert wait_s * 0.8 <= renewal.spread(wait_s, chance) * 1.000001
    assert renewal.spread(wait_s, chance) <= wait_s


def test_what_fails_is_tried_less_and_less_often_but_always() -> None:
    waits = [renewal.again_after(failures) for failures in range(1, 100)]
    assert waits[:4] == [1, 2, 4, 8]
    assert waits == sorted(waits)
    assert waits[-1] == 60
