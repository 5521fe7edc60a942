"""A Snapshot: every resource Envoy and ext_proc should hold, by type and name, with its version.

What `build` makes and the ADS cache serves. Versions are hashes of content, so equal
configuration is equal bytes and nothing is sent. Nothing here talks to anyone.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from betterproto2 import Message
from envoy_data_plane.envoy.config.cluster.v3 import Cluster
from envoy_data_plane.envoy.config.listener.v3 import Listener
from envoy_data_plane.envoy.config.route.v3 import RouteConfiguration
from envoy_data_plane.envoy.extensions.transport_sockets.tls.v3 import Secret

from crds import plan

PREFIX = "type.googleapis.com/"
CLUSTER = f"{PREFIX}envoy.config.cluster.v3.Cluster"
LISTENER = f"{PREFIX}envoy.config.listener.v3.Listener"
ROUTE = f"{PREFIX}envoy.config.route.v3.RouteConfiguration"
SECRET = f"{PREFIX}envoy.extensions.transport_sockets.tls.v3.Secret"
PLAN = plan.TYPE_URL

TYPES: Mapping[str, str] = {
    CLUSTER: "clusters",
    LISTENER: "listeners",
    ROUTE: "routes",
    SECRET: "secrets",
    PLAN: "plans",
}
"""Type URLs and what people call them, in the order a dump shows them."""

_MESSAGES: Mapping[str, type[Message]] = {
    CLUSTER: Cluster,
    LISTENER: Listener,
    ROUTE: RouteConfiguration,
    SECRET: Secret,
}
_SPELLING = {"enforcingConsecutive5Xx": "enforcingConsecutive5xx"}
"""betterproto2 capitalises after digits, which Envoy does not read."""
_SECRET_FIELDS = frozenset(
    {"inlineString", "inlineBytes", "accessKeyId", "secretAccessKey", "sessionToken"}
)
_PUBLIC_PARENTS = frozenset({"certificateChain", "trustedCa", "defaultSourceCode"})


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource as it is sent; `needs` are the clusters and plans it makes no sense without."""

    name: str
    version: str
    content: bytes = field(repr=False)
    needs: tuple[str, ...] = ()


Resources = Mapping[str, Resource]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All resources by type URL and name."""

    resources: Mapping[str, Resources] = field(default_factory=dict)

    @property
    def version(self) -> str:
        """The hash of all versions: equal snapshots have equal ones."""
        listed = [
            f"{type_url} {name} {resource.version}"
            for type_url, resources in sorted(self.resources.items())
            for name, resource in sorted(resources.items())
        ]
        return plan.version("\n".join(listed).encode())

    def of(self, type_url: str) -> Resources:
        """The resources of one type."""
        return self.resources.get(type_url, {})


def resource(name: str, message: Message, needs: tuple[str, ...] = ()) -> Resource:
    """An Envoy resource, versioned by its bytes."""
    return encoded(name, bytes(message), needs)


def encoded(name: str, content: bytes, needs: tuple[str, ...] = ()) -> Resource:
    """An Envoy resource that is bytes already."""
    return Resource(name, plan.version(content), content, needs)


def plain(type_url: str, content: bytes) -> Any:
    """What an Envoy resource says, as JSON values; secrets are in the clear."""
    return _respelled(_MESSAGES[type_url].parse(content).to_dict())


def _respelled(value: Any) -> Any:
    if isinstance(value, dict):
        return {_SPELLING.get(key, key): _respelled(item) for key, item in value.items()}
    return [_respelled(item) for item in value] if isinstance(value, list) else value


def render(snapshot: Snapshot) -> dict[str, Any]:
    """The snapshot as plain values for YAML; every secret value is shown as `<secret>`."""
    return {
        label: {
            name: _plain(type_url, held) for name, held in sorted(snapshot.of(type_url).items())
        }
        for type_url, label in TYPES.items()
    }


def _plain(type_url: str, held: Resource) -> Any:
    if type_url == PLAN:
        return json.loads(held.content)
    return masked(plain(type_url, held.content))


def masked(value: Any, parent: str = "") -> Any:
    """The value with every inline secret replaced; certificates and code are no secrets."""
    if isinstance(value, dict):
        return {
            key: "<secret>"
            if key in _SECRET_FIELDS and parent not in _PUBLIC_PARENTS
            else masked(item, key)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [masked(item, parent) for item in value]
    return value
