"""The intermediate representation: what the gateway should be, in no one's dialect.

`translate` makes it from Resources, `build` makes Envoy's resources from it; they meet only here.
Frozen values without behaviour; every tuple is in a chosen order, so equal input gives equal bytes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from crds.endpoints import Balancing
from crds.gateway import SecretValue
from crds.meta import Key
from crds.plan import Format, RoutePlan, VirtualHostPlan


@dataclass(frozen=True, slots=True)
class TrafficClass:
    """Timeouts and retries of one Envoy route of a virtual host. Seconds; None: no limit."""

    stream: bool
    translate: bool
    request_s: float | None
    attempt_s: float | None
    """Per-try timeout: `timeouts.attempt` of calls, `timeouts.firstByte` of streams."""
    idle_s: float | None
    retries: int
    mirrored: bool = False
    """Its requests may be copied to mirrors."""
    generic: bool = False
    """Bodies pass both ways as they come, upgrades too."""

    @property
    def name(self) -> str:
        """The identity of the class; the guard's metadata names it."""
        parts = {
            "request": self.request_s,
            "attempt": self.attempt_s,
            "idle": self.idle_s,
        }
        limits = [f"{name}={value:g}s" for name, value in parts.items() if value is not None]
        kind = "generic" if self.generic else "stream" if self.stream else "call"
        marks = ["translate"] * self.translate + ["mirrored"] * self.mirrored
        return ",".join([kind, *limits, f"retries={self.retries}", *marks])


@dataclass(frozen=True, slots=True)
class VirtualHost:
    """One hostname of one listener."""

    name: str
    """Also the name of its plan."""
    domain: str
    """What Envoy matches: `ai.corp.example`, `*.corp.example` or `*`."""
    max_body_bytes: int
    """The largest body any policy of this virtual host allows."""
    classes: tuple[TrafficClass, ...]


@dataclass(frozen=True, slots=True)
class Listener:
    """One listener of a Gateway."""

    gateway: Key
    name: str
    port: int
    protocol: Literal["HTTP", "HTTPS"]
    hostname: str | None
    certificates: tuple[str, ...]
    """Names of TLS secrets; HTTPS only."""
    virtual_hosts: tuple[VirtualHost, ...]


@dataclass(frozen=True, slots=True)
class UpstreamTLS:
    """How a target's certificate is verified."""

    server_name: str
    authorities: str | None
    """Name of a validation secret; None: the system's authorities."""


@dataclass(frozen=True, slots=True)
class Credential:
    """The header that proves us to the provider; the value is a secret's."""

    secret: str
    header: str
    prefix: str


@dataclass(frozen=True, slots=True)
class AccessKey:
    """An AWS account's key."""

    key_id: SecretValue
    secret: SecretValue
    session_token: SecretValue | None = None


@dataclass(frozen=True, slots=True)
class Signing:
    """The signature (SigV4) that proves us to the provider; it covers path, host and body."""

    service: str
    region: str
    key: AccessKey | None
    """None: Envoy finds one where it runs."""


@dataclass(frozen=True, slots=True)
class Ejection:
    """When an endpoint, or a whole target, that fails is passed over."""

    after: int = 5
    """Failures in a row."""
    base_s: float = 5.0
    """For how long at first."""


@dataclass(frozen=True, slots=True)
class Picker:
    """Who is asked for each request which of a target's endpoints serves it."""

    name: str
    """Its cluster."""
    endpoints: tuple[tuple[str, int], ...]
    """Its own, any of which may be asked."""
    fails_open: bool
    """What it does not answer is served by an endpoint of our choice."""


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """A GET for this path, asked of each endpoint again and again."""

    path: str
    interval_s: float
    timeout_s: float
    unhealthy_after: int
    """Failures in a row."""
    healthy_after: int
    """Successes in a row."""


@dataclass(frozen=True, slots=True)
class Target:
    """One (AIBackend, model) pair: one cluster with its own upstream filters."""

    name: str
    backend: Key
    provider: str
    host: str
    port: int
    endpoints: tuple[tuple[str, int], ...] | None
    """Addresses and ports that a Service or pool has ready; None: where `host` resolves to."""
    tls: UpstreamTLS | None
    credential: Credential | None
    model: str | None
    formats: tuple[Format, ...]
    """What it is spoken to in."""
    headers: tuple[tuple[str, str], ...]
    """What it wants to see unless the caller says otherwise."""
    max_body_bytes: int
    """The largest body of the virtual hosts that use it."""
    signing: Signing | None = None
    ejection: Ejection = Ejection()
    balancing: Balancing = "LeastRequest"
    health_check: HealthCheck | None = None
    """Only where all addresses are known."""
    copies: int | None = None
    """Of a mirror: how many copies may be under way; None: a target that answers callers."""
    picker: Picker | None = None
    http2: bool = False
    """Its endpoints take HTTP/2 in the clear; under TLS it is agreed on."""
    version: Literal["Auto", "HTTP1", "HTTP2"] = "Auto"
    """Of HTTP."""

    @property
    def generic(self) -> bool:
        """Requests pass to it unread."""
        return self.provider == "HTTP"

    @property
    def authority(self) -> str:
        """The `:authority` the provider expects."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        default = 443 if self.tls else 80
        return host if self.port == default else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class GenericSecret:
    """A provider's key."""

    name: str
    value: SecretValue
    owner: Key
    """The object to blame if Envoy refuses it."""


@dataclass(frozen=True, slots=True)
class CertificateSecret:
    """A listener's certificate chain and private key, PEM."""

    name: str
    chain: bytes
    private_key: SecretValue
    owner: Key


@dataclass(frozen=True, slots=True)
class AuthoritiesSecret:
    """Private certificate authorities, PEM."""

    name: str
    bundle: bytes
    owner: Key


Secret = GenericSecret | CertificateSecret | AuthoritiesSecret


@dataclass(frozen=True, slots=True)
class Config:
    """The root: everything Envoy and ext_proc are told."""

    listeners: tuple[Listener, ...] = ()
    targets: tuple[Target, ...] = ()
    secrets: tuple[Secret, ...] = ()
    virtual_host_plans: tuple[VirtualHostPlan, ...] = ()
    route_plans: tuple[RoutePlan, ...] = ()
    uses: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The targets each AIRoute refers to; those of weight 0 are kept warm."""
