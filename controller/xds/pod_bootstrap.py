"""The files Envoy is started with in a pod of Kubernetes, the same for every Gateway.

The controller is reached over mTLS, with a certificate from files that Kubernetes replaces. Static
listeners open what others in the pod and its kubelet need, and no more: the guard's way to the
controller on a Unix socket, probes and metrics by exact path, and on loopback the wish to drain.
"""

import json
from collections.abc import Mapping
from typing import Any

from controller import names
from controller.settings import PodSettings
from controller.xds import snapshot
from controller.xds.bootstrap import BREAKERS, DYNAMIC, HTTP2, frame, pipe

_ADMIN = "dragoman-admin"
_GUARD_METRICS = "dragoman-guard-metrics"
_TLS = f"{snapshot.PREFIX}envoy.extensions.transport_sockets.tls.v3."
_HTTP = f"{snapshot.PREFIX}envoy.extensions.filters.network.http_connection_manager.v3."
_DNS = {
    "@type": f"{snapshot.PREFIX}envoy.extensions.clusters.dns.v3.DnsCluster",
    "dnsLookupFamily": "V4_PREFERRED",
    "dnsRefreshRate": "5s",
    "dnsFailureRefreshRate": {"baseInterval": "0.2s", "maxInterval": "2s"},
}
_MAX_DOWNSTREAM_CONNECTIONS = 20_000


def files(settings: PodSettings) -> Mapping[str, str]:
    """By name: `envoy.json`, and the two that say where the certificates are."""
    contents = {
        "envoy.json": pod_bootstrap(settings),
        "sds-authority.json": _secret_file(settings, "authority", _authority(settings)),
        "sds-certificate.json": _secret_file(settings, "certificate", _certificate(settings)),
    }
    return {name: json.dumps(each, indent=1) for name, each in contents.items()}


def pod_bootstrap(settings: PodSettings) -> dict[str, Any]:
    """Envoy's start configuration; who it is stands on its command line."""
    sockets = settings.sockets
    return {
        **frame(f"{sockets}/admin.sock", _MAX_DOWNSTREAM_CONNECTIONS),
        "dynamicResources": DYNAMIC,
        "staticResources": {
            "listeners": [_ads_listener(settings), _probes(settings), _local(settings)],
            "clusters": [
                _ads_cluster(settings),
                pipe(names.EXT_PROC_CLUSTER, f"{sockets}/ext_proc.sock"),
                _http1(pipe(_ADMIN, f"{sockets}/admin.sock")),
                _http1(pipe(_GUARD_METRICS, f"{sockets}/ext-proc-metrics.sock")),
            ],
        },
    }


def _http1(cluster: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in cluster.items() if key != "typedExtensionProtocolOptions"}


def _ads_cluster(settings: PodSettings) -> dict[str, Any]:
    """The controller; a leader that vanished without a word is noticed within half a minute."""
    host = {"address": settings.xds_host, "portValue": settings.xds_port}
    endpoint = {"endpoint": {"address": {"socketAddress": host}}}
    options = HTTP2["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"]
    http2 = {
        "maxConcurrentStreams": 1000,
        "connectionKeepalive": {"interval": "10s", "timeout": "10s"},
    }
    explicit = {**options, "explicitHttpConfig": {"http2ProtocolOptions": http2}}
    return {
        "name": names.ADS_CLUSTER,
        "clusterType": {"name": "envoy.clusters.dns", "typedConfig": _DNS},
        "connectTimeout": "5s",
        "perConnectionBufferLimitBytes": 16 * 1024 * 1024,
        "circuitBreakers": BREAKERS,
        "upstreamConnectionOptions": {
            "tcpKeepalive": {"keepaliveTime": 10, "keepaliveInterval": 5, "keepaliveProbes": 3}
        },
        "loadAssignment": {
            "clusterName": names.ADS_CLUSTER,
            "endpoints": [{"lbEndpoints": [endpoint]}],
        },
        "typedExtensionProtocolOptions": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": explicit
        },
        "transportSocket": {"name": "envoy.transport_sockets.tls", "typedConfig": _tls(settings)},
    }


def _tls(settings: PodSettings) -> dict[str, Any]:
    san = {"sanType": "DNS", "matcher": {"exact": settings.xds_host}}
    return {
        "@type": f"{_TLS}UpstreamTlsContext",
        "sni": settings.xds_host,
        "commonTlsContext": {
            "alpnProtocols": ["h2"],
            "tlsParams": {"tlsMinimumProtocolVersion": "TLSv1_2"},
            "tlsCertificateSdsSecretConfigs": [_sds(settings, "certificate")],
            "combinedValidationContext": {
                "defaultValidationContext": {"matchTypedSubjectAltNames": [san]},
                "validationContextSdsSecretConfig": _sds(settings, "authority"),
            },
        },
    }


