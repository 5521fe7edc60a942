"""Asking: which token endpoint each AIBackend's auth asks for what. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from controller import keys
from controller.resources import Resources
from crds.auth import Auth
from crds.gateway import SecretValue
from crds.meta import Key

ENTRA = "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token"
ENTRA_SCOPE = "https://cognitiveservices.azure.com/.default"
GOOGLE_SCOPE = "https://www.googleapis.com/auth/cloud-platform"


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """A client's id and secret (RFC 6749, section 4.4)."""

    client_id: str
    client_secret: SecretValue


@dataclass(frozen=True, slots=True)
class Assertion:
    """A statement signed with a service account's key (RFC 7523)."""

    issuer: str
    key_id: str
    private_key: SecretValue
    """PEM, RSA."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One thing to ask of a token endpoint."""

    url: str
    grant: ClientCredentials | Assertion
    scopes: tuple[str, ...]
    authorities: str = ""
    """PEM; empty: the system's."""

    @property
    def host(self) -> str:
        """The endpoint as people are told of it."""
        return urlsplit(self.url).netloc


def wanted(resources: Resources) -> dict[Key, Ask]:
    """What is to be asked for every AIBackend whose Secret can be used."""
    return dict(_wanted(resources))


def _wanted(resources: Resources) -> Iterator[tuple[Key, Ask]]:
    for key, backend in sorted(resources.backends.items()):
        auth = backend.spec.auth
        if auth.type not in keys.TOKENS:
            continue
        ref = auth.secret_ref
        secret = resources.secrets.get(Key("Secret", key.namespace, ref.name)) if ref else None
        if secret is None or keys.wrong(auth, secret) is not None:
            continue
        bundle = authorities(auth, key.namespace, resources)
        if bundle is not None and (ask := _ask(auth, secret, bundle)) is not None:
            yield key, ask


def authorities(auth: Auth, namespace: str, resources: Resources) -> str | None:
    """The token endpoint's private authorities; None if one of them is missing."""
    refs = auth.oauth2.ca_certificate_refs if auth.oauth2 else ()
    maps = [resources.config_maps.get(Key("ConfigMap", namespace, ref.name), {}) for ref in refs]
    if any("ca.crt" not in each for each in maps):
        return None
    return "".join(f"{each['ca.crt'].strip()}\n" for each in maps)


def _ask(auth: Auth, secret: Mapping[str, SecretValue], bundle: str) -> Ask | None:
    """What is asked for with a Secret that can be used."""
    if auth.type == "GCP":
        account = keys.service_account(secret["key.json"].reveal())
        if isinstance(account, str):
            return None
        key = SecretValue(account.private_key.encode())
        return Ask(
            account.token_url, Assertion(account.email, account.key_id, key), (GOOGLE_SCOPE,)
        )
    if auth.type == "Azure":
        tenant = secret["tenantID"].reveal().decode()
        return Ask(ENTRA.format(tenant=tenant), _client(secret), (ENTRA_SCOPE,))
    if auth.oauth2 is not None:
        return Ask(auth.oauth2.token_url, _client(secret), auth.oauth2.scopes, bundle)
    return None


def _client(secret: Mapping[str, SecretValue]) -> ClientCredentials:
    return ClientCredentials(secret["clientID"].reveal().decode(), secret["clientSecret"])
