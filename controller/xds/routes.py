"""RouteConfigurations: one per HTTP port, one per (HTTPS port, listener hostname).

A virtual host has one route per traffic class and a catch-all; which rule serves whom is not
here but in the plans, so most edits leave these resources untouched.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

import betterproto2
from envoy_data_plane.envoy.config.core.v3 import DataSource, HeaderValue
from envoy_data_plane.envoy.config.route.v3 import (
    ClusterSpecifierPlugin,
    DirectResponseAction,
    RetryPolicy,
    RetryPolicyRetryBackOff,
    RetryPolicyRetryHostPredicate,
    Route,
    RouteAction,
    RouteActionHashPolicy,
    RouteActionHashPolicyHeader,
    RouteActionMaxStreamDuration,
    RouteActionUpgradeConfig,
    RouteConfiguration,
    RouteMatch,
    VirtualHost,
)
from envoy_data_plane.envoy.extensions.filters.http.ext_proc.v3 import (
    ExtProcOverrides,
    ExtProcPerRoute,
)
from envoy_data_plane.envoy.extensions.retry.host.previous_hosts.v3 import PreviousHostsPredicate
from envoy_data_plane.envoy.type.matcher.v3 import StringMatcher, ValueMatcher
from envoy_data_plane.google.protobuf import Any, Struct
from envoy_data_plane.message_pool import default_message_pool

from controller import ir, names
from controller.xds import filters, mirrors
from crds import plan

HEADROOM = 1024 * 1024
"""What a stage may add to a body before Envoy refuses to buffer it for a retry."""
STREAM_IDLE = timedelta(minutes=15)
RETRY_ON = "retriable-status-codes,5xx,connect-failure,reset,refused-stream"
ENDPOINTS_DRAWN = 5
"""How often a retry at the same target looks for an endpoint that was not tried yet."""
_AFFINITY = RouteActionHashPolicy(
    header=RouteActionHashPolicyHeader(header_name=plan.AFFINITY_HEADER)
)
"""Heard by RingHash targets alone. The first attempt's strip filter removes the header, so the
attempts after it are spread by lot."""
_ANOTHER_ENDPOINT = RetryPolicyRetryHostPredicate(
    name="envoy.retry_host_predicates.previous_hosts",
    typed_config=Any.pack(PreviousHostsPredicate()),
)
UNSENT = "connect-failure,refused-stream,reset-before-request"
"""What is safe to retry of a request nobody read: the server has not begun with it."""
GRACE = timedelta(seconds=1)
"""How much later a request is cut whose body still streams than one that waits for its answer."""
_PRIORITY_GROUP = (
    "type.googleapis.com/envoy.extensions.router.cluster_specifiers.priority_group.v3"
    ".PriorityGroupClusterSpecifier"
)


@dataclass(eq=False, repr=False)
class TypedStruct(betterproto2.Message):
    """`xds.type.v3.TypedStruct`, for extensions envoy-data-plane has no classes for."""

    type_url: str = betterproto2.field(  # how betterproto2 declares fields
        1, betterproto2.TYPE_STRING
    )
    value: Struct | None = betterproto2.field(  # noqa: RUF009  # how betterproto2 declares fields
        2, betterproto2.TYPE_MESSAGE, optional=True
    )


default_message_pool.register_message("xds.type.v3", "TypedStruct", TypedStruct)


@dataclass(frozen=True, slots=True)
class Table:
    """One RouteConfiguration to be: who is served, and which hostnames are answered otherwise."""

    name: str
    virtual_hosts: tuple[ir.VirtualHost, ...]
    unserved: tuple[str, ...]
    """Hostnames of the listeners that no AIRoute serves: 404."""
    misdirected: tuple[str, ...]
    """Hostnames that belong to another listener: 421."""


def tables(listeners: Sequence[ir.Listener]) -> tuple[Table, ...]:
    """The tables of one port's listeners."""
    port = listeners[0].port
    if listeners[0].protocol == "HTTP":
        return (_table(names.http_routes(port), listeners, ()),)
    return tuple(
        _table(
            names.https_routes(port, listener.hostname),
            (listener,),
            tuple(
                other.hostname
                for other in listeners
                if other.hostname and _inside(other.hostname, listener)
            ),
        )
        for listener in listeners
    )


