"""Gateways: which listeners are open, on which port and hostname, with which certificates.

A listener that cannot be served is left out and says why; its neighbours stay. Where two claim the
same port and hostname, or a port for two protocols, the older Gateway has it, then the first by
namespace and name, then the first in its list. Who attaches to a listener is in `routes`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from controller import ir, names
from controller.resources import Object, Resources
from controller.settings import Place
from controller.translate import grants as permissions
from controller.translate import hostnames, pem
from controller.translate.conditions import Fault, Reason
from controller.translate.grants import Grants
from crds.gateway import CertificateRef, GatewaySpec, ListenerSpec
from crds.meta import CONTROLLER_NAME, GROUP, Key, ObjectMeta

PROTOCOLS: Mapping[str, Literal["HTTP", "HTTPS"]] = {"HTTP": "HTTP", "HTTPS": "HTTPS"}


Door = tuple[Key | None, int]
"""A port: of the Gateway's own proxies, or (None) of the one Envoy that serves all Gateways."""


@dataclass(frozen=True, slots=True)
class Listener:
    """A listener that is open."""

    gateway: Key
    index: int
    spec: ListenerSpec
    protocol: Literal["HTTP", "HTTPS"]
    hostname: str
    """`*` where the listener names none."""
    certificates: tuple[str, ...]
    door: Door
    """The port it shares with others."""

    @property
    def place(self) -> tuple[Key, str]:
        """Its identity."""
        return self.gateway, self.spec.name


@dataclass(frozen=True, slots=True)
class Gateways:
    """The Gateways that are ours and what is open."""

    objects: Mapping[Key, Object[GatewaySpec]]
    listeners: tuple[Listener, ...]
    certificates: tuple[ir.CertificateSecret, ...]
    faults: tuple[Fault, ...]
    classes: frozenset[str]
    """The names of the GatewayClasses that are ours."""


def age(key: Key, meta: ObjectMeta) -> tuple[str, str, str]:
    """Older first, then by namespace and name; files have no age."""
    return meta.creation_timestamp, key.namespace, key.name


def find(resources: Resources, grants: Grants, place: Place) -> Gateways:
    """Open every listener that can be served."""
    classes = _classes(resources, place)
    ours = {
        key: gateway
        for key, gateway in sorted(resources.gateways.items())
        if gateway.spec.gateway_class_name in classes
    }
    faults: list[Fault] = []
    certificates: dict[str, ir.CertificateSecret] = {}
    listeners: list[Listener] = []
    bound: dict[Door, int] = {}
    protocols: dict[Door, Listener] = {}
    hosts: dict[tuple[Door, str], Listener] = {}
    for gateway in sorted(ours.values(), key=lambda each: age(each.key, each.meta)):
        for index in range(len(gateway.spec.listeners)):
            door = gateway.key if place.apart else None, gateway.spec.listeners[index].port
            listener, secrets, wrong = _listener(gateway, index, door, resources, grants)
            faults += wrong
            if listener is None:
                continue
            if place.apart and bound.setdefault(_socket(door), door[1]) != door[1]:
                faults.append(_same_socket(listener, bound[_socket(door)]))
                continue
            rival = protocols.setdefault(door, listener)
            if rival.protocol == listener.protocol:
                rival = hosts.setdefault((door, listener.hostname), listener)
            if rival is not listener:
                faults.append(_conflict(rival, listener))
                continue
            listeners.append(listener)
            certificates |= {secret.name: secret for secret in secrets} | certificates
    found = tuple(secret for _, secret in sorted(certificates.items()))
    return Gateways(ours, tuple(listeners), found, tuple(faults), classes)


def owner(listeners: Mapping[tuple[Door, str], Listener], door: Door, host: str) -> Listener | None:
    """The most specific listener of a port that covers the hostname."""
    return next(filter(None, (listeners.get((door, each)) for each in hostnames.wider(host))), None)


def _classes(resources: Resources, place: Place) -> frozenset[str]:
    """A GatewayClass says whose its Gateways are; one name of ours alone is enough."""
    controllers = {
        key.name: each.spec.controller_name for key, each in resources.gateway_classes.items()
    }
    named = {name for name, controller in controllers.items() if controller == CONTROLLER_NAME}
    return frozenset(named | ({place.gateway_class} - controllers.keys()))