def _sds(settings: PodSettings, name: str) -> dict[str, Any]:
    path = f"{settings.configuration}/sds-{name}.json"
    return {
        "name": f"dragoman-xds-{name}",
        "sdsConfig": {"pathConfigSource": {"path": path}, "resourceApiVersion": "V3"},
    }


def _secret_file(settings: PodSettings, name: str, content: dict[str, Any]) -> dict[str, Any]:
    """One secret for Envoy to load, and again whenever Kubernetes swaps the directory's link."""
    watched = {"watchedDirectory": {"path": settings.certificates}}
    field, value = next(iter(content.items()))
    return {
        "resources": [
            {
                "@type": f"{_TLS}Secret",
                "name": f"dragoman-xds-{name}",
                field: {**value, **watched},
            }
        ]
    }


def _certificate(settings: PodSettings) -> dict[str, Any]:
    return {
        "tlsCertificate": {
            "certificateChain": {"filename": f"{settings.certificates}/tls.crt"},
            "privateKey": {"filename": f"{settings.certificates}/tls.key"},
        }
    }


def _authority(settings: PodSettings) -> dict[str, Any]:
    return {
        "validationContext": {"trustedCa": {"filename": f"{settings.certificates}/ca.crt"}},
    }


def _ads_listener(settings: PodSettings) -> dict[str, Any]:
    """What comes in on the Unix socket goes to the controller as it is, inside Envoy's TLS."""
    proxy = {
        "@type": f"{snapshot.PREFIX}envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
        "statPrefix": "dragoman-ads",
        "cluster": names.ADS_CLUSTER,
        "idleTimeout": "0s",
    }
    path = f"{settings.sockets}/ads.sock"
    return {
        "name": "dragoman-ads",
        "address": {"pipe": {"path": path, "mode": 0o600}},
        "filterChains": [
            {"filters": [{"name": "envoy.filters.network.tcp_proxy", "typedConfig": proxy}]}
        ],
    }


def _probes(settings: PodSettings) -> dict[str, Any]:
    """For the kubelet and Prometheus: four paths to read, all else is 404."""
    routes = [
        _route("GET", "/ready", _ADMIN, "/ready"),
        _route("GET", "/guard/ready", _GUARD_METRICS, "/ready"),
        _route("GET", "/metrics", _ADMIN, "/stats/prometheus?usedonly"),
        _route("GET", "/guard/metrics", _GUARD_METRICS, "/metrics"),
    ]
    return _listener("dragoman-probes", settings.probe_address, settings.probe_port, routes)


def _local(settings: PodSettings) -> dict[str, Any]:
    """For the pod's own end: drain, and see what is still on its way."""
    wishes = [{"name": name, "presentMatch": True} for name in ("graceful", "skip_exit")]
    drain = _route("POST", "/drain_listeners", _ADMIN, "/drain_listeners")
    routes = [
        {**drain, "match": {**drain["match"], "queryParameters": wishes}},
        _route("GET", "/stats", _ADMIN, "/stats"),
    ]
    return _listener("dragoman-local", "127.0.0.1", settings.local_port, routes)


def _route(method: str, path: str, cluster: str, target: str) -> dict[str, Any]:
    is_method = {"name": ":method", "stringMatch": {"exact": method}}
    return {
        "match": {"path": path, "headers": [is_method]},
        "route": {"cluster": cluster, "prefixRewrite": target, "timeout": "5s"},
    }


def _listener(name: str, address: str, port: int, routes: list[dict[str, Any]]) -> dict[str, Any]:
    router = {
        "name": "envoy.filters.http.router",
        "typedConfig": {
            "@type": f"{snapshot.PREFIX}envoy.extensions.filters.http.router.v3.Router"
        },
    }
    manager = {
        "@type": f"{_HTTP}HttpConnectionManager",
        "statPrefix": name,
        "normalizePath": True,
        "maxRequestHeadersKb": 8,
        "requestHeadersTimeout": "5s",
        "streamIdleTimeout": "10s",
        "commonHttpProtocolOptions": {"idleTimeout": "60s", "maxHeadersCount": 50},
        "routeConfig": {
            "name": name,
            "virtualHosts": [{"name": name, "domains": ["*"], "routes": routes}],
        },
        "httpFilters": [router],
    }
    connections = {"name": "envoy.filters.network.http_connection_manager", "typedConfig": manager}
    return {
        "name": name,
        "address": {"socketAddress": {"address": address, "portValue": port}},
        "ignoreGlobalConnLimit": True,
        "filterChains": [{"filters": [connections]}],
    }