def build(table: Table) -> bytes:
    """The RouteConfiguration of a table, as it is sent.

    It is put together from virtual hosts that are remembered as bytes: to make them anew for each
    edit would keep the process busy for many seconds where there are a thousand.
    """
    refusing = (
        *_refusing(404, "not-served", table.unserved),
        *_refusing(421, "misdirected", table.misdirected),
    )
    hosts = (*map(_virtual_host, table.virtual_hosts), *map(bytes, refusing))
    rest = RouteConfiguration(ignore_port_in_host_matching=True)
    return bytes(RouteConfiguration(name=table.name)) + _repeated(2, hosts) + bytes(rest)


def _repeated(number: int, messages: Iterable[bytes]) -> bytes:
    """A repeated field of messages (or of strings) as protobuf writes it."""
    tag = betterproto2.encode_varint(number << 3 | 2)
    return b"".join(tag + betterproto2.encode_varint(len(each)) + each for each in messages)


def _table(name: str, listeners: Sequence[ir.Listener], inner: tuple[str, ...]) -> Table:
    """More specific hostnames win in Envoy, so only exact duplicates must be avoided."""
    hosts = tuple(host for listener in listeners for host in listener.virtual_hosts)
    taken = {host.domain for host in hosts}
    wanted = [listener.hostname or "*" for listener in listeners]
    unserved = tuple(dict.fromkeys(domain for domain in wanted if domain not in taken))
    misdirected = [domain for domain in inner if domain not in taken]
    if "*" not in taken and "*" not in unserved:
        misdirected.append("*")
    return Table(name, hosts, unserved, tuple(dict.fromkeys(misdirected)))


def _inside(hostname: str, listener: ir.Listener) -> bool:
    """The hostname is more specific than the listener's, and so is served by another one."""
    if listener.hostname is None:
        return True
    return (
        hostname != listener.hostname
        and listener.hostname.startswith("*.")
        and hostname.endswith(listener.hostname[1:])
    )


@lru_cache(maxsize=50_000)
def _virtual_host(host: ir.VirtualHost) -> bytes:
    routes = (*(_class_route(host.max_body_bytes, each) for each in host.classes), _catch_all(host))
    rest = VirtualHost(include_attempt_count_in_response=True)
    named = VirtualHost(name=host.name, domains=[host.domain])
    return bytes(named) + _repeated(3, routes) + bytes(rest)


@lru_cache(maxsize=1_000)
def _class_route(max_body_bytes: int, traffic: ir.TrafficClass) -> bytes:
    named = ValueMatcher(string_match=StringMatcher(exact=traffic.name))
    off = {names.TRANSLATE_FILTER: Any.pack(ExtProcPerRoute(disabled=True))}
    route = Route(
        name=traffic.name,
        match=RouteMatch(prefix="/", dynamic_metadata=[filters.metadata("class", named)]),
        route=RouteAction(
            inline_cluster_specifier_plugin=_ordered_targets(),
            timeout=_seconds(traffic.request_s) or timedelta(0),
            idle_timeout=_idle(traffic),
            max_stream_duration=_longest(traffic),
            retry_policy=_retry(traffic),
            request_mirror_policies=mirrors.policies() if traffic.mirrored else [],
            hash_policy=[_AFFINITY],
        ),
        request_body_buffer_limit=HEADROOM + (0 if traffic.generic else max_body_bytes),
        typed_per_filter_config={} if traffic.translate else off,
    )
    return bytes(route)


def _idle(traffic: ir.TrafficClass) -> timedelta:
    """Long enough that only the class's own timeouts end a slow answer."""
    longest = max(traffic.request_s or 0, traffic.idle_s or 0)
    return max(STREAM_IDLE, timedelta(seconds=longest + 5))


def _longest(traffic: ir.TrafficClass) -> RouteActionMaxStreamDuration | None:
    """Where bodies stream both ways, `timeout` would only begin when the request's has ended."""
    if not traffic.generic or traffic.request_s is None:
        return None
    limit = timedelta(seconds=traffic.request_s) + GRACE
    return RouteActionMaxStreamDuration(max_stream_duration=limit)


