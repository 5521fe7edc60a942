"""Keys: what each type of auth needs of its Secret, and whether the values can be used. Pure.

Both who refuses an AIBackend and who asks for its tokens look here. No text quotes a value.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import orjson
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from crds.auth import ENDPOINT_URL, Auth
from crds.gateway import SecretValue

_TOKENS = frozenset({"Azure", "GCP", "OAuth2"})
"""Types of auth for which tokens are always asked."""
MOST_BITS = 4096
GOOGLE_TOKENS = "https://oauth2.googleapis.com/token"
_TENANT = rb"[A-Za-z0-9][-.A-Za-z0-9]{0,127}"


@dataclass(frozen=True, slots=True)
class Missing:
    """A key that the Secret lacks."""

    key: str


@dataclass(frozen=True, slots=True)
class Unfit:
    """A value that cannot be used: `the value of KEY in SECRET …`."""

    key: str
    text: str


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """What is used of the key that Google Cloud hands out for a service account."""

    email: str
    key_id: str
    private_key: str
    """PEM, RSA."""
    token_url: str


def asked_for(auth: Auth) -> bool:
    """Whether what proves an AIBackend is asked for, rather than kept in a Secret."""
    return auth.type in _TOKENS or auth.workload_identity is not None


def unfit(value: bytes) -> str:
    """Why a key cannot stand in a header; empty if it can."""
    if not value:
        return "is empty"
    if value.strip() != value:
        return "begins or ends with a space or newline; remove it (use echo -n)"
    if any(not 0x21 <= byte <= 0x7E for byte in value):
        return "must be printable ASCII without spaces"
    return ""


def wrong(auth: Auth, secret: Mapping[str, SecretValue]) -> Missing | Unfit | None:
    """The first thing wrong with a Secret; None if it can be used."""
    for key, why in needed(auth).items():
        if key not in secret:
            return Missing(key)
        if text := why(secret[key].reveal()):
            return Unfit(key, text)
    for key in OPTIONAL.get(auth.type, ()):
        if key in secret and (text := unfit(secret[key].reveal())):
            return Unfit(key, text)
    return None


def needed(auth: Auth) -> Mapping[str, Callable[[bytes], str]]:
    """The keys a Secret must have, and what tells why a value is unfit."""
    if auth.type == "APIKey" and auth.secret_ref is not None:
        return {auth.secret_ref.key: unfit}
    return _NEEDED.get(auth.type, {})


def service_account(value: bytes) -> ServiceAccount | str:
    """The service account a key belongs to, or what is wrong with the key."""
    try:
        content = orjson.loads(value)
    except ValueError:
        content = None
    if not isinstance(content, dict) or content.get("type") != "service_account":
        return "must be the JSON key of a service account"
    email, key = content.get("client_email"), content.get("private_key")
    url = content.get("token_uri", GOOGLE_TOKENS)
    key_id = content.get("private_key_id", "")
    if not isinstance(email, str) or not email or not isinstance(key_id, str):
        return "has no client_email"
    if not isinstance(key, str) or not _is_rsa(key):
        return f"has no private_key that is an unencrypted RSA key of up to {MOST_BITS} bits in PEM"
    if not isinstance(url, str) or re.fullmatch(ENDPOINT_URL, url) is None:
        return "has a token_uri that is no https URL"
    return ServiceAccount(email, key_id, key, url)


def _is_rsa(pem: str) -> bool:
    """Whether it looks like one: its numbers are checked when it signs, which takes long."""
    try:
        key = load_pem_private_key(pem.encode(), None, unsafe_skip_rsa_key_validation=True)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return False
    return isinstance(key, RSAPrivateKey) and key.key_size <= MOST_BITS


def _no_tenant(value: bytes) -> str:
    return "" if re.fullmatch(_TENANT, value) else "must be a tenant's id or domain"


def _no_service_account(value: bytes) -> str:
    found = service_account(value)
    return found if isinstance(found, str) else ""


_CLIENT = {"clientID": unfit, "clientSecret": unfit}
_NEEDED: Mapping[str, Mapping[str, Callable[[bytes], str]]] = {
    "AWS": {"accessKeyID": unfit, "secretAccessKey": unfit},
    "Azure": {"tenantID": _no_tenant, **_CLIENT},
    "GCP": {"key.json": _no_service_account},
    "OAuth2": _CLIENT,
}
OPTIONAL: Mapping[str, tuple[str, ...]] = {"AWS": ("sessionToken",)}
"""Keys a Secret may have besides."""
