"""The response half of an exchange: who answered, whether it may pass, and how it is read."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial

from crds.plan import ATTEMPTS_NAMESPACE, TARGET_HEADER, Format, TargetPlan
from ext_proc import account, health, response, schemas, tokens
from ext_proc.attempts import Answered
from ext_proc.call import Call, Reject
from ext_proc.case import Case
from ext_proc.events import Continue, ResponseBody, ResponseHeaders, Start, Stream
from ext_proc.formats import errors
from ext_proc.formats.table import DIALECTS
from ext_proc.machine import Outcome, Replies
from ext_proc.matching import Match
from ext_proc.outgoing import Outgoing
from ext_proc.response import Passed, Reader, Reading, Result, Streamed, Whole
from ext_proc.translation import losses
from ext_proc.translation.answers import Answer
from ext_proc.translation.codec import Asked

ATTEMPTS_HEADER = "x-envoy-attempt-count"
_PASSED = frozenset(
    {"content-type", "content-length", "date", "server", "x-request-id", "request-id"}
    | {"retry-after", "retry-after-ms", "x-should-retry"}
)
_PASSED_PREFIXES = ("x-ratelimit-", "anthropic-ratelimit-")
_INTERNAL = (TARGET_HEADER, ATTEMPTS_HEADER)
_ADVICE = ("retry-after",)
"""Headers of a provider's error that help the caller."""


