"""What every connected client should hold now: the order of an update, and what a NACK undoes.

Make before break: clusters and secrets, then listeners, then routes, then plans; what is gone from
the configuration goes last, when every ext_proc has the plans that no longer name it and requests
in flight have had time to end. No I/O and no clock: times are arguments. The streams themselves are
`ads.Stream`; the sockets are in `server`.
"""

from collections.abc import Collection, Iterator, Mapping

from controller.xds.ads import Acceptance, Outcome, Request, Response, Stream
from controller.xds.happenings import Event, Live, Refused, Silence
from controller.xds.refusals import Refusals
from controller.xds.snapshot import CLUSTER, LISTENER, PLAN, ROUTE, SECRET, Resource, Snapshot

ACK_TIMEOUT_S = 5.0
"""How long the next step waits for a client's ACK."""
SILENT_S = 30.0
"""A client that answers nothing for so long is not waited for any more."""
ROLES = ("envoy", "ext_proc")
_WHOLE = frozenset({CLUSTER, LISTENER, ROUTE, PLAN})
"""Types a client must hold whole; of secrets it holds what its clusters ask for."""


class Cache:
    """The target Snapshot, the connected streams, and how far each of them is."""

    def __init__(self, drain_s: float) -> None:
        self._drain_s = drain_s
        self._streams: dict[int, Stream] = {}
        self._connected_at: dict[int, float] = {}
        self._opened = 0
        self._published: Snapshot | None = None
        self._version = ""
        """Of what is published."""
        self._target = Snapshot()
        self._bridge: Mapping[str, Resource] = {}
        self._retained: dict[str, dict[str, Resource]] = {}
        self._plans: dict[str, Resource] = {}
        self._since = 0.0
        self._drain_until: float | None = None
        self._live = ""
        self._asked: dict[int, float] = {}
        """Since when each stream owes an answer."""
        self._left: dict[tuple[str, str], float] = {}
        """Since when a client of this role was missed at this place, the last time."""
        self._silent: tuple[str, ...] = ()
        self._ready: frozenset[str] | None = None
        self._awaited: frozenset[str] = frozenset()
        self.refusals = Refusals()

    @property
    def drained(self) -> bool:
        """Nothing of an earlier configuration is kept any more."""
        return not self._retained and not self._bridge

    def expect(self, places: frozenset[str]) -> None:
        """The pods that serve requests now: only they are waited for, also while they reconnect.

        A configuration is live when the pods hold it that were ready when it was published; those
        that come later start with it. Where this is never called, who is connected is waited for.
        """
        self._ready = places
        self._left = {at: since for at, since in self._left.items() if at[1] in places}

    def silent(self, now: float) -> tuple[str, ...]:
        """Clients that have not answered for too long, or should be connected and are not."""
        return tuple(sorted({name for name, due in self._owing() if due <= now}))

    def publish(self, target: Snapshot, bridge: Mapping[str, Resource], now: float) -> None:
        """Set what all clients should hold; `bridge`: routes that serve old and new plans alike."""
        if self._published is None or self._live == self._version:
            self._since = now
        version = target.version
        if self._published is None or self._version != version:
            self._live = ""
            self._awaited = self._ready or frozenset()
        first, self._published, self._version = self._published is None, target, version
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

    def disconnect(self, number: int, now: float) -> None:
        """The stream is gone; a client that comes back says what it holds."""
        stream = self._streams.pop(number)
        since = self._asked.pop(number, now)
        if self._ready is None or stream.place in self._ready:
            self._left[stream.role, stream.place] = since
        del self._connected_at[number]

    def receive(self, number: int, request: Request) -> tuple[Event, ...]:
        """Take a client's request."""
        stream = self._streams[number]
        held = stream.versions(request.type_url)
        outcomes = stream.receive(request)
        if outcomes or not stream.waits:
            self._asked.pop(number, None)  # `advance` notes what it still owes
        self._keep_unknown(request)
        return tuple(event for outcome in outcomes for event in self._judge(outcome, held))

    def advance(self, now: float) -> tuple[list[tuple[int, Response]], tuple[Event, ...]]:
        """What to send to whom now, and what has come true."""
        if self._published is None:
            return [], ()
        self._left = dict.fromkeys(self._missing(), now) | self._left
        sent = [(number, each) for number in self._of("envoy") for each in self._envoy(number, now)]
        self._advance_plans(now)
        sent += [
            (number, each)
            for number in self._of("ext_proc")
            for each in self._streams[number].offer(PLAN, self._plans_of(self._streams[number]))
        ]
        for number, stream in self._streams.items():
            if stream.waits:
                self._asked.setdefault(number, now)
        before, self._silent = self._silent, self.silent(now)
        silence = () if self._silent == before else (Silence(),)
        events = (*self._announce(now), *silence)
        if self._finish(now):
            more, _ = self.advance(now)
            sent += more
        return sent, events

    def deadline(self, now: float) -> float | None:
        """When to advance again if nothing happens."""
        due = [when for _, when in self._owing() if when > now]
        if self._drain_until is not None:
            due.append(self._drain_until)
        elif self._published is not None and self._live != self._version:
            due.append(now + 1.0)
        return min(due, default=None)

    def connected(self) -> dict[str, int]:
        """How many clients of each role are connected."""
        return {role: len(self._of(role)) for role in ROLES}

    def _of(self, role: str) -> list[int]:
        return [number for number, stream in self._streams.items() if stream.role == role]

    def _answering(self, role: str, now: float, within_s: float) -> list[Stream]:
        """The streams of a role that owe no answer for longer; all of them if none is prompt."""
        numbers = self._of(role)
        prompt = [n for n in numbers if now - self._asked.get(n, now) < within_s]
        return [self._streams[number] for number in prompt or numbers]

    def _required(self) -> frozenset[str] | None:
        """The pods that must hold the target; None: whoever is connected."""
        return None if self._ready is None else (self._awaited & self._ready) or self._ready

    def _owing(self) -> Iterator[tuple[str, float]]:
        """Who owes an answer or should be connected, and when that has lasted too long."""
        for number, since in self._asked.items():
            yield self._streams[number].node_id, since + SILENT_S
        yield from self._away()

    def _away(self) -> Iterator[tuple[str, float]]:
        """Who should be connected and is not, and when that has lasted too long."""
        for at in self._missing():
            yield "/".join(at), self._left.get(at, self._since) + SILENT_S

    def _missing(self) -> set[tuple[str, str]]:
        required = None if self._published is None else self._required()
        here = {(stream.role, stream.place) for stream in self._streams.values()}
        return {(role, place) for place in required or () for role in ROLES} - here

    def _wanted(self, type_url: str) -> dict[str, Resource]:
        """What the target says, with refused versions replaced by accepted ones or left out."""
        return self.refusals.without_refused(type_url, self._target.of(type_url))

    def _view(self, type_url: str) -> dict[str, Resource]:
        """What a client should hold until the drain is over."""
        bridge = self._bridge if type_url == ROUTE else {}
        return {**self._retained.get(type_url, {}), **self._wanted(type_url), **bridge}

    def _keep_what_goes(self, target: Snapshot) -> None:
        """Clusters, secrets and routes outlive their configuration by the drain."""
        gone: dict[str, dict[str, Resource]] = {}
        for type_url in (CLUSTER, SECRET, ROUTE):
            held = {**self._retained.get(type_url, {}), **self._target.of(type_url)}
            gone[type_url] = {n: r for n, r in held.items() if n not in target.of(type_url)}
        self._retained = {type_url: each for type_url, each in gone.items() if each}

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
        prompt = self._answering("envoy", now, ACK_TIMEOUT_S)
        on_time = now - self._since < 3 * ACK_TIMEOUT_S
        if on_time and not all(
            self._settled(stream, type_url) for stream in prompt for type_url in (LISTENER, ROUTE)
        ):
            return
        held = [stream.held(CLUSTER) for stream in self._answering("envoy", now, SILENT_S)]
        sent = (name for name, each in self._wanted(CLUSTER).items() if each.content)
        lacking = {name for name in sent if any(name not in each for each in held)}
        wanted = self._wanted(PLAN)
        waiting = _waiting(wanted, lacking)
        old = {name: self._plans[name] for name in waiting if name in self._plans}
        self._plans = {**{n: r for n, r in wanted.items() if n not in waiting}, **old}

    def _plans_of(self, guard: Stream) -> Mapping[str, Resource]:
        """What a guard has it keeps until the Envoy of its pod can serve what is newer."""
        here = [
            self._streams[n] for n in self._of("envoy") if self._streams[n].place == guard.place
        ]
        if not here and self._ready is None:
            return self._plans
        lacking = self._wanted(CLUSTER).keys() - {n for each in here for n in each.held(CLUSTER)}
        waiting = _waiting(self._plans, lacking) & guard.held(PLAN) if lacking else set()
        return {**self._plans, **{name: Resource(name, "", b"") for name in waiting}}

    def _keep_unknown(self, request: Request) -> None:
        """A client's clusters of another configuration outlive it as those of an earlier one do."""
        known, initial = self._view(CLUSTER), dict(request.initial_versions)
        if request.type_url == CLUSTER and (unknown := initial.keys() - known.keys()):
            kept = {name: Resource(name, initial[name], b"") for name in unknown}
            self._retained[CLUSTER] = {**self._retained.get(CLUSTER, {}), **kept}
            self._drain_until = None

    def _announce(self, now: float) -> tuple[Event, ...]:
        if self._version == self._live or not self._all_settled(now):
            return ()
        self._live = self._version
        return (Live(self._version),)

    def _all_settled(self, now: float) -> bool:
        """Every client that is waited for holds the target, and there is one of each role."""
        if self._plans != self._wanted(PLAN):
            return False
        if any(due > now for _, due in self._away()):
            return False
        required = self._required()
        for role, types in (("envoy", (CLUSTER, SECRET, LISTENER, ROUTE)), ("ext_proc", (PLAN,))):
            waited = [
                stream
                for stream in self._answering(role, now, SILENT_S)
                if required is None or stream.place in required
            ]
            if not waited or not all(
                self._settled(s, type_url) for s in waited for type_url in types
            ):
                return False
        return True

    def _finish(self, now: float) -> bool:
        """Start the drain once all ext_procs have the plans; at its end let go of what was kept."""
        if self.drained:
            return False
        if self._drain_until is None:
            guards = self._answering("ext_proc", now, SILENT_S)
            if self._plans == self._wanted(PLAN) and all(self._settled(g, PLAN) for g in guards):
                self._drain_until = now + self._drain_s
            return False
        if now < self._drain_until:
            return False
        self._retained, self._bridge, self._drain_until = {}, {}, None
        return True

    def _judge(self, outcome: Outcome, held: Mapping[str, str]) -> Iterator[Event]:
        """`held` is what the client had before, perhaps from an earlier controller."""
        if isinstance(outcome, Acceptance):
            for resource in outcome.resources:
                self.refusals.accept(outcome.type_url, resource)
            return
        for resource in outcome.resources:
            if resource.name in held:
                self.refusals.keep(outcome.type_url, resource.name, held[resource.name])
            replaced = self.refusals.refuse(outcome.type_url, resource, outcome.message)
            yield Refused(outcome.type_url, resource.name, outcome.message, replaced)


def _waiting(plans: Mapping[str, Resource], lacking: Collection[str]) -> set[str]:
    """The plans that need one of these clusters, or a plan that does."""
    waiting = {name for name, each in plans.items() if not set(each.needs).isdisjoint(lacking)}
    return waiting | {n for n, each in plans.items() if waiting.intersection(each.needs)}
