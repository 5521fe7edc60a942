"""HTTP filters: the guard at the front door, and each target's own chain towards its provider.

ARCHITECTURE.md lists both chains and their order; the tuples below read like it. Which request
takes which route is in `routes`, the doors themselves are in `listeners` and `clusters`.
"""

from collections.abc import Iterable, Sequence
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
    DataSource,
    GrpcService,
    GrpcServiceEnvoyGrpc,
    HeaderValue,
    HeaderValueOption,
    HeaderValueOptionHeaderAppendAction,
    TypedExtensionConfig,
)
from envoy_data_plane.envoy.extensions.filters.http.credential_injector.v3 import CredentialInjector
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
from envoy_data_plane.envoy.extensions.filters.http.lua.v3 import Lua
from envoy_data_plane.envoy.extensions.filters.http.router.v3 import Router
from envoy_data_plane.envoy.extensions.filters.http.upstream_codec.v3 import UpstreamCodec
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager.v3 import HttpFilter
from envoy_data_plane.envoy.extensions.http.injected_credentials.generic.v3 import Generic
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

from controller import ir, names
from controller.xds import egress, signing
from crds import plan
from crds.plan import Format

MESSAGE_TIMEOUT = timedelta(seconds=30)
ADS = ConfigSource(ads=AggregatedConfigSource(), resource_api_version=ApiVersion.V3)

CREDENTIALS = (
    "authorization",
    "proxy-authorization",
    "x-api-key",
    "api-key",
    "x-goog-api-key",
    "ocp-apim-subscription-key",
    "cookie",
)
_STRIPPED = (*CREDENTIALS, "content-length", "accept-encoding", "forwarded", "via")
_STRIPPED_PREFIXES = ("x-amz-", "x-dragoman-", "x-forwarded-", "x-envoy-")
_LONGEST_WAIT = 40
"""Characters of a Retry-After."""
_INTERNAL_PREFIXES = ("x-dragoman-", "x-envoy-")

_SEND, _SKIP = ProcessingModeHeaderSendMode.SEND, ProcessingModeHeaderSendMode.SKIP
_REQUEST_ONLY = ProcessingMode(
    request_header_mode=_SEND,
    request_body_mode=ProcessingModeBodySendMode.BUFFERED,
    response_header_mode=_SKIP,
    response_body_mode=ProcessingModeBodySendMode.NONE,
    request_trailer_mode=_SKIP,
    response_trailer_mode=_SKIP,
)


def downstream() -> list[HttpFilter]:
    """The front door: clean (last to see a response), guard, router."""
    return [
        _filter("dragoman.clean", _clean()),
        _filter(names.GUARD_FILTER, _guard()),
        _filter("envoy.filters.http.router", Router(suppress_envoy_headers=True)),
    ]


def upstream(target: ir.Target, refused: Sequence[str]) -> list[HttpFilter]:
    """One target's chain: first nothing of the client or of an earlier attempt, then its own."""
    chain = [
        *([_filter("dragoman.egress", egress.rules(refused))] if refused else []),
        _filter("dragoman.strip", _strip(target)),
        _filter(names.TRANSLATE_FILTER, _translate(target)),
        _filter("dragoman.release", _release(target)),
    ]
    if target.credential:
        chain.append(_filter("dragoman.credential", _credential(target.credential)))
    if target.signing:
        chain.append(_filter("dragoman.signature", signing.sign(target.signing)))
    return [*chain, _filter("envoy.filters.http.upstream_codec", UpstreamCodec())]


def early_mutations() -> list[Mutation]:
    """What no client may send: our own headers, Envoy's, and a request id of its choice."""
    return [*_prefixes(_INTERNAL_PREFIXES), Mutation(remove="x-request-id")]


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


def _filter(name: str, message: Message) -> HttpFilter:
    return HttpFilter(name=name, typed_config=Any.pack(message))


def _prefixes(prefixes: Iterable[str]) -> list[Mutation]:
    return [
        Mutation(remove_on_match=HeaderMutationRemoveOnMatch(key_matcher=StringMatcher(prefix=p)))
        for p in prefixes
    ]


def _clean() -> HeaderMutation:
    """Removes internal response headers also where the guard was not there to do it."""
    internal = [*_prefixes(("x-envoy-",)), Mutation(remove=plan.TARGET_HEADER)]
    every = StringMatcher(safe_regex=RegexMatcher(regex=".*"))  # the guard reads no trailers
    trailers = [Mutation(remove_on_match=HeaderMutationRemoveOnMatch(key_matcher=every))]
    return HeaderMutation(
        mutations=Mutations(
            response_mutations=internal,
            request_trailers_mutations=trailers,
            response_trailers_mutations=trailers,
        )
    )


