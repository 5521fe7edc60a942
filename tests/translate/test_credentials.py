"""AIBackends that need a token: without one they are left out and say which endpoint said what."""

from dataclasses import replace

import pytest

from controller import ir
from controller.resources import Unminted
from controller.translate import backends
from crds.gateway import SecretValue
from tests.tokens.test_asking import BACKEND, oauth, resources

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
