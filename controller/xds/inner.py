"""Inner listeners: where a finished request passes through this Envoy once more.

It is shown to a picker there, or becomes one that `dragoman.egress` can judge. No client reaches
them: they have no address. The clusters that lead there and on from there are in `parts`.
"""

from collections.abc import Sequence
from datetime import timedelta

from envoy_data_plane.envoy.config.accesslog.v3 import (
    AccessLogFilter,
    ComparisonFilter,
    ComparisonFilterOp,
    StatusCodeFilter,
)
from envoy_data_plane.envoy.config.common.mutation_rules.v3 import HeaderMutationRules
from envoy_data_plane.envoy.config.core.v3 import (
    DataSource,
    GrpcService,
    GrpcServiceEnvoyGrpc,
    HeaderValue,
    HeaderValueOption,
    RuntimeUInt32,
    SubstitutionFormatString,
)
from envoy_data_plane.envoy.config.listener.v3 import (
    Filter,
    FilterChain,
    Listener,
    ListenerInternalListenerConfig,
)
from envoy_data_plane.envoy.config.route.v3 import (
    DirectResponseAction,
    HeaderMatcher,
    RetryPolicy,
    Route,
    RouteAction,
    RouteConfiguration,
    RouteMatch,
    VirtualHost,
)
from envoy_data_plane.envoy.extensions.filters.http.ext_proc.v3 import (
    ExternalProcessor,
    MetadataOptions,
    MetadataOptionsMetadataNamespaces,
    ProcessingMode,
    ProcessingModeBodySendMode,
    ProcessingModeHeaderSendMode,
)
from envoy_data_plane.envoy.extensions.filters.http.lua.v3 import Lua
from envoy_data_plane.envoy.extensions.filters.http.router.v3 import Router
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager.v3 import (
    HttpConnectionManager,
    HttpConnectionManagerServerHeaderTransformation,
    HttpFilter,
    LocalReplyConfig,
    ResponseMapper,
)
from envoy_data_plane.envoy.type.matcher.v3 import (
    MetadataMatcher,
    MetadataMatcherPathSegment,
    ValueMatcher,
)
from envoy_data_plane.envoy.type.v3 import HttpStatus, StatusCode
from envoy_data_plane.google.protobuf import Any

from controller import ir, names
from controller.xds import filters, routes

NAMESPACE = "envoy.lb"
PICKED = "x-gateway-destination-endpoint"
SERVED = "x-gateway-destination-endpoint-served"
"""The protocol's names: what a picker says, and what it is told of the endpoint that served."""
PATIENCE = timedelta(seconds=15)
"""How long a picker may be silent; Envoy has no other limit where bodies are streamed to it."""
_FAILED_HEADER = "x-dragoman-unpicked"
_CONNECTIONS_TRIED = 2
_STREAMED = ProcessingModeBodySendMode.FULL_DUPLEX_STREAMED
_SEND = ProcessingModeHeaderSendMode.SEND


def picking(target: ir.Target) -> Listener:
    """Asks the picker, then goes to what it named; 503 if it named nothing."""
    name = names.picking(target.name)
    shown = [
        filters.http_filter("dragoman.picker", _asked(target)),
        filters.http_filter("dragoman.picked", Lua(default_source_code=_REROUTED)),
    ]
    unanswered = DirectResponseAction(status=503)
    told = [
        Route(
            name="picked",
            match=RouteMatch(prefix="/", dynamic_metadata=[_named()]),
            route=_patient(
                RouteAction(
                    cluster=names.picked(target.name),
                    retry_policy=RetryPolicy(
                        retry_on="connect-failure,refused-stream", num_retries=_CONNECTIONS_TRIED
                    ),
                )
            ),
            request_body_buffer_limit=target.max_body_bytes + routes.HEADROOM,
        ),
        Route(name="unanswered", match=RouteMatch(prefix="/"), direct_response=unanswered),
    ]
    return _listener(name, shown, told)


def going_on(target: ir.Target) -> Listener:
    """Tries the picking, and where that fails any endpoint, with the same body."""
    name = names.unpicked(target.name)
    order = [name, names.picked(target.name)]
    failed = HeaderMatcher(name=_FAILED_HEADER, present_match=True)
    route = Route(
        name="unpicked",
        match=RouteMatch(prefix="/"),
        route=_patient(
            RouteAction(
                inline_cluster_specifier_plugin=routes.in_order(order),
                retry_policy=RetryPolicy(
                    retry_on="retriable-headers,connect-failure",
                    retriable_headers=[failed],
                    num_retries=_CONNECTIONS_TRIED,
                    refresh_cluster_on_retry=True,
                ),
            )
        ),
        request_body_buffer_limit=target.max_body_bytes + routes.HEADROOM,
    )
    return _listener(name, [], [route])


