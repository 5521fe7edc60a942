"""Anthropic's token counting: the body of messages, answered by a count. It costs nothing.

Source: the API reference of "Count tokens in a message".
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson

from ext_proc.call import Call, Line, Reject
from ext_proc.formats import anthropic_messages, dialect, errors
from ext_proc.formats.anthropic_tables import ERROR, REQUEST
from ext_proc.formats.dialect import Response
from ext_proc.formats.rules import Json, Numbers, Token
from ext_proc.formats.shapes import Object
from ext_proc.formats.tabled import Tabled

RESPONSE = Object(
    {"input_tokens": Token(), "context_management": Numbers(), "type": Token(), "error": Json()}
)


def decode_request(body: bytes, line: Line) -> Call | Reject:
    """Decode what would be a messages request."""
    call = anthropic_messages.decode_request(body, line)
    if isinstance(call, Call):
        call.format = "AnthropicTokenCount"
        call.stream = False
    return call


def _uncounted(_: Mapping[str, Any]) -> None:
    """Counting uses no tokens."""


def estimate(tokens: int) -> bytes:
    """Answer in a provider's place."""
    return orjson.dumps({"input_tokens": tokens})


def provider_error(status: int, body: bytes) -> Response:
    """Keep what is safe of a provider's error."""
    return dialect.safe_error(errors.anthropic_provider(status, body), ERROR)


TABLED = Tabled("AnthropicTokenCount", REQUEST, RESPONSE, lambda _: "", stated=_uncounted)
DIALECT = replace(
    TABLED.as_dialect(),
    decode_request=decode_request,
    encode_request=dialect.unchanged,
    error=errors.anthropic,
    stream_error=errors.anthropic_stream,
    provider_error=provider_error,
    unstated="free",
    estimate=estimate,
)
