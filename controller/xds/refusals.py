"""Refusals: which versions of which resources a client has NACKed, and what serves in their place.

A refusal is of content: the same bytes are not sent again, other bytes get a new chance.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from controller.xds.snapshot import Resource, Snapshot

_REMEMBERED = 1000
_DUMP, _END = "goo.gle/debug", "\n: "
"""How the dump of a message begins and what follows it in Envoy's errors."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A resource of the configuration that a client refused, in the client's words."""

    type_url: str
    name: str
    message: str
    replaced: bool
    """The last accepted version serves on; else the resource is left out."""


class Refusals:
    """What was refused, and the last version of every resource that was accepted."""

    def __init__(self) -> None:
        self._refused: dict[tuple[str, str, str], str] = {}
        self._accepted: dict[tuple[str, str], Resource] = {}

    def accept(self, type_url: str, resource: Resource) -> None:
        """Remember the resource as one to fall back on."""
        self._accepted[type_url, resource.name] = resource

    def keep(self, type_url: str, name: str, version: str) -> None:
        """A client holds an earlier version whose content we do not know: it may go on with it."""
        self._accepted.setdefault((type_url, name), Resource(name, version, b""))

    def refuse(self, type_url: str, resource: Resource, message: str) -> bool:
        """Quarantine this version; whether an accepted one can take its place."""
        self._refused[type_url, resource.name, resource.version] = message
        while len(self._refused) > _REMEMBERED:
            del self._refused[next(iter(self._refused))]
        return self._fallback(type_url, resource) is not None

    def without_refused(
        self, type_url: str, resources: Mapping[str, Resource]
    ) -> dict[str, Resource]:
        """The resources, with refused versions replaced by accepted ones or left out."""
        return {
            name: served
            for name, resource in resources.items()
            if (served := self._served(type_url, resource)) is not None
        }

    def of(self, held: Snapshot) -> tuple[Refusal, ...]:
        """The refusals that concern this Snapshot."""
        return tuple(
            Refusal(type_url, name, message, self._fallback(type_url, resource) is not None)
            for type_url, resources in held.resources.items()
            for name, resource in resources.items()
            if (message := self._refused.get((type_url, name, resource.version))) is not None
        )

    def forget_all_but(self, held: Snapshot) -> None:
        """Keep nothing to fall back on for what the configuration no longer names."""
        self._accepted = {
            (type_url, name): resource
            for (type_url, name), resource in self._accepted.items()
            if name in held.of(type_url)
        }

    def _served(self, type_url: str, resource: Resource) -> Resource | None:
        refused = (type_url, resource.name, resource.version) in self._refused
        return self._fallback(type_url, resource) if refused else resource

    def _fallback(self, type_url: str, resource: Resource) -> Resource | None:
        accepted = self._accepted.get((type_url, resource.name))
        if accepted is None or accepted.version == resource.version:
            return None
        return accepted


def without_dumps(message: str) -> str:
    """What a client said, less the resources it quotes: Envoy prints keys where they stand."""
    said, *dumps = message.split(_DUMP)
    return said + "".join(dump.partition(_END)[2] for dump in dumps)
