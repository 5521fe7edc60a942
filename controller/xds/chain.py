"""Each target's own chain of filters towards its provider; ARCHITECTURE.md lists their order."""

from collections.abc import Iterable, Sequence

from envoy_data_plane.envoy.config.common.mutation_rules.v3 import HeaderMutation as Mutation
from envoy_data_plane.envoy.config.core.v3 import (
    DataSource,
    HeaderValue,
    HeaderValueOption,
    HeaderValueOptionHeaderAppendAction,
)
from envoy_data_plane.envoy.extensions.filters.http.credential_injector.v3 import CredentialInjector
from envoy_data_plane.envoy.extensions.filters.http.ext_proc.v3 import (
    ExternalProcessor,
    MetadataOptions,
    MetadataOptionsMetadataNamespaces,
)
from envoy_data_plane.envoy.extensions.filters.http.header_mutation.v3 import (
    HeaderMutation,
    Mutations,
)
from envoy_data_plane.envoy.extensions.filters.http.lua.v3 import Lua
from envoy_data_plane.envoy.extensions.filters.http.upstream_codec.v3 import UpstreamCodec
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager.v3 import HttpFilter
from envoy_data_plane.envoy.extensions.http.injected_credentials.generic.v3 import Generic
from envoy_data_plane.envoy.type.v3 import HttpStatus, StatusCode

from controller import ir, names
from controller.xds import egress, filters, mirrors, passing, signing
from crds import plan
from crds.plan import Format

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
_ADDED_PREFIXES = ("x-forwarded-", "x-envoy-")
"""What Envoy adds where a request passes it a second time."""
_LONGEST_WAIT = 40
"""Characters of a Retry-After."""


def upstream(target: ir.Target, refused: Sequence[str]) -> list[HttpFilter]:
    """One target's chain: first nothing of the client or of an earlier attempt, then its own."""
    return [*_egress(refused), *_made(target), *_proof(target), codec()]


def inward(target: ir.Target) -> list[HttpFilter]:
    """The part of a chain that leads to an internal listener: a picker there sees no key."""
    return [*_made(target), codec()]


def onward(target: ir.Target, refused: Sequence[str]) -> list[HttpFilter]:
    """The part that leads from it to an endpoint."""
    own = HeaderMutation(mutations=Mutations(request_mutations=filters.without(_ADDED_PREFIXES)))
    cleared = filters.http_filter("dragoman.strip", own)
    return [*_egress(refused), cleared, *_proof(target), codec()]


def codec() -> HttpFilter:
    """The end of every chain."""
    return filters.http_filter("envoy.filters.http.upstream_codec", UpstreamCodec())


def _egress(refused: Sequence[str]) -> list[HttpFilter]:
    return [filters.http_filter("dragoman.egress", egress.rules(refused))] if refused else []


def _made(target: ir.Target) -> list[HttpFilter]:
    """The request as the target is to see it, but for its key."""
    return [
        filters.http_filter("dragoman.strip", _strip(target)),
        *([] if target.generic else [_translating(target)]),
        filters.http_filter("dragoman.release", _release(target)),
    ]


def _proof(target: ir.Target) -> list[HttpFilter]:
    proof = []
    if target.credential:
        proof.append(filters.http_filter("dragoman.credential", _credential(target.credential)))
    if target.signing:
        proof.append(filters.http_filter("dragoman.signature", signing.sign(target.signing)))
    return proof


def _translating(target: ir.Target) -> HttpFilter:
    return filters.http_filter(names.TRANSLATE_FILTER, _translate(target))


def _translate(target: ir.Target) -> ExternalProcessor:
    return ExternalProcessor(
        grpc_service=filters.guard_service(
            "translate" if target.copies is None else "mirror",
            (HeaderValue(key=plan.TARGET_HEADER, value=target.name),),
        ),
        processing_mode=filters.REQUEST_ONLY,
        failure_mode_allow=False,
        status_on_error=HttpStatus(code=StatusCode.ServiceUnavailable),
        message_timeout=filters.MESSAGE_TIMEOUT,
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
    if target.generic:
        return passing.strip(target, CREDENTIALS, answered_by)
    return HeaderMutation(
        mutations=Mutations(
            request_mutations=[
                *(Mutation(remove=name) for name in _STRIPPED),
                *(Mutation(remove=name) for name in _unspoken(target.formats)),
                *filters.without(_STRIPPED_PREFIXES),
                *(Mutation(append=_default(*each)) for each in target.headers),
            ],
            response_mutations=[*filters.without(("x-dragoman-",)), Mutation(append=answered_by)],
            request_trailers_mutations=filters.without_all(),  # nobody reads trailers here
            response_trailers_mutations=filters.without_all(),
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


_WRITTEN = f"""
  local translated = headers:get("{plan.TRANSLATED_HEADER}") == "1"
  assert(translated or verdict["translate"] == false)
  headers:remove("{plan.TRANSLATED_HEADER}")
  if not translated then
    headers:replace("content-length", string.format("%d", verdict["length"]))
  end
"""
"""The guard or the translate filter wrote this body."""
_UNREAD = f'assert(verdict["format"] == "{plan.GENERIC}")'
"""The guard let it pass unread, which only such targets may get."""


def _release(target: ir.Target) -> Lua:
    """The last word before the key is added: this target's address, or 503 if anything is amiss.

    Header mutation refuses `:path` and `:authority`, and Envoy judges `upstream_rbac` before the
    filters in front of it have run, so this is Lua; any error in it is a refusal. Of an answer that
    Envoy may not pass on, but try the next target for, it tells the guard why.
    """
    if target.copies is not None:
        return _lua_filter(mirrors.release(_lua(target.authority)))
    code = f"""
local function release(handle)
  local verdict = handle:streamInfo():dynamicMetadata():get({_lua(plan.METADATA_NAMESPACE)})
  local headers = handle:headers()
  {_UNREAD if target.generic else _WRITTEN}
  headers:replace(":path", assert(verdict["targets"][{_lua(target.name)}]["path"]))
  headers:replace(":authority", {_lua(target.authority)})
{mirrors.forgotten("headers")}
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
    return _lua_filter(code)


def _lua_filter(code: str) -> Lua:
    return Lua(default_source_code=DataSource(inline_string=code))


def _lua(text: str) -> str:
    """A Lua string literal in which every byte that is not plain is escaped."""
    plain = (
        chr(b) if chr(b).isalnum() or chr(b) in "-._/:*" else f"\\{b:03d}" for b in text.encode()
    )
    return f'"{"".join(plain)}"'


def _credential(credential: ir.Credential) -> CredentialInjector:
    generic = Generic(
        credential=filters.sds(credential.secret),
        header=credential.header,
        header_value_prefix=credential.prefix,
    )
    return CredentialInjector(
        overwrite=True,
        credential=filters.extension("envoy.http.injected_credentials.generic", generic),
    )
