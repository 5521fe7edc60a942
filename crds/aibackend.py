"""AIBackend: one provider account or one self-hosted model server."""

from ipaddress import ip_address
from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from crds.auth import Auth, CACertificateRef
from crds.endpoints import HealthCheck, LoadBalancing
from crds.generic import HTTP_RULES
from crds.meta import (
    HOST,
    Amount,
    Duration,
    Model,
    ModelName,
    Name,
    Port,
    Rule,
    UniqueNames,
    seconds,
)
from crds.providers import (
    NAMELESS,
    OPENAI_LIKE,
    AWSOptions,
    AzureOptions,
    GCPOptions,
    HTTPOptions,
    OpenAIOptions,
    Provider,
)

PATH_PREFIX = r"^(/|(/[A-Za-z0-9_][-._~A-Za-z0-9]*){1,16})$"


def is_ip_address(host: str) -> bool:
    """Whether the host is an IPv4 or IPv6 address rather than a DNS name."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


class ServiceRef(Model):
    """A Service in the AIBackend's own namespace; requests go straight to its ready endpoints."""

    name: Name
    """The Service."""
    port: Port
    """One of the Service's ports."""


class InferencePoolRef(Model):
    """An InferencePool in the AIBackend's own namespace (`inference.networking.k8s.io/v1`)."""

    name: Name
    """The InferencePool."""


class Endpoint(Model):
    """Where the provider is reached: exactly one of hostname, serviceRef and inferencePoolRef."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "[has(self.hostname), has(self.serviceRef), has(self.inferencePoolRef)]"
            ".filter(given, given).size() == 1",
            "exactly one of hostname, serviceRef and inferencePoolRef is required",
            lambda self: (
                [self.hostname, self.service_ref, self.inference_pool_ref].count(None) == 2
            ),
        ),
        Rule(
            "has(self.hostname) || !has(self.port)",
            "port belongs to hostname; a Service's port is serviceRef.port, a pool has its own",
            lambda self: self.hostname is not None or self.port is None,
            "port",
        ),
        Rule(
            "!has(self.hostname) || !self.hostname.contains(':') || isIP(self.hostname)",
            "hostname must be a DNS name or an IP address, without scheme, port or path",
            lambda self: (
                self.hostname is None or ":" not in self.hostname or is_ip_address(self.hostname)
            ),
            "hostname",
        ),
    )

    hostname: (
        Annotated[str, StringConstraints(min_length=1, max_length=253, pattern=HOST)] | None
    ) = None
    """A DNS name, an IPv4 or an IPv6 address."""
    port: Port | None = None
    """Defaults to 443 with `tls.mode: Verify`, to 80 with `None`."""
    service_ref: ServiceRef | None = None
    """A Service of this cluster, such as a self-hosted model server."""
    inference_pool_ref: InferencePoolRef | None = None
    """A pool of model servers of this cluster. Its endpoint picker is asked for each request, after
    the guards, which of its ready pods serves it."""
    path_prefix: Annotated[str, StringConstraints(max_length=256, pattern=PATH_PREFIX)] | None = (
        None
    )
    """What its paths begin with, in place of the provider's own (`/v1` for most that are
    OpenAI-like); `/`: nothing. `OpenAICompatible` knows it of well-known hostnames."""


class TLS(Model):
    """How the connection to the provider is secured."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.mode == 'Verify' || !has(self.caCertificateRefs)"
            " || size(self.caCertificateRefs) == 0",
            "caCertificateRefs needs mode Verify",
            lambda self: self.mode == "Verify" or not self.ca_certificate_refs,
        ),
    )

    mode: Literal["Verify", "None"] = "Verify"
    """`Verify` checks the certificate and the name; `None` is plain text."""
    ca_certificate_refs: Annotated[
        tuple[CACertificateRef, ...], Field(max_length=8), UniqueNames
    ] = ()
    """Private certificate authorities, instead of the system's."""


class Price(Model):
    """What a million tokens cost."""

    currency: Literal["USD"] = "USD"
    """US dollars."""
    input: Amount
    """Per million input tokens."""
    cached_input: Amount | None = None
    """Per million input tokens read from the provider's cache; defaults to `input`."""
    cache_write: Amount | None = None
    """Per million input tokens written to the provider's cache; defaults to `input`."""
    output: Amount
    """Per million output tokens, reasoning included."""


class CatalogModel(Model):
    """One model this backend serves."""

    name: ModelName
    """The name the provider knows it by."""
    price: Price | None = None
    """Overrides the packaged price of this model."""
    context_tokens: Annotated[int, Field(ge=1, le=100_000_000, strict=True)] | None = None
    """How many tokens prompt and answer may have together; overrides what is packaged.

    A request that does not fit, by our count, goes to a target of its rule that can hold it.
    """


class CircuitBreaker(Model):
    """Protection of the provider account."""

    max_concurrent_requests: Annotated[int, Field(ge=1, le=1_000_000, strict=True)]
    """Requests under way at once; the next target is used when this one is full."""


