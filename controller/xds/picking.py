"""Picking: the way of a request from a target to the endpoint that a picker names for it.

The target's cluster leads to an internal listener of this Envoy, where the picker (ext_proc, as the
Endpoint Picker Protocol has it) sees the finished request, and from there to the cluster with the
endpoints. So each attempt asks its own picker, after the guard and in the target's own format, and
a picker that fails is an answer 503 like any provider's: the next target is tried.

Envoy cannot go on with a body it has streamed to a picker that failed. Where that is wished
(`fails_open`), the target leads to one listener more, which keeps the body and tries again without.
"""

from betterproto2 import Message
from envoy_data_plane.envoy.config.cluster.v3 import (
    Cluster,
    LoadBalancingPolicy,
    LoadBalancingPolicyPolicy,
)
from envoy_data_plane.envoy.config.core.v3 import TransportSocket
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
from controller.xds import balancing, chain, clusters, filters, inner, passage


def build(picker: ir.Picker) -> Cluster:
    """A picker's cluster: TLS with a certificate that nobody vouches for, as pickers have."""
    tls = UpstreamTlsContext(common_tls_context=CommonTlsContext(alpn_protocols=["h2"]))
    socket = TransportSocket(name="envoy.transport_sockets.tls", typed_config=Any.pack(tls))
    return clusters.own(picker.name, picker.endpoints, socket)


def entrance(target: ir.Target, settings: BuildSettings) -> Cluster:
    """The target's own cluster: the request is made ready, and handed to the picking."""
    fails_open = target.picker is not None and target.picker.fails_open
    listener = names.unpicked(target.name) if fails_open else names.picking(target.name)
    return passage.inward(target, settings, (target.name, listener), chain.inward(target))


def trying(target: ir.Target, settings: BuildSettings) -> Cluster:
    """What a listener that can go on without the picker tries first."""
    way = names.unpicked(target.name), names.picking(target.name)
    made = passage.inward(target, settings, way, [chain.codec()])
    made.outlier_detection = None
    return made


def picked(target: ir.Target, settings: BuildSettings) -> Cluster:
    """The endpoints. A picker can only name one that is among them; else balancing decides."""
    made = passage.onward(target, settings, names.picked(target.name))
    made.load_balancing_policy = _policy(
        "envoy.load_balancing_policies.override_host",
        OverrideHost(
            override_host_sources=[OverrideHostOverrideHostSource(metadata=_key(inner.PICKED))],
            selected_host_key=_key(inner.SERVED),
            fallback_policy=balancing.build(target.balancing),
        ),
    )
    return made


def _key(key: str) -> MetadataKey:
    return MetadataKey(key=inner.NAMESPACE, path=[MetadataKeyPathSegment(key=key)])


def _policy(name: str, policy: Message) -> LoadBalancingPolicy:
    extension = filters.extension(name, policy)
    return LoadBalancingPolicy(
        policies=[LoadBalancingPolicyPolicy(typed_extension_config=extension)]
    )
