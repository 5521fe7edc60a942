"""Errors in each format's own shape, our own ones and what may be passed on of a provider's.

An error carries a stable code and a message that we wrote; of a provider's error only its type,
code, parameter and message survive, and for some statuses not even the message.
"""

from collections.abc import Mapping
from typing import Any

import orjson

from crds.plan import Format
from ext_proc.call import Reject
from ext_proc.formats import sse, strict
from ext_proc.formats.rules import is_token

BLOCKED = "blocked_by_policy"
_OPENAI_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    413: "invalid_request_error",
    415: "invalid_request_error",
    422: "invalid_request_error",
    429: "rate_limit_error",
}
_ANTHROPIC_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    413: "request_too_large",
    415: "invalid_request_error",
    422: "invalid_request_error",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_GEMINI_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_OTHER_STATUSES = {529: 503}
"""What only Anthropic's clients know."""
_EXPLAINED = frozenset({400, 404, 405, 409, 413, 415, 422, 429})
"""Statuses whose message helps the caller; others may tell of the provider's account."""
_LONGEST_MESSAGE = 4000
_GENERIC = "The provider answered with an error."


def status(caller: Format, stated: int) -> int:
    """A provider's status as the caller's SDK understands it."""
    anthropic = caller in ("AnthropicMessages", "AnthropicTokenCount")
    return stated if anthropic else _OTHER_STATUSES.get(stated, stated)


def openai(reject: Reject, request_id: str) -> bytes:
    """Write an error as OpenAI does."""
    return orjson.dumps(
        {
            "error": {
                "message": reject.message,
                "type": _OPENAI_TYPES.get(reject.status, "server_error"),
                "param": None,
                "code": reject.code,
            },
            "request_id": request_id,
        }
    )


def anthropic(reject: Reject, request_id: str) -> bytes:
    """Write an error as Anthropic does."""
    return orjson.dumps(
        {
            "type": "error",
            "error": {
                "type": _ANTHROPIC_TYPES.get(reject.status, "api_error"),
                "message": reject.message,
                "code": reject.code,
            },
            "request_id": request_id,
        }
    )


def gemini(reject: Reject, request_id: str) -> bytes:
    """Write an error as Google does; our own code is its reason."""
    told = {"@type": _ERROR_INFO, "reason": reject.code, "domain": "dragoman.dev"}
    named = {"metadata": {"request_id": request_id}} if request_id else {}
    error = {
        "code": reject.status,
        "message": reject.message,
        "status": _gemini_status(reject.status),
        "details": [{**told, **named}],
    }
    return orjson.dumps({"error": error})


_ERROR_INFO = "type.googleapis.com/google.rpc.ErrorInfo"


def _gemini_status(status: int) -> str:
    return _GEMINI_STATUSES.get(status, "INTERNAL" if status >= 500 else "FAILED_PRECONDITION")


def rerank(reject: Reject, request_id: str) -> bytes:
    """Write an error as Cohere does, with our code."""
    return orjson.dumps({"id": request_id, "message": reject.message, "code": reject.code})


def openai_stream(reject: Reject, request_id: str) -> bytes:
    """End a stream of chunks."""
    return sse.encode(openai(reject, request_id)) + sse.encode(b"[DONE]")


def responses_event(reject: Reject, request_id: str, sequence: int) -> bytes:
    """End the stream of a response: an `error` event with the fields of other errors, too."""
    error = orjson.loads(openai(reject, request_id))["error"]
    event = {"type": "error", "sequence_number": sequence, "code": reject.code}
    event |= {"message": reject.message, "param": None, "error": error, "request_id": request_id}
    return sse.encode(orjson.dumps(event), "error")


def responses_stream(reject: Reject, request_id: str) -> bytes:
    """End a stream of which nothing was sent."""
    return responses_event(reject, request_id, 0)


def anthropic_stream(reject: Reject, request_id: str) -> bytes:
    """End a stream of events."""
    return sse.encode(anthropic(reject, request_id), "error")


def gemini_stream(reject: Reject, request_id: str) -> bytes:
    """End a stream of answers."""
    return sse.encode(gemini(reject, request_id))


def openai_provider(status: int, body: bytes) -> dict[str, Any]:
    """Keep what is safe of a provider's error, in OpenAI's shape."""
    stated = _stated(body)
    kind = _token(stated, "type") or _OPENAI_TYPES.get(status, "server_error")
    named = {name: _token(stated, name) for name in ("param", "code")}
    return {"error": {"message": _message(status, stated), "type": kind, **named}}


def anthropic_provider(status: int, body: bytes) -> dict[str, Any]:
    """Keep what is safe of a provider's error, in Anthropic's shape."""
    stated = _stated(body)
    kind = _token(stated, "type") or _ANTHROPIC_TYPES.get(status, "api_error")
    return {"type": "error", "error": {"type": kind, "message": _message(status, stated)}}


def gemini_provider(status: int, body: bytes) -> dict[str, Any]:
    """Keep what is safe of a provider's error, in Google's shape."""
    stated = _stated(body)
    kind = _token(stated, "status") or _gemini_status(status)
    return {"error": {"code": status, "message": _message(status, stated), "status": kind}}


def responses_provider(stated: Mapping[str, Any]) -> dict[str, Any]:
    """Keep what is safe of an error that a provider reports in the stream of a response."""
    error = openai_provider(400, strict.dumps({"error": stated}))["error"]
    return {**error, "type": "error", "error": error}


def rerank_provider(status: int, body: bytes) -> dict[str, Any]:
    """Keep what is safe of a provider's error, in Cohere's shape; Jina says `detail`."""
    stated = _stated(body)
    detail = {"message": stated["detail"]} if "detail" in stated else stated
    return {"message": _message(status, detail)}


def message_only(body: bytes) -> bytes:
    """A provider's error without the words of its own format."""
    message = _stated(body).get("message")
    return orjson.dumps({"message": message if isinstance(message, str) else None})


def safe_message(status: int, body: bytes) -> str:
    """The words of a provider's error, where its status says that they help the caller."""
    return _message(status, _stated(body))


def _stated(body: bytes) -> Mapping[str, Any]:
    try:
        document = strict.loads(body)
    except strict.InvalidJsonError:
        return {}
    error = document.get("error")
    if isinstance(error, str):
        return {"message": error}
    return error if isinstance(error, dict) else document


def _token(stated: Mapping[str, Any], name: str) -> str | None:
    value = stated.get(name)
    return value if isinstance(value, str) and is_token(value) else None


def told(status: int, message: str) -> str:
    """A provider's words in a stream, as far as they are for the caller."""
    return _message(status, {"message": message})


def _message(status: int, stated: Mapping[str, Any]) -> str:
    message = stated.get("message")
    if status not in _EXPLAINED or not isinstance(message, str) or not message:
        return _GENERIC
    return message[:_LONGEST_MESSAGE]
