"""Envoy's own answers, in the shape the caller's SDK reads, and Envoy's own log lines.

An answer of the guard passes untouched: its response code details begin with `dragoman`. What
remains is what Envoy refuses itself: broken framing, unknown hostnames, a missing guard, a provider
that cannot be reached. Predicates are CEL, evaluated by Envoy on its own answers alone.
"""

import json
from collections.abc import Iterator
from typing import NamedTuple

from envoy_data_plane.envoy.config.accesslog.v3 import (
    AccessLog,
    AccessLogFilter,
    ExtensionFilter,
)
from envoy_data_plane.envoy.config.core.v3 import DataSource, SubstitutionFormatString
from envoy_data_plane.envoy.extensions.access_loggers.file.v3 import FileAccessLog
from envoy_data_plane.envoy.extensions.access_loggers.filters.cel.v3 import ExpressionFilter
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager.v3 import (
    LocalReplyConfig,
    ResponseMapper,
)
from envoy_data_plane.google.protobuf import Any, Struct

from crds import plan

DETAILS_PREFIX = "dragoman"
"""How the guard marks its answers in the response code details."""

_ANSWERED = f"(has(response.code_details) && response.code_details.startsWith('{DETAILS_PREFIX}'))"
_JUDGED = f"('{plan.METADATA_NAMESPACE}' in metadata.filter_metadata)"
_GUARD_FAILED = "(has(response.code_details) && response.code_details.startsWith('ext_proc'))"
_ANTHROPIC = (
    f"({_JUDGED}"
    f" ? metadata.filter_metadata['{plan.METADATA_NAMESPACE}']['format'].startsWith('Anthropic')"
    " : (request.path.startsWith('/v1/messages') || 'anthropic-version' in request.headers))"
)
_GEMINI = (
    f"({_JUDGED}"
    f" ? metadata.filter_metadata['{plan.METADATA_NAMESPACE}']['format'].startsWith('Gemini')"
    " : (request.path.startsWith('/v1beta') || 'x-goog-api-client' in request.headers))"
)
_BEDROCK = (
    f"({_JUDGED}"
    f" ? metadata.filter_metadata['{plan.METADATA_NAMESPACE}']['format'] == 'BedrockConverse'"
    " : request.path.startsWith('/model/'))"
)
_GRPC = (
    "('content-type' in request.headers"
    " && request.headers['content-type'].startsWith('application/grpc'))"
)
_NOT_CALLED = "The gateway refused this call, or could not reach a server for it."
"""Envoy writes its answer as a gRPC status, and this as the message."""
_UNRELEASED = "(has(response.code_details) && response.code_details == 'lua_response')"
_REFUSED = "(has(response.code_details) && response.code_details.startsWith('rbac_access_denied'))"
"""The provider's name leads to a network that no request may go to."""
_UNCLEAN = "(has(response.code_details) && response.code_details == 'path_normalization_failed')"
"""Refused before the client's own request id is dropped."""


class Refusal(NamedTuple):
    """One row: when it applies, what the caller sees."""

    when: str
    status: int
    code: str
    openai: str
    anthropic: str
    aws: str
    message: str


def _status(code: int) -> str:
    return f"response.code == {code}"


REFUSALS = (
    Refusal(
        _GUARD_FAILED, 503, "guard_unavailable", "server_error", "api_error",
        "ServiceUnavailableException",
        "The guard of this gateway is not available.",
    ),
    Refusal(
        _UNRELEASED, 503, "guard_unavailable", "server_error", "api_error",
        "ServiceUnavailableException",
        "The guard of this gateway is not available.",
    ),
    Refusal(
        f"{_JUDGED} && {_status(504)}", 504, "provider_timeout", "server_error", "api_error",
        "ModelTimeoutException",
        "The provider did not answer in time.",
    ),
    Refusal(
        f"{_JUDGED} && (response.code >= 500 || {_REFUSED})", 502, "provider_unavailable",
        "server_error", "api_error", "InternalServerException",
        "The provider could not be reached.",
    ),
    Refusal(
        _status(404), 404, "not_found", "invalid_request_error", "not_found_error",
        "ResourceNotFoundException",
        "Nothing is served at this hostname or path.",
    ),
    Refusal(
        _status(408), 408, "request_timeout", "invalid_request_error", "invalid_request_error",
        "ValidationException",
        "The request did not arrive in time.",
    ),
    Refusal(
        _status(413), 413, "request_too_large", "invalid_request_error", "request_too_large",
        "ValidationException",
        "The request body is larger than this gateway allows.",
    ),
    Refusal(
        _status(421), 421, "misdirected_request", "invalid_request_error", "invalid_request_error",
        "ValidationException",
        "This hostname is not served on this listener.",
    ),
    Refusal(
        _status(431), 431, "headers_too_large", "invalid_request_error", "invalid_request_error",
        "ValidationException",
        "The request headers are larger than this gateway allows.",
    ),
    Refusal(
        "response.code >= 500", 503, "guard_unavailable", "server_error", "api_error",
        "ServiceUnavailableException",
        "The guard of this gateway is not available.",
    ),
    Refusal(
        "true", 400, "bad_request", "invalid_request_error", "invalid_request_error",
        "ValidationException",
        "The request is malformed.",
    ),
)  # fmt: skip
"""First match wins; 5xx before a verdict is always a missing guard."""


