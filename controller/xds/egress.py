"""Egress: the networks that no target may lead to, whatever a name resolves to.

Envoy judges this filter when it has chosen the endpoint, so it sees the address itself. Port 1 is
left out: the refusing endpoint of every cluster is there.
"""

import ipaddress
from collections.abc import Iterable, Sequence

from envoy_data_plane.envoy.config.core.v3 import CidrRange, TypedExtensionConfig
from envoy_data_plane.envoy.config.rbac.v3 import (
    Permission,
    PermissionSet,
    Policy,
    Principal,
    Rbac,
    RbacAction,
)
from envoy_data_plane.envoy.extensions.filters.http.rbac.v3 import Rbac as RbacFilter
from envoy_data_plane.envoy.extensions.rbac.matchers.upstream_ip_port.v3 import (
    UpstreamIpPortMatcher,
)
from envoy_data_plane.envoy.type.v3 import Int64Range
from envoy_data_plane.google.protobuf import Any

NAME = "envoy.filters.http.upstream_rbac"
_PORTS = Int64Range(start=2, end=65536)


def rules(refused: Sequence[str]) -> RbacFilter:
    """A filter that answers 403 where the chosen endpoint is in one of the networks."""
    policy = Policy(
        permissions=[Permission(or_rules=PermissionSet(rules=list(_networks(refused))))],
        principals=[Principal(any=True)],
    )
    return RbacFilter(rules=Rbac(action=RbacAction.DENY, policies={"refused": policy}))


def _networks(refused: Sequence[str]) -> Iterable[Permission]:
    for text in refused:
        network = ipaddress.ip_network(text)
        cidr = CidrRange(address_prefix=str(network.network_address), prefix_len=network.prefixlen)
        matcher = UpstreamIpPortMatcher(upstream_ip=cidr, upstream_port_range=_PORTS)
        yield Permission(
            matcher=TypedExtensionConfig(
                name="envoy.rbac.matchers.upstream_ip_port", typed_config=Any.pack(matcher)
            )
        )
