"""Seen: pods of data planes and what was made for them; light, and no part of what is translated.

The writers ask here whether what they made is there, and the status says which pods are ready.
"""

from collections.abc import Callable
from dataclasses import dataclass

from controller.sources.api import Json, Resource, Selection
from controller.sources.store import key_of
from crds.meta import GATEWAY_GROUP, Key

GATEWAY_LABEL = f"{GATEWAY_GROUP}/gateway-name"

POD = Resource("v1", "Pod")
DEPLOYMENT = Resource("apps/v1", "Deployment")
SERVICE = Resource("v1", "Service")
SECRET = Resource("v1", "Secret")
_PODS = "app.kubernetes.io/name=dragoman-gateway"
_MADE = "app.kubernetes.io/managed-by=dragoman"
_CERTIFICATES = f"{_MADE},{_PODS}"
"""Of data planes, not of the authority; nothing of their content is kept."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One object, without what nobody asks for."""

    key: Key
    uid: str
    version: str
    labels: dict[str, str]
    annotations: dict[str, str]
    deleting: bool
    spec: Json
    status: Json
    """Of a pod, only `podIP` and `conditions`."""

    @property
    def gateway(self) -> Key:
        """The Gateway it belongs to."""
        return Key("Gateway", self.key.namespace, self.labels.get(GATEWAY_LABEL, ""))

    @property
    def ready(self) -> bool:
        """Whether a pod is Ready and stays."""
        conditions: list[Json] = self.status.get("conditions") or []
        is_ready = any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
        return is_ready and not self.deleting


def scope(namespaces: tuple[str, ...]) -> set[Selection]:
    """What is looked at, in these namespaces or in all."""
    rows = ((POD, _PODS), (DEPLOYMENT, _MADE), (SERVICE, _MADE), (SECRET, _CERTIFICATES))
    return {
        Selection(resource, namespace, labels=labels)
        for resource, labels in rows
        for namespace in namespaces or ("",)
    }


class Sight:
    """All of them; listeners are told the key of each that changed."""

    def __init__(self) -> None:
        self._seen: dict[Key, Seen] = {}
        self._listeners: list[Callable[[Key], None]] = []

    def listen(self, listener: Callable[[Key], None]) -> None:
        """Call this, on the main loop, with the key of whatever changed."""
        self._listeners.append(listener)

    def get(self, key: Key) -> Seen | None:
        """One object, if it is there."""
        return self._seen.get(key)

    def of(self, kind: str, gateway: Key | None = None) -> list[Seen]:
        """All of a kind, of one Gateway if one is given, in order."""
        return [
            each
            for key, each in sorted(self._seen.items(), key=lambda item: item[0])
            if key.kind == kind and gateway in (None, each.gateway)
        ]

    def take(self, document: Json) -> None:
        """Keep what matters of an object."""
        new = _seen(document)
        if self._seen.get(new.key) != new:
            self._seen[new.key] = new
            self._tell(new.key)

    def lose(self, key: Key) -> None:
        """An object is gone."""
        if self._seen.pop(key, None) is not None:
            self._tell(key)

    def _tell(self, key: Key) -> None:
        for listener in self._listeners:
            listener(key)


def _seen(document: Json) -> Seen:
    meta: Json = document["metadata"]
    is_pod = document["kind"] == "Pod"
    status: Json = document.get("status") or {}
    kept: Json = {name: status[name] for name in ("podIP", "conditions") if name in status}
    annotations: dict[str, str] = meta.get("annotations") or {}
    return Seen(
        key_of(document),
        meta.get("uid", ""),
        meta.get("resourceVersion", ""),
        meta.get("labels") or {},
        {name: text for name, text in annotations.items() if name.startswith("dragoman.dev/")},
        "deletionTimestamp" in meta,
        {} if is_pod else document.get("spec") or {},
        kept if is_pod else status,
    )
