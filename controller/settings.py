"""What the controller is told when it starts, as frozen values; nothing here reads the outside."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import TypeVar

from controller import names

NetworkT = TypeVar("NetworkT", IPv4Network, IPv6Network)

_IPV4 = ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "100.100.100.200/32", "168.63.129.16/32")
_IPV4_IN_IPV6 = ("::ffff:", "64:ff9b::")
"""Where IPv6 addresses hold IPv4 ones: mapped, and behind NAT64."""


def _within(prefix: str, network: str) -> str:
    address, _, length = network.partition("/")
    return f"{prefix}{address}/{96 + int(length)}"


PRIVATE_ADDRESSES = (
    *_IPV4,
    "::/127",
    *(_within(prefix, network) for prefix in _IPV4_IN_IPV6 for network in _IPV4),
    "fe80::/10",
    "fd00:ec2::/32",
    "fd20:ce::/32",
)
"""Loopback, link-local and the clouds' metadata servers: nothing there is a provider."""


def refused_networks(allowed: Iterable[str]) -> tuple[str, ...]:
    """The private addresses less the networks that are allowed; ValueError for what is no CIDR."""
    refused = [ip_network(each) for each in PRIVATE_ADDRESSES]
    wanted = [ip_network(each) for each in allowed]
    rest4 = _without(_of_kind(refused, IPv4Network), _of_kind(wanted, IPv4Network))
    rest6 = _without(_of_kind(refused, IPv6Network), _of_kind(wanted, IPv6Network))
    return tuple(str(each) for each in (*rest4, *rest6))


def _of_kind(networks: Iterable[object], kind: type[NetworkT]) -> list[NetworkT]:
    return [each for each in networks if isinstance(each, kind)]


def _without(networks: list[NetworkT], allowed: Iterable[NetworkT]) -> list[NetworkT]:
    for each in allowed:
        networks = [rest for network in networks for rest in _less(network, each)]
    return networks


def _less(network: NetworkT, allowed: NetworkT) -> Iterator[NetworkT]:
    if not network.overlaps(allowed):
        yield network
    elif allowed.subnet_of(network):
        yield from network.address_exclude(allowed)


@dataclass(frozen=True, slots=True)
class Place:
    """What of the configuration depends on where proxies run."""

    apart: bool = False
    """Every Gateway has proxies of its own, as in Kubernetes, and shares its ports with none."""
    refused: tuple[str, ...] = ()
    """Networks that no AIBackend may lead to, as CIDR."""
    gateway_class: str = "dragoman"
    """The GatewayClass that needs no object of its own."""


@dataclass(frozen=True, slots=True)
class BuildSettings:
    """What of Envoy's resources depends on the place where Envoy runs."""

    address: str = "127.0.0.1"
    """Where listeners listen."""
    ca_bundle: str = "/etc/ssl/certs/ca-certificates.crt"
    """The system's certificate authorities, as a file Envoy can read."""
    access_log: str = "/dev/stdout"
    """Where Envoy writes one line for each request that got no verdict."""
    refused: tuple[str, ...] = ()
    """Networks that no connection is made to, whatever a name resolves to; as CIDR."""
    in_pod: bool = False
    """A Service leads to each port at `names.container_port`."""


@dataclass(frozen=True, slots=True)
class BootstrapSettings:
    """What Envoy must know before it can ask for the rest."""

    ads_socket: str
    ext_proc_socket: str
    admin_socket: str
    node_id: str = "envoy/0"
    node_cluster: str = "standalone"
    max_downstream_connections: int = 20_000


SOCKETS = "/run/dragoman"
"""Where the containers of a data-plane pod meet."""
CONFIGURATION = "/etc/dragoman"
"""Where a data-plane pod finds Envoy's bootstrap."""
CERTIFICATES = "/var/lib/dragoman/xds"
"""Where a data-plane pod finds its client certificate; below no other mount."""


@dataclass(frozen=True, slots=True)
class PodSettings:
    """What Envoy in a data-plane pod is started with; the same for every Gateway."""

    xds_host: str
    """The controller's Service, and the name in its certificate."""
    xds_port: int = 18000
    sockets: str = SOCKETS
    configuration: str = CONFIGURATION
    certificates: str = CERTIFICATES
    probe_address: str = "0.0.0.0"
    probe_port: int = names.PROBE_PORT
    local_port: int = names.LOCAL_PORT


@dataclass(frozen=True, slots=True)
class Settings:
    """The controller as a process."""

    source: Path
    socket_dir: Path
    build: BuildSettings
    environ: dict[str, str]
    """What `$(NAME)` in a Secret may stand for; from a pipe, never the process environment."""
    drain_s: float = 10.0
    """How long what is gone from the configuration serves requests that are on their way."""

    @property
    def ads_socket(self) -> Path:
        """Where Envoy and ext_proc fetch their configuration."""
        return self.socket_dir / "ads.sock"

    @property
    def metrics_socket(self) -> Path:
        """Where the metrics are served, over HTTP."""
        return self.socket_dir / "controller-metrics.sock"
