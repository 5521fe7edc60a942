"""What the controller is told when it starts, as frozen values; nothing here reads the outside."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class BuildSettings:
    """What of Envoy's resources depends on the place where Envoy runs."""

    address: str = "127.0.0.1"
    """Where listeners listen."""
    ca_bundle: str = "/etc/ssl/certs/ca-certificates.crt"
    """The system's certificate authorities, as a file Envoy can read."""
    access_log: str = "/dev/stdout"
    """Where Envoy writes one line for each request that got no verdict."""


@dataclass(frozen=True, slots=True)
class BootstrapSettings:
    """What Envoy must know before it can ask for the rest."""

    ads_socket: str
    ext_proc_socket: str
    admin_socket: str
    node_id: str = "envoy/0"
    node_cluster: str = "standalone"
    max_downstream_connections: int = 20_000


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
