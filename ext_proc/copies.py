"""The mirror filter's side of one copy: it writes the body its mirror reads, or nothing.

It runs in the mirror's upstream chain, once per copy, on the body as the guard left it. What it
refuses is sent nowhere, and no caller notices.
"""

from collections.abc import Mapping
from functools import partial

from crds.plan import MIRROR_HEADER, PATH_HEADER, TRANSLATED_HEADER
from ext_proc import mirrors, wires
from ext_proc.account import End
from ext_proc.call import Line
from ext_proc.case import LARGE_BYTES
from ext_proc.events import Answer, Continue, Event, RequestBody, RequestHeaders, RequestTrailers
from ext_proc.machine import Outcome, OutOfOrderError, Pending, Replies, Step
from ext_proc.mirrors import Ticket
from ext_proc.plans import Route
from ext_proc.translation import requests
from ext_proc.translation.requests import Spoken
from ext_proc.wires import Wire

_STALE = Answer(503, b"", details="dragoman_stale_copy")
"""The plan that the request was judged by is in force no more: such a copy ends here."""


class Copy:
    """One copy of a request."""

    filter = "mirror"

    def __init__(self, cluster: str, routes: Mapping[str, Route]) -> None:
        self._cluster = cluster
        self._routes = routes
        self._ticket: Ticket | None = None
        self.done = False

    def receive(self, event: Event) -> Outcome:
        """Answer an event."""
        match event:
            case RequestHeaders(end=False):
                self._ticket = mirrors.read(event.headers[MIRROR_HEADER])
                return (Continue(),)
            case RequestBody() if self._ticket is not None:
                write = partial(self._write, event.body, self._ticket)
                return self._sent(write()) if len(event.body) <= LARGE_BYTES else self._apart(write)
            case RequestTrailers():
                return (Continue(),)
            case _:
                raise OutOfOrderError(type(event).__name__)

    def _apart(self, write: "partial[Continue | Answer]") -> Pending:
        def resume() -> Step:
            return partial(self._sent, write())

        return Pending(resume)

    def _sent(self, reply: Continue | Answer) -> Replies:
        self.done = True
        return (reply,)

    def _write(self, body: bytes, ticket: Ticket) -> Continue | Answer:
        wire = self._wire(ticket)
        if wire is None:
            return _STALE
        spoken = Spoken(ticket.format, Line(wire.model, ticket.stream))
        return Continue(
            set_headers=((TRANSLATED_HEADER, "1"), (PATH_HEADER, wire.path)),
            body=requests.rewrite(body, spoken, wire),
        )

    def _wire(self, ticket: Ticket) -> Wire | None:
        """The wire that the guard found; None: by a plan of another version."""
        route = self._routes.get(ticket.route)
        if route is None or route.version != ticket.version:
            return None
        targets = (each.target for each in route.rules[ticket.rule].plan.mirrors)
        target = next(each for each in targets if each.cluster == self._cluster)
        wire = wires.find(target, ticket.format, ticket.model, stream=ticket.stream)
        if wire is None:
            raise RuntimeError("a copy for a mirror that cannot be told")
        return wire

    def close(self, end: End) -> None:
        """The guard reports; a copy is no request."""