class Reception:
    """One response."""

    def __init__(self, case: Case, call: Call, match: Match, outgoing: Outgoing) -> None:
        self._case = case
        self._call = call
        self._targets = match.rule.plan.targets
        self._wires, self._losses = outgoing.wires, outgoing.losses
        self._levels = (*case.facts.host.levels, match.route.level, match.rule.level)
        self._advice: tuple[tuple[str, str], ...] = ()
        self._unknown: tuple[str, ...] = ()
        self._reader: Reader = Passed()
        self._type = ""
        """The content type, where it is not the provider's."""

    @property
    def result(self) -> Result:
        """What is known of the response so far."""
        return self._reader.result

    def on_headers(self, event: ResponseHeaders) -> Outcome:
        """Decide by the headers; they go on now, or when the body was judged."""
        case, headers = self._case, event.headers
        status = number(headers.get(":status"))
        target = self._answering(headers.get(TARGET_HEADER))
        attempts = number(headers.get(ATTEMPTS_HEADER))
        case.answered(Answered(target, status, attempts, waits(event, case.world.now())))
        if target is None:
            return case.refuse(response.local(status))
        spoken = self._wires[target.cluster].format
        guarded = spoken != self._call.format or any(level.response for level in self._levels)
        demands = (schema for level in self._levels for schema in level.response_schemas)
        whole = schemas.demanded(self._call.format, demands)
        how = DIALECTS.get(spoken)
        if reject := response.refusal(status, headers, how, guarded=guarded, whole=whole):
            return case.refuse(reject)
        case.facts.served = status < 300
        case.facts.status = errors.status(self._call.format, status)
        self._unknown = tuple(name for name in headers if not _may_pass(name))
        self._advice = tuple((name, headers[name]) for name in _ADVICE if name in headers)
        self._reader = self._choose(status, headers, spoken)
        if event.end:
            return self._empty()
        return () if isinstance(self._reader, Whole) else (self._start(),)

    def on_body(self, event: ResponseBody) -> Outcome:
        """Take the next piece; pieces in and pieces out need not match."""
        match self._reader:
            case Streamed() as reader:
                feed = partial(reader.feed, event.body, end=event.end)
                return self._case.apart(len(event.body), feed, self._fed)
            case Whole() as reader:
                if not reader.add(event.body):
                    return self._case.refuse(response.TOO_LARGE)
                return self._judged(reader, ()) if event.end else ()
            case Passed():
                self._case.over = event.end
                return (Stream(event.body, event.end),)

    def on_trailers(self) -> Outcome:
        """The body is complete, and trailers end the stream in its place."""
        match self._reader:
            case Streamed() as reader:
                (rest, _) = reader.feed(b"", end=True)
                self._fed((rest, True))
                if reader.result.reject is not None:
                    return (Stream(rest, end=True),)
                return (Stream(rest, end=False), Continue())
            case Whole() as reader:
                return self._judged(reader, (Continue(),))
            case Passed():
                self._case.over = True
                return (Continue(),)

    def _answering(self, cluster: str | None) -> TargetPlan | None:
        return next((target for target in self._targets if target.cluster == cluster), None)

    def _choose(self, status: int, headers: Mapping[str, str], spoken: Format) -> Reader:
        case, call, media_type = self._case, self._call, response.media_type(headers)
        created = int(case.facts.asked_at.timestamp())
        base64 = call.document.get("encoding_format") == "base64"
        asked = Asked(call.model, case.facts.request_id, created, base64)
        answer = Answer(spoken, call.format, asked, headers) if spoken != call.format else None
        reading = Reading(case.dialect, self._levels, self._count, answer)
        if status >= 300 or media_type == response.JSON:
            return Whole(reading, status)
        if spoken in DIALECTS and media_type == DIALECTS[spoken].streams_as:
            if answer is not None:
                self._type = case.dialect.streams_as
            return Streamed(reading, call, case.facts.request_id)
        guarded = any(level.response for level in self._levels)
        if guarded and case.dialect.read_text is not None and media_type in response.TEXTS:
            return Whole(replace(reading, is_text=True), status)
        return Passed()

    def _empty(self) -> Outcome:
        """There is no body: an error gets one of ours."""
        if isinstance(self._reader, Whole) and not self._case.facts.served:
            return self._judged(self._reader, ())
        self._case.over = True
        return (self._start(),)

    def _fed(self, fed: tuple[bytes, bool]) -> Replies:
        released, end = fed
        facts = self._case.facts
        if released and facts.first_token_s is None:
            now_s = self._case.world.clock()
            facts.first_token_s = now_s - facts.started_s
            if self._case.attempts is not None:
                self._case.attempts.begun(now_s)
        if end:
            reject = self._reader.result.reject
            facts.error = reject.code if reject is not None else None
            self._case.over = True
        return (Stream(released, end),) if released or end else ()

    def _judged(self, reader: Whole, trailers: Replies) -> Outcome:
        """Release a whole body; trailers end it in the place of its own end."""
        release = partial(self._release, trailers=trailers)
        return self._case.apart(reader.size, reader.judge, release)

    def _release(self, judged: bytes | Reject, trailers: Replies) -> Replies:
        case = self._case
        if isinstance(judged, Reject):
            return case.refuse(judged)
        if not case.facts.served:
            case.facts.error = "provider_error"
            return case.answer(case.facts.status, judged, self._advice, "provider_error")
        case.over = True
        return (self._start(), Stream(judged, end=not trailers), *trailers)

    def _start(self) -> Start:
        """Let the response's headers go, with who served and what it cost."""
        target = self._case.facts.target
        model = (target.model if target else None) or self._call.model
        cost = account.stated_cost(self._case.facts, self.result)
        served = {
            "x-dragoman-backend": target.backend if target else "",
            "x-dragoman-model": model if model.isascii() else "",
            "x-dragoman-attempts": str(self._case.facts.attempts or ""),
            "x-dragoman-prompt": target.prompt.name if target and target.prompt else "",
            "x-dragoman-cost": format(cost.normalize(), "f") if cost is not None else "",
            "x-dragoman-dropped": self._dropped(target),
            "content-type": self._type,
        }
        headers = tuple((name, value) for name, value in served.items() if value)
        return Start(headers, tuple(dict.fromkeys((*_INTERNAL, *self._unknown))))

    def _dropped(self, target: TargetPlan | None) -> str:
        """What the target that answered was not told."""
        lost = self._losses.get(target.cluster, ()) if target else ()
        return losses.listed(loss.field for loss in lost).encode("ascii", "replace").decode()

    def _count(self, text: str) -> int:
        return tokens.count((text,), self._call.model)


def _may_pass(name: str) -> bool:
    """A provider's response header the client may see; the guard reads no other."""
    return name[:1] == ":" or name in _PASSED or name.startswith(_PASSED_PREFIXES)


def waits(event: ResponseHeaders, now: datetime) -> Mapping[str, float | None]:
    """How long targets asked to be left alone, by cluster; None where they did not say."""
    refused = event.metadata.get(ATTEMPTS_NAMESPACE, {})
    said = {cluster: why.partition(" ")[::2] for cluster, why in refused.items()}
    return {
        cluster: health.retry_after(wait, now)
        for cluster, (status, wait) in said.items()
        if int(status) in health.BUSY
    }


def number(value: str | None) -> int:
    """A status or a count of Envoy's; 0 where there is none."""
    return int(value) if value is not None and value.isdigit() else 0
