"""The dialects: where each carries its key, and how each says that something went wrong."""

from collections.abc import Callable
from dataclasses import dataclass

from dragoman.mock_provider.answer import Answer, Json
from dragoman.mock_provider.wire import Received

MESSAGES = {
    400: "The request could not be understood.",
    401: "Incorrect API key provided: {key}.",
    403: "The key {key} may not use this model.",
    404: "There is nothing here.",
    405: "This method is not allowed here.",
    413: "The request is too large.",
    429: "Too many requests; try again later.",
    529: "Overloaded; try again later.",
}
SERVER_MESSAGE = "The mock provider failed as it was told to."

OPENAI_ERRORS = {
    400: ("invalid_request_error", None),
    401: ("invalid_request_error", "invalid_api_key"),
    403: ("permission_error", "permission_denied"),
    404: ("invalid_request_error", "not_found"),
    429: ("requests", "rate_limit_exceeded"),
}
ANTHROPIC_ERRORS = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}


def _openai_error(status: int, message: str) -> Json:
    kind, code = OPENAI_ERRORS.get(
        status, ("server_error" if status >= 500 else "invalid_request_error", None)
    )
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def _responses_error(status: int, message: str) -> Json:
    return {"type": "error", **_openai_error(status, message)}


def _anthropic_error(status: int, message: str) -> Json:
    kind = ANTHROPIC_ERRORS.get(status, "api_error" if status >= 500 else "invalid_request_error")
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_mock"}


GOOGLE_ERRORS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


def _google_error(status: int, message: str) -> Json:
    kind = GOOGLE_ERRORS.get(status, "INTERNAL" if status >= 500 else "FAILED_PRECONDITION")
    return {"error": {"code": status, "message": message, "status": kind}}


AWS_ERRORS = {
    401: "UnrecognizedClientException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    424: "ModelErrorException",
    429: "ThrottlingException",
    503: "ServiceUnavailableException",
}


def _aws_error(_: int, message: str) -> Json:
    return {"message": message}


def _aws_kind(status: int) -> dict[str, str]:
    default = "InternalServerException" if status >= 500 else "ValidationException"
    return {"x-amzn-errortype": AWS_ERRORS.get(status, default)}


def _access_key(request: Received) -> str:
    """A Bedrock key, or the name of the key that signed."""
    signed = request.header("authorization").partition("Credential=")[2].partition("/")[0]
    return signed or _bearer(request)


def _bearer(request: Received) -> str:
    return request.header("authorization").removeprefix("Bearer ")


@dataclass(frozen=True, slots=True)
class Dialect:
    """What the endpoints of one provider have in common."""

    request_id: str
    key: Callable[[Received], str]
    error: Callable[[int, str], Json]
    error_event: str
    """The name of an error among the events of a stream."""
    last_event: str
    """The name, or else the data, of the event that ends a stream."""
    kind: Callable[[int], dict[str, str]] = lambda _: {}
    """Headers that name an error, by its status."""


OPENAI = Dialect("x-request-id", _bearer, _openai_error, "", "[DONE]")
RESPONSES = Dialect("x-request-id", _bearer, _responses_error, "error", "response.completed")
ANTHROPIC = Dialect(
    "request-id",
    lambda request: request.header("x-api-key") or _bearer(request),
    _anthropic_error,
    "error",
    "message_stop",
)


GOOGLE = Dialect(
    "x-request-id",
    lambda request: request.header("x-goog-api-key") or _bearer(request),
    _google_error,
    "",
    "there is none",
)


BEDROCK = Dialect(
    "x-amzn-requestid",
    _access_key,
    _aws_error,
    "internalServerException",
    "messageStop",
    _aws_kind,
)


def of(request: Received) -> Dialect:
    """By the path, or a header that only one SDK sends; OpenAI has two."""
    path = request.path.partition("?")[0]
    if path.startswith("/model/"):
        return BEDROCK
    if ":" in path or path.startswith("/v1beta") or request.header("x-goog-api-client"):
        return GOOGLE
    anthropic = request.path.startswith("/v1/messages") or request.header("anthropic-version")
    if anthropic:
        return ANTHROPIC
    return RESPONSES if request.path.startswith("/v1/responses") else OPENAI


def refusal(dialect: Dialect, status: int, key: str = "", message: str = "") -> Answer:
    """An error as this provider words it; like real ones, a 401 repeats the key."""
    default = SERVER_MESSAGE if status >= 500 else MESSAGES[400]
    words = message or MESSAGES.get(status, default).format(key=key)
    headers = {"retry-after": "1"} if status in (429, 503, 529) else {}
    kind = dialect.kind(status)
    return Answer(dialect.error(status, words), status=status, headers=headers | kind)
