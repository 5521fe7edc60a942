"""Clusters: one per target, with the provider's address, TLS and its own chain of filters.

What makes a target fail over lives here too: every cluster has a second priority that refuses at
once, because Envoy answers a cluster without endpoints itself and does not retry that.
"""

import ipaddress
from collections.abc import Iterable, Sequence
from datetime import timedelta

from envoy_data_plane.envoy.config.cluster.v3 import (
    CircuitBreakers,
    CircuitBreakersThresholds,
    Cluster,
    ClusterCustomClusterType,
    ClusterDiscoveryType,
    OutlierDetection,
    UpstreamConnectionOptions,
)
from envoy_data_plane.envoy.config.core.v3 import (
    Address,
    DataSource,
    HealthCheck,
    Http1ProtocolOptions,
    Http2ProtocolOptions,
    KeepaliveSettings,
    RoutingPriority,
    SocketAddress,
    TcpKeepalive,
    TransportSocket,
    TypedExtensionConfig,
)
from envoy_data_plane.envoy.config.core.v3 import HttpProtocolOptions as CommonHttpProtocolOptions
from envoy_data_plane.envoy.config.endpoint.v3 import (
    ClusterLoadAssignment,
    ClusterLoadAssignmentPolicy,
    Endpoint,
    EndpointHealthCheckConfig,
    LbEndpoint,
    LocalityLbEndpoints,
)
from envoy_data_plane.envoy.extensions.clusters.common.dns.v3 import DnsLookupFamily
from envoy_data_plane.envoy.extensions.clusters.dns.v3 import DnsCluster, DnsClusterRefreshRate
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager.v3 import HttpFilter
from envoy_data_plane.envoy.extensions.network.dns_resolver.cares.v3 import CaresDnsResolverConfig
from envoy_data_plane.envoy.extensions.transport_sockets.tls.v3 import (
    CertificateValidationContext,
    CommonTlsContext,
    CommonTlsContextCombinedCertificateValidationContext,
    SubjectAltNameMatcher,
    SubjectAltNameMatcherSanType,
    UpstreamTlsContext,
)
from envoy_data_plane.envoy.extensions.upstreams.http.v3 import (
    HttpProtocolOptions,
    HttpProtocolOptionsAutoHttpConfig,
    HttpProtocolOptionsExplicitHttpConfig,
)
from envoy_data_plane.envoy.type.matcher.v3 import StringMatcher
from envoy_data_plane.google.protobuf import Any

from controller import ir, names
from controller.settings import BuildSettings
from controller.xds import balancing, chain, filters, mirrors, probes

UNLIMITED = 1_000_000
CONNECT_TIMEOUT = timedelta(seconds=5)
IDLE_TIMEOUT = timedelta(seconds=50)
"""Shorter than providers': a connection they are about to close is not used for a prompt."""
MIN_BUFFER = 1024 * 1024
LONGEST_EJECTION = 12
"""As many base times an endpoint that keeps failing is out at most."""
_REFUSING = ("127.0.0.1", 1)
_PROTOCOL_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_ALPN = {"Auto": [], "HTTP1": ["http/1.1"], "HTTP2": ["h2"]}
"""What is offered to the server; Envoy offers both by itself where it may choose."""
_SAN = SubjectAltNameMatcherSanType


def blackhole() -> Cluster:
    """Where everything ends that no verdict has released: no endpoints, 503."""
    return Cluster(name=names.BLACKHOLE, type=ClusterDiscoveryType.STATIC)


def build(
    target: ir.Target, settings: BuildSettings, http_filters: Sequence[HttpFilter] | None = None
) -> Cluster:
    """The cluster of a target, with its own chain of filters or a part of it."""
    http_filters = (
        chain.upstream(target, settings.refused) if http_filters is None else http_filters
    )
    literal = target.endpoints is not None or is_address(target.host)
    return Cluster(
        name=target.name,
        type=ClusterDiscoveryType.STATIC if literal else None,
        cluster_type=None if literal else _resolved(),
        connect_timeout=CONNECT_TIMEOUT,
        per_connection_buffer_limit_bytes=target.max_body_bytes + 2 * MIN_BUFFER,
        load_assignment=_endpoints(target),
        load_balancing_policy=balancing.build(target.balancing),
        health_checks=_probes(target),
        circuit_breakers=unlimited() if target.copies is None else mirrors.breakers(target.copies),
        outlier_detection=_ejection(target),
        upstream_connection_options=UpstreamConnectionOptions(
            tcp_keepalive=TcpKeepalive(keepalive_time=60, keepalive_interval=10)
        ),
        transport_socket=_transport(target, target.tls, settings) if target.tls else None,
        typed_extension_protocol_options={_PROTOCOL_OPTIONS: Any.pack(_http(target, http_filters))},
    )


