"""One request and its response as the guard sees them: a machine without I/O, events in, replies out.

Which event may come in which state is the table `TRANSITIONS`. Every reply is final for its event;
an exchange that is not `done` when its stream ends must be ended with an error status, because
Envoy takes a clean end for consent. How messages travel is in `server`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from functools import partial
from typing import Any, TypeVar

from crds.plan import TARGET_HEADER, TargetPlan
from ext_proc import account, admission, response, targets, tokens, verdict
from ext_proc.account import End, Facts
from ext_proc.admission import Admission, Asked
from ext_proc.call import Reject
from ext_proc.events import (
    Answer,
    BodyMode,
    Continue,
    Event,
    Mode,
    Reply,
    RequestBody,
    RequestHeaders,
    RequestTrailers,
    ResponseBody,
    ResponseHeaders,
    ResponseTrailers,
    Start,
    Stream,
)
from ext_proc.formats import table
from ext_proc.formats.dialect import Dialect
from ext_proc.pipeline import Level
from ext_proc.plans import Host, Snapshot
from ext_proc.record import Record
from ext_proc.response import Passed, Reader, Streamed, Whole
from ext_proc.targets import Chance, Slots

LARGE_BYTES = 32 * 1024
"""Bodies beyond it are judged on another thread, so that small ones do not queue behind them."""
ATTEMPTS_HEADER = "x-envoy-attempt-count"
_MODE = Mode(
    request_body=BodyMode.BUFFERED,
    response_headers=True,
    response_body=BodyMode.FULL_DUPLEX_STREAMED,
    response_trailers=True,
)
_JSON_TYPE = ("content-type", "application/json")
_OVERLOADED = Reject(
    503, "overloaded", "Every backend of this model is at its limit.", (("retry-after", "1"),)
)
_NO_TARGET = Reject(503, "no_backend", "No backend of this model is in service.")

_ADVICE = ("retry-after",)
"""Headers of a provider's error that help the caller."""

Replies = tuple[Reply, ...]
Step = Callable[[], Replies]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Pending:
    """Work for another thread; the exchange goes on when it is resumed with its result."""

    resume: Callable[[], Step]
    """Blocks; returns what to do back on the event loop."""


Outcome = Replies | Pending


class State(Enum):
    """What may come next."""

    REQUEST_HEADERS = auto()
    REQUEST_BODY = auto()
    RESPONSE_HEADERS = auto()
    RESPONSE_BODY = auto()
    DONE = auto()


class OutOfOrderError(Exception):
    """An event that cannot come in this state."""


@dataclass(frozen=True, slots=True)
class World:
    """What an exchange needs from outside, each replaceable in a test."""

    slots: Slots
    chance: Chance
    now: Callable[[], datetime]
    clock: Callable[[], float]
    report: Callable[[Record], None]