def _retry(traffic: ir.TrafficClass) -> RetryPolicy:
    back_off = RetryPolicyRetryBackOff(
        base_interval=timedelta(milliseconds=10), max_interval=timedelta(milliseconds=100)
    )
    return RetryPolicy(
        retry_on=UNSENT if traffic.generic else RETRY_ON,
        retriable_status_codes=[] if traffic.generic else [429],
        num_retries=traffic.retries,
        per_try_timeout=_seconds(traffic.attempt_s),
        per_try_idle_timeout=_seconds(traffic.idle_s),
        retry_back_off=back_off,
        refresh_cluster_on_retry=True,
        retry_host_predicate=[_ANOTHER_ENDPOINT],
        host_selection_retry_max_attempts=ENDPOINTS_DRAWN,
    )


def _seconds(value: float | None) -> timedelta | None:
    return None if value is None else timedelta(seconds=value)


def _ordered_targets() -> ClusterSpecifierPlugin:
    """The order of attempts comes from the guard alone: the configured group leads nowhere."""
    nowhere = _group("nowhere", names.BLACKHOLE)
    return _groups(
        {"override_metadata_namespace": plan.TARGETS_NAMESPACE, "priority_groups": [nowhere]}
    )


def in_order(clusters: Iterable[str]) -> ClusterSpecifierPlugin:
    """One cluster for each attempt; the last one for all that follow."""
    return _groups({"priority_groups": [_group(each, each) for each in clusters]})


def _group(name: str, cluster: str) -> dict[str, object]:
    return {"name": name, "clusters": [{"cluster_name": cluster, "weight": 1}]}


def _groups(value: dict[str, object]) -> ClusterSpecifierPlugin:
    specifier = TypedStruct(type_url=_PRIORITY_GROUP, value=Struct.from_dict(value))
    return ClusterSpecifierPlugin(
        extension=filters.extension(
            "envoy.router.cluster_specifier_plugin.priority_group", specifier
        )
    )


def _catch_all(host: ir.VirtualHost) -> bytes:
    """Where every request starts, and where it ends if the guard does not release it."""
    named = HeaderValue(key=plan.PLAN_HEADER, value=f"vh/{host.name}")
    unread = any(each.generic for each in host.classes)
    judged_by = ExtProcPerRoute(
        overrides=ExtProcOverrides(
            grpc_initial_metadata=[named],
            processing_mode=filters.HEADERS_FIRST if unread else None,
        )
    )
    before, after = _judging(host.max_body_bytes, upgrades=unread)
    entry = _repeated(1, (names.GUARD_FILTER.encode(),))
    entry += _repeated(2, (bytes(Any.pack(judged_by)),))
    return before + _repeated(13, (entry,)) + after


@lru_cache(maxsize=1_000)
def _judging(max_body_bytes: int, *, upgrades: bool) -> tuple[bytes, bytes]:
    """What surrounds the `typed_per_filter_config` of a catch-all.

    Where no rule could take an upgrade, Envoy refuses it; elsewhere the guard decides.
    """
    nowhere = RouteAction(
        cluster=names.BLACKHOLE,
        timeout=timedelta(0),
        idle_timeout=STREAM_IDLE,
        upgrade_configs=[RouteActionUpgradeConfig(upgrade_type="websocket")] if upgrades else [],
    )
    before = Route(name="judge", match=RouteMatch(prefix="/"), route=nowhere)
    return bytes(before), bytes(Route(request_body_buffer_limit=max_body_bytes + HEADROOM))


def _refusing(status: int, name: str, domains: Iterable[str]) -> list[VirtualHost]:
    """Answers at once, without the guard: nothing is forwarded and nothing is buffered."""
    listed = list(domains)
    if not listed:
        return []
    answer = DirectResponseAction(status=status, body=DataSource(inline_string=name))
    route = Route(
        name=name,
        match=RouteMatch(prefix="/"),
        direct_response=answer,
        typed_per_filter_config={names.GUARD_FILTER: Any.pack(ExtProcPerRoute(disabled=True))},
    )
    return [VirtualHost(name=name, domains=listed, routes=[route])]
