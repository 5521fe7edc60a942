"""Gateways: their status and their listeners', in Gateway API's own words.

Pure. `translate` speaks to people in its own reasons; where Gateway API has a name for it, that one
is written, since its tools look for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from controller import names
from controller.resources import Object
from controller.standing import conditions, summary
from controller.standing.delivery import Delivery, World
from controller.standing.progress import Progress, refused
from controller.translate.conditions import ListenerStatus, Status
from controller.translate.gateways import PROTOCOLS
from crds.gateway import GatewayClassSpec, GatewaySpec, ListenerSpec
from crds.meta import CONTROLLER_NAME, GROUP, Condition, Key

OUR_ROUTE = (GROUP, "AIRoute")
_CONFLICTS = ("HostnameConflict", "ProtocolConflict")
_OF_CERTIFICATES = ("CertificateNotFound", "InvalidCertificate", "UnsupportedValue")
_NO_CONFLICT = Condition("Conflicted", "False", "NoConflicts", "")


def classes(world: World) -> dict[Key, dict[str, Any]]:
    """The GatewayClasses that are ours."""
    return {
        key: {"conditions": conditions.written((_class(each.spec),), each.meta.generation)}
        for key, each in world.resources.gateway_classes.items()
        if each.spec.controller_name == CONTROLLER_NAME
    }


def _class(spec: GatewayClassSpec) -> Condition:
    """Its Gateways are served even so: they are in use, and lack nothing of what is understood."""
    if spec.parameters_ref is None:
        text = f"its Gateways are served by {CONTROLLER_NAME}"
        return Condition("Accepted", "True", "Accepted", text)
    text = (
        "spec.parametersRef: a GatewayClass takes no parameters, and these change nothing; give "
        "them to a Gateway (spec.infrastructure.parametersRef) or to the chart (dataPlane)"
    )
    return Condition("Accepted", "False", "InvalidParameters", text)


def unread(status: Status) -> dict[str, Any]:
    """A Gateway that could not be read: no listener of it is served."""
    written = conditions.written(status.conditions, status.observed_generation)
    return {"conditions": written, "addresses": [], "listeners": []}


def shown(gateway: Object[GatewaySpec], status: Status, progress: Progress) -> dict[str, Any]:
    """The status of a Gateway."""
    delivery = progress.of(gateway.key)
    generation = status.observed_generation
    live = delivery.live.get(gateway.key)
    current = live if live is not None and live.observed_generation == generation else None
    listeners = [
        _Listener(gateway.key, index, spec, each).judged(current, delivery)
        for index, (spec, each) in enumerate(
            zip(gateway.spec.listeners, status.listeners, strict=True)
        )
    ]
    whole = (
        _accepted(gateway.spec, status, delivery),
        _programmed(gateway, status, delivery, listeners),
    )
    found: dict[str, Any] = {
        "conditions": conditions.written(whole, generation),
        "listeners": [
            {
                "name": each.name,
                "attachedRoutes": each.attached_routes,
                "supportedKinds": _supported(spec),
                "conditions": conditions.written(judged, generation),
            }
            for spec, each, judged in zip(
                gateway.spec.listeners, status.listeners, listeners, strict=True
            )
        ],
    }
    if delivery.addresses is not None:
        found["addresses"] = [_address(each) for each in delivery.addresses]
    return found


def _accepted(spec: GatewaySpec, status: Status, delivery: Delivery) -> Condition:
    accepted = _of_type(status.conditions, "Accepted")
    if text := _wrong_address(spec):
        return Condition("Accepted", "False", "UnsupportedAddress", text)
    if delivery.wrong:
        return Condition("Accepted", "False", "InvalidParameters", "; ".join(delivery.wrong))
    if accepted.status == "True" and accepted.message:
        return accepted._replace(reason="ListenersNotValid")
    return accepted


def _wrong_address(spec: GatewaySpec) -> str:
    """Why the Gateway cannot have the addresses it asks for; empty if it asks for none."""
    for index, each in enumerate(spec.addresses):
        if each.value is not None:
            place = f"spec.addresses[{index}].value"
            return f"{place}: {each.value} cannot be had; the Service decides, so leave it out"
    return ""


def _programmed(
    gateway: Object[GatewaySpec],
    status: Status,
    delivery: Delivery,
    listeners: Sequence[tuple[Condition, ...]],
) -> Condition:
    """Whether all that can be served is, and can be reached."""
    translated = _of_type(status.conditions, "Programmed")
    if translated.status == "False":
        return translated
    if text := _wrong_address(gateway.spec):
        return Condition("Programmed", "False", "AddressNotUsable", text)
    if delivery.wrong:
        text = "its proxies stay as they are until the parameters are mended"
        return Condition("Programmed", "False", "Invalid", text)
    texts = dict.fromkeys(
        f"{each.name} {refused(each)}" for each in delivery.rejections if each.owner == gateway.key
    )
    if texts:
        return Condition("Programmed", "False", summary.REJECTED, "; ".join(texts))
    found = {each.reason: each for each in (_of_type(every, "Programmed") for every in listeners)}
    under_way = found.get(summary.WAITING) or found.get(summary.PENDING)
    return under_way or _reached(delivery)


def _reached(delivery: Delivery) -> Condition:
    """What a Gateway says whose listeners are live."""
    if delivery.addresses is None:
        return Condition("Programmed", "Unknown", summary.PENDING, "waiting for the Service")
    if not delivery.addresses:
        text = "the Service has no address yet"
        return Condition("Programmed", "False", "AddressNotAssigned", text)
    return Condition("Programmed", "True", "Programmed", _silent(delivery))


def _silent(delivery: Delivery) -> str:
    if not delivery.silent:
        return ""
    return f"silent, and not waited for: {', '.join(delivery.silent)}"


@dataclass(frozen=True, slots=True)
class _Listener:
    """One listener of a Gateway, as written and as translated."""

    gateway: Key
    index: int
    spec: ListenerSpec
    status: ListenerStatus

    def judged(self, live: Status | None, delivery: Delivery) -> tuple[Condition, ...]:
        """Its conditions; `live` is what was last said of this generation of the Gateway."""
        accepted = _of_type(self.status.conditions, "Accepted")
        programmed = _of_type(self.status.conditions, "Programmed")
        conflicted = _NO_CONFLICT
        if accepted.reason in _CONFLICTS:
            conflicted = accepted._replace(type="Conflicted", status="True")
            programmed = accepted._replace(type="Programmed")
        elif programmed.status != "False":
            programmed = self._live(live, delivery)
        return accepted, self._resolved(), programmed, conflicted

    def _live(self, live: Status | None, delivery: Delivery) -> Condition:
        for each in delivery.rejections:
            if each.owner == self.gateway and each.name in self._names():
                return Condition("Programmed", "False", summary.REJECTED, refused(each))
        then = {each.name: each.conditions for each in live.listeners} if live else {}
        if then.get(self.status.name) == self.status.conditions:
            return Condition("Programmed", "True", "Programmed", "")
        if delivery.waiting_for_proxies:
            text = f"no proxy runs for {self.gateway}"
            return Condition("Programmed", "False", summary.WAITING, text)
        text = f"waiting for the proxies of {self.gateway}"
        return Condition("Programmed", "Unknown", summary.PENDING, text)

    def _names(self) -> tuple[str, ...]:
        """The resources whose refusal is a refusal of this listener."""
        port, host = self.spec.port, self.spec.hostname
        routes = names.https_routes(port, host) if host else names.http_routes(port)
        return names.listener(port), names.http_routes(port), routes

    def _resolved(self) -> Condition:
        resolved = _of_type(self.status.conditions, "ResolvedRefs")
        strange = [kind for group, kind in _kinds(self.spec) if (group, kind) != OUR_ROUTE]
        if resolved.status == "True" and strange:
            field = f"spec.listeners[{self.index}].allowedRoutes.kinds"
            text = f"{field}: {', '.join(strange)} is not served; AIRoute of {GROUP} is"
            return Condition("ResolvedRefs", "False", "InvalidRouteKinds", text)
        if resolved.reason == "UnsupportedValue" and strange:
            return resolved._replace(reason="InvalidRouteKinds")
        if resolved.reason in _OF_CERTIFICATES:
            return resolved._replace(reason="InvalidCertificateRef")
        return resolved


def _supported(spec: ListenerSpec) -> list[dict[str, str]]:
    ours = not spec.allowed_routes.kinds or OUR_ROUTE in _kinds(spec)
    ours = ours and spec.protocol in PROTOCOLS
    return [{"group": GROUP, "kind": "AIRoute"}] if ours else []


def _kinds(spec: ListenerSpec) -> list[tuple[str, str]]:
    return [(each.group, each.kind) for each in spec.allowed_routes.kinds]


def _of_type(found: Sequence[Condition], type_: str) -> Condition:
    return next(each for each in found if each.type == type_)


def _address(value: str) -> dict[str, str]:
    try:
        ip_address(value)
    except ValueError:
        return {"type": "Hostname", "value": value}
    return {"type": "IPAddress", "value": value}
