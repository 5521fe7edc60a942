"""Backends: what an AIBackend needs to be called, with its provider's defaults filled in.

What differs between providers stands in one table. An AIBackend whose key or authorities cannot be
had is left out and says why. Who may refer to it is in `rules`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from controller import ir, names
from controller.resources import Object, Resources
from controller.translate import pem, services
from controller.translate.conditions import Fault, Reason
from controller.translate.services import Endpoints, Services
from crds.aibackend import TLS, AIBackendSpec, Price, is_ip_address
from crds.meta import Key, seconds
from crds.plan import Format, PathPlan, PricePlan, QuirksPlan

NO_QUIRKS = QuirksPlan()
Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Provider:
    """What is true of every account at a provider."""

    hostname: str
    """Empty: every AIBackend names its own."""
    header: str
    prefix: str
    paths: Mapping[Format, PathPlan]
    """The formats it speaks, and where."""
    headers: tuple[tuple[str, str], ...] = ()
    """What it wants to see unless the caller says otherwise."""
    quirks: QuirksPlan = NO_QUIRKS


def _same(path: str) -> PathPlan:
    return PathPlan(call=path, stream=path)


_OPENAI_PATHS: Mapping[Format, PathPlan] = {
    "OpenAIChat": _same("/v1/chat/completions"),
    "OpenAIEmbeddings": _same("/v1/embeddings"),
}
PROVIDERS: Mapping[str, Provider] = {
    "OpenAI": Provider("api.openai.com", "authorization", "Bearer ", _OPENAI_PATHS),
    "OpenAICompatible": Provider(
        "",
        "authorization",
        "Bearer ",
        _OPENAI_PATHS,
        quirks=QuirksPlan(rename={"max_completion_tokens": "max_tokens"}),
    ),
    "Anthropic": Provider(
        "api.anthropic.com",
        "x-api-key",
        "",
        {"AnthropicMessages": _same("/v1/messages")},
        headers=(("anthropic-version", "2023-06-01"),),
    ),
}


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
    secrets: tuple[ir.Secret, ...]
    paths: Mapping[Format, PathPlan]
    headers: tuple[tuple[str, str], ...]
    quirks: QuirksPlan
    models: tuple[str, ...]
    prices: Mapping[str, PricePlan]
    max_concurrent: int | None
    ejection: ir.Ejection


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
    known = services.find(resources)
    found: dict[Key, Backend] = {}
    faults: list[Fault] = []
    for key, backend in sorted(resources.backends.items()):
        wrong = [
            *_wrong(backend, resources),
            *_wrong_service(backend, known),
            *_refused(backend, networks),
        ]
        faults += wrong
        if not wrong:
            found[key] = _backend(key, backend.spec, resources, known)
    unread = {broken.key for broken in resources.broken} - found.keys()
    return Backends(found, frozenset(unread | {fault.key for fault in faults}), tuple(faults))


def _wrong(backend: Object[AIBackendSpec], resources: Resources) -> Iterator[Fault]:
    spec = backend.spec
    if spec.auth.secret_ref is not None:
        yield from _wrong_key(backend, resources)
    for index, ref in enumerate(spec.tls.ca_certificate_refs):
        reason, text = _wrong_authorities(backend.key, ref.name, resources)
        if reason is not None:
            field = f"spec.tls.caCertificateRefs[{index}]"
            yield Fault(backend.key, "ResolvedRefs", reason, field, text)


def _wrong_service(backend: Object[AIBackendSpec], known: Services) -> Iterator[Fault]:
    ref = backend.spec.endpoint.service_ref if backend.spec.endpoint else None
    if ref is not None and (problem := known.wrong(backend.key.namespace, ref)):
        reason, part, text = problem
        field = f"spec.endpoint.serviceRef.{part}"
        yield Fault(backend.key, "ResolvedRefs", reason, field, text)


def _refused(backend: Object[AIBackendSpec], networks: Sequence[Network]) -> Iterator[Fault]:
    """What is wrong with an address; what names resolve to is judged by the proxies."""
    host = backend.spec.endpoint.hostname if backend.spec.endpoint else None
    if host is None or not is_ip_address(host):
        return
    address = ip_address(host)
    inside = [str(each) for each in networks if each.version == address.version and address in each]
    if inside:
        exception = "the chart's allowEndpoints can make an exception"
        text = f"{host} is in {inside[0]}, where no provider may be; {exception}"
        yield Fault(backend.key, "ResolvedRefs", "EndpointRefused", "spec.endpoint.hostname", text)


def _wrong_key(backend: Object[AIBackendSpec], resources: Resources) -> Iterator[Fault]:
    ref = backend.spec.auth.secret_ref
    if ref is None:
        return
    secret = Key("Secret", backend.key.namespace, ref.name)
    content = resources.secrets.get(secret)
    field = "spec.auth.secretRef"
    if content is None:
        text = f"{secret} does not exist; create it with the key {ref.key}"
        yield Fault(backend.key, "ResolvedRefs", "SecretNotFound", f"{field}.name", text)
    elif ref.key not in content:
        text = f"{secret} has no key {ref.key}; add it or name another"
        yield Fault(backend.key, "ResolvedRefs", "InvalidKeyFormat", f"{field}.key", text)
    elif problem := _unfit(content[ref.key].reveal()):
        text = f"the value of {ref.key} in {secret} {problem}"
        yield Fault(backend.key, "ResolvedRefs", "InvalidKeyFormat", f"{field}.key", text)


def _unfit(value: bytes) -> str:
    """Why a key cannot stand in a header; the value itself is never told."""
    if not value:
        return "is empty"
    if value.strip() != value:
        return "begins or ends with a space or newline; remove it (use echo -n)"
    if any(not 0x21 <= byte <= 0x7E for byte in value):
        return "must be printable ASCII without spaces"
    return ""


def _wrong_authorities(backend: Key, name: str, resources: Resources) -> tuple[Reason | None, str]:
    key = Key("ConfigMap", backend.namespace, name)
    content = resources.config_maps.get(key)
    if content is None:
        return "ConfigMapNotFound", f"{key} does not exist; create it with the key ca.crt"
    if "ca.crt" not in content:
        return "InvalidCertificate", f"{key} needs the key ca.crt"
    if problem := pem.wrong_authorities(content["ca.crt"].encode()):
        return "InvalidCertificate", f"ca.crt of {key} {problem}"
    return None, ""


def _backend(key: Key, spec: AIBackendSpec, resources: Resources, known: Services) -> Backend:
    """The AIBackend with its provider's defaults; all it refers to is there."""
    provider = PROVIDERS[spec.provider]
    secure = spec.tls.mode == "Verify"
    host, port = _address(key, spec, provider)
    ref = spec.endpoint.service_ref if spec.endpoint else None
    key_secret = _key_secret(key, spec, resources)
    authorities = _authorities(key, spec.tls, resources)
    credential = (
        ir.Credential(key_secret.name, provider.header, provider.prefix) if key_secret else None
    )
    tls = ir.UpstreamTLS(host, authorities.name if authorities else None) if secure else None
    return Backend(
        key,
        spec.provider,
        host,
        port or (443 if secure else 80),
        known.endpoints(key.namespace, ref) if ref else None,
        tls,
        credential,
        tuple(secret for secret in (key_secret, authorities) if secret),
        provider.paths,
        provider.headers,
        provider.quirks,
        tuple(model.name for model in spec.models),
        {model.name: _price(model.price) for model in spec.models if model.price},
        spec.circuit_breaker.max_concurrent_requests if spec.circuit_breaker else None,
        ir.Ejection(spec.ejection.consecutive_errors, seconds(spec.ejection.base_time)),
    )


def _address(key: Key, spec: AIBackendSpec, provider: Provider) -> tuple[str, int | None]:
    """Host and port as requests name them; a Service goes by its name in the cluster."""
    endpoint = spec.endpoint
    if endpoint is None:
        return provider.hostname, None
    if endpoint.service_ref is not None:
        return f"{endpoint.service_ref.name}.{key.namespace}.svc", endpoint.service_ref.port
    return endpoint.hostname or "", endpoint.port


def _key_secret(key: Key, spec: AIBackendSpec, resources: Resources) -> ir.GenericSecret | None:
    ref = spec.auth.secret_ref
    if ref is None:
        return None
    content = resources.secrets[Key("Secret", key.namespace, ref.name)]
    return ir.GenericSecret(names.api_key(key), content[ref.key], key)


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
