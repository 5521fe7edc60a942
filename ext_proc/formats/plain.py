"""Errors for callers whose format nobody knows: plain JSON, or the message of a gRPC status.

Of a gRPC call Envoy itself turns status and body of an answer into `grpc-status` and
`grpc-message`, under the content type of gRPC.
"""

from collections.abc import Mapping

import orjson

from ext_proc.call import Reject

_GRPC = "application/grpc"


def is_grpc(headers: Mapping[str, str]) -> bool:
    """Whether a request is a gRPC call, as Envoy sees it."""
    media = headers.get("content-type", "").lower()
    return media == _GRPC or media.startswith(f"{_GRPC}+")


def error(reject: Reject, request_id: str) -> bytes:
    """Write an error as JSON."""
    told = {"code": reject.code, "message": reject.message, "request_id": request_id}
    return orjson.dumps({"error": told})


def message(reject: Reject, request_id: str) -> bytes:
    """Write an error as the message of a gRPC status."""
    return f"{reject.message} ({reject.code}, request {request_id})".encode()