def own(name: str, addresses: Iterable[tuple[str, int]], socket: TransportSocket) -> Cluster:
    """The cluster of a gRPC server that Envoy itself asks: HTTP/2, and soon given up."""
    keepalive = KeepaliveSettings(interval=timedelta(seconds=10), timeout=timedelta(seconds=5))
    http2 = Http2ProtocolOptions(connection_keepalive=keepalive)
    options = HttpProtocolOptions(
        explicit_http_config=HttpProtocolOptionsExplicitHttpConfig(http2_protocol_options=http2)
    )
    return Cluster(
        name=name,
        type=ClusterDiscoveryType.STATIC,
        connect_timeout=timedelta(seconds=1),
        load_assignment=ClusterLoadAssignment(
            cluster_name=name, endpoints=[_locality(0, addresses)]
        ),
        circuit_breakers=unlimited(),
        transport_socket=socket,
        typed_extension_protocol_options={_PROTOCOL_OPTIONS: Any.pack(options)},
    )


def is_address(host: str) -> bool:
    """The host is an IP address, not a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def unlimited() -> CircuitBreakers:
    """Concurrency is counted by the guard; Envoy's own limits would cut streams and retries."""
    return CircuitBreakers(
        thresholds=[
            CircuitBreakersThresholds(
                priority=priority,
                max_connections=UNLIMITED,
                max_pending_requests=UNLIMITED,
                max_requests=UNLIMITED,
                max_retries=UNLIMITED,
            )
            for priority in (RoutingPriority.DEFAULT, RoutingPriority.HIGH)
        ]
    )


def _resolved() -> ClusterCustomClusterType:
    """Every address of the name is an endpoint; failed lookups are repeated soon."""
    again = DnsClusterRefreshRate(
        base_interval=timedelta(seconds=1), max_interval=timedelta(seconds=10)
    )
    dns = DnsCluster(
        dns_lookup_family=DnsLookupFamily.V4_PREFERRED,
        dns_refresh_rate=timedelta(seconds=5),
        dns_failure_refresh_rate=again,
        respect_dns_ttl=True,
        typed_dns_resolver_config=_resolver(),
    )
    return ClusterCustomClusterType(name="envoy.clusters.dns", typed_config=Any.pack(dns))


def _endpoints(target: ir.Target) -> ClusterLoadAssignment:
    """The overprovisioning keeps all traffic at the provider while one endpoint of it is well."""
    return ClusterLoadAssignment(
        cluster_name=target.name,
        endpoints=[
            _locality(0, _addresses(target)),
            _locality(1, (_REFUSING,), probes.NEVER if target.health_check else None),
        ],
        policy=ClusterLoadAssignmentPolicy(overprovisioning_factor=100_000),
    )


def _resolver() -> TypedExtensionConfig:
    """A cluster is held only once its name was looked up, so a lookup may not take long.

    Envoy withholds the ACK meanwhile, which is what tells us that the target can be called.
    """
    impatient = CaresDnsResolverConfig(query_timeout_seconds=1, query_tries=3)
    return TypedExtensionConfig(
        name="envoy.network.dns_resolver.cares", typed_config=Any.pack(impatient)
    )


def _addresses(target: ir.Target) -> tuple[tuple[str, int], ...]:
    return ((target.host, target.port),) if target.endpoints is None else target.endpoints


