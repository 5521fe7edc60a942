"""Services: where the ready endpoints of a Service's port are.

An endpoint change moves one cluster and nothing else; a Service without ready endpoints is a target
that cannot be reached, so the next priority is used.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from controller.resources import Resources
from controller.translate.conditions import Reason
from crds.aibackend import ServiceRef
from crds.meta import Key
from crds.service import EndpointSlice, ServicePort

Endpoints = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Services:
    """All Services and the slices of each."""

    resources: Resources
    slices: Mapping[Key, tuple[EndpointSlice, ...]]

    def wrong(self, namespace: str, ref: ServiceRef) -> tuple[Reason, str, str] | None:
        """Why a serviceRef leads nowhere: reason, field, text; None if it does lead somewhere."""
        key = Key("Service", namespace, ref.name)
        service = self.resources.services.get(key)
        if service is None:
            return "BackendNotFound", "name", f"{key} does not exist"
        if service.spec.type == "ExternalName":
            text = f"{key} is an ExternalName; name its host as endpoint.hostname instead"
            return "UnsupportedValue", "name", text
        if _port(service.spec.ports, ref.port) is None:
            ports = ", ".join(str(each.port) for each in service.spec.ports)
            return "BackendNotFound", "port", f"{key} has no TCP port {ref.port}; it has {ports}"
        return None

    def endpoints(self, namespace: str, ref: ServiceRef) -> Endpoints:
        """The ready endpoints, in order; the reference leads somewhere."""
        key = Key("Service", namespace, ref.name)
        port = _port(self.resources.services[key].spec.ports, ref.port)
        found = {
            pair
            for each in self.slices.get(key, ())
            if port is not None and each.address_type != "FQDN"
            for pair in _ready(each, port.name)
        }
        return tuple(sorted(found))


def find(resources: Resources) -> Services:
    """Group the slices by the Service they belong to."""
    slices: dict[Key, list[EndpointSlice]] = {}
    for key, each in sorted(resources.endpoint_slices.items()):
        service = Key("Service", key.namespace, each.spec.service)
        slices.setdefault(service, []).append(each.spec)
    return Services(resources, {key: tuple(found) for key, found in slices.items()})


def _port(ports: tuple[ServicePort, ...], number: int) -> ServicePort | None:
    return next((each for each in ports if (each.port, each.protocol) == (number, "TCP")), None)


def _ready(held: EndpointSlice, port_name: str) -> Iterator[tuple[str, int]]:
    """A slice names the ports as its Service does."""
    ports = [each.port for each in held.ports if each.name == port_name and each.port is not None]
    for endpoint in held.endpoints:
        if endpoint.conditions.ready is not False:
            yield from ((endpoint.addresses[0], port) for port in ports)
