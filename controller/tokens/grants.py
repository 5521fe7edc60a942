"""Grants: how a token is asked for, and what the answer says. Pure.

An answer may echo what was sent, so nothing of it is ever told but its status.
"""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote

import orjson
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from controller import keys
from controller.resources import SessionKey
from controller.tokens.asking import Ask, Assertion, ClientCredentials
from crds.gateway import SecretValue

ASSERTED_FOR = timedelta(hours=1)
"""How long an assertion is good for; Google allows no more."""
UNSAID = timedelta(minutes=5)
"""How long a token is taken to last whose answer does not say."""
LONGEST = timedelta(days=1)
_JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"


@dataclass(frozen=True, slots=True)
class Token:
    """What proves us to a provider, and until when."""

    value: SecretValue | SessionKey
    lasts: timedelta


@dataclass(frozen=True, slots=True)
class Post:
    """A request to a token endpoint, and what reads its answer."""

    url: str
    form: Mapping[str, str] | None
    headers: Mapping[str, str]
    read: Callable[[int, bytes], Token | str]
    """From status and body."""
    document: Mapping[str, object] | None = None
    """Sent as JSON, in place of a form."""

    def __repr__(self) -> str:
        return "<secret>"


def post(ask: Ask, grant: ClientCredentials | Assertion, now: datetime) -> Post:
    """Word the request. Raise ValueError for a private key whose numbers do not fit together."""
    match grant:
        case ClientCredentials(client_id, secret):
            scope = {"scope": " ".join(ask.scopes)} if ask.scopes else {}
            basic = f"{quote(client_id, safe='')}:{quote(secret.reveal().decode(), safe='')}"
            encoded = base64.b64encode(basic.encode()).decode()
            form = {"grant_type": "client_credentials", **scope}
            return Post(ask.url, form, {"authorization": f"Basic {encoded}"}, read)
        case Assertion():
            form = {"grant_type": _JWT_BEARER, "assertion": _signed(ask, grant, now)}
            return Post(ask.url, form, {}, read)


def read(status: int, body: bytes) -> Token | str:
    """The token in an answer, or why there is none."""
    if status != 200:
        return f"answered {status}"
    try:
        answer = orjson.loads(body)
    except ValueError:
        return "answered with what is not JSON"
    token = answer.get("access_token") if isinstance(answer, dict) else None
    if not isinstance(token, str) or keys.unfit(token.encode()):
        return "answered without an access_token that can be sent"
    if str(answer.get("token_type", "bearer")).lower() != "bearer":
        return "answered with a token that is not of type Bearer"
    return Token(SecretValue(token.encode()), _lasts(answer.get("expires_in")))


def _lasts(said: object) -> timedelta:
    """Seconds; some say them as text."""
    try:
        seconds = float(said) if isinstance(said, int | float | str) else 0
    except ValueError:
        seconds = 0
    return min(timedelta(seconds=int(min(seconds, 10**6))), LONGEST) if seconds >= 1 else UNSAID


def _signed(ask: Ask, grant: Assertion, now: datetime) -> str:
    """A JSON Web Token, RS256."""
    issued = int(now.timestamp())
    header = {"alg": "RS256", "typ": "JWT", **({"kid": grant.key_id} if grant.key_id else {})}
    claims = {
        "iss": grant.issuer,
        "scope": " ".join(ask.scopes),
        "aud": ask.url,
        "iat": issued,
        "exp": issued + int(ASSERTED_FOR.total_seconds()),
    }
    signed = f"{_part(json.dumps(header).encode())}.{_part(json.dumps(claims).encode())}"
    key = load_pem_private_key(grant.private_key.reveal(), None)
    if not isinstance(key, RSAPrivateKey):
        raise TypeError("a service account's key is RSA: `keys` saw to it")
    return f"{signed}.{_part(key.sign(signed.encode(), PKCS1v15(), hashes.SHA256()))}"


def _part(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
