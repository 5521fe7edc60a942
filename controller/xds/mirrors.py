"""Mirrors: how Envoy copies requests, and what is different in the clusters that get the copies.

A copy is a request of Envoy's own: headers and body as the guard left them, but no metadata. So the
guard's word to a mirror's filters travels in headers that no client can send. They pass the strip
filters, because Envoy starts the copies when the first filters of the target have run.
"""

from datetime import timedelta

from envoy_data_plane.envoy.config.cluster.v3 import CircuitBreakers, CircuitBreakersThresholds
from envoy_data_plane.envoy.config.core.v3 import RoutingPriority
from envoy_data_plane.envoy.config.route.v3 import RouteActionRequestMirrorPolicy

from crds import plan

LONGEST = timedelta(minutes=10)
"""How long a copy may take, whatever the rule allows: nobody waits for it."""
_ENOUGH = 1_000_000


def policies() -> list[RouteActionRequestMirrorPolicy]:
    """One for each mirror that a rule can have; a request without the header is not copied."""
    return [
        RouteActionRequestMirrorPolicy(cluster_header=name, disable_shadow_host_suffix_append=True)
        for name in plan.MIRROR_CLUSTER_HEADERS
    ]


def breakers(copies: int) -> CircuitBreakers:
    """As many copies under way; more are dropped. With fewer connections they would queue."""
    limits = CircuitBreakersThresholds(
        priority=RoutingPriority.DEFAULT,
        max_connections=_ENOUGH,
        max_pending_requests=copies,
        max_requests=copies,
    )
    return CircuitBreakers(thresholds=[limits])


def forgotten(headers: str) -> str:
    """The Lua that removes what speaks of copies from a request's headers."""
    names = (plan.MIRROR_HEADER, *plan.MIRROR_CLUSTER_HEADERS)
    return "\n".join(f'  {headers}:remove("{name}")' for name in names)


def release(authority: str) -> str:
    """The Lua that has the last word before a mirror's key is added; any error in it is a 503.

    `authority` is a Lua literal. The path is the mirror filter's own; nothing of ours goes out.
    """
    return f"""
local function release(handle)
  local headers = handle:headers()
  assert(headers:get("{plan.TRANSLATED_HEADER}") == "1")
  headers:replace(":path", assert(headers:get("{plan.PATH_HEADER}")))
  headers:replace(":authority", {authority})
  headers:remove("{plan.TRANSLATED_HEADER}")
  headers:remove("{plan.PATH_HEADER}")
{forgotten("headers")}
end

function envoy_on_request(handle)
  if not pcall(release, handle) then
    handle:respond({{[":status"] = "503"}}, "not released")
  end
end
"""
