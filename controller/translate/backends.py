"""Backends: what an AIBackend needs to be called, with its provider's defaults filled in.

What differs between providers stands in `providers`, how requests are proven in `credentials`. An
AIBackend that lacks something is left out and says why. Who may refer to it is in `rules`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Literal

from controller import ir, names
from controller.resources import Object, Resources
from controller.translate import credentials, pools, providers, services
from controller.translate.conditions import Fault
from controller.translate.pools import Network, Pools
from controller.translate.providers import Provider
from controller.translate.services import Endpoints, Services
from crds.aibackend import TLS, AIBackendSpec, Price, is_ip_address
from crds.endpoints import Balancing, HealthCheck
from crds.meta import Key, seconds
from crds.plan import Format, PathPlan, PricePlan, QuirksPlan


@dataclass(frozen=True, slots=True)
class Backend:
    """An AIBackend that can be called."""

    key: Key
    provider: str
    host: str
    port: int
    endpoints: Endpoints | None
    tls: ir.UpstreamTLS | None
    credential: ir.Credential | None
    signing: ir.Signing | None
    secrets: tuple[ir.Secret, ...] = field(compare=False)
    """Not compared: a renewed token or key makes no rule another, so none is looked at anew."""
    paths: Mapping[Format, PathPlan]
    path_prefix: str
    version: Literal["Auto", "HTTP1", "HTTP2"]
    """Of HTTP."""
    headers: tuple[tuple[str, str], ...]
    quirks: QuirksPlan
    models: tuple[str, ...]
    prices: Mapping[str, PricePlan]
    contexts: Mapping[str, int]
    max_concurrent: int | None
    ejection: ir.Ejection
    balancing: Balancing
    health_check: ir.HealthCheck | None
    picker: ir.Picker | None = None
    http2: bool = False


@dataclass(frozen=True, slots=True)
class Known:
    """What an AIBackend's endpoint may refer to."""

    services: Services
    pools: Pools


@dataclass(frozen=True, slots=True)
class Backends:
    """All that can be called, and what is wrong with the others."""

    found: Mapping[Key, Backend]
    refused: frozenset[Key]
    """Those that are there but cannot be called."""
    faults: tuple[Fault, ...]


def find(resources: Resources, refused: Sequence[str]) -> Backends:
    """Complete every AIBackend that has all it needs; `refused`: networks none may lead to."""
    networks = [ip_network(each) for each in refused]
    found_services = services.find(resources)
    known = Known(found_services, Pools(resources, found_services, networks))
    found: dict[Key, Backend] = {}
    faults: list[Fault] = []
    for key, backend in sorted(resources.backends.items()):
        wrong = [
            *_wrong(backend, resources),
            *_wrong_service(backend, known.services),
            *_wrong_pool(backend, known.pools),
            *_refused(backend, networks),
            *_unprobed(backend, known.services, networks),
        ]
        faults += wrong
        if not wrong:
            found[key] = _backend(key, backend.spec, resources, known)
    unread = {broken.key for broken in resources.broken} - found.keys()
    return Backends(found, frozenset(unread | {fault.key for fault in faults}), tuple(faults))


def _wrong(backend: Object[AIBackendSpec], resources: Resources) -> Iterator[Fault]:
    yield from credentials.wrong(backend, resources)
    refs, field = backend.spec.tls.ca_certificate_refs, "spec.tls.caCertificateRefs"
    yield from credentials.wrong_authorities(backend.key, refs, field, resources)


def _wrong_service(backend: Object[AIBackendSpec], known: Services) -> Iterator[Fault]:
    ref = backend.spec.endpoint.service_ref if backend.spec.endpoint else None
    if ref is not None and (problem := known.wrong(backend.key.namespace, ref)):
        reason, part, text = problem
        field = f"spec.endpoint.serviceRef.{part}"
        yield Fault(backend.key, "ResolvedRefs", reason, field, text)


def _wrong_pool(backend: Object[AIBackendSpec], known: Pools) -> Iterator[Fault]:
    key = _pool(backend.key, backend.spec)
    if key is not None and (problem := known.wrong(key)):
        reason, text = problem
        field = "spec.endpoint.inferencePoolRef.name"
        yield Fault(backend.key, "ResolvedRefs", reason, field, text)


def _pool(key: Key, spec: AIBackendSpec) -> Key | None:
    ref = spec.endpoint.inference_pool_ref if spec.endpoint else None
    return Key("InferencePool", key.namespace, ref.name) if ref else None


def _refused(backend: Object[AIBackendSpec], networks: Sequence[Network]) -> Iterator[Fault]:
    """What is wrong with an address; what names resolve to is judged by the proxies."""
    host = backend.spec.endpoint.hostname if backend.spec.endpoint else None
    if host is None:
        return
    if wrong := _unfit(host, networks):
        text = f"{host} {wrong}"
        yield Fault(backend.key, "ResolvedRefs", "EndpointRefused", "spec.endpoint.hostname", text)