def _listener(
    gateway: Object[GatewaySpec], index: int, door: Door, resources: Resources, grants: Grants
) -> tuple[Listener | None, list[ir.CertificateSecret], list[Fault]]:
    """The listener if it can be served, its certificates, and what is wrong with it."""
    spec = gateway.spec.listeners[index]
    place = f"spec.listeners[{index}]"
    faults = [
        Fault(gateway.key, type_, reason, f"{place}.{field}", message, index)
        for type_, reason, field, message in _unserved(spec)
    ]
    secrets: list[ir.CertificateSecret] = []
    if spec.protocol == "HTTPS" and spec.tls and not faults:
        for number, ref in enumerate(spec.tls.certificate_refs):
            secret, reason, message = _certificate(gateway.key, ref, resources, grants)
            field = f"{place}.tls.certificateRefs[{number}]"
            if secret is not None:
                secrets.append(secret)
            elif reason is not None:
                faults.append(Fault(gateway.key, "ResolvedRefs", reason, field, message, index))
    if faults and not secrets:
        return None, [], faults
    listener = Listener(
        gateway.key,
        index,
        spec,
        PROTOCOLS[spec.protocol],
        spec.hostname or hostnames.ANY,
        tuple(dict.fromkeys(secret.name for secret in secrets)),
        door,
    )
    return listener, secrets, faults


def _unserved(
    spec: ListenerSpec,
) -> Iterator[tuple[Literal["Accepted", "ResolvedRefs"], Reason, str, str]]:
    """What keeps a listener from being served, apart from its certificates."""
    if spec.protocol not in PROTOCOLS:
        fix = "is not served; use HTTP or HTTPS"
        yield "Accepted", "UnsupportedProtocol", "protocol", f"{spec.protocol} {fix}"
    kinds = spec.allowed_routes.kinds
    if kinds and not any((kind.group, kind.kind) == (GROUP, "AIRoute") for kind in kinds):
        fix = f"name {{group: {GROUP}, kind: AIRoute}} or leave kinds out"
        yield "ResolvedRefs", "UnsupportedValue", "allowedRoutes.kinds", f"no kind is served; {fix}"
    if spec.protocol == "HTTP" and spec.tls is not None:
        yield "Accepted", "UnsupportedValue", "tls", "belongs to protocol HTTPS"
    if spec.protocol == "HTTPS":
        if spec.tls is None or not spec.tls.certificate_refs:
            fix = "is required with protocol HTTPS; name a Secret with tls.crt and tls.key"
            yield "ResolvedRefs", "CertificateNotFound", "tls.certificateRefs", fix
        if spec.tls is not None and spec.tls.mode != "Terminate":
            yield (
                "Accepted",
                "UnsupportedValue",
                "tls.mode",
                f"{spec.tls.mode} is not served; use Terminate",
            )


def _certificate(
    gateway: Key, ref: CertificateRef, resources: Resources, grants: Grants
) -> tuple[ir.CertificateSecret | None, Reason | None, str]:
    """The certificate a listener refers to, or why there is none."""
    if (ref.group, ref.kind) != ("", "Secret"):
        return None, "UnsupportedValue", f"{ref.kind} is not read; name a Secret"
    key = Key("Secret", ref.namespace or gateway.namespace, ref.name)
    if not grants.permit("Gateway", gateway.namespace, key):
        return None, "RefNotPermitted", permissions.fix("Gateway", gateway.namespace, key)
    content = resources.secrets.get(key)
    if content is None:
        return None, "CertificateNotFound", f"{key} does not exist"
    chain, private_key = content.get("tls.crt"), content.get("tls.key")
    if chain is None or private_key is None:
        return None, "InvalidCertificate", f"{key} needs the keys tls.crt and tls.key"
    if problem := pem.wrong_pair(chain.reveal(), private_key.reveal()):
        return None, "InvalidCertificate", f"{key}: {problem}"
    name = names.certificate(key)
    return ir.CertificateSecret(name, chain.reveal(), private_key, gateway), None, ""


def _socket(door: Door) -> Door:
    """Where a pod listens for a port."""
    return door[0], names.container_port(door[1])


def _same_socket(listener: Listener, port: int) -> Fault:
    text = (
        f"pods listen for port {listener.spec.port} where they already listen for {port}; "
        "choose another port"
    )
    field = f"spec.listeners[{listener.index}].port"
    return Fault(listener.gateway, "Accepted", "UnsupportedValue", field, text, listener.index)


def _conflict(winner: Listener, loser: Listener) -> Fault:
    reason: Reason = "HostnameConflict" if winner.protocol == loser.protocol else "ProtocolConflict"
    what = "hostname" if reason == "HostnameConflict" else "protocol"
    message = (
        f"port {loser.spec.port} with hostname {loser.hostname} belongs to listener "
        f"{winner.spec.name} ({winner.protocol}) of {winner.gateway}; choose another port or {what}"
    )
    return Fault(
        loser.gateway, "Accepted", reason, f"spec.listeners[{loser.index}]", message, loser.index
    )
