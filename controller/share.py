"""Share: what of a configuration concerns one Gateway, for proxies that serve it alone.

Pure. Proxies of a Gateway get its listeners, the AIRoutes attached there, their targets and the
secrets of both, and nothing else: no other Gateway's key or certificate ever reaches them.
"""

from collections.abc import Iterator, Sequence

from controller import ir
from crds.meta import Key


def shares(config: ir.Config) -> dict[Key, ir.Config]:
    """The part of every Gateway that has an open listener."""
    gateways = dict.fromkeys(listener.gateway for listener in config.listeners)
    return {gateway: _share(config, gateway) for gateway in gateways}


def _share(config: ir.Config, gateway: Key) -> ir.Config:
    listeners = tuple(each for each in config.listeners if each.gateway == gateway)
    hosts = {host.name for listener in listeners for host in listener.virtual_hosts}
    plans = tuple(plan for plan in config.virtual_host_plans if plan.name in hosts)
    routes = {route for plan in plans for route in plan.routes}
    uses = {route: config.uses[route] for route in sorted(routes)}
    used = {cluster for clusters in uses.values() for cluster in clusters}
    targets = tuple(target for target in config.targets if target.name in used)
    needed = set(_secrets(listeners, targets))
    return ir.Config(
        listeners=listeners,
        targets=targets,
        secrets=tuple(secret for secret in config.secrets if secret.name in needed),
        virtual_host_plans=plans,
        route_plans=tuple(plan for plan in config.route_plans if plan.name in routes),
        uses=uses,
    )


def _secrets(listeners: Sequence[ir.Listener], targets: Sequence[ir.Target]) -> Iterator[str]:
    for listener in listeners:
        yield from listener.certificates
    for target in targets:
        if target.credential is not None:
            yield target.credential.secret
        if target.tls is not None and target.tls.authorities is not None:
            yield target.tls.authorities
