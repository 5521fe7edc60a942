"""Bootstrap: what Envoy is started with, and a whole Snapshot as one static file.

The caller writes the JSON, and starts Envoy with `--disable-hot-restart`: two Envoys on one machine
would otherwise fight over shared memory. What is different in a pod of Kubernetes is in
`pod_bootstrap`.
"""

from typing import Any

from controller import names
from controller.settings import BootstrapSettings
from controller.xds import clusters, snapshot
from controller.xds.snapshot import Snapshot

HTTP2 = {
    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": f"{snapshot.PREFIX}envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicitHttpConfig": {"http2ProtocolOptions": {"maxConcurrentStreams": 1000}},
    }
}
_ADS_SERVICE = {
    "clusterName": names.ADS_CLUSTER,
    # By default Envoy waits up to half a minute before it asks again.
    "retryPolicy": {"retryBackOff": {"baseInterval": "0.1s", "maxInterval": "1s"}},
}
_ADS = {"ads": {}, "resourceApiVersion": "V3", "initialFetchTimeout": "0s"}
DYNAMIC = {
    "adsConfig": {
        "apiType": "DELTA_GRPC",
        "transportApiVersion": "V3",
        "setNodeOnFirstMessageOnly": True,
        "grpcServices": [{"envoyGrpc": _ADS_SERVICE}],
    },
    "cdsConfig": _ADS,
    "ldsConfig": _ADS,
}
"""Everything comes over one delta ADS stream."""


def bootstrap(settings: BootstrapSettings) -> dict[str, Any]:
    """Envoy's start configuration: fetch all over ADS, ask the guard on the other socket."""
    return {
        **_frame(settings),
        "dynamicResources": DYNAMIC,
        "staticResources": {
            "clusters": [
                pipe(names.ADS_CLUSTER, settings.ads_socket),
                pipe(names.EXT_PROC_CLUSTER, settings.ext_proc_socket),
            ]
        },
    }


def static_bootstrap(held: Snapshot, settings: BootstrapSettings) -> dict[str, Any]:
    """A Snapshot as a file for `envoy --mode validate`; it holds the secrets: keep it private."""
    listed = {
        type_url: [
            snapshot.plain(type_url, resource.content)
            for _, resource in sorted(held.of(type_url).items())
        ]
        for type_url in snapshot.TYPES
        if type_url != snapshot.PLAN
    }
    tables = {table["name"]: table for table in listed[snapshot.ROUTE]}
    return {
        **_frame(settings),
        "staticResources": {
            "listeners": [_inlined(each, tables) for each in listed[snapshot.LISTENER]],
            "clusters": [
                pipe(names.EXT_PROC_CLUSTER, settings.ext_proc_socket),
                *(_inlined(each, tables) for each in listed[snapshot.CLUSTER]),
            ],
            "secrets": listed[snapshot.SECRET],
        },
    }


def _frame(settings: BootstrapSettings) -> dict[str, Any]:
    return {
        "node": {"id": settings.node_id, "cluster": settings.node_cluster},
        **frame(settings.admin_socket, settings.max_downstream_connections),
    }


def frame(admin_socket: str, max_downstream_connections: int) -> dict[str, Any]:
    """What every Envoy of ours has: administration on a Unix socket, limits, the names of stats."""
    return {
        "admin": {"address": {"pipe": {"path": admin_socket, "mode": 0o600}}},
        "bootstrapExtensions": [
            {
                "name": "envoy.bootstrap.internal_listener",
                "typedConfig": {
                    "@type": f"{snapshot.PREFIX}envoy.extensions.bootstrap"
                    ".internal_listener.v3.InternalListener"
                },
            }
        ],
        "layeredRuntime": {
            "layers": [
                {
                    "name": "dragoman",
                    "staticLayer": {"re2.max_program_size.error_level": 1000},
                }
            ]
        },
        "overloadManager": {
            "resourceMonitors": [
                {
                    "name": "envoy.resource_monitors.global_downstream_max_connections",
                    "typedConfig": {
                        "@type": f"{snapshot.PREFIX}envoy.extensions.resource_monitors"
                        ".downstream_connections.v3.DownstreamConnectionsConfig",
                        "maxActiveDownstreamConnections": str(max_downstream_connections),
                    },
                }
            ]
        },
        "statsConfig": {"useAllDefaultTags": True},
    }


_UNLIMITED = {
    "maxConnections": clusters.UNLIMITED,
    "maxPendingRequests": clusters.UNLIMITED,
    "maxRequests": clusters.UNLIMITED,
    "maxRetries": clusters.UNLIMITED,
}
BREAKERS = {"thresholds": [_UNLIMITED, {**_UNLIMITED, "priority": "HIGH"}]}
"""None: our own parts are never refused each other."""


def pipe(name: str, path: str) -> dict[str, Any]:
    """A cluster on a Unix socket: STATIC, because pipes vanish in other types."""
    endpoint = {"endpoint": {"address": {"pipe": {"path": path}}}}
    return {
        "name": name,
        "type": "STATIC",
        "connectTimeout": "1s",
        "perConnectionBufferLimitBytes": 16 * 1024 * 1024,
        "circuitBreakers": BREAKERS,
        "loadAssignment": {"clusterName": name, "endpoints": [{"lbEndpoints": [endpoint]}]},
        "typedExtensionProtocolOptions": HTTP2,
    }


def _inlined(value: Any, tables: dict[str, Any]) -> Any:
    """The value with what it would fetch over ADS put in its place."""
    if isinstance(value, list):
        return [_inlined(item, tables) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {key: _inlined(item, tables) for key, item in value.items() if key != "sdsConfig"}
    if "rds" in kept:
        kept["routeConfig"] = tables[kept.pop("rds")["routeConfigName"]]
    return kept