def leading_on(target: ir.Target) -> Listener:
    """Does nothing but lead on, and once: copies are not tried again."""
    name = names.judged(target.name)
    route = Route(
        name="onward",
        match=RouteMatch(prefix="/"),
        route=_patient(RouteAction(cluster=name)),
        request_body_buffer_limit=target.max_body_bytes + routes.HEADROOM,
    )
    return _listener(name, [], [route])


_REROUTED = DataSource(
    inline_string="function envoy_on_request(handle) handle:clearRouteCache() end"
)
"""What the picker said is the reason for another route; ext_proc forgets the first one only where
it may change headers."""


_ANSWER = (
    '{"error":{"message":"the pool did not serve the request","type":"server_error",'
    '"param":null,"code":"provider_unavailable"}}'
)


def _asked(target: ir.Target) -> ExternalProcessor:
    """The picker sees everything and changes no header; of its metadata one namespace counts."""
    name = target.picker.name if target.picker else ""
    namespaces = MetadataOptionsMetadataNamespaces(untyped=[NAMESPACE])
    return ExternalProcessor(
        grpc_service=GrpcService(envoy_grpc=GrpcServiceEnvoyGrpc(cluster_name=name)),
        processing_mode=ProcessingMode(
            request_header_mode=_SEND,
            request_body_mode=_STREAMED,
            request_trailer_mode=_SEND,
            response_header_mode=_SEND,
            response_body_mode=_STREAMED,
            response_trailer_mode=_SEND,
        ),
        failure_mode_allow=False,
        status_on_error=HttpStatus(code=StatusCode.ServiceUnavailable),
        message_timeout=PATIENCE,
        mutation_rules=HeaderMutationRules(disallow_all=True),
        metadata_options=MetadataOptions(
            receiving_namespaces=namespaces, forwarding_namespaces=namespaces
        ),
    )


def _named() -> MetadataMatcher:
    return MetadataMatcher(
        filter=NAMESPACE,
        path=[MetadataMatcherPathSegment(key=PICKED)],
        value=ValueMatcher(present_match=True),
    )


def _patient(action: RouteAction) -> RouteAction:
    """Without time limits of its own: when the request outside ends, so does this one."""
    action.timeout = action.idle_timeout = timedelta(0)
    return action


def _listener(name: str, shown: Sequence[HttpFilter], told: Sequence[Route]) -> Listener:
    router = filters.http_filter("envoy.filters.http.router", Router(suppress_envoy_headers=True))
    host = VirtualHost(name=name, domains=["*"], routes=list(told))
    manager = HttpConnectionManager(
        stat_prefix=name,
        route_config=RouteConfiguration(name=name, virtual_hosts=[host], validate_clusters=False),
        http_filters=[*shown, router],
        local_reply_config=_local_replies(),
        server_header_transformation=HttpConnectionManagerServerHeaderTransformation.PASS_THROUGH,
        generate_request_id=False,
        skip_xff_append=True,
        max_request_headers_kb=64,
        stream_idle_timeout=PATIENCE,
    )
    connections = Filter(
        name="envoy.filters.network.http_connection_manager", typed_config=Any.pack(manager)
    )
    return Listener(
        name=name,
        internal_listener=ListenerInternalListenerConfig(),
        filter_chains=[FilterChain(filters=[connections])],
    )


def _local_replies() -> LocalReplyConfig:
    """One answer for all that is not a pod's; 5xx are marked, 403 is an address nobody may call."""
    said = HeaderValueOption(header=HeaderValue(key=_FAILED_HEADER, value="1"))
    return LocalReplyConfig(
        mappers=[
            ResponseMapper(filter=_status(403), status_code=502),
            ResponseMapper(filter=_status(500, or_more=True), headers_to_add=[said]),
        ],
        body_format=SubstitutionFormatString(
            text_format_source=DataSource(inline_string=_ANSWER), content_type="application/json"
        ),
    )


def _status(code: int, *, or_more: bool = False) -> AccessLogFilter:
    value = RuntimeUInt32(default_value=code, runtime_key="dragoman.status")
    op = ComparisonFilterOp.GE if or_more else ComparisonFilterOp.EQ
    return AccessLogFilter(
        status_code_filter=StatusCodeFilter(comparison=ComparisonFilter(op=op, value=value))
    )
