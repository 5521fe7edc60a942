"""Federation: how a ServiceAccount's token is exchanged for what a cloud takes. Pure.

As in `grants`, nothing of an answer is told but its status.
"""

from datetime import timedelta

import orjson

from controller import keys
from controller.resources import SessionKey
from controller.tokens import grants
from controller.tokens.asking import Ask, FederatedClient, RoleSession, TokenExchange
from controller.tokens.grants import Post, Token
from crds.gateway import SecretValue

LENT = timedelta(hours=1)
"""How long keys of a role and tokens of a service account are asked for: what all allow."""
_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
_BEARER = "urn:ietf:params:oauth:token-type:access_token"
_JWT = "urn:ietf:params:oauth:token-type:jwt"
_SESSION = "dragoman"


def post(
    ask: Ask, grant: FederatedClient | TokenExchange | RoleSession, statement: SecretValue
) -> Post:
    """Word the request; `statement` is the ServiceAccount's token."""
    shown, scope = statement.reveal().decode(), " ".join(ask.scopes)
    match grant:
        case FederatedClient(_, client_id):
            form = {
                "grant_type": "client_credentials",
                "client_id": client_id,
                "client_assertion_type": _ASSERTION_TYPE,
                "client_assertion": shown,
                "scope": scope,
            }
            return Post(ask.url, form, {}, grants.read)
        case TokenExchange(_, audience):
            form = {
                "grant_type": _EXCHANGE,
                "audience": audience,
                "scope": scope,
                "requested_token_type": _BEARER,
                "subject_token_type": _JWT,
                "subject_token": shown,
            }
            return Post(ask.url, form, {}, grants.read)
        case RoleSession(identity, role_arn):
            form = {
                "Action": "AssumeRoleWithWebIdentity",
                "Version": "2011-06-15",
                "RoleArn": role_arn,
                "RoleSessionName": f"{_SESSION}-{identity.namespace}"[:64],
                "DurationSeconds": str(int(LENT.total_seconds())),
                "WebIdentityToken": shown,
            }
            return Post(ask.url, form, {}, lent)


def act_as(ask: Ask, token: Token) -> Post | None:
    """What is asked with a first token for the one that is sent; None: the first is sent."""
    grant = ask.grant
    if not isinstance(grant, TokenExchange) or not grant.act_as_url:
        return None
    if not isinstance(token.value, SecretValue):
        raise TypeError("a token exchange gives a bearer token")
    bearer = {"authorization": f"Bearer {token.value.reveal().decode()}"}
    document = {"scope": list(ask.scopes), "lifetime": f"{int(LENT.total_seconds())}s"}
    return Post(grant.act_as_url, None, bearer, acting, document)


def acting(status: int, body: bytes) -> Token | str:
    """The service account's token in an answer, or why there is none."""
    found = _member(status, body)
    if isinstance(found, str):
        return found
    token = found.get("accessToken")
    if not isinstance(token, str) or keys.unfit(token.encode()):
        return "answered without an accessToken that can be sent"
    return Token(SecretValue(token.encode()), LENT)


def lent(status: int, body: bytes) -> Token | str:
    """The role's keys in an answer, or why there are none."""
    members = "AssumeRoleWithWebIdentityResponse", "AssumeRoleWithWebIdentityResult", "Credentials"
    found = _member(status, body, *members)
    if isinstance(found, str):
        return found
    values = [found.get(name) for name in ("AccessKeyId", "SecretAccessKey", "SessionToken")]
    parts = [SecretValue(each.encode()) for each in values if isinstance(each, str)]
    if len(parts) < len(values) or any(keys.unfit(each.reveal()) for each in parts):
        return "answered without keys that can be used"
    return Token(SessionKey(*parts), LENT)


def _member(status: int, body: bytes, *names: str) -> dict[str, object] | str:
    """The object at this place of an answer; empty if there is none."""
    if status != 200:
        return f"answered {status}"
    try:
        found = orjson.loads(body)
    except ValueError:
        return "answered with what is not JSON"
    for name in names:
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}