def _locality(
    priority: int,
    addresses: Iterable[tuple[str, int]],
    probed: EndpointHealthCheckConfig | None = None,
) -> LocalityLbEndpoints:
    sockets = (SocketAddress(address=host, port_value=port) for host, port in addresses)
    endpoints = (
        Endpoint(address=Address(socket_address=each), health_check_config=probed)
        for each in sockets
    )
    return LocalityLbEndpoints(
        priority=priority, lb_endpoints=[LbEndpoint(endpoint=each) for each in endpoints]
    )


def _probes(target: ir.Target) -> list[HealthCheck]:
    if target.health_check is None:
        return []
    http2 = _only_http2(target)
    return [probes.build(target.authority, target.health_check, http2=http2)]


def _only_http2(target: ir.Target) -> bool:
    return target.http2 or target.version == "HTTP2"


def _ejection(target: ir.Target) -> OutlierDetection:
    """Gateway errors and connections that fail eject for a short time; a plain 500 does not.

    The last endpoints are never ejected, a lone one neither: of n and the refusing one, n are at
    least half. Whether such a target is asked is for the guard to say. A probe that succeeds ends
    no ejection: what requests meet counts more.
    """
    ejection = target.ejection
    return OutlierDetection(
        interval=timedelta(seconds=1),
        base_ejection_time=timedelta(seconds=ejection.base_s),
        max_ejection_time=timedelta(seconds=ejection.base_s * LONGEST_EJECTION),
        max_ejection_percent=49,
        split_external_local_origin_errors=True,
        consecutive_gateway_failure=ejection.after,
        enforcing_consecutive_gateway_failure=100,
        consecutive_local_origin_failure=ejection.after,
        enforcing_consecutive_local_origin_failure=100,
        enforcing_consecutive_5xx=0,
        enforcing_success_rate=0,
        enforcing_local_origin_success_rate=0,
        successful_active_health_check_uneject_host=False if target.health_check else None,
    )


def _http(target: ir.Target, chained: Sequence[HttpFilter]) -> HttpProtocolOptions:
    http_filters = list(chained)
    longest = None if target.copies is None else mirrors.LONGEST
    common = CommonHttpProtocolOptions(idle_timeout=IDLE_TIMEOUT, max_stream_duration=longest)
    http1, http2 = Http1ProtocolOptions(), Http2ProtocolOptions()
    if target.version == "Auto" and target.tls:
        auto = HttpProtocolOptionsAutoHttpConfig(
            http_protocol_options=http1, http2_protocol_options=http2
        )
        return HttpProtocolOptions(
            common_http_protocol_options=common, auto_config=auto, http_filters=http_filters
        )
    explicit = (
        HttpProtocolOptionsExplicitHttpConfig(http2_protocol_options=http2)
        if _only_http2(target)
        else HttpProtocolOptionsExplicitHttpConfig(http_protocol_options=http1)
    )
    return HttpProtocolOptions(
        common_http_protocol_options=common,
        explicit_http_config=explicit,
        http_filters=http_filters,
    )


def _transport(target: ir.Target, tls: ir.UpstreamTLS, settings: BuildSettings) -> TransportSocket:
    common = _trust(tls, settings)
    common.alpn_protocols = _ALPN[target.version]
    context = UpstreamTlsContext(
        sni="" if is_address(tls.server_name) else tls.server_name, common_tls_context=common
    )
    return TransportSocket(name="envoy.transport_sockets.tls", typed_config=Any.pack(context))


def _trust(tls: ir.UpstreamTLS, settings: BuildSettings) -> CommonTlsContext:
    named = SubjectAltNameMatcher(
        san_type=_SAN.IP_ADDRESS if is_address(tls.server_name) else _SAN.DNS,
        matcher=StringMatcher(exact=tls.server_name),
    )
    if tls.authorities is None:
        system = CertificateValidationContext(
            trusted_ca=DataSource(filename=settings.ca_bundle),
            match_typed_subject_alt_names=[named],
        )
        return CommonTlsContext(validation_context=system)
    private = CommonTlsContextCombinedCertificateValidationContext(
        default_validation_context=CertificateValidationContext(
            match_typed_subject_alt_names=[named]
        ),
        validation_context_sds_secret_config=filters.sds(tls.authorities),
    )
    return CommonTlsContext(combined_validation_context=private)
