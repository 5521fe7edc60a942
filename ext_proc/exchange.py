"""One request and its response as the guard sees them: a machine without I/O.

Events go in, replies come out; which event may come in which state is the table of transitions.
An exchange that is not `done` when its stream ends must be ended with an error status, because
Envoy takes a clean end for consent. How messages travel is in `server`.
"""

from collections.abc import Callable, Mapping
from enum import Enum, auto
from functools import partial
from typing import Any, ClassVar

from crds.plan import GENERIC
from ext_proc import admission, door, generic, passage, response, targets, verdict
from ext_proc.account import End
from ext_proc.admission import Admission, Asked
from ext_proc.call import Line, Reject
from ext_proc.case import Case
from ext_proc.events import (
    BodyMode,
    Continue,
    Event,
    Mode,
    RequestBody,
    RequestHeaders,
    RequestTrailers,
    ResponseBody,
    ResponseHeaders,
    ResponseTrailers,
)
from ext_proc.machine import Outcome, OutOfOrderError, Replies, World
from ext_proc.matching import Match
from ext_proc.passage import Passage
from ext_proc.plans import Host, Snapshot
from ext_proc.reception import Reception
from ext_proc.verdict import Sent

_MODE = Mode(
    request_body=BodyMode.BUFFERED,
    response_headers=True,
    response_body=BodyMode.FULL_DUPLEX_STREAMED,
    response_trailers=True,
)
_ESTIMATED = (("x-dragoman-estimated", "true"),)
"""Says that an answer is our own count, not a provider's."""
_RETRY = (("retry-after", "1"),)
_OVERLOADED = Reject(503, "overloaded", "Every backend of this model is at its limit.", _RETRY)
_NO_BACKEND = Reject(503, "no_backend", "No backend of this model is in service.")


def _missing(chosen: targets.Order) -> Reject:
    """Why nobody can be asked."""
    full = any(each.reason == "Full" for each in chosen.left_out)
    return _OVERLOADED if full else _NO_BACKEND


class State(Enum):
    """What may come next."""

    REQUEST_HEADERS = auto()
    REQUEST_BODY = auto()
    RESPONSE_HEADERS = auto()
    RESPONSE_BODY = auto()
    PASSING = auto()
    DONE = auto()


