"""Every name Envoy and ext_proc will see is spelled here. Names are identities, never indexes."""

from crds.meta import Key

BLACKHOLE = "blackhole"
"""An empty cluster: what no verdict has released ends there with 503."""
ADS_CLUSTER = "dragoman-ads"
EXT_PROC_CLUSTER = "dragoman-ext-proc"
GUARD_FILTER = "dragoman.guard"
TRANSLATE_FILTER = "dragoman.translate"


def listener(port: int) -> str:
    """The Envoy listener of a port: `8080`'s is `listener/8080`."""
    return f"listener/{port}"


def http_routes(port: int) -> str:
    """The RouteConfiguration of an HTTP port."""
    return f"http/{port}"


def https_routes(port: int, hostname: str | None) -> str:
    """The RouteConfiguration of one filter chain of an HTTPS port."""
    return f"https/{port}/{hostname or '*'}"


def virtual_host(gateway: Key, section: str, hostname: str | None) -> str:
    """A virtual host and its plan: gateway, listener and hostname."""
    return f"{gateway.namespace}/{gateway.name}/{section}/{hostname or '*'}"


def route(key: Key) -> str:
    """The plan of an AIRoute."""
    return f"{key.namespace}/{key.name}"


def target(backend: Key, model: str | None) -> str:
    """The Envoy cluster of an (AIBackend, model) pair; `*`: the model the caller asked for."""
    return f"{backend.namespace}/{backend.name}/{model or '*'}"


def api_key(backend: Key) -> str:
    """The generic secret that holds a backend's key."""
    return f"key/{backend.namespace}/{backend.name}"


def certificate(secret: Key) -> str:
    """The TLS certificate of a listener."""
    return f"certificate/{secret.namespace}/{secret.name}"


def authorities(backend: Key) -> str:
    """The private certificate authorities of a backend."""
    return f"authorities/{backend.namespace}/{backend.name}"
