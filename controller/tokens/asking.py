"""Asking: which token endpoint each AIBackend's auth asks for what. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from controller import keys
from controller.resources import Object, Resources
from crds.aibackend import AIBackendSpec
from crds.auth import Auth
from crds.gateway import SecretValue
from crds.identity import WorkloadIdentity
from crds.meta import Key

ENTRA = "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token"
ENTRA_SCOPE = "https://cognitiveservices.azure.com/.default"
ENTRA_AUDIENCE = "api://AzureADTokenExchange"
GOOGLE_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
GOOGLE_STS = "https://sts.googleapis.com/v1/token"
GOOGLE_ACT_AS = (
    "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{email}"
    ":generateAccessToken"
)
GKE = "identitynamespace:"
AWS_STS = "https://sts.{region}.{domain}/"
AWS_AUDIENCE = "sts.amazonaws.com"


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
class Identity:
    """A ServiceAccount of Kubernetes, and who is to believe its token."""

    namespace: str
    name: str
    audience: str


@dataclass(frozen=True, slots=True)
class FederatedClient:
    """A client that the API server vouches for (RFC 7523, section 2.2)."""

    identity: Identity
    client_id: str


@dataclass(frozen=True, slots=True)
class TokenExchange:
    """A token of the API server for one of Google (RFC 8693)."""

    identity: Identity
    audience: str
    act_as_url: str = ""
    """Where to ask for the token of a service account with it; empty: nowhere."""


@dataclass(frozen=True, slots=True)
class RoleSession:
    """A token of the API server for keys of an IAM role."""

    identity: Identity
    role_arn: str


Grant = ClientCredentials | Assertion | FederatedClient | TokenExchange | RoleSession


@dataclass(frozen=True, slots=True)
class Ask:
    """One thing to ask of a token endpoint."""

    url: str
    grant: Grant
    scopes: tuple[str, ...]
    authorities: str = ""
    """PEM; empty: the system's."""

    @property
    def host(self) -> str:
        """The endpoint as people are told of it."""
        return urlsplit(self.url).netloc

    @property
    def identity(self) -> Identity | None:
        """The ServiceAccount that asks; None: who holds a Secret does."""
        grant = self.grant
        return None if isinstance(grant, ClientCredentials | Assertion) else grant.identity

    def alike(self, other: "Ask") -> bool:
        """Whether both ask the same for the same party, be it with another secret."""
        mine, theirs = (
            (each.url, each.scopes, _party(each.grant), each.identity) for each in (self, other)
        )
        return mine == theirs


def _party(grant: Grant) -> tuple[str, ...]:
    match grant:
        case ClientCredentials(client_id) | FederatedClient(_, client_id):
            return (client_id,)
        case Assertion(issuer):
            return (issuer,)
        case TokenExchange(_, audience, act_as_url):
            return audience, act_as_url
        case RoleSession(_, role_arn):
            return (role_arn,)


def askers(resources: Resources) -> list[Key]:
    """The AIBackends that ask for tokens."""
    backends = sorted(resources.backends.items())
    return [key for key, backend in backends if keys.asked_for(backend.spec.auth)]


def ask(key: Key, resources: Resources) -> Ask | None:
    """What such an AIBackend asks for; None if its Secret cannot be used."""
    backend = resources.backends[key]
    auth = backend.spec.auth
    if auth.workload_identity is not None:
        return _federated(backend, auth.workload_identity)
    ref = auth.secret_ref
    secret = resources.secrets.get(Key("Secret", key.namespace, ref.name)) if ref else None
    if secret is None or keys.wrong(auth, secret) is not None:
        return None
    bundle = authorities(auth, key.namespace, resources)
    return None if bundle is None else _ask(auth, secret, bundle)


def wanted(resources: Resources) -> dict[Key, Ask]:
    """What is to be asked for every AIBackend whose auth can be used."""
    asks = {key: ask(key, resources) for key in askers(resources)}
    return {key: each for key, each in asks.items() if each is not None}


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


def _federated(backend: Object[AIBackendSpec], own: WorkloadIdentity) -> Ask | None:
    """What is asked for with a ServiceAccount's token, always at the cloud's own endpoint."""
    namespace, name = backend.key.namespace, own.service_account_ref.name
    if own.azure is not None:
        identity = Identity(namespace, name, ENTRA_AUDIENCE)
        grant = FederatedClient(identity, own.azure.client_id)
        return Ask(ENTRA.format(tenant=own.azure.tenant_id), grant, (ENTRA_SCOPE,))
    if own.gcp is not None:
        identity = Identity(namespace, name, _google_audience(own.gcp.audience))
        email = own.gcp.service_account
        act_as_url = GOOGLE_ACT_AS.format(email=email) if email else ""
        exchange = TokenExchange(identity, own.gcp.audience, act_as_url)
        return Ask(GOOGLE_STS, exchange, (GOOGLE_SCOPE,))
    if own.aws is not None and backend.spec.aws is not None:
        identity = Identity(namespace, name, AWS_AUDIENCE)
        place = backend.spec.aws
        url = AWS_STS.format(region=place.region, domain=place.domain)
        return Ask(url, RoleSession(identity, own.aws.role_arn), ())
    return None


def _google_audience(audience: str) -> str:
    """What Google demands that the ServiceAccount's token is for."""
    if audience.startswith(GKE):
        return audience.removeprefix(GKE).partition(":")[0]
    return f"https:{audience}"
