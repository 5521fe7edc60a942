"""One delta-ADS stream as a machine without I/O: requests in, responses out.

It remembers what the client asked for, what it was sent and what it holds. What ought to be held,
and when, is decided in `cache`; sockets are in `server`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from controller.xds.snapshot import PLAN, Resource, Resources

WILDCARD = "*"


@dataclass(frozen=True, slots=True)
class Request:
    """What a client says: a change of subscription, an ACK, a NACK, or several of these at once."""

    type_url: str
    node_id: str = ""
    subscribe: tuple[str, ...] = ()
    unsubscribe: tuple[str, ...] = ()
    initial_versions: tuple[tuple[str, str], ...] = ()
    nonce: str = ""
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Response:
    """What a client is sent: new and changed resources, and the names of removed ones."""

    type_url: str
    nonce: str
    resources: tuple[Resource, ...]
    removed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rejection:
    """A NACK: the resources the client named, in its words."""

    type_url: str
    resources: tuple[Resource, ...]
    message: str


@dataclass(frozen=True, slots=True)
class Acceptance:
    """An ACK, or the part of a NACKed response that was good."""

    type_url: str
    resources: tuple[Resource, ...]


Outcome = Rejection | Acceptance


@dataclass(slots=True)
class _Subscription:
    wildcard: bool = False
    names: set[str] = field(default_factory=set)
    sent: dict[str, str] = field(default_factory=dict)
    """Name to version of what was sent last, ACKed or not."""
    held: dict[str, str] = field(default_factory=dict)
    """Name to version of what the client has ACKed."""
    pending: dict[str, Response] = field(default_factory=dict)
    singly: bool = False
    """A NACK named no culprit: from now on each resource comes alone."""

    def covers(self, name: str) -> bool:
        return self.wildcard or name in self.names

    def subscribe(self, request: Request, *, first: bool) -> None:
        """A name asked for again is sent again, unless the client has just said what it holds."""
        for name in request.unsubscribe:
            self.wildcard = self.wildcard and name != WILDCARD
            self.names.discard(name)
            self._forget(name)
        for name in request.subscribe:
            if name == WILDCARD:
                self.wildcard = True
                continue
            self.names.add(name)
            if not first:
                self._forget(name)
        if first:
            self.wildcard = self.wildcard or not request.subscribe
            self.sent = dict(request.initial_versions)
            self.held = dict(request.initial_versions)

    def keep_held(self, name: str) -> None:
        """Unless something newer was sent, the client has what it had."""
        if name in self.held:
            self.sent.setdefault(name, self.held[name])

    def _forget(self, name: str) -> None:
        self.sent.pop(name, None)
        self.held.pop(name, None)


class Stream:
    """What one client asked for, was sent and holds, by type URL."""

    def __init__(self) -> None:
        self.node_id = ""
        self._subscriptions: dict[str, _Subscription] = {}
        self._sent_responses = 0

    @property
    def waits(self) -> bool:
        """Something was sent that the client has not answered yet."""
        return any(subscription.pending for subscription in self._subscriptions.values())

    @property
    def role(self) -> str:
        """`envoy` or `ext_proc`; empty until the client has said who it is."""
        if not self.node_id:
            return ""
        return "ext_proc" if self.node_id.startswith("ext_proc/") else "envoy"

    @property
    def place(self) -> str:
        """Where the client runs: the pod of `envoy/POD` and `ext_proc/POD`."""
        return self.node_id.partition("/")[2]

    def receive(self, request: Request) -> tuple[Outcome, ...]:
        """Take a request; what it says about an earlier response, if anything."""
        self.node_id = self.node_id or request.node_id
        first = request.type_url not in self._subscriptions
        subscription = self._subscriptions.setdefault(request.type_url, _Subscription())
        outcome: tuple[Outcome, ...] = ()
        answered = subscription.pending.pop(request.nonce, None)
        if answered is not None:
            outcome = _settle(subscription, answered, request.error)
        subscription.subscribe(request, first=first)
        return outcome

    def offer(self, type_url: str, view: Resources) -> tuple[Response, ...]:
        """What must be sent so that the client holds the view; it counts as sent from now on.

        A resource without content stands for one that only the client knows, and is never sent.
        What a client asked for by name it gives up itself, once nothing it holds refers to it: a
        removal would only hurt it before then.
        """
        subscription = self._subscriptions.get(type_url)
        if subscription is None:
            return ()
        changed = [
            resource
            for name, resource in view.items()
            if subscription.covers(name)
            and subscription.sent.get(name) != resource.version
            and resource.content
        ]
        gone = [name for name in subscription.sent if name not in view]
        removed = tuple(sorted(gone)) if subscription.wildcard else ()
        return tuple(
            self._send(type_url, subscription, part, without)
            for part, without in _parts(changed, removed, singly=subscription.singly)
        )

    def holds(self, type_url: str, view: Resources, *, unasked: bool) -> bool:
        """The client has ACKed the view; `unasked`: also what it has not asked for yet."""
        subscription = self._subscriptions.get(type_url, _Subscription())
        return all(
            subscription.held.get(name) == resource.version
            for name, resource in view.items()
            if resource.content and (unasked or subscription.covers(name))
        )

    def held(self, type_url: str) -> frozenset[str]:
        """The names the client has ACKed in any version."""
        return frozenset(self.versions(type_url))

    def versions(self, type_url: str) -> dict[str, str]:
        """What the client has ACKed: versions by name."""
        subscription = self._subscriptions.get(type_url)
        return dict(subscription.held) if subscription else {}

    def _send(
        self,
        type_url: str,
        subscription: _Subscription,
        resources: tuple[Resource, ...],
        removed: tuple[str, ...],
    ) -> Response:
        self._sent_responses += 1
        response = Response(type_url, str(self._sent_responses), resources, removed)
        subscription.pending[response.nonce] = response
        subscription.sent.update({each.name: each.version for each in resources})
        for name in removed:
            del subscription.sent[name]
        return response


def _parts(
    changed: list[Resource], removed: tuple[str, ...], *, singly: bool
) -> Iterator[tuple[tuple[Resource, ...], tuple[str, ...]]]:
    if singly:
        yield from (((resource,), ()) for resource in changed)
        changed = []
    if changed or removed:
        yield tuple(changed), removed


def _settle(
    subscription: _Subscription, response: Response, error: str | None
) -> tuple[Outcome, ...]:
    """Take over what the client accepted; only what is still the last thing sent is held."""
    if error is not None and response.type_url == PLAN:
        return _untaken(subscription, response, error)
    blamed = () if error is None else culprits(response, error)
    good = tuple(each for each in response.resources if each not in blamed)
    subscription.held.update(
        {each.name: each.version for each in good if each.name in subscription.sent}
    )
    for name in response.removed:
        if name not in subscription.sent:
            subscription.held.pop(name, None)
    accepted = Acceptance(response.type_url, good)
    if error is None:
        return (accepted,)
    if len(blamed) > 1 and blamed == response.resources and not subscription.singly:
        subscription.singly = True
        for each in blamed:
            subscription.sent.pop(each.name, None)
        return (accepted,)
    return (accepted, Rejection(response.type_url, blamed, error))


def _untaken(subscription: _Subscription, response: Response, error: str) -> tuple[Outcome, ...]:
    """A guard takes a response whole or not at all: the rest of this one is to be sent again."""
    blamed = culprits(response, error)
    unnamed = len(blamed) > 1 and blamed == response.resources and not subscription.singly
    subscription.singly |= unnamed
    for each in response.resources:
        latest = subscription.sent.get(each.name) == each.version
        if latest and (unnamed or each not in blamed):
            subscription.sent.pop(each.name)
            subscription.keep_held(each.name)
    for name in response.removed:
        subscription.keep_held(name)
    return () if unnamed else (Rejection(response.type_url, blamed, error),)


def culprits(response: Response, error: str) -> tuple[Resource, ...]:
    """The resources the error names, longer names first; all of them if it names none."""
    named = set()
    for resource in sorted(response.resources, key=lambda each: -len(each.name)):
        if resource.name in error:
            named.add(resource.name)
            error = error.replace(resource.name, "")
    return tuple(each for each in response.resources if each.name in named) or response.resources
