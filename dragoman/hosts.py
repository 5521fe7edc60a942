"""Hosts: which virtual host Envoy picks for a request, and the plans it is judged by there."""

from collections.abc import Mapping, Sequence

from controller import ir
from controller.translate import hostnames
from crds.plan import RoutePlan, VirtualHostPlan, canonical, resource_name, version
from ext_proc import plans
from ext_proc.plans import Host, Snapshot, Update


class UnclearError(Exception):
    """The request could go to several listeners, or to none; the text says what to add."""


def pick(listeners: Sequence[ir.Listener], hostname: str, port: int | None) -> str | None:
    """The most specific of the port; None: no one's hostname. Raises UnclearError."""
    ports = sorted({listener.port for listener in listeners})
    wanted = ports if port is None else [port]
    by_port = {
        each: {
            host.domain: host.name
            for listener in listeners
            if listener.port == each
            for host in listener.virtual_hosts
        }
        for each in ports
    }
    if port is not None and port not in ports:
        known = ", ".join(map(str, ports)) or "none"
        raise UnclearError(f"no listener has port {port}; there is: {known}")
    found = [
        name
        for each in wanted
        for name in [_most_specific(by_port[each], hostname)]
        if name is not None
    ]
    if not ports:
        raise UnclearError("no Gateway has a listener that can be served")
    if len(found) > 1:
        raise UnclearError(f"several listeners serve this hostname: {', '.join(found)}; add --port")
    return found[0] if found else None


def _most_specific(by_domain: Mapping[str, str], hostname: str) -> str | None:
    domains = (domain for domain in hostnames.wider(hostname) if domain in by_domain)
    return next((by_domain[domain] for domain in domains), None)


def compiled(config: ir.Config, name: str) -> tuple[Host, Snapshot]:
    """The plans of one virtual host, as the guard compiles them."""
    plan = next(each for each in config.virtual_host_plans if each.name == name)
    routes = [each for each in config.route_plans if each.name in plan.routes]
    sent: list[VirtualHostPlan | RoutePlan] = [plan, *routes]
    update = Update({resource_name(each): _versioned(canonical(each)) for each in sent})
    snapshot = plans.compile_update(Snapshot(), update)
    return snapshot.hosts[resource_name(plan)], snapshot


def _versioned(body: bytes) -> tuple[str, bytes]:
    return version(body), body
