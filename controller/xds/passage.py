"""Passage: the clusters on both sides of an internal listener that cuts a target's chain in two.

What makes a request is in the chain of the first, what judges and proves it in the second's.
"""

from collections.abc import Sequence
from dataclasses import replace

from envoy_data_plane.envoy.config.cluster.v3 import Cluster
from envoy_data_plane.envoy.config.core.v3 import Address, EnvoyInternalAddress
from envoy_data_plane.envoy.config.endpoint.v3 import Endpoint, LbEndpoint, LocalityLbEndpoints
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager.v3 import HttpFilter

from controller import ir
from controller.settings import BuildSettings
from controller.xds import chain, clusters


def inward(
    target: ir.Target,
    settings: BuildSettings,
    way: tuple[str, str],
    http_filters: Sequence[HttpFilter],
) -> Cluster:
    """A cluster with an internal listener for its one endpoint; `way` names both."""
    name, listener = way
    plain = replace(
        target,
        name=name,
        endpoints=(),
        tls=None,
        http2=False,
        balancing="LeastRequest",
        health_check=None,
    )
    made = clusters.build(plain, settings, http_filters)
    address = Address(envoy_internal_address=EnvoyInternalAddress(server_listener_name=listener))
    inside = LocalityLbEndpoints(lb_endpoints=[LbEndpoint(endpoint=Endpoint(address=address))])
    if made.load_assignment is not None:
        made.load_assignment.endpoints[0] = inside
    return made


def onward(target: ir.Target, settings: BuildSettings, name: str) -> Cluster:
    """The cluster with the endpoints. Copies were counted, and are timed, where they came in."""
    same = replace(target, name=name, copies=None)
    return clusters.build(same, settings, chain.onward(target, settings.refused))
