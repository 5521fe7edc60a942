"""HTTP filters: the guard at the front door, and what the chains of `chain` share with it.

ARCHITECTURE.md lists the filters and their order; `downstream` reads like it. Which request takes
which route is in `routes`, the doors themselves are in `listeners`.
"""

from collections.abc import Iterable
from datetime import timedelta

from betterproto2 import Message
from envoy_data_plane.envoy.config.common.mutation_rules.v3 import (
    HeaderMutation as Mutation,
)
from envoy_data_plane.envoy.config.common.mutation_rules.v3 import (
    HeaderMutationRemoveOnMatch,
    HeaderMutationRules,
)
from envoy_data_plane.envoy.config.core.v3 import (
    AggregatedConfigSource,
    ApiVersion,
    ConfigSource,
    GrpcService,
    GrpcServiceEnvoyGrpc,
    HeaderValue,
    TypedExtensionConfig,
)
from envoy_data_plane.envoy.extensions.filters.http.ext_proc.v3 import (
    ExternalProcessor,
    MetadataOptions,
    MetadataOptionsMetadataNamespaces,
    ProcessingMode,
    ProcessingModeBodySendMode,
    ProcessingModeHeaderSendMode,
)
from envoy_data_plane.envoy.extensions.filters.http.header_mutation.v3 import (
    HeaderMutation,
    Mutations,
)
from envoy_data_plane.envoy.extensions.filters.http.router.v3 import Router
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager.v3 import HttpFilter
from envoy_data_plane.envoy.extensions.transport_sockets.tls.v3 import SdsSecretConfig
from envoy_data_plane.envoy.type.matcher.v3 import (
    MetadataMatcher,
    MetadataMatcherPathSegment,
    RegexMatcher,
    StringMatcher,
    ValueMatcher,
)
from envoy_data_plane.envoy.type.v3 import HttpStatus, StatusCode
from envoy_data_plane.google.protobuf import Any

from controller import names
from crds import plan

MESSAGE_TIMEOUT = timedelta(seconds=30)
ADS = ConfigSource(ads=AggregatedConfigSource(), resource_api_version=ApiVersion.V3)

_INTERNAL_PREFIXES = ("x-dragoman-", "x-envoy-", plan.MIRROR_HEADER)

_SEND, _SKIP = ProcessingModeHeaderSendMode.SEND, ProcessingModeHeaderSendMode.SKIP
REQUEST_ONLY = ProcessingMode(
    request_header_mode=_SEND,
    request_body_mode=ProcessingModeBodySendMode.BUFFERED,
    response_header_mode=_SKIP,
    response_body_mode=ProcessingModeBodySendMode.NONE,
    request_trailer_mode=_SKIP,
    response_trailer_mode=_SKIP,
)
HEADERS_FIRST = ProcessingMode(
    request_header_mode=_SEND,
    request_body_mode=ProcessingModeBodySendMode.NONE,
    response_header_mode=_SKIP,
    response_body_mode=ProcessingModeBodySendMode.NONE,
    request_trailer_mode=_SKIP,
    response_trailer_mode=_SKIP,
)
"""For bodies that may stream: they wait for the guard's answer to the headers. Of a body that is
BUFFERED when that answer lets it stream, Envoy keeps what has come until more comes."""


def downstream() -> list[HttpFilter]:
    """The front door: clean (last to see a response), guard, router."""
    return [
        http_filter("dragoman.clean", _clean()),
        http_filter(names.GUARD_FILTER, _guard()),
        http_filter("envoy.filters.http.router", Router(suppress_envoy_headers=True)),
    ]


def early_mutations() -> list[Mutation]:
    """What no client may send: our own headers, Envoy's, and a request id of its choice."""
    return [*without(_INTERNAL_PREFIXES), Mutation(remove="x-request-id")]


def extension(name: str, message: Message) -> TypedExtensionConfig:
    """An extension that is no HTTP filter."""
    return TypedExtensionConfig(name=name, typed_config=Any.pack(message))


def metadata(key: str, value: ValueMatcher) -> MetadataMatcher:
    """A match on the guard's word, which no client can send."""
    return MetadataMatcher(
        filter=plan.METADATA_NAMESPACE,
        path=[MetadataMatcherPathSegment(key=key)],
        value=value,
    )


def sds(name: str) -> SdsSecretConfig:
    """A secret fetched over ADS."""
    return SdsSecretConfig(name=name, sds_config=ADS)


def http_filter(name: str, message: Message) -> HttpFilter:
    """A filter of either chain."""
    return HttpFilter(name=name, typed_config=Any.pack(message))


def without(prefixes: Iterable[str]) -> list[Mutation]:
    """Removes every header that begins with one of these."""
    return [
        Mutation(remove_on_match=HeaderMutationRemoveOnMatch(key_matcher=StringMatcher(prefix=p)))
        for p in prefixes
    ]


def without_all() -> list[Mutation]:
    """Removes every header."""
    every = StringMatcher(safe_regex=RegexMatcher(regex=".*"))
    return [Mutation(remove_on_match=HeaderMutationRemoveOnMatch(key_matcher=every))]


def _clean() -> HeaderMutation:
    """Removes internal response headers also where the guard was not there to do it."""
    internal = [*without(("x-envoy-",)), Mutation(remove=plan.TARGET_HEADER)]
    return HeaderMutation(mutations=Mutations(response_mutations=internal))


def guard_service(role: str, extra: tuple[HeaderValue, ...] = ()) -> GrpcService:
    """Where ext_proc listens, and which of its parts is asked."""
    return GrpcService(
        envoy_grpc=GrpcServiceEnvoyGrpc(cluster_name=names.EXT_PROC_CLUSTER),
        initial_metadata=[HeaderValue(key=plan.FILTER_HEADER, value=role), *extra],
    )


def _guard() -> ExternalProcessor:
    namespaces = [plan.METADATA_NAMESPACE, plan.TARGETS_NAMESPACE]
    return ExternalProcessor(
        grpc_service=guard_service("guard"),
        processing_mode=REQUEST_ONLY,
        allow_mode_override=True,
        failure_mode_allow=False,
        status_on_error=HttpStatus(code=StatusCode.ServiceUnavailable),
        message_timeout=MESSAGE_TIMEOUT,
        mutation_rules=HeaderMutationRules(allow_envoy=True),
        metadata_options=MetadataOptions(
            receiving_namespaces=MetadataOptionsMetadataNamespaces(untyped=namespaces),
            forwarding_namespaces=MetadataOptionsMetadataNamespaces(
                untyped=[plan.ATTEMPTS_NAMESPACE]
            ),
        ),
    )
