"""The kinds we reuse: Gateway API's entry points and grants, and core's Secret and ConfigMap."""

import base64
import binascii
from collections.abc import Mapping
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from crds.meta import GATEWAY_GROUP, Foreign, Hostname, Label, Name, Port, UniqueNames

Text = Annotated[str, StringConstraints(max_length=253, pattern=r"^[!-~]*$")]
Unsupported: TypeAlias = None
"""The type of a field that would ask for protection we do not give: refused, never ignored."""


class CertificateRef(Foreign):
    """A TLS Secret of a listener."""

    group: Text = ""
    kind: Text = "Secret"
    namespace: Label | None = None
    name: Name


class ListenerTLS(Foreign):
    """TLS at the listener; only termination is served."""

    mode: Text = "Terminate"
    certificate_refs: Annotated[tuple[CertificateRef, ...], Field(max_length=64)] = ()
    frontend_validation: Unsupported = None


class Requirement(Foreign):
    """One expression about a label."""

    model_config = ConfigDict(extra="forbid")

    key: Text
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    values: tuple[Text, ...] = ()

    def holds(self, labels: Mapping[str, str]) -> bool:
        """As Kubernetes has it: what is not there is in no list."""
        match self.operator:
            case "In":
                return labels.get(self.key) in self.values
            case "NotIn":
                return labels.get(self.key) not in self.values
            case "Exists":
                return self.key in labels
            case "DoesNotExist":
                return self.key not in labels


class NamespaceSelector(Foreign):
    """A label selector: all of it must hold; an empty one holds for every namespace."""

    model_config = ConfigDict(extra="forbid")

    match_labels: dict[str, str] = Field(default_factory=dict)
    match_expressions: tuple[Requirement, ...] = ()

    def selects(self, labels: Mapping[str, str]) -> bool:
        """Whether a namespace with these labels is meant."""
        return self.match_labels.items() <= labels.items() and all(
            each.holds(labels) for each in self.match_expressions
        )


class RouteNamespaces(Foreign):
    """The namespaces whose AIRoutes may attach."""

    from_: Annotated[Literal["All", "Same", "Selector", "None"], Field(alias="from")] = "Same"
    selector: NamespaceSelector | None = None

    @model_validator(mode="after")
    def _has_its_selector(self) -> Self:
        if self.from_ == "Selector" and self.selector is None:
            raise ValueError("from: Selector needs a selector")
        return self


class RouteGroupKind(Foreign):
    """A kind of route that may attach."""

    group: Text = GATEWAY_GROUP
    kind: Text


class AllowedRoutes(Foreign):
    """Who may attach to the listener."""

    namespaces: RouteNamespaces = RouteNamespaces()
    kinds: tuple[RouteGroupKind, ...] = ()


class ListenerSpec(Foreign):
    """One port, protocol and hostname of a Gateway."""

    name: Name
    hostname: Hostname | None = None
    port: Port
    protocol: Text
    tls: ListenerTLS | None = None
    allowed_routes: AllowedRoutes = AllowedRoutes()


class ParametersRef(Foreign):
    """The ConfigMap that says what a Gateway's data plane is made of."""

    group: Text = ""
    kind: Text
    name: Name


class Infrastructure(Foreign):
    """What the objects made for a Gateway carry."""

    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    parameters_ref: ParametersRef | None = None


class Address(Foreign):
    """An address that a Gateway asks for; without a value any of its type."""

    type: Text = "IPAddress"
    value: Text | None = None


class GatewaySpec(Foreign):
    """The entry points of one gateway."""

    gateway_class_name: Name
    addresses: tuple[Address, ...] = ()
    listeners: Annotated[tuple[ListenerSpec, ...], Field(min_length=1, max_length=64), UniqueNames]
    tls: Unsupported = None
    infrastructure: Infrastructure = Infrastructure()


class GatewayClassSpec(Foreign):
    """Which controller serves Gateways of this class."""

    controller_name: Text
    parameters_ref: dict[str, object] | None = None


class GrantFrom(Foreign):
    """Who may refer."""

    group: Text
    kind: Text
    namespace: Label


class GrantTo(Foreign):
    """What may be referred to, in the grant's own namespace."""

    group: Text
    kind: Text
    name: Name | None = None


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
        """Give the bytes to the one place that sends them to Envoy."""
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
