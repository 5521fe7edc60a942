"""What passes to and from a server whose requests nobody reads: all but what is in these lists.

Its callers and the server agree on headers that no table here could know (gRPC metadata, ranges,
sub-protocols), so what must not pass is listed, not what may: what proves a caller to this gateway,
what tells of gateways on the way, and what would speak to the caller in the gateway's name. What
concerns one connection only, Envoy removes itself.
"""

from collections.abc import Iterable

from envoy_data_plane.envoy.config.common.mutation_rules.v3 import HeaderMutation as Mutation
from envoy_data_plane.envoy.config.core.v3 import HeaderValueOption
from envoy_data_plane.envoy.extensions.filters.http.header_mutation.v3 import (
    HeaderMutation,
    Mutations,
)

from controller import ir
from controller.xds import filters

_CALLERS = ("x-auth-token", "x-access-token", "x-real-ip", "true-client-ip", "forwarded", "via")
"""Beside the credentials that providers have."""
_PREFIXES = ("x-dragoman-", "x-envoy-", "x-forwarded-", "x-amz-")
_SERVERS = (
    "alt-svc",
    "clear-site-data",
    "proxy-authenticate",
    "set-cookie",
    "strict-transport-security",
    "www-authenticate",
)
_SERVERS_PREFIXES = ("x-dragoman-", "x-envoy-")


def strip(
    target: ir.Target, credentials: Iterable[str], answered_by: HeaderValueOption
) -> HeaderMutation:
    """The first filter of such a target: nothing of an earlier attempt or of these lists passes."""
    own = [target.credential.header] if target.credential else []
    names = dict.fromkeys((*credentials, *_CALLERS, *own))
    asked = [*(Mutation(remove=name) for name in names), *filters.without(_PREFIXES)]
    answered = [
        *(Mutation(remove=name) for name in _SERVERS),
        *filters.without(_SERVERS_PREFIXES),
    ]
    return HeaderMutation(
        mutations=Mutations(
            request_mutations=asked,
            request_trailers_mutations=asked,
            response_mutations=[*answered, Mutation(append=answered_by)],
            response_trailers_mutations=answered,
        )
    )
