"""What is fuzzed: every decoder that reads what a caller or a provider sent.

A target takes any bytes and returns, or raises for a bug: an exception that is no answer of ours, a
stream that says something else when it is cut elsewhere, or a redaction that missed.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import cast

from crds.plan import FAMILIES, Format, QuirksPlan
from ext_proc.call import Call, FieldScan, Line, Origin, Reject
from ext_proc.detectors import pii
from ext_proc.detectors.stream import Redactor
from ext_proc.formats import strict
from ext_proc.formats.table import DIALECTS
from ext_proc.translation import requests
from ext_proc.translation.answers import Answer
from ext_proc.translation.codec import Asked, UnspeakableError
from ext_proc.translation.requests import Spoken
from ext_proc.translation.table import CODECS
from ext_proc.wires import Wire
from tests.translation import frames

FORMATS: tuple[Format, ...] = FAMILIES[0]
_ALL: tuple[Format, ...] = tuple(DIALECTS)
_SSE: tuple[Format, ...] = tuple(each for each in FORMATS if each != "BedrockConverse")
_ASKED = Asked("alias", "req-1", 1)
_DETECTOR = pii.detector(("Email", "CreditCard"))
_LINE = Line("model", stream=True)
_CALL = json.dumps(
    {
        "model": "model",
        "stream": True,
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "hi"}],
    }
).encode()
_ASKING: Mapping[Format, bytes] = {
    "OpenAIChat": _CALL,
    "AnthropicMessages": _CALL,
    "OpenAIResponses": b'{"model":"model","stream":true,"input":"hi"}',
    "GeminiContent": b'{"contents":[{"parts":[{"text":"hi"}]}]}',
    "BedrockConverse": b'{"messages":[{"role":"user","content":[{"text":"hi"}]}]}',
}


class _Scan:
    """A guard that redacts."""

    blocked = False

    def __init__(self) -> None:
        self._redactor = Redactor(_DETECTOR)

    def push(self, text: str) -> str:
        return self._redactor.push(text)

    def finish(self) -> str:
        return self._redactor.finish()


def _open(_: Origin) -> FieldScan:
    return cast("FieldScan", _Scan())


def json_body(data: bytes) -> None:
    """A body, as a request of any caller and as an answer of any provider."""
    if len(data) < 3:
        return
    speaks, body = _ALL[data[0] % len(_ALL)], data[2:]
    family = next((each for each in FAMILIES if speaks in each), (speaks,))
    other = family[data[1] % len(family)]
    dialect = DIALECTS[speaks]
    call = dialect.decode_request(body, _LINE)
    if isinstance(call, Call):
        _request(call, speaks, other)
    answer = dialect.decode_response(body)
    if not isinstance(answer, Reject):
        for text in answer.texts:
            text.replace("x")
        strict.loads(answer.encode())
    dialect.measure(body)
    dialect.provider_error(400, body).encode()
    if speaks != other:
        Answer(other, speaks, _ASKED).whole(body)


def _request(call: Call, speaks: Format, other: Format) -> None:
    if speaks in CODECS:
        wire = Wire(other, "model", "/", QuirksPlan())
        spoken = Spoken(speaks, Line(call.model, call.stream))
        with suppress(UnspeakableError):
            strict.dumps(requests.write(call.document, spoken, wire).document)
    for text in call.texts:
        text.replace("x")
    strict.loads(DIALECTS[speaks].encode_request(call, True))


def sse(data: bytes) -> None:
    """A stream of server-sent events, of any provider to any caller."""
    if len(data) < 4:
        return
    provider = _SSE[data[0] % len(_SSE)]
    _stream(provider, FORMATS[data[1] % len(FORMATS)], data[2], data[3:])


def event_stream(data: bytes) -> None:
    """AWS's event stream: bytes as they are, or messages framed so that their checksums hold."""
    if len(data) < 4:
        return
    raw = data[3:] if data[0] % 4 == 0 else b"".join(_framed(data[3:]))
    _stream("BedrockConverse", FORMATS[data[1] % len(FORMATS)], data[2], raw)


def _framed(data: bytes) -> Iterator[bytes]:
    for line in data.split(b"\n"):
        kind, _, rest = line.partition(b" ")
        name, _, payload = rest.partition(b" ")
        if kind in (b"event", b"exception", b"error") and len(name) < 99 and name.isascii():
            yield frames.frame(kind.decode(), name.decode(), payload)


def _stream(provider: Format, client: Format, step: int, raw: bytes) -> None:
    size = 1 + step % 64
    pieces = [raw[at : at + size] for at in range(0, len(raw), size)]
    assert _inspected(provider, [raw]) == _inspected(provider, pieces), "cut elsewhere"
    if client != provider:
        assert _translated(provider, client, [raw]) == _translated(provider, client, pieces)


def _inspected(provider: Format, pieces: list[bytes]) -> tuple[bytes, bool]:
    dialect = DIALECTS[provider]
    call = dialect.decode_request(_ASKING[provider], _LINE)
    assert isinstance(call, Call)
    codec = dialect.stream(call, _open, len)
    out = b"".join(map(codec.feed, pieces)) + codec.end()
    failed = codec.failed is not None
    if failed:
        codec.abort(Reject(502, "provider_bad_response", "x"), "req-1")
    return (b"" if failed else out), failed


def _translated(provider: Format, client: Format, pieces: list[bytes]) -> tuple[bytes, bool]:
    answer = Answer(provider, client, _ASKED)
    out = b"".join(map(answer.feed, pieces)) + answer.end()
    failed = answer.failed is not None
    return (b"" if failed else out), failed


TARGETS: Mapping[str, Callable[[bytes], None]] = {
    "json_body": json_body,
    "sse": sse,
    "event_stream": event_stream,
}
