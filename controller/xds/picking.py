"""Picking: the way of a request from a target to the endpoint that a picker names for it.

The target's cluster leads to an internal listener of this Envoy, where the picker (ext_proc, as the
Endpoint Picker Protocol has it) sees the finished request, and from there to the cluster with the
endpoints. So each attempt asks its own picker, after the guard and in the target's own format, and
a picker that fails is an answer 503 like any provider's: the next target is tried.

Envoy cannot go on with a body it has streamed to a picker that failed. Where that is wished
(`fails_open`), the target leads to one listener more, which keeps the body and tries again without.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from betterproto2 import Message
from envoy_data_plane.envoy.config.cluster.v3 import (
    Cluster,
    LoadBalancingPolicy,
    LoadBalancingPolicyPolicy,
)
from envoy_data_plane.envoy.config.core.v3 import Address, EnvoyInternalAddress, TransportSocket
from envoy_data_plane.envoy.config.endpoint.v3 import Endpoint, LbEndpoint, LocalityLbEndpoints
from envoy_data_plane.envoy.config.listener.v3 import Listener
from envoy_data_plane.envoy.extensions.load_balancing_policies.override_host.v3 import (
    OverrideHost,
    OverrideHostOverrideHostSource,
)
from envoy_data_plane.envoy.extensions.transport_sockets.tls.v3 import (
    CommonTlsContext,
    UpstreamTlsContext,
)
from envoy_data_plane.envoy.type.metadata.v3 import MetadataKey, MetadataKeyPathSegment
from envoy_data_plane.google.protobuf import Any

from controller import ir, names
from controller.settings import BuildSettings
from controller.xds import balancing, chain, clusters, filters, inner


class Part(NamedTuple):
    """One resource to be: what makes it, and of which target."""

    make: Callable[[ir.Target, BuildSettings], Message]
    target: ir.Target


def clusters_of(targets: Sequence[ir.Target]) -> Iterator[tuple[str, Part]]:
    """The clusters that targets are made of, by name."""
    for target in targets:
        if target.picker is None:
            yield target.name, Part(clusters.build, target)
            continue
        yield target.name, Part(_entrance, target)
        yield names.picked(target.name), Part(_picked, target)
        if target.picker.fails_open:
            yield names.unpicked(target.name), Part(_trying, target)


def listeners_of(targets: Sequence[ir.Target]) -> Iterator[tuple[str, Part]]:
    """The internal listeners that targets are made of, by name."""
    for target in targets:
        if target.picker is not None:
            yield names.picking(target.name), Part(_picking, target)
            if target.picker.fails_open:
                yield names.unpicked(target.name), Part(_going_on, target)


def pickers_of(targets: Sequence[ir.Target]) -> Iterator[tuple[str, ir.Picker]]:
    """The pickers of targets, by the names of their clusters."""
    return ((each.picker.name, each.picker) for each in targets if each.picker is not None)


def build(picker: ir.Picker) -> Cluster:
    """A picker's cluster: TLS with a certificate that nobody vouches for, as pickers have."""
    tls = UpstreamTlsContext(common_tls_context=CommonTlsContext(alpn_protocols=["h2"]))
    socket = TransportSocket(name="envoy.transport_sockets.tls", typed_config=Any.pack(tls))
    return clusters.own(picker.name, picker.endpoints, socket)


def _entrance(target: ir.Target, settings: BuildSettings) -> Cluster:
    """The target's own cluster: the request is made ready, and handed to the picking."""
    fails_open = target.picker is not None and target.picker.fails_open
    name = names.unpicked(target.name) if fails_open else names.picking(target.name)
    made = clusters.build(_plain(target), settings, chain.to_picker(target))
    return _leading(made, target.name, name)


def _trying(target: ir.Target, settings: BuildSettings) -> Cluster:
    """What a listener that can go on without the picker tries first."""
    made = clusters.build(_plain(target), settings, [chain.codec()])
    made.outlier_detection = None
    return _leading(made, names.unpicked(target.name), names.picking(target.name))


def _plain(target: ir.Target) -> ir.Target:
    """The target without what concerns its endpoints."""
    return replace(target, endpoints=(), tls=None, http2=False)


def _leading(made: Cluster, name: str, listener: str) -> Cluster:
    """The cluster with an internal listener for its one endpoint."""
    address = Address(envoy_internal_address=EnvoyInternalAddress(server_listener_name=listener))
    inside = LocalityLbEndpoints(lb_endpoints=[LbEndpoint(endpoint=Endpoint(address=address))])
    made.name = name
    if made.load_assignment is not None:
        made.load_assignment.cluster_name = name
        made.load_assignment.endpoints[0] = inside
    return made


def _picked(target: ir.Target, settings: BuildSettings) -> Cluster:
    """The endpoints. A picker can only name one that is among them; else balancing decides."""
    made = clusters.build(target, settings, chain.from_picker(target, settings.refused))
    made.name = names.picked(target.name)
    if made.load_assignment is not None:
        made.load_assignment.cluster_name = made.name
    made.load_balancing_policy = _policy(
        "envoy.load_balancing_policies.override_host",
        OverrideHost(
            override_host_sources=[OverrideHostOverrideHostSource(metadata=_key(inner.PICKED))],
            selected_host_key=_key(inner.SERVED),
            fallback_policy=balancing.build(target.balancing),
        ),
    )
    return made


def _picking(target: ir.Target, _: BuildSettings) -> Listener:
    return inner.picking(target)


def _going_on(target: ir.Target, _: BuildSettings) -> Listener:
    return inner.going_on(target)


def _key(key: str) -> MetadataKey:
    return MetadataKey(key=inner.NAMESPACE, path=[MetadataKeyPathSegment(key=key)])


def _policy(name: str, policy: Message) -> LoadBalancingPolicy:
    extension = filters.extension(name, policy)
    return LoadBalancingPolicy(
        policies=[LoadBalancingPolicyPolicy(typed_extension_config=extension)]
    )