_GEMINI_STATUSES = {
    400: "INVALID_ARGUMENT",
    404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED",
    413: "INVALID_ARGUMENT",
    421: "FAILED_PRECONDITION",
    431: "INVALID_ARGUMENT",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


def local_replies() -> LocalReplyConfig:
    """What Envoy says instead of plain text."""
    message = DataSource(inline_string=_NOT_CALLED)
    called = ResponseMapper(
        filter=_when(_GRPC),
        body_format_override=SubstitutionFormatString(text_format_source=message),
    )
    answered = ResponseMapper(filter=_when(_ANSWERED))
    return LocalReplyConfig(mappers=[answered, called, *_mappers()])


def access_logs(path: str) -> list[AccessLog]:
    """One JSON line for each request whose line the guard cannot write: nothing the client sent."""
    unlogged = f"!{_ANSWERED} && (!{_JUDGED} || {_GUARD_FAILED})"
    line = {
        "time": "%START_TIME(%Y-%m-%dT%H:%M:%S.%3fZ)%",
        "status": "%RESPONSE_CODE%",
        "duration_ms": "%DURATION%",
        "details": "%RESPONSE_CODE_DETAILS%",
        "flags": "%RESPONSE_FLAGS%",
    }
    named = {**line, "request_id": "%REQ(X-REQUEST-ID)%"}
    return [
        _access_log(path, f"{unlogged} && !{_UNCLEAN}", named),
        _access_log(path, _UNCLEAN, line),
    ]


def _access_log(path: str, when: str, line: dict[str, str]) -> AccessLog:
    log_format = SubstitutionFormatString(json_format=Struct.from_dict(line))
    return AccessLog(
        name="envoy.access_loggers.file",
        filter=_when(when),
        typed_config=Any.pack(FileAccessLog(path=path, log_format=log_format)),
    )


def _mappers() -> Iterator[ResponseMapper]:
    for refusal in REFUSALS:
        anthropic = {
            "type": "error",
            "error": {"type": refusal.anthropic, "message": refusal.message, "code": refusal.code},
        }
        openai = {
            "error": {
                "message": refusal.message,
                "type": refusal.openai,
                "param": None,
                "code": refusal.code,
            }
        }
        gemini = {
            "error": {
                "code": refusal.status,
                "message": refusal.message,
                "status": _GEMINI_STATUSES[refusal.status],
            }
        }
        bedrock = {"__type": refusal.aws, "message": refusal.message, "reason": refusal.code}
        yield _mapper(f"{_ANTHROPIC} && ({refusal.when})", refusal.status, anthropic)
        yield _mapper(f"{_GEMINI} && ({refusal.when})", refusal.status, gemini)
        yield _mapper(f"{_BEDROCK} && ({refusal.when})", refusal.status, bedrock)
        yield _mapper(refusal.when, refusal.status, openai)


def _mapper(when: str, status: int, body: object) -> ResponseMapper:
    """Text format, since Envoy's JSON format would sort the keys and cannot hold null."""
    return ResponseMapper(
        filter=_when(when),
        status_code=status,
        body_format_override=SubstitutionFormatString(
            text_format_source=DataSource(inline_string=json.dumps(body)),
            content_type="application/json",
        ),
    )


def _when(expression: str) -> AccessLogFilter:
    extension = ExtensionFilter(
        name="envoy.access_loggers.extension_filters.cel",
        typed_config=Any.pack(ExpressionFilter(expression=expression)),
    )
    return AccessLogFilter(extension_filter=extension)
