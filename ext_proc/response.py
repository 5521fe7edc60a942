"""How a provider's response is read: which are refused unread, and the readers of the rest.

A reader takes the body as it comes and releases what may go on. `Whole` holds everything back until
all of it is judged, `Streamed` goes along event by event, `Passed` looks at nothing.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from ext_proc import pipeline, schemas
from ext_proc.call import Call, Reject, Usage, Verdict
from ext_proc.field import Fields
from ext_proc.formats import errors
from ext_proc.formats.dialect import Count, Dialect
from ext_proc.pipeline import Guard, Level
from ext_proc.stages.inspection import Inspection, blocked
from ext_proc.translation.answers import Answer

MAX_WHOLE_BYTES = 64 * 1024 * 1024
"""Of a response that must be judged whole."""

AUTH_FAILED = Reject(502, "provider_auth_failed", "The provider refused the gateway's credentials.")
_ENCODED = Reject(502, "provider_bad_response", "The provider's answer has a content-encoding.")
_NO_TYPE = Reject(
    502, "provider_bad_response", "The provider's answer is neither JSON nor an event stream."
)
_NOT_WHOLE = Reject(
    502, "provider_bad_response", "The provider's answer is not JSON, so no schema can judge it."
)
TOO_LARGE = Reject(
    502, "provider_bad_response", "The provider's answer is too large to be inspected."
)
_UNREACHABLE = Reject(502, "provider_unavailable", "No provider could be reached.")
_LOCAL = {
    408: Reject(408, "request_timeout", "The request did not arrive in time."),
    413: Reject(413, "request_too_large", "The body is too large."),
    504: Reject(504, "provider_timeout", "The provider did not answer in time."),
}


def local(status: int) -> Reject:
    """Explain an answer of Envoy itself, when no provider answered."""
    return _LOCAL.get(status, _UNREACHABLE)


def refusal(
    status: int,
    headers: Mapping[str, str],
    spoken: Dialect | None,
    *,
    guarded: bool,
    whole: bool = False,
) -> Reject | None:
    """Refuse a response by its headers alone; its body is dropped.

    `spoken`: None for what only providers speak, which is JSON.
    `guarded`: only what can be read may pass, or what the format has that no guard could read.
    `whole`: only JSON may pass.
    """
    if status in (401, 403):
        return AUTH_FAILED
    if headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        return _ENCODED
    if status < 200 or 300 <= status < 400:
        return _NO_TYPE
    if status < 300 and whole and media_type(headers) != JSON:
        return _NOT_WHOLE
    if status < 300 and guarded and not _expected(media_type(headers), spoken):
        return _NO_TYPE
    return None


def _expected(media: str, spoken: Dialect | None) -> bool:
    if spoken is None:
        return media == JSON
    if media in (JSON, spoken.streams_as) or (spoken.unread and media.startswith(spoken.unread)):
        return True
    return spoken.read_text is not None and media in TEXTS


JSON = "application/json"
TEXTS = frozenset({"text/plain", "text/vtt", "application/x-subrip"})
"""What plain texts come as."""


def media_type(headers: Mapping[str, str]) -> str:
    """The content type without its parameters."""
    return headers.get("content-type", "").partition(";")[0].strip().lower()


@dataclass(slots=True)
class Result:
    """What a reader learned."""

    usage: Usage | None = None
    usage_invalid: bool = False
    model: str | None = None
    output_tokens: int = 0
    """Our own count, for when the provider states none."""
    verdicts: list[Verdict] = field(default_factory=list)
    reject: Reject | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """How a response is read, whatever comes."""

    dialect: Dialect
    """The caller's."""
    levels: Sequence[Level]
    count: Count
    answer: Answer | None
    """Where the provider answers in another format."""
    is_text: bool = False
    """The answer is plain text, which its format can read."""


