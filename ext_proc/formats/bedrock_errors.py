"""Errors as Bedrock says them: in a body, or as a message that ends a stream.

SDKs of AWS raise the class that `__type` names, unless a header does; in a stream it is the name
of the exception. A code of our own stands in `reason`, as they would take `code` for the class.
Source: Smithy's restJson1 protocol, `Converse` and `ConverseStreamOutput` of the Amazon Bedrock
Runtime API reference.
"""

from collections.abc import Mapping
from typing import Any

import orjson

from ext_proc.call import Reject
from ext_proc.formats import errors, eventstream, strict
from ext_proc.formats.eventstream import Message

_TYPES: Mapping[int, str] = {
    401: "AccessDeniedException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    424: "ModelErrorException",
    429: "ThrottlingException",
    503: "ServiceUnavailableException",
    504: "ModelTimeoutException",
    529: "ServiceUnavailableException",
}
_STREAMED: Mapping[int, str] = {
    424: "modelStreamErrorException",
    429: "throttlingException",
    503: "serviceUnavailableException",
    529: "serviceUnavailableException",
}
_STATUSES = {
    "validationException": 400,
    "modelStreamErrorException": 502,
    "throttlingException": 429,
    "serviceUnavailableException": 503,
    "internalServerException": 500,
}


def _kind(table: Mapping[int, str], status: int, refused: str, failed: str) -> str:
    return table.get(status, refused if status < 500 else failed)


def error(reject: Reject, request_id: str) -> bytes:
    """Write an error's body."""
    kind = _kind(_TYPES, reject.status, "ValidationException", "InternalServerException")
    return orjson.dumps({"__type": kind, **_said(reject, request_id)})


def stream(reject: Reject, request_id: str) -> bytes:
    """End a stream."""
    status = reject.status
    kind = _kind(_STREAMED, status, "validationException", "internalServerException")
    return eventstream.exception(kind, orjson.dumps(_said(reject, request_id)))


def _said(reject: Reject, request_id: str) -> dict[str, str]:
    return {"message": reject.message, "reason": reject.code, "requestId": request_id}


def provider(status: int, body: bytes) -> dict[str, Any]:
    """Keep what is safe of a provider's error."""
    kind = _kind(_TYPES, status, "ValidationException", "InternalServerException")
    return {"__type": kind, "message": errors.safe_message(status, body)}


def of_message(message: Message) -> tuple[int, str]:
    """What an error within a stream would have been as an answer: its status and safe words."""
    status = _STATUSES.get(message.name, 500)
    return status, errors.safe_message(status, message.payload)


def safe_exception(message: Message) -> tuple[str, dict[str, Any]]:
    """What may be passed on of an error within a stream: its name, and its words."""
    name = message.name if message.name in _STATUSES else "internalServerException"
    return name, {"message": of_message(message)[1]}


def written(name: str, said: dict[str, Any]) -> bytes:
    """Write an exception that was made safe."""
    return eventstream.exception(name, strict.dumps(said))
