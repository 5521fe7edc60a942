"""What every connected client should hold now: the order of an update, and what a NACK undoes.

Make before break: clusters and secrets, then listeners, then routes, then plans; what is gone from
the configuration goes last, when every ext_proc has the plans that no longer name it and requests
in flight have had time to end. No I/O and no clock: times are arguments. The streams themselves are
`ads.Stream`; the sockets are in `server`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from controller.xds.ads import Acceptance, Outcome, Request, Response, Stream
from controller.xds.refusals import Refusals
from controller.xds.snapshot import CLUSTER, LISTENER, PLAN, ROUTE, SECRET, Resource, Snapshot

ACK_TIMEOUT_S = 5.0
"""How long the next step waits for a client's ACK."""
_WHOLE = frozenset({CLUSTER, LISTENER, ROUTE, PLAN})
"""Types a client must hold whole; of secrets it holds what its clusters ask for."""


@dataclass(frozen=True, slots=True)
class Live:
    """Every connected Envoy and ext_proc holds this configuration."""

    version: str


@dataclass(frozen=True, slots=True)
class Refused:
    """A client refused a resource; `replaced`: its last accepted version serves on."""

    type_url: str
    name: str
    message: str
    replaced: bool


Event = Live | Refused


class Cache:
    """The target Snapshot, the connected streams, and how far each of them is."""

    def __init__(self, drain_s: float) -> None:
        self._drain_s = drain_s
        self._streams: dict[int, Stream] = {}
        self._connected_at: dict[int, float] = {}
        self._opened = 0
        self._published: Snapshot | None = None
        self._target = Snapshot()
        self._bridge: Mapping[str, Resource] = {}
        self._retained: dict[str, dict[str, Resource]] = {}
        self._plans: dict[str, Resource] = {}
        self._since = 0.0
        self._drain_until: float | None = None
        self._live = ""
        self.refusals = Refusals()

    @property
    def drained(self) -> bool:
        """Nothing of an earlier configuration is kept any more."""
        return not self._retained and not self._bridge

    def publish(self, target: Snapshot, bridge: Mapping[str, Resource], now: float) -> None:
        """Set what all clients should hold; `bridge`: routes that serve old and new plans alike."""
        if self._published is None or self._live == self._published.version:
            self._since = now
        if self._published is None or self._published.version != target.version:
            self._live = ""
        first, self._published = self._published is None, target
        self.refusals.forget_all_but(target)
        self._keep_what_goes(target)
        self._bridge, self._drain_until = bridge, None
        self._target = target
        if first:
            self._plans = dict(self._wanted(PLAN))

    def connect(self, now: float) -> int:
        """A new stream; its number."""
        self._opened += 1
        self._streams[self._opened] = Stream()
        self._connected_at[self._opened] = now
        return self._opened

    def disconnect(self, number: int) -> None:
        """The stream is gone; a client that comes back says what it holds."""
        del self._streams[number], self._connected_at[number]

    def receive(self, number: int, request: Request) -> tuple[Event, ...]:
        """Take a client's request."""
        return tuple(
            event
            for outcome in self._streams[number].receive(request)
            for event in self._judge(outcome)
        )

    def advance(self, now: float) -> tuple[list[tuple[int, Response]], tuple[Event, ...]]:
        """What to send to whom now, and what has come true."""
        if self._published is None:
            return [], ()
        sent = [(number, each) for number in self._of("envoy") for each in self._envoy(number, now)]
        self._advance_plans(now)
        sent += [
            (number, each)
            for number in self._of("ext_proc")
            for each in self._streams[number].offer(PLAN, self._plans)
        ]
        events = self._announce()
        if self._finish(now):
            more, _ = self.advance(now)
            sent += more
        return sent, events

    def deadline(self, now: float) -> float | None:
        """When to advance again if nothing happens."""
        if self._drain_until is not None:
            return self._drain_until
        if self._published is None or self._live == self._published.version:
            return None
        return now + 1.0

    def connected(self) -> dict[str, int]:
        """How many clients of each role are connected."""
        return {role: len(self._of(role)) for role in ("envoy", "ext_proc")}

    def _of(self, role: str) -> list[int]:
        """Streams by role; one that has not said who it is has none yet."""
        return [
            number
            for number, stream in self._streams.items()
            if stream.node_id and stream.node_id.startswith("ext_proc/") == (role == "ext_proc")
        ]

    def _wanted(self, type_url: str) -> dict[str, Resource]:
        """What the target says, with refused versions replaced by accepted ones or left out."""
        return self.refusals.without_refused(type_url, self._target.of(type_url))

    def _view(self, type_url: str) -> dict[str, Resource]:
        """What a client should hold until the drain is over."""
        bridge = self._bridge if type_url == ROUTE else {}
        return {**self._retained.get(type_url, {}), **self._wanted(type_url), **bridge}

    def _keep_what_goes(self, target: Snapshot) -> None:
        """Clusters, secrets and routes outlive their configuration by the drain."""
        self._retained = {
            type_url: gone
            for type_url in (CLUSTER, SECRET, ROUTE)
            if (
                gone := {
                    name: held
                    for name, held in {
                        **self._retained.get(type_url, {}),
                        **self._target.of(type_url),
                    }.items()
                    if name not in target.of(type_url)
                }
            )
        }

    def _envoy(self, number: int, now: float) -> Iterator[Response]:
        """Each step waits for the ACK of the one before, but not for ever."""
        stream = self._streams[number]
        waited = now - max(self._since, self._connected_at[number])
        for step, types in enumerate(((SECRET, CLUSTER), (LISTENER,), (ROUTE,)), start=1):
            for type_url in types:
                yield from stream.offer(type_url, self._view(type_url))
            settled = all(self._settled(stream, type_url) for type_url in types)
            if not settled and waited < ACK_TIMEOUT_S * step:
                return

    def _settled(self, stream: Stream, type_url: str) -> bool:
        view = self._plans if type_url == PLAN else self._wanted(type_url)
        if type_url == ROUTE:
            view = {**view, **{n: r for n, r in self._bridge.items() if n in view}}
        return stream.holds(type_url, view, unasked=type_url in _WHOLE)

    def _advance_plans(self, now: float) -> None:
        """Plans follow the routes; one whose clusters an Envoy lacks waits at its old version."""
        envoys = [self._streams[number] for number in self._of("envoy")]
        on_time = now - self._since < 3 * ACK_TIMEOUT_S
        if on_time and not all(
            self._settled(stream, type_url) for stream in envoys for type_url in (LISTENER, ROUTE)
        ):
            return
        lacking = {
            name
            for name in self._wanted(CLUSTER)
            if any(name not in stream.held(CLUSTER) for stream in envoys)
        }
        wanted = self._wanted(PLAN)
        waiting = {name for name, each in wanted.items() if lacking.intersection(each.needs)}
        waiting |= {name for name, each in wanted.items() if waiting.intersection(each.needs)}
        old = {name: self._plans[name] for name in waiting if name in self._plans}
        self._plans = {**{n: r for n, r in wanted.items() if n not in waiting}, **old}

    def _announce(self) -> tuple[Event, ...]:
        version = self._published.version if self._published else ""
        if version == self._live or not self._all_settled():
            return ()
        self._live = version
        return (Live(version),)

    def _all_settled(self) -> bool:
        """Every connected client holds the target, and there is at least one of each role."""
        envoys, guards = self._of("envoy"), self._of("ext_proc")
        if not envoys or not guards or self._plans != self._wanted(PLAN):
            return False
        return all(
            self._settled(self._streams[number], type_url)
            for numbers, types in ((envoys, (CLUSTER, SECRET, LISTENER, ROUTE)), (guards, (PLAN,)))
            for number in numbers
            for type_url in types
        )

    def _finish(self, now: float) -> bool:
        """Start the drain once all ext_procs have the plans; at its end let go of what was kept."""
        if self.drained:
            return False
        if self._drain_until is None:
            guards = [self._streams[number] for number in self._of("ext_proc")]
            if self._plans == self._wanted(PLAN) and all(self._settled(g, PLAN) for g in guards):
                self._drain_until = now + self._drain_s
            return False
        if now < self._drain_until:
            return False
        self._retained, self._bridge, self._drain_until = {}, {}, None
        return True

    def _judge(self, outcome: Outcome) -> Iterator[Event]:
        if isinstance(outcome, Acceptance):
            for resource in outcome.resources:
                self.refusals.accept(outcome.type_url, resource)
            return
        for resource in outcome.resources:
            replaced = self.refusals.refuse(outcome.type_url, resource, outcome.message)
            yield Refused(outcome.type_url, resource.name, outcome.message, replaced)