def _grpc(role: str, extra: tuple[HeaderValue, ...] = ()) -> GrpcService:
    return GrpcService(
        envoy_grpc=GrpcServiceEnvoyGrpc(cluster_name=names.EXT_PROC_CLUSTER),
        initial_metadata=[HeaderValue(key=plan.FILTER_HEADER, value=role), *extra],
    )


def _guard() -> ExternalProcessor:
    namespaces = [plan.METADATA_NAMESPACE, plan.TARGETS_NAMESPACE]
    return ExternalProcessor(
        grpc_service=_grpc("guard"),
        processing_mode=_REQUEST_ONLY,
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


def _translate(target: ir.Target) -> ExternalProcessor:
    return ExternalProcessor(
        grpc_service=_grpc("translate", (HeaderValue(key=plan.TARGET_HEADER, value=target.name),)),
        processing_mode=_REQUEST_ONLY,
        failure_mode_allow=False,
        status_on_error=HttpStatus(code=StatusCode.ServiceUnavailable),
        message_timeout=MESSAGE_TIMEOUT,
        metadata_options=MetadataOptions(
            forwarding_namespaces=MetadataOptionsMetadataNamespaces(
                untyped=[plan.METADATA_NAMESPACE]
            )
        ),
    )


def _strip(target: ir.Target) -> HeaderMutation:
    answered_by = HeaderValueOption(
        header=HeaderValue(key=plan.TARGET_HEADER, value=target.name.replace("%", "%%")),
        append_action=HeaderValueOptionHeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD,
    )
    return HeaderMutation(
        mutations=Mutations(
            request_mutations=[
                *(Mutation(remove=name) for name in _STRIPPED),
                *(Mutation(remove=name) for name in _unspoken(target.formats)),
                *_prefixes(_STRIPPED_PREFIXES),
                *(Mutation(append=_default(*each)) for each in target.headers),
            ],
            response_mutations=[*_prefixes(("x-dragoman-",)), Mutation(append=answered_by)],
        )
    )


def _unspoken(formats: Iterable[Format]) -> list[str]:
    """Headers of other formats, which a caller may have sent."""
    spoken = {name for each in formats for name in plan.FORMAT_HEADERS.get(each, ())}
    return sorted({name for names_ in plan.FORMAT_HEADERS.values() for name in names_} - spoken)


def _default(name: str, value: str) -> HeaderValueOption:
    return HeaderValueOption(
        header=HeaderValue(key=name, value=value),
        append_action=HeaderValueOptionHeaderAppendAction.ADD_IF_ABSENT,
    )


def _release(target: ir.Target) -> Lua:
    """The last word before the key is added: this target's address, or 503 if anything is amiss.

    Header mutation refuses `:path` and `:authority`, and Envoy judges `upstream_rbac` before the
    filters in front of it have run, so this is Lua; any error in it is a refusal. Of an answer that
    Envoy may not pass on, but try the next target for, it tells the guard why.
    """
    code = f"""
local function release(handle)
  local verdict = handle:streamInfo():dynamicMetadata():get({_lua(plan.METADATA_NAMESPACE)})
  local headers = handle:headers()
  local translated = headers:get({_lua(plan.TRANSLATED_HEADER)}) == "1"
  assert(translated or verdict["translate"] == false)
  headers:replace(":path", assert(verdict["targets"][{_lua(target.name)}]["path"]))
  headers:replace(":authority", {_lua(target.authority)})
  headers:remove({_lua(plan.TRANSLATED_HEADER)})
  if not translated then
    headers:replace("content-length", string.format("%d", verdict["length"]))
  end
end

function envoy_on_request(handle)
  if not pcall(release, handle) then
    handle:respond({{[":status"] = "503"}}, "not released")
  end
end

local function tell(handle)
  local headers = handle:headers()
  local status = headers:get(":status")
  if status == "429" or string.sub(status, 1, 1) == "5" then
    local why = status .. " " .. string.sub(headers:get("retry-after") or "", 1, {_LONGEST_WAIT})
    local metadata = handle:streamInfo():dynamicMetadata()
    metadata:set({_lua(plan.ATTEMPTS_NAMESPACE)}, {_lua(target.name)}, why)
  end
end

function envoy_on_response(handle)
  pcall(tell, handle)
end
"""
    return Lua(default_source_code=DataSource(inline_string=code))


def _lua(text: str) -> str:
    """A Lua string literal in which every byte that is not plain is escaped."""
    plain = (
        chr(b) if chr(b).isalnum() or chr(b) in "-._/:*" else f"\\{b:03d}" for b in text.encode()
    )
    return f'"{"".join(plain)}"'


def _credential(credential: ir.Credential) -> CredentialInjector:
    generic = Generic(
        credential=sds(credential.secret),
        header=credential.header,
        header_value_prefix=credential.prefix,
    )
    return CredentialInjector(
        overwrite=True,
        credential=extension("envoy.http.injected_credentials.generic", generic),
    )