def _unprobed(
    backend: Object[AIBackendSpec], known: Services, networks: Sequence[Network]
) -> Iterator[Fault]:
    """Where a Service leads is judged here if it is probed: no filter of a proxy sees a probe."""
    ref = backend.spec.endpoint.service_ref if backend.spec.endpoint else None
    namespace = backend.key.namespace
    if backend.spec.health_check is None or ref is None or known.wrong(namespace, ref):
        return
    for host in dict.fromkeys(host for host, _ in known.endpoints(namespace, ref)):
        wrong = _unfit(host, networks) if is_ip_address(host) else "is no IP address"
        if wrong:
            text = f"Service {namespace}/{ref.name} leads to {host}, which {wrong}"
            yield Fault(backend.key, "ResolvedRefs", "EndpointRefused", "spec.healthCheck", text)


def _unfit(host: str, networks: Sequence[Network]) -> str:
    """Why an address may not be called; empty if it may, or is a name."""
    if network := pools.refusing(host, networks):
        exception = "the chart's allowEndpoints can make an exception"
        return f"is in {network}, where no provider may be; {exception}"
    return ""


def _backend(key: Key, spec: AIBackendSpec, resources: Resources, known: Known) -> Backend:
    """The AIBackend with its provider's defaults; all it refers to is there."""
    provider = providers.of(spec)
    secure = spec.tls.mode == "Verify"
    host, port = _address(key, spec, provider)
    pool = _pool(key, spec)
    proof = credentials.proof(key, spec, provider, resources)
    authorities = _authorities(key, spec.tls, resources)
    tls = ir.UpstreamTLS(host, authorities.name if authorities else None) if secure else None
    return Backend(
        key,
        spec.provider,
        host,
        port or (443 if secure else 80),
        _endpoints(key, spec, known),
        tls,
        proof.credential,
        proof.signing,
        tuple(secret for secret in (proof.secret, authorities) if secret),
        provider.paths,
        provider.prefix,
        spec.http.version if spec.http else "Auto",
        provider.headers,
        provider.quirks,
        tuple(model.name for model in spec.models),
        {model.name: _price(model.price) for model in spec.models if model.price},
        {model.name: model.context_tokens for model in spec.models if model.context_tokens},
        spec.circuit_breaker.max_concurrent_requests if spec.circuit_breaker else None,
        ir.Ejection(spec.ejection.consecutive_errors, seconds(spec.ejection.base_time)),
        spec.load_balancing.policy,
        _health_check(spec.health_check) if spec.health_check else None,
        known.pools.picker(pool) if pool else None,
        known.pools.speaks_http2(pool) if pool else False,
    )


def _endpoints(key: Key, spec: AIBackendSpec, known: Known) -> Endpoints | None:
    """Where the pods behind a Service or of a pool are; None: where a name leads."""
    if (pool := _pool(key, spec)) is not None:
        return known.pools.endpoints(pool)
    ref = spec.endpoint.service_ref if spec.endpoint else None
    return known.services.endpoints(key.namespace, ref) if ref else None


def _address(key: Key, spec: AIBackendSpec, provider: Provider) -> tuple[str, int | None]:
    """Host and port as requests name them; Services and pools go by names within the cluster."""
    endpoint = spec.endpoint
    if endpoint is None:
        return provider.hostname, None
    if endpoint.service_ref is not None:
        return f"{endpoint.service_ref.name}.{key.namespace}.svc", endpoint.service_ref.port
    if endpoint.inference_pool_ref is not None:
        return f"{endpoint.inference_pool_ref.name}.{key.namespace}.svc", None
    return endpoint.hostname or "", endpoint.port


def _health_check(check: HealthCheck) -> ir.HealthCheck:
    return ir.HealthCheck(
        check.path,
        seconds(check.interval),
        seconds(check.timeout),
        check.unhealthy_threshold,
        check.healthy_threshold,
    )


def _authorities(key: Key, tls: TLS, resources: Resources) -> ir.AuthoritiesSecret | None:
    maps = [Key("ConfigMap", key.namespace, ref.name) for ref in tls.ca_certificate_refs]
    if not maps:
        return None
    bundle = "\n".join(resources.config_maps[each]["ca.crt"].strip() for each in maps) + "\n"
    return ir.AuthoritiesSecret(names.authorities(key), bundle.encode(), key)


def _price(price: Price) -> PricePlan:
    return PricePlan(
        input=price.input,
        cached_input=price.cached_input or price.input,
        cache_write=price.cache_write or price.input,
        output=price.output,
    )
