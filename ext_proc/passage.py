"""The passage of a request that nobody reads, after its verdict: both bodies go by, unseen.

A request body that does not state its length is counted where a policy limits it. The exchange is
over with the response's trailers, or when Envoy ends the stream.
"""

from collections.abc import Mapping

from crds.plan import TARGET_HEADER, TargetPlan
from ext_proc import generic, reception, response
from ext_proc.attempts import Answered
from ext_proc.call import Reject
from ext_proc.case import Case
from ext_proc.events import (
    BodyMode,
    Continue,
    Event,
    Mode,
    RequestBody,
    ResponseHeaders,
    ResponseTrailers,
)
from ext_proc.machine import Outcome
from ext_proc.matching import Match

_SWITCHING = 101
_KEY_REFUSED = frozenset({"401", "403", "407"})
_KEY_REFUSED_RPC = frozenset({"7", "16"})
"""gRPC's PERMISSION_DENIED and UNAUTHENTICATED."""
_NOT_ASKED = Reject(
    502, "provider_bad_response", "The server answered in a protocol that nobody asked for."
)
"""Who takes a 101 at its word takes what follows for another protocol's, answers of others too."""


def mode(*, counted: bool) -> Mode:
    """What Envoy tells of such an exchange."""
    return Mode(
        request_body=BodyMode.STREAMED if counted else BodyMode.NONE,
        response_headers=True,
        response_body=BodyMode.NONE,
        response_trailers=True,
    )


class Passage:
    """One exchange that passes."""

    def __init__(self, case: Case, match: Match, limit: int | None, *, upgrade: bool) -> None:
        self._case = case
        self._targets = match.rule.plan.targets
        self._limit = limit
        self._upgrade = upgrade
        """The caller asked for another protocol."""
        self._sent = 0
        self.begun = False
        """The server has answered, so an end is the end of its answer."""

    def receive(self, event: Event) -> Outcome:
        """Answer an event."""
        match event:
            case RequestBody(body):
                return self._count(len(body))
            case ResponseHeaders():
                return self._answered(event)
            case ResponseTrailers():
                self._case.over = True
        return (Continue(),)

    def _count(self, size: int) -> Outcome:
        self._sent += size
        if self._limit is not None and self._sent > self._limit:
            return self._case.refuse(generic.too_large(self._limit))
        return (Continue(),)

    def _answered(self, event: ResponseHeaders) -> Outcome:
        case, headers = self._case, event.headers
        status = reception.number(headers.get(":status"))
        attempts = reception.number(headers.get(reception.ATTEMPTS_HEADER))
        target = self._answering(headers.get(TARGET_HEADER))
        waits = reception.waits(event, case.world.now())
        case.answered(Answered(target, status, attempts, waits))
        if target is None:
            return case.refuse(response.local(status))
        if _refuses_key(headers):
            return case.refuse(response.AUTH_FAILED)
        if status == _SWITCHING and not self._upgrade:
            return case.refuse(_NOT_ASKED)
        case.facts.served = status == _SWITCHING or 200 <= status < 400
        self.begun = True
        case.over = event.end
        told = {
            "x-dragoman-backend": target.backend,
            "x-dragoman-attempts": str(attempts or ""),
        }
        headers_set = tuple((name, value) for name, value in told.items() if value)
        return (Continue(headers_set, (TARGET_HEADER, reception.ATTEMPTS_HEADER)),)

    def _answering(self, cluster: str | None) -> TargetPlan | None:
        return next((target for target in self._targets if target.cluster == cluster), None)


def _refuses_key(headers: Mapping[str, str]) -> bool:
    """Whether the server takes the gateway's key for a wrong one; its words may hold the key."""
    refused = headers.get(":status") in _KEY_REFUSED
    return refused or headers.get("grpc-status") in _KEY_REFUSED_RPC