class Exchange:
    """The guard's side of one HTTP exchange."""

    filter = "guard"

    def __init__(self, host: Host, snapshot: Snapshot, world: World) -> None:
        self._snapshot = snapshot
        self._world = world
        self._facts = Facts(host=host, asked_at=world.now(), started_s=world.clock())
        self._state = State.REQUEST_HEADERS
        self._headers: Mapping[str, str] = {}
        self._slot: str | None = None
        self._reader: Reader = Passed()
        self._advice: tuple[tuple[str, str], ...] = ()

    @property
    def done(self) -> bool:
        """Whether the last answer is given, so that the stream may end with OK."""
        return self._state is State.DONE

    def receive(self, event: Event) -> Outcome:
        """Answer an event."""
        handler = TRANSITIONS.get((self._state, type(event)))
        if handler is None:
            raise OutOfOrderError(f"{type(event).__name__} in {self._state.name}")
        return self._timed(partial(handler, self, event))

    def close(self, end: End) -> None:
        """The stream is over: give back what was taken and report, whatever happened."""
        if self._slot is not None:
            self._world.slots.give_back(self._slot)
            self._slot = None
        facts = self._facts
        facts.result = self._reader.result
        self._world.report(
            account.settle(facts, self._world.clock(), "complete" if self.done else end)
        )

    # The request

    def _on_request_headers(self, event: RequestHeaders) -> Outcome:
        facts = self._facts
        headers = self._headers = event.headers
        facts.request_id = headers.get("x-request-id", "")
        door = table.enter(headers)
        facts.dialect = door.dialect
        if door.reject is not None:
            return self._refuse(door.reject, door.error)
        if door.dialect is None:
            listed = table.models_list(facts.host.plan.models, headers)
            return self._answer(200, listed, (_JSON_TYPE,))
        if event.end:
            return self._refuse(Reject(400, "malformed_request", "The request has no body."))
        self._state = State.REQUEST_BODY
        return (Continue(mode=_MODE),)

    def _on_request_body(self, event: RequestBody) -> Outcome:
        asked = Asked(self._facts.host, self._snapshot, self._headers, self._dialect)
        return self._apart(
            len(event.body), partial(admission.admit, asked, event.body), self._admitted
        )

    def _on_request_trailers(self, _: RequestTrailers) -> Outcome:
        return (Continue(),)

    def _admitted(self, admitted: Admission) -> Replies:
        facts = self._facts
        facts.admission = admitted
        if admitted.reject is not None:
            return self._refuse(admitted.reject)
        call, match = admitted.call, admitted.match
        if call is None or match is None:
            raise RuntimeError("admitted without a call or a rule")
        order = targets.order(match.rule.plan.targets, self._world.slots, self._world.chance)
        if not order:
            in_service = any(target.weight for target in match.rule.plan.targets)
            return self._refuse(_OVERLOADED if in_service else _NO_TARGET)
        self._occupy(order[0])
        self._state = State.RESPONSE_HEADERS
        forwarded = table.FORWARDED_HEADERS
        return (verdict.encode(self._dialect, call, match, order, self._headers, forwarded),)

    def _occupy(self, target: TargetPlan) -> None:
        """Count this request at the AIBackend that has it now."""
        if self._slot is not None:
            self._world.slots.give_back(self._slot)
        self._slot = target.backend
        self._world.slots.take(target.backend)
        self._facts.target = target

    # The response

    def _on_response_headers(self, event: ResponseHeaders) -> Outcome:
        facts, headers = self._facts, event.headers
        self._advice = tuple((name, headers[name]) for name in _ADVICE if name in headers)
        facts.status = status = int(headers.get(":status", "0"))
        facts.attempts = _number(headers.get(ATTEMPTS_HEADER))
        target = self._target(headers.get(TARGET_HEADER))
        if target is None:
            return self._refuse(response.local(status))
        self._occupy(target)
        levels = self._levels
        guarded = any(level.response for level in levels)
        if reject := response.refusal(status, headers, guarded=guarded):
            return self._refuse(reject)
        facts.served = status < 300
        if event.end and facts.served:
            self._state = State.DONE
            return (self._start(),)
        self._state = State.RESPONSE_BODY
        opened = self._open(status, response.media_type(headers))
        return self._on_response_body(ResponseBody(b"", end=True)) if event.end else opened

    def _open(self, status: int, media_type: str) -> Replies:
        """Choose how the body is read."""
        call, dialect = self._facts.admission.call, self._dialect
        if call is None:
            raise RuntimeError("a response without a call")
        if status >= 300 or media_type == response.JSON:
            self._reader = Whole(dialect, self._levels, status, self._count)
            return ()
        if media_type == response.EVENTS:
            request_id = self._facts.request_id
            self._reader = Streamed(dialect, call, self._levels, self._count, request_id)
        return (self._start(),)

    def _on_response_body(self, event: ResponseBody) -> Outcome:
        match self._reader:
            case Streamed() as reader:
                feed = partial(reader.feed, event.body, end=event.end)
                return self._apart(len(event.body), feed, self._fed)
            case Whole() as reader:
                if not reader.add(event.body):
                    return self._refuse(response.TOO_LARGE)
                return self._judged(reader, ends=True) if event.end else ()
            case Passed():
                self._state = State.DONE if event.end else self._state
                return (Stream(event.body, event.end),)

    def _on_response_trailers(self, _: ResponseTrailers) -> Outcome:
        """The body is complete, and trailers end the stream in its place."""
        match self._reader:
            case Streamed() as reader:
                rest, _stopped = reader.feed(b"", end=True)
                self._state = State.DONE
                stopped = reader.result.reject is not None
                return (Stream(rest, end=stopped), *[Continue()][: not stopped])
            case Whole() as reader:
                return self._judged(reader, ends=False)
            case Passed():
                self._state = State.DONE
                return (Continue(),)

    def _after(self, _: Event) -> Outcome:
        """Envoy may have more under way after the last answer: an end twice, what follows a block."""
        return ()

    def _fed(self, fed: tuple[bytes, bool]) -> Replies:
        released, end = fed
        facts = self._facts
        if released and facts.first_token_s is None:
            facts.first_token_s = self._world.clock() - facts.started_s
        if end:
            self._state = State.DONE
            facts.error = _code(self._reader.result.reject)
        return (Stream(released, end),) if released or end else ()

    def _judged(self, reader: Whole, *, ends: bool) -> Outcome:
        return self._apart(reader.size, reader.judge, partial(self._release, reader, ends))

    def _release(self, reader: Whole, ends: bool, judged: bytes | Reject) -> Replies:  # noqa: FBT001 - bound by partial
        facts = self._facts
        if isinstance(judged, Reject):
            return self._refuse(judged)
        if not facts.served:
            facts.error = "provider_error"
            return self._answer(facts.status, judged, (_JSON_TYPE, *self._advice), facts.error)
        facts.result = reader.result
        self._state = State.DONE
        return (self._start(), Stream(judged, end=ends), *[Continue()][: not ends])

    def _start(self) -> Start:
        """Let the response's headers go, with who served and what it cost."""
        served = [("x-dragoman-backend", self._facts.target.backend)] if self._facts.target else []
        call, target = self._facts.admission.call, self._facts.target
        if call and target and (model := target.model or call.model).isascii():
            served.append(("x-dragoman-model", model))
        if (cost := account.cost_of(self._facts)) is not None:
            served.append(("x-dragoman-cost", format(cost.normalize(), "f")))
        return Start(tuple(served), (TARGET_HEADER, ATTEMPTS_HEADER))

    # Both

    def _refuse(
        self, reject: Reject, error: Callable[[Reject, str], bytes] | None = None
    ) -> Replies:
        """Answer with an error in the caller's own format."""
        self._facts.error = reject.code
        body = (error or self._dialect.error)(reject, self._facts.request_id)
        return self._answer(reject.status, body, (_JSON_TYPE, *reject.headers), reject.code)

    def _answer(
        self, status: int, body: bytes, headers: tuple[tuple[str, str], ...], details: str = ""
    ) -> Replies:
        self._facts.status = status
        self._state = State.DONE
        return (Answer(status, body, headers, details),)

    @property
    def _dialect(self) -> Dialect:
        dialect = self._facts.dialect
        if dialect is None:
            raise RuntimeError("no format is known yet")
        return dialect

    @property
    def _levels(self) -> tuple[Level, ...]:
        match = self._facts.admission.match
        return (*self._facts.host.levels, *((match.route.level, match.rule.level) if match else ()))

    def _target(self, cluster: str | None) -> TargetPlan | None:
        match = self._facts.admission.match
        served = match.rule.plan.targets if match else ()
        return next((target for target in served if target.cluster == cluster), None)

    def _count(self, text: str) -> int:
        call = self._facts.admission.call
        return tokens.count((text,), call.model if call else "")

    def _apart(self, size: int, work: Callable[[], T], then: Callable[[T], Replies]) -> Outcome:
        """Do the work here, or hand it over if it is long."""
        if size <= LARGE_BYTES:
            return then(work())

        def resume() -> Step:
            return partial(self._timed, partial(then, work()))

        return Pending(resume)

    def _timed(self, step: Callable[[], T]) -> T:
        began = self._world.clock()
        try:
            return step()
        finally:
            self._facts.overhead_s += self._world.clock() - began


Handler = Callable[[Exchange, Any], Outcome]

TRANSITIONS: Mapping[tuple[State, type[Event]], Handler] = {
    (State.REQUEST_HEADERS, RequestHeaders): Exchange._on_request_headers,
    (State.REQUEST_BODY, RequestBody): Exchange._on_request_body,
    (State.RESPONSE_HEADERS, RequestTrailers): Exchange._on_request_trailers,
    # Envoy's own answer, such as a body that is too large, may come before a verdict.
    (State.REQUEST_BODY, ResponseHeaders): Exchange._on_response_headers,
    (State.RESPONSE_HEADERS, ResponseHeaders): Exchange._on_response_headers,
    (State.RESPONSE_BODY, ResponseBody): Exchange._on_response_body,
    (State.RESPONSE_BODY, ResponseTrailers): Exchange._on_response_trailers,
    (State.DONE, ResponseBody): Exchange._after,
    (State.DONE, ResponseTrailers): Exchange._after,
}


def _number(value: str | None) -> int:
    return int(value) if value is not None and value.isdigit() else 0


def _code(reject: Reject | None) -> str | None:
    return reject.code if reject is not None else None
