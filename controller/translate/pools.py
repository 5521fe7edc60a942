"""Pools: the ready pods of an InferencePool, and where its endpoint picker is asked.

A pod that comes or goes moves one cluster. Who picks is a Service, as an AIBackend may name one;
its addresses are judged here, because the filter in Envoy does not see what Envoy itself asks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address

from controller import ir, names
from controller.resources import Object, Resources
from controller.translate.conditions import Reason
from controller.translate.services import Endpoints, Services
from crds.aibackend import ServiceRef, is_ip_address
from crds.inferencepool import EndpointPickerRef, InferencePoolSpec
from crds.meta import Key

Network = IPv4Network | IPv6Network

_H2C = "kubernetes.io/h2c"


@dataclass(frozen=True, slots=True)
class Pools:
    """All InferencePools, all pods, and the networks where nobody is called."""

    resources: Resources
    services: Services
    refused: Sequence[Network]

    def wrong(self, key: Key) -> tuple[Reason, str] | None:
        """Why a pool cannot be used: reason and text; None if it can."""
        pool = self.resources.inference_pools.get(key)
        if pool is None:
            return "BackendNotFound", f"{key} does not exist"
        ref = pool.spec.endpoint_picker_ref
        return None if ref is None else self._wrong_picker(key, ref)

    def endpoints(self, key: Key) -> Endpoints:
        """Every target port of every ready pod, in order; the pool can be used."""
        pool = self.resources.inference_pools[key]
        return tuple(
            sorted(
                (pod.spec.status.pod_ip, port.number)
                for pod in self.resources.pods.values()
                if pod.spec.ready and _selected(pod.key, pod.spec.metadata.labels, pool)
                for port in pool.spec.target_ports
            )
        )

    def picker(self, key: Key) -> ir.Picker | None:
        """Who picks among the endpoints; the pool can be used."""
        ref = self.resources.inference_pools[key].spec.endpoint_picker_ref
        if ref is None or ref.port is None:
            return None
        service = ServiceRef(name=ref.name, port=ref.port.number)
        return ir.Picker(
            name=names.picker(key),
            endpoints=self.services.endpoints(key.namespace, service),
            fails_open=ref.failure_mode == "FailOpen",
        )

    def speaks_http2(self, key: Key) -> bool:
        """Whether its pods take HTTP/2 in the clear."""
        return self.resources.inference_pools[key].spec.app_protocol == _H2C

    def _wrong_picker(self, key: Key, ref: EndpointPickerRef) -> tuple[Reason, str] | None:
        where = f"spec.endpointPickerRef of {key}"
        if (ref.group, ref.kind) != ("", "Service"):
            return "UnsupportedValue", f"{where} is no Service; only a Service can be asked"
        if ref.port is None:
            return "UnsupportedValue", f"{where} has no port, which a Service needs"
        service = ServiceRef(name=ref.name, port=ref.port.number)
        if problem := self.services.wrong(key.namespace, service):
            reason, _, text = problem
            return reason, f"{where}: {text}"
        for host, _ in self.services.endpoints(key.namespace, service):
            if network := refusing(host, self.refused):
                return "EndpointRefused", f"{where}: {host} is in {network}, where nobody is called"
        return None


def refusing(host: str, networks: Sequence[Network]) -> str | None:
    """The network that an address must not be in, if it is one and in one."""
    if not is_ip_address(host):
        return None
    address = ip_address(host)
    found = (str(each) for each in networks if each.version == address.version and address in each)
    return next(found, None)


def _selected(pod: Key, labels: dict[str, str], pool: Object[InferencePoolSpec]) -> bool:
    wanted = pool.spec.selector.match_labels
    return pod.namespace == pool.key.namespace and wanted.items() <= labels.items()