class Exchange:
    """The guard's side of one HTTP exchange."""

    filter = "guard"

    def __init__(self, host: Host, snapshot: Snapshot, world: World) -> None:
        self._snapshot = snapshot
        self._case = Case(host, world)
        self._state = State.REQUEST_HEADERS
        self._headers: Mapping[str, str] = {}
        self._line = Line()
        self._reception: Reception | None = None
        self._passage: Passage | None = None

    @property
    def done(self) -> bool:
        """Whether the last answer is given, so that the stream may end with OK."""
        return self._case.over

    def receive(self, event: Event) -> Outcome:
        """Answer an event."""
        state = State.DONE if self.done else self._state
        transition = self._TRANSITIONS.get((state, type(event)))
        if transition is None:
            raise OutOfOrderError(f"{type(event).__name__} in {state.name}")
        handler, self._state = transition
        return self._case.timed(partial(handler, self, event))

    def close(self, end: End) -> None:
        """The stream is over, in whatever way."""
        if self._reception is not None:
            self._case.facts.result = self._reception.result
        if self._passage is not None and self._passage.begun and end == "gone":
            end = "complete"  # nobody tells apart who ended first what nobody read
        self._case.close(end)

    def _on_request_headers(self, event: RequestHeaders) -> Outcome:
        case = self._case
        self._headers = event.headers
        case.facts.request_id = event.headers.get("x-request-id", "")
        entry = door.enter(case.facts.host, self._snapshot, event.headers, ends=event.end)
        case.dialect, case.wording = entry.shape, entry.wording
        if entry.generic is not None:
            return self._pass(entry.generic, event)
        match entry.answer:
            case Reject() as reject:
                return case.refuse(reject)
            case bytes() as listed:
                return case.answer(200, listed)
        case.facts.format = entry.shape.name
        self._line = entry.line
        return (Continue(mode=_MODE),)

    def _on_request_body(self, event: RequestBody) -> Outcome:
        case = self._case
        asked = Asked(
            case.facts.host,
            self._snapshot,
            self._headers,
            case.dialect,
            self._line,
            case.world.chance,
        )
        judge = partial(admission.admit, asked, event.body)
        return case.apart(len(event.body), judge, self._admitted)

    def _pass(self, match: Match, event: RequestHeaders) -> Outcome:
        """Decide at the headers of what nobody reads."""
        case, headers = self._case, event.headers
        case.facts.format = GENERIC
        admitted, limit = generic.admit(match, case.facts.host.levels, headers)
        case.facts.admission = admitted
        if admitted.reject is not None:
            return case.refuse(admitted.reject)
        chosen = targets.order(case.choice(admitted, None, match, admitted.targets))
        if not chosen.targets:
            return case.refuse(_missing(chosen))
        retried = case.may_retry(match)
        order = chosen.targets if retried else chosen.targets[:1]
        case.send(order, stream=False)
        self._passage = Passage(case, match, limit, upgrade="upgrade" in headers)
        self._state = State.PASSING
        case.facts.decided = True
        mode = passage.mode(counted=generic.counted(headers, limit, ends=event.end))
        sent = Sent(order, affinity=admitted.affinity, retried=retried)
        return (verdict.encode_unread(match, sent, headers[":path"], mode),)

    def _on_passing(self, event: Event) -> Outcome:
        if self._passage is None:
            raise RuntimeError("a passage before the verdict")
        return self._passage.receive(event)

    def _admitted(self, admitted: Admission) -> Replies:
        case = self._case
        case.facts.admission = admitted
        if admitted.reject is not None:
            return case.refuse(admitted.reject)
        if admitted.answer is not None:
            return case.answer(200, admitted.answer, _ESTIMATED)
        call, match, outgoing = admitted.call, admitted.match, admitted.outgoing
        if call is None or match is None or outgoing is None:
            raise RuntimeError("admitted without a call, a rule or a body")
        chosen = targets.order(case.choice(admitted, call, match, outgoing.targets))
        order = chosen.targets
        if not order:
            return case.refuse(_missing(chosen))
        retried = case.may_retry(match)
        order = order if retried else order[:1]
        case.send(order, stream=call.stream)
        self._reception = Reception(case, call, match, outgoing)
        sent = Sent(order, case.copy(outgoing.mirrors), admitted.affinity, retried=retried)
        passed = verdict.encode(call, outgoing, match, sent, self._headers)
        admitted.outgoing = None
        call.forget()
        case.facts.decided = True
        return (passed,)

    def _on_request_trailers(self, _: RequestTrailers) -> Outcome:
        return (Continue(),)

    def _on_early_response(self, event: ResponseHeaders) -> Outcome:
        """Envoy itself answers before any verdict, for instance when a body is too large for it."""
        return self._case.refuse(response.local(int(event.headers.get(":status", "0"))))

    def _on_response_headers(self, event: ResponseHeaders) -> Outcome:
        return self._receiving.on_headers(event)

    def _on_response_body(self, event: ResponseBody) -> Outcome:
        return self._receiving.on_body(event)

    def _on_response_trailers(self, _: ResponseTrailers) -> Outcome:
        return self._receiving.on_trailers()

    def _after(self, _: Event) -> Outcome:
        """More may be under way after the last answer: an end twice, or what follows a block."""
        return ()

    @property
    def _receiving(self) -> Reception:
        if self._reception is None:
            raise RuntimeError("a response before the verdict")
        return self._reception

    _TRANSITIONS: ClassVar[
        Mapping[tuple[State, type[Event]], tuple[Callable[["Exchange", Any], Outcome], State]]
    ] = {
        (State.REQUEST_HEADERS, RequestHeaders): (_on_request_headers, State.REQUEST_BODY),
        (State.REQUEST_BODY, RequestBody): (_on_request_body, State.RESPONSE_HEADERS),
        (State.REQUEST_BODY, ResponseHeaders): (_on_early_response, State.DONE),
        (State.RESPONSE_HEADERS, RequestTrailers): (_on_request_trailers, State.RESPONSE_HEADERS),
        (State.RESPONSE_HEADERS, ResponseHeaders): (_on_response_headers, State.RESPONSE_BODY),
        (State.RESPONSE_BODY, ResponseBody): (_on_response_body, State.RESPONSE_BODY),
        (State.RESPONSE_BODY, ResponseTrailers): (_on_response_trailers, State.DONE),
        (State.PASSING, RequestBody): (_on_passing, State.PASSING),
        (State.PASSING, RequestTrailers): (_on_passing, State.PASSING),
        (State.PASSING, ResponseHeaders): (_on_passing, State.PASSING),
        (State.PASSING, ResponseTrailers): (_on_passing, State.PASSING),
        (State.DONE, ResponseBody): (_after, State.DONE),
        (State.DONE, ResponseTrailers): (_after, State.DONE),
    }
