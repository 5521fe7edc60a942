"""Every name that Envoy, ext_proc or a cluster sees is spelled here.

Names are identities, never indexes.
"""

import hashlib
import re

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


def target(backend: Key, model: str | None, arm: str = "") -> str:
    """The Envoy cluster of an (AIBackend, model) pair; `*`: the model the caller asked for.

    With a prompt of its own the pair is an arm of its own.
    """
    return f"{backend.namespace}/{backend.name}{arm and f'@{arm}'}/{model or '*'}"


def mirror(target: str) -> str:
    """The Envoy cluster of a target's copies: no namespace has a colon."""
    return f"mirror:{target}"


def picker(pool: Key) -> str:
    """The Envoy cluster of an InferencePool's endpoint picker."""
    return f"picker:{pool.namespace}/{pool.name}"


def picking(target: str) -> str:
    """The internal listener where a target's endpoint is picked."""
    return f"picking:{target}"


def picked(target: str) -> str:
    """The cluster with the endpoints that are picked from."""
    return f"picked:{target}"


def unpicked(target: str) -> str:
    """The internal listener and the cluster that go on where the picker fails."""
    return f"unpicked:{target}"


def judged(target: str) -> str:
    """The internal listener and the cluster through which a mirror's copies go on."""
    return f"judged:{target}"


def parts(target: str, picker: str | None) -> tuple[str, ...]:
    """Every resource that a target can be made of; the picker by its cluster's name."""
    own = (target, judged(target), picking(target), picked(target), unpicked(target))
    return own if picker is None else (*own, picker)


def api_key(backend: Key) -> str:
    """The generic secret that holds a backend's key."""
    return f"key/{backend.namespace}/{backend.name}"


def token(backend: Key) -> str:
    """The generic secret that holds a backend's token."""
    return f"token/{backend.namespace}/{backend.name}"


def certificate(secret: Key) -> str:
    """The TLS certificate of a listener."""
    return f"certificate/{secret.namespace}/{secret.name}"


def authorities(backend: Key) -> str:
    """The private certificate authorities of a backend."""
    return f"authorities/{backend.namespace}/{backend.name}"


PROBE_PORT = 19001
"""Where a data-plane pod answers probes and shows its metrics."""
LOCAL_PORT = 19002
"""Where Envoy takes its own pod's wish to drain, on loopback."""
_FIRST_UNPRIVILEGED = 1024
_PORT_SHIFT = 10_000


def container_port(port: int) -> int:
    """Where a data-plane pod listens for a listener's port: it may not bind the low ones."""
    moved = port < _FIRST_UNPRIVILEGED or port in {PROBE_PORT, LOCAL_PORT}
    return port + _PORT_SHIFT if moved else port


def data_plane(gateway: str, gateway_class: str) -> str:
    """The name of every object made for a Gateway (GEP-1762)."""
    return _service_name(f"{gateway}-{gateway_class}")


def client_certificate(gateway: str, gateway_class: str) -> str:
    """The Secret with which a Gateway's data plane fetches its configuration."""
    return f"{data_plane(gateway, gateway_class)}-xds"


def label_value(name: str) -> str:
    """An object's name as a label's value, which may be shorter."""
    return name if len(name) <= _LABEL_LENGTH else _shortened(name, name)


def spiffe(gateway: Key) -> str:
    """Who a data plane is: the Gateway whose configuration it may have."""
    return f"spiffe://dragoman.dev/ns/{gateway.namespace}/gateway/{gateway.name}"


def is_object_name(text: str) -> bool:
    """Whether objects can be called so. Not every schema asks; paths and selectors need it."""
    return re.fullmatch(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?", text) is not None


_LABEL_LENGTH = 63
_HASH_LENGTH = 8


def _service_name(name: str) -> str:
    """As it is, if a Service may be called so: no dots, a letter first, 63 characters."""
    if len(name) <= _LABEL_LENGTH and re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", name):
        return name
    plain = name.replace(".", "-")
    return _shortened(plain if plain[0].isalpha() else f"g-{plain}", name)


def _shortened(text: str, name: str) -> str:
    mark = hashlib.sha256(name.encode()).hexdigest()[:_HASH_LENGTH]
    return f"{text[: _LABEL_LENGTH - _HASH_LENGTH - 1].rstrip('-.')}-{mark}"
