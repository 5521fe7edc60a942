"""Probes: the active health check of a target's endpoints.

Envoy sends them itself, past the chain of filters: so without credentials, and without the egress
filter, which is why `translate` lets none go where it did not judge the address. A cluster is warm,
and acknowledged, once each of its endpoints was asked.
"""

from datetime import timedelta

from envoy_data_plane.envoy.config.core.v3 import HealthCheck, HealthCheckHttpHealthCheck
from envoy_data_plane.envoy.config.endpoint.v3 import EndpointHealthCheckConfig
from envoy_data_plane.envoy.type.v3 import CodecClientType, Int64Range

from controller import ir

JITTER_PERCENT = 10
"""Of the interval, so that the Envoys of a Gateway do not ask all at once."""
NEVER = EndpointHealthCheckConfig(disable_active_health_check=True)
"""Of the refusing endpoint: it must count as well, or a failed target would not fail over."""


def build(authority: str, check: ir.HealthCheck, *, http2: bool) -> HealthCheck:
    """Ask on, as often, whether there are requests or not, and in the HTTP that requests have."""
    interval = timedelta(seconds=check.interval_s)
    return HealthCheck(
        timeout=timedelta(seconds=check.timeout_s),
        interval=interval,
        no_traffic_interval=interval,
        interval_jitter_percent=JITTER_PERCENT,
        unhealthy_threshold=check.unhealthy_after,
        healthy_threshold=check.healthy_after,
        http_health_check=_get(authority, check.path, http2=http2),
    )


def _get(authority: str, path: str, *, http2: bool) -> HealthCheckHttpHealthCheck:
    """Statuses that are not listed at all would count as failed at once, whatever the threshold."""
    return HealthCheckHttpHealthCheck(
        host=authority,
        path=path,
        codec_client_type=CodecClientType.HTTP2 if http2 else CodecClientType.HTTP1,
        expected_statuses=[Int64Range(start=200, end=300)],
        retriable_statuses=[Int64Range(start=100, end=600)],
    )