class Whole:
    """A body that is judged whole: JSON, and every error."""

    def __init__(self, reading: Reading, status: int) -> None:
        self.result = Result()
        self._dialect = reading.dialect
        self._levels = reading.levels
        self._status = status
        self._count = reading.count
        self._answer = reading.answer
        self._decode = reading.dialect.decode_response
        if reading.is_text and reading.dialect.read_text is not None:
            self._decode = reading.dialect.read_text
        self._pieces: list[bytes] = []
        self.size = 0

    def add(self, body: bytes) -> bool:
        """Keep a piece; False if it is too much."""
        self.size += len(body)
        self._pieces.append(body)
        return self.size <= MAX_WHOLE_BYTES

    def judge(self) -> bytes | Reject:
        """Return what the client may have. Slow for long bodies."""
        body = self._body()
        if isinstance(body, Reject):
            self._learn(None, None, invalid=False)
            return body
        if self._status < 300 and not any(level.response for level in self._levels):
            measured = self._dialect.measure(body)
            self._learn(measured.usage, measured.model, invalid=measured.usage_invalid)
            if self.result.usage is None:
                self.result.output_tokens = self._count(measured.text)
            return self._conform(body) or body
        return self._inspected(body)

    def _body(self) -> bytes | Reject:
        """The body in the caller's format."""
        body = b"".join(self._pieces)
        self._pieces.clear()
        served = self._status < 300
        return self._answer.whole(body) if self._answer and served else body

    def _conform(self, body: bytes) -> Reject | None:
        asked = [schema for level in self._levels for schema in level.response_schemas]
        return schemas.judge_answer(self._dialect.name, body, asked, self.result.verdicts)

    def _inspected(self, body: bytes) -> bytes | Reject:
        if self._status < 300:
            response = self._decode(body)
        else:
            response = self._dialect.provider_error(self._status, self._foreign_error(body))
        if isinstance(response, Reject):
            measured = self._dialect.measure(body)
            self._learn(measured.usage, measured.model, invalid=measured.usage_invalid)
            return response
        self._learn(response.usage, response.model, invalid=response.usage_invalid)
        if self.result.usage is None and self._status < 300:
            self.result.output_tokens = sum(self._count(text.value) for text in response.texts)
        inspection = Inspection("response", response.texts, Counter(), self.result.verdicts)
        refusals = [pipeline.judge(inspection, level.response) for level in self._levels]
        if self._status < 300:
            refusals.append(self._conform(body))
        if refused := next((each for each in refusals if each is not None), None):
            return refused
        pipeline.finish(inspection)
        return response.encode()

    def _foreign_error(self, body: bytes) -> bytes:
        """Of another format's error only the message means something to the caller."""
        return errors.message_only(body) if self._answer is not None else body

    def _learn(self, usage: Usage | None, model: str | None, *, invalid: bool) -> None:
        """A translated answer states its usage in the caller's words, which may say less."""
        answer = self._answer
        self.result.usage = answer.usage if answer else usage
        self.result.usage_invalid = answer.usage_invalid if answer else invalid
        self.result.model = model


class Streamed:
    """Server-sent events, released as far as no guard can want them back."""

    def __init__(self, reading: Reading, call: Call, request_id: str) -> None:
        levels = reading.levels
        guards: tuple[Guard, ...] = tuple(chain.from_iterable(lv.response_guards for lv in levels))
        self._fields = Fields(guards)
        opened = self._fields.open if guards else None
        self._codec = reading.dialect.stream(call, opened, reading.count)
        self._answer = reading.answer
        self._request_id = request_id
        self._reject: Reject | None = None

    def feed(self, body: bytes, *, end: bool) -> tuple[bytes, bool]:
        """Take a piece; return what may go on, and whether that is the end."""
        if self._answer is not None:
            body = self._answer.feed(body) + (self._answer.end() if end else b"")
        released = self._codec.feed(body) if body else b""
        if end and not self._stopped():
            released += self._codec.end()
        if not self._stopped():
            return released, end
        self._reject = self._failed() or self._refusal()
        return released + self._codec.abort(self._reject, self._request_id), True

    def _failed(self) -> Reject | None:
        foreign = self._answer.failed if self._answer else None
        return self._codec.failed or (None if self._codec.blocked else foreign)

    def _stopped(self) -> bool:
        return self._codec.blocked or self._failed() is not None

    def _refusal(self) -> Reject:
        guard = self._fields.blocked_by
        if guard is None:
            raise RuntimeError("a stream is blocked, and no guard blocks")
        return blocked(guard.plan, "response")

    @property
    def result(self) -> Result:
        """What is known so far: a client may go at any time."""
        codec = self._codec
        stated = self._answer or codec
        return Result(
            usage=stated.usage,
            usage_invalid=stated.usage_invalid,
            model=codec.model,
            output_tokens=codec.output_tokens,
            verdicts=self._fields.verdicts(),
            reject=self._reject,
        )


class Passed:
    """A body of another type that no guard asks for."""

    def __init__(self) -> None:
        self.result = Result()


Reader = Whole | Streamed | Passed
