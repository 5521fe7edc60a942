"""The kinds we reuse: Gateway API's entry points and grants, and core's Secret and ConfigMap."""

import base64
import binascii
from typing import Annotated, Literal

from pydantic import Field

from crds.meta import GATEWAY_GROUP, Foreign


class CertificateRef(Foreign):
    """A TLS Secret of a listener."""

    group: str = ""
    kind: str = "Secret"
    namespace: str | None = None
    name: str


class ListenerTLS(Foreign):
    """TLS at the listener; only termination is served."""

    mode: str = "Terminate"
    certificate_refs: tuple[CertificateRef, ...] = ()


class NamespaceSelector(Foreign):
    """A label selector, as far as `matchLabels` goes."""

    match_labels: dict[str, str] = Field(default_factory=dict)


class RouteNamespaces(Foreign):
    """The namespaces whose AIRoutes may attach."""

    from_: Annotated[Literal["All", "Same", "Selector"], Field(alias="from")] = "Same"
    selector: NamespaceSelector | None = None


class RouteGroupKind(Foreign):
    """A kind of route that may attach."""

    group: str = GATEWAY_GROUP
    kind: str


class AllowedRoutes(Foreign):
    """Who may attach to the listener."""

    namespaces: RouteNamespaces = RouteNamespaces()
    kinds: tuple[RouteGroupKind, ...] = ()


class ListenerSpec(Foreign):
    """One port, protocol and hostname of a Gateway."""

    name: str
    hostname: str | None = None
    port: Annotated[int, Field(ge=1, le=65535)]
    protocol: str
    tls: ListenerTLS | None = None
    allowed_routes: AllowedRoutes = AllowedRoutes()


class GatewaySpec(Foreign):
    """The entry points of one gateway."""

    gateway_class_name: str
    listeners: Annotated[tuple[ListenerSpec, ...], Field(min_length=1, max_length=64)]


class GatewayClassSpec(Foreign):
    """Which controller serves Gateways of this class."""

    controller_name: str


class GrantFrom(Foreign):
    """Who may refer."""

    group: str
    kind: str
    namespace: str


class GrantTo(Foreign):
    """What may be referred to, in the grant's own namespace."""

    group: str
    kind: str
    name: str | None = None


class ReferenceGrantSpec(Foreign):
    """Permission to refer across namespaces."""

    from_: Annotated[tuple[GrantFrom, ...], Field(alias="from")]
    to: tuple[GrantTo, ...]


class SecretValue:
    """Bytes that never show: neither in a repr nor in a dump."""

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        self._value = value

    def reveal(self) -> bytes:
        """The bytes, for the one place that sends them to Envoy."""
        return self._value

    def __repr__(self) -> str:
        return "<secret>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SecretValue) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


def decoded(encoded: str) -> bytes | None:
    """The bytes of a Secret's base64 `data` entry; None if it is not base64."""
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return None
