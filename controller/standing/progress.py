"""Progress: whether an object is live at the Gateways that should serve it.

Pure. Knows which Gateways those are for each kind: an AIRoute's accepted parents, the targets of
an AIPolicy, and for an AIBackend the Gateways whose proxies are told to call it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from controller.standing import summary
from controller.standing.delivery import Delivery, Rejection, World
from controller.translate.conditions import ReferenceStatus, Status
from crds.meta import Condition, Key

LONGEST = 2000
"""How much of a proxy's words is told."""
_NOTHING = Delivery()


@dataclass(frozen=True, slots=True)
class Progress:
    """What is known of all Gateways."""

    statuses: Mapping[Key, Status]
    deliveries: Mapping[Key, Delivery]
    backends: Mapping[Key, tuple[Key, ...]]
    """The Gateways that call each AIBackend."""
    rejections: Mapping[Key, tuple[tuple[Key, Rejection], ...]]
    """By the object to mend: the Gateway and what it refused."""
    quarantined: Mapping[Key, tuple[tuple[Key, Rejection], ...]]
    """By objects that suffer from what another one did."""

    def gateways(self, key: Key) -> tuple[Key, ...]:
        """The Gateways that should serve the object."""
        match key.kind:
            case "AIRoute":
                return tuple(dict.fromkeys(map(at, accepted(self.statuses.get(key)))))
            case "AIPolicy":
                return tuple(dict.fromkeys(self._targeted(key)))
            case "AIBackend":
                return self.backends.get(key, ())
        return ()

    def _targeted(self, policy: Key) -> Iterator[Key]:
        for ancestor in self.statuses[policy].ancestors:
            target = at(ancestor)
            if target.kind == "AIRoute":
                yield from self.gateways(target)
            elif target in self.statuses:
                yield target

    def programmed(self, key: Key, gateways: Sequence[Key]) -> Condition:
        """Whether the object, as it stands now, is live at all these Gateways."""
        if found := self._of(self.rejections, key, gateways):
            return Condition("Programmed", "False", summary.REJECTED, _refused(found))
        if suffering := self._of(self.quarantined, key, gateways):
            return Condition("Programmed", "False", "Quarantined", _suffering(suffering))
        status = self.statuses[key]
        behind = [each for each in gateways if not same(status, self.of(each).live.get(key))]
        missing = [each for each in behind if self.of(each).waiting_for_proxies]
        if missing:
            text = f"no proxy runs for {_listed(missing)}"
            return Condition("Programmed", "False", summary.WAITING, text)
        if behind:
            text = f"waiting for the proxies of {_listed(behind)}"
            return Condition("Programmed", "Unknown", summary.PENDING, text)
        return Condition("Programmed", "True", "Programmed", "")

    def of(self, gateway: Key) -> Delivery:
        """How far a Gateway's proxies are."""
        return self.deliveries.get(gateway, _NOTHING)

    def _of(
        self,
        found: Mapping[Key, tuple[tuple[Key, Rejection], ...]],
        key: Key,
        gateways: Sequence[Key],
    ) -> list[tuple[Key, Rejection]]:
        return [each for each in found.get(key, ()) if each[0] in gateways]


def known(world: World) -> Progress:
    """Look at all Gateways once."""
    backends: dict[Key, tuple[Key, ...]] = {}
    rejections: dict[Key, tuple[tuple[Key, Rejection], ...]] = {}
    quarantined: dict[Key, tuple[tuple[Key, Rejection], ...]] = {}
    for gateway, delivery in sorted(world.deliveries.items()):
        for backend in delivery.backends:
            backends[backend] = (*backends.get(backend, ()), gateway)
        for each in delivery.rejections:
            rejections[each.owner] = (*rejections.get(each.owner, ()), (gateway, each))
            for key in sorted(each.affected - {each.owner}):
                quarantined[key] = (*quarantined.get(key, ()), (gateway, each))
    return Progress(world.statuses, world.deliveries, backends, rejections, quarantined)


def accepted(status: Status | None) -> Iterator[ReferenceStatus]:
    """The parents that take an AIRoute."""
    for parent in status.parents if status else ():
        if all(each.status == "True" for each in parent.conditions if each.type == "Accepted"):
            yield parent


def at(part: ReferenceStatus) -> Key:
    """The object that a parentRef or targetRef means."""
    return Key(part.reference.kind, part.reference.namespace, part.reference.name)


def same(status: Status, live: Status | None) -> bool:
    """Whether what is live was judged from the same generation and found the same."""
    return live is not None and (status is live or _judgement(status) == _judgement(live))


def words(message: str) -> str:
    """What a proxy said, in one line and not without end."""
    line = " ".join(message.split())
    return line if len(line) <= LONGEST else f"{line[:LONGEST]} …"


def _judgement(status: Status) -> tuple[int, tuple[Condition, ...]]:
    return status.observed_generation, status.conditions


def _listed(gateways: Sequence[Key]) -> str:
    return ", ".join(str(each) for each in gateways)


def refused(rejection: Rejection) -> str:
    """What Envoy said, and what serves in place of what it refused."""
    serves = "its last accepted version serves on" if rejection.replaced else "it is left out"
    return f"refused by Envoy: {words(rejection.message)}; {serves}"


def _refused(found: Iterable[tuple[Key, Rejection]]) -> str:
    return "; ".join(dict.fromkeys(refused(each) for _, each in found))


def _suffering(found: Iterable[tuple[Key, Rejection]]) -> str:
    texts = (
        f"{gateway} does not serve it as written, because Envoy refused a part of "
        f"{each.owner}: {words(each.message)}"
        for gateway, each in found
    )
    return "; ".join(dict.fromkeys(texts))
