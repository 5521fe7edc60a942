"""Balancing: how requests are spread over a target's endpoints.

All of it happens within the priority that is in use: the refusing endpoint takes no part while one
of the provider's own is well.
"""

from collections.abc import Mapping
from types import MappingProxyType

from betterproto2 import Message
from envoy_data_plane.envoy.config.cluster.v3 import (
    LoadBalancingPolicy,
    LoadBalancingPolicyPolicy,
)
from envoy_data_plane.envoy.extensions.load_balancing_policies.least_request.v3 import LeastRequest
from envoy_data_plane.envoy.extensions.load_balancing_policies.ring_hash.v3 import RingHash
from envoy_data_plane.envoy.extensions.load_balancing_policies.round_robin.v3 import RoundRobin

from controller.xds import filters
from crds.endpoints import Balancing

_EXTENSIONS: Mapping[Balancing, tuple[str, Message]] = MappingProxyType(
    {
        # of two, not of all: an endpoint that fails at once is the least busy, and would get all
        "LeastRequest": ("least_request", LeastRequest()),
        "RoundRobin": ("round_robin", RoundRobin()),
        "RingHash": ("ring_hash", RingHash()),
    }
)


def build(policy: Balancing) -> LoadBalancingPolicy:
    """The policy, as Envoy's extension."""
    name, message = _EXTENSIONS[policy]
    extension = filters.extension(f"envoy.load_balancing_policies.{name}", message)
    return LoadBalancingPolicy(
        policies=[LoadBalancingPolicyPolicy(typed_extension_config=extension)]
    )
