"""Listeners: one per port, one filter chain per HTTPS hostname, each with a hardened HTTP front.

What a request meets behind the front is in `filters` and `routes`.
"""

from collections.abc import Sequence
from datetime import timedelta

from envoy_data_plane.envoy.config.core.v3 import (
    Address,
    Http1ProtocolOptions,
    Http2ProtocolOptions,
    HttpProtocolOptions,
    HttpProtocolOptionsHeadersWithUnderscoresAction,
    SocketAddress,
    TransportSocket,
)
from envoy_data_plane.envoy.config.listener.v3 import (
    Filter,
    FilterChain,
    FilterChainMatch,
    Listener,
    ListenerFilter,
)
from envoy_data_plane.envoy.extensions.filters.listener.tls_inspector.v3 import TlsInspector
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager.v3 import (
    HttpConnectionManager,
    HttpConnectionManagerInternalAddressConfig,
    HttpConnectionManagerPathWithEscapedSlashesAction,
    Rds,
)
from envoy_data_plane.envoy.extensions.http.early_header_mutation.header_mutation.v3 import (
    HeaderMutation as EarlyHeaderMutation,
)
from envoy_data_plane.envoy.extensions.transport_sockets.tls.v3 import (
    CommonTlsContext,
    DownstreamTlsContext,
    TlsParameters,
    TlsParametersTlsProtocol,
)
from envoy_data_plane.google.protobuf import Any

from controller import ir, names
from controller.settings import BuildSettings
from controller.xds import filters, replies, routes

RESPONSE_BUFFER_BYTES = 1024 * 1024
"""The largest response body the guard may ask to have BUFFERED."""


def build(listeners: Sequence[ir.Listener], settings: BuildSettings) -> Listener:
    """The Envoy listener of all Gateway listeners of one port."""
    port, secure = listeners[0].port, listeners[0].protocol == "HTTPS"
    bound = names.container_port(port) if settings.in_pod else port
    address = SocketAddress(address=settings.address, port_value=bound)
    return Listener(
        name=names.listener(port),
        address=Address(socket_address=address),
        # Beside other processes, a port that one of them serves must not look free.
        enable_reuse_port=None if settings.in_pod else False,
        per_connection_buffer_limit_bytes=RESPONSE_BUFFER_BYTES,
        listener_filters=[_tls_inspector()] if secure else [],
        filter_chains=(
            [_https_chain(listener, settings) for listener in listeners]
            if secure
            else [FilterChain(filters=[_front(names.http_routes(port), settings)])]
        ),
    )


def _tls_inspector() -> ListenerFilter:
    return ListenerFilter(
        name="envoy.filters.listener.tls_inspector", typed_config=Any.pack(TlsInspector())
    )


def _https_chain(listener: ir.Listener, settings: BuildSettings) -> FilterChain:
    """Chosen by SNI; a listener without hostname takes all other names."""
    served = [listener.hostname] if listener.hostname else []
    table = names.https_routes(listener.port, listener.hostname)
    return FilterChain(
        name=table,
        filter_chain_match=FilterChainMatch(server_names=served) if served else None,
        filters=[_front(table, settings)],
        transport_socket=TransportSocket(
            name="envoy.transport_sockets.tls", typed_config=Any.pack(_termination(listener))
        ),
    )


def _termination(listener: ir.Listener) -> DownstreamTlsContext:
    parameters = TlsParameters(tls_minimum_protocol_version=TlsParametersTlsProtocol.TLSv1_2)
    return DownstreamTlsContext(
        common_tls_context=CommonTlsContext(
            tls_params=parameters,
            tls_certificate_sds_secret_configs=[filters.sds(s) for s in listener.certificates],
            alpn_protocols=["h2", "http/1.1"],
        )
    )


def _front(table: str, settings: BuildSettings) -> Filter:
    """The HTTP connection manager: strict about framing and paths, patient with slow models."""
    manager = HttpConnectionManager(
        stat_prefix=table,
        rds=Rds(route_config_name=table, config_source=filters.ADS),
        http_filters=filters.downstream(),
        early_header_mutation_extensions=[
            filters.extension(
                "envoy.http.early_header_mutation.header_mutation",
                EarlyHeaderMutation(mutations=filters.early_mutations()),
            )
        ],
        access_log=replies.access_logs(settings.access_log),
        local_reply_config=replies.local_replies(),
        server_name="dragoman",
        use_remote_address=True,
        internal_address_config=HttpConnectionManagerInternalAddressConfig(),
        generate_request_id=True,
        always_set_request_id_in_response=True,
        normalize_path=True,
        merge_slashes=True,
        path_with_escaped_slashes_action=(
            HttpConnectionManagerPathWithEscapedSlashesAction.KEEP_UNCHANGED
        ),  # names of models have some; the guard serves exact paths, release sets the provider's
        strip_trailing_host_dot=True,
        max_request_headers_kb=64,
        stream_idle_timeout=routes.STREAM_IDLE,
        request_timeout=timedelta(minutes=5),
        request_headers_timeout=timedelta(seconds=30),
        common_http_protocol_options=_http_options(),
        http_protocol_options=Http1ProtocolOptions(),
        http2_protocol_options=_http2_options(),
    )
    return Filter(
        name="envoy.filters.network.http_connection_manager", typed_config=Any.pack(manager)
    )


def _http_options() -> HttpProtocolOptions:
    return HttpProtocolOptions(
        idle_timeout=timedelta(hours=1),
        max_headers_count=100,
        headers_with_underscores_action=(
            HttpProtocolOptionsHeadersWithUnderscoresAction.REJECT_REQUEST
        ),
    )


def _http2_options() -> Http2ProtocolOptions:
    return Http2ProtocolOptions(
        max_concurrent_streams=1000,
        initial_stream_window_size=256 * 1024,
        initial_connection_window_size=1024 * 1024,
    )