class Ejection(Model):
    """When a target that fails is put behind its peers."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.baseTime) || (duration(self.baseTime) >= duration('1s')"
            " && duration(self.baseTime) <= duration('10m'))",
            "baseTime must be from 1s to 10m",
            lambda self: 1 <= seconds(self.base_time) <= 600,
            "baseTime",
        ),
    )

    consecutive_errors: Annotated[int, Field(ge=1, le=1000, strict=True)] = 5
    """Failures in a row; a 429, 503 or 529 needs no others."""
    base_time: Duration = "5s"
    """For how long at first; doubled each time, up to twelve times as long. A Retry-After wins."""


def _is_known(endpoint: Endpoint | None) -> bool:
    """Whether the controller knows the addresses."""
    if endpoint is None:
        return False
    return endpoint.service_ref is not None or is_ip_address(endpoint.hostname or "")


class AIBackendSpec(Model):
    """One provider account or self-hosted model server."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!(self.provider in ['AzureOpenAI', 'OpenAICompatible', 'HTTP']) || has(self.endpoint)",
            "endpoint is required with provider AzureOpenAI, OpenAICompatible and HTTP",
            lambda self: self.provider not in NAMELESS or self.endpoint is not None,
            "endpoint",
        ),
        Rule(
            "!has(self.openai) || self.provider in ['OpenAI', 'AzureOpenAI', 'OpenAICompatible']",
            "openai belongs to provider OpenAI, AzureOpenAI or OpenAICompatible",
            lambda self: self.openai is None or self.provider in OPENAI_LIKE,
            "openai",
        ),
        Rule(
            "!has(self.azure) || self.provider == 'AzureOpenAI'",
            "azure belongs to provider AzureOpenAI",
            lambda self: self.azure is None or self.provider == "AzureOpenAI",
            "azure",
        ),
        Rule(
            "has(self.aws) == (self.provider == 'Bedrock')",
            "aws is required with provider Bedrock, and belongs to it alone",
            lambda self: (self.aws is not None) == (self.provider == "Bedrock"),
            "aws",
        ),
        Rule(
            "has(self.gcp) == (self.provider == 'VertexAI')",
            "gcp is required with provider VertexAI, and belongs to it alone",
            lambda self: (self.gcp is not None) == (self.provider == "VertexAI"),
            "gcp",
        ),
        *HTTP_RULES,
        Rule(
            "self.auth.type != 'AWS' || self.provider == 'Bedrock'",
            "auth.type AWS belongs to provider Bedrock",
            lambda self: self.auth.type != "AWS" or self.provider == "Bedrock",
            "auth",
        ),
        Rule(
            "self.auth.type != 'Azure' || self.provider == 'AzureOpenAI'",
            "auth.type Azure belongs to provider AzureOpenAI",
            lambda self: self.auth.type != "Azure" or self.provider == "AzureOpenAI",
            "auth",
        ),
        Rule(
            "self.auth.type != 'GCP' || self.provider in ['VertexAI', 'Gemini']",
            "auth.type GCP belongs to provider VertexAI or Gemini",
            lambda self: self.auth.type != "GCP" or self.provider in ("VertexAI", "Gemini"),
            "auth",
        ),
        Rule(
            "!has(self.healthCheck) || (has(self.endpoint) && (has(self.endpoint.serviceRef)"
            " || (has(self.endpoint.hostname) && isIP(self.endpoint.hostname))))",
            "healthCheck needs endpoint.serviceRef or an IP address as hostname: what a DNS name"
            " leads to could not be judged before it is probed",
            lambda self: self.health_check is None or _is_known(self.endpoint),
            "healthCheck",
        ),
        Rule(
            "self.loadBalancing.policy != 'RingHash' || !has(self.endpoint)"
            " || !has(self.endpoint.inferencePoolRef)",
            "loadBalancing.policy RingHash does not go with endpoint.inferencePoolRef, whose picker"
            " chooses the endpoint",
            lambda self: (
                self.load_balancing.policy != "RingHash"
                or self.endpoint is None
                or self.endpoint.inference_pool_ref is None
            ),
            "loadBalancing",
        ),
    )

    provider: Provider
    """The API this backend speaks. `HTTP` is any other server: its requests are passed on unread,
    by rules with `format: Generic`."""
    endpoint: Endpoint | None = None
    """Defaults to the provider's public endpoint."""
    auth: Auth
    """How Dragoman proves itself to the provider."""
    openai: OpenAIOptions | None = None
    """How an OpenAI-like API is called."""
    azure: AzureOptions | None = None
    """How Azure's OpenAI deployments are called."""
    aws: AWSOptions | None = None
    """Where in AWS the models are."""
    gcp: GCPOptions | None = None
    """Where in Google Cloud the models are."""
    http: HTTPOptions | None = None
    """How a server is reached whose API Dragoman does not read."""
    tls: TLS = TLS()
    """How the connection is secured."""
    models: Annotated[tuple[CatalogModel, ...], Field(max_length=256), UniqueNames] = ()
    """Models and prices; known models of a known provider need no entry."""
    circuit_breaker: CircuitBreaker | None = None
    """Limits on requests under way."""
    ejection: Ejection = Ejection()
    """When a target that fails is put behind its peers."""
    load_balancing: LoadBalancing = LoadBalancing()
    """How requests are spread over its endpoints."""
    health_check: HealthCheck | None = None
    """Asks the endpoints whether they are well; without it only requests find out."""
