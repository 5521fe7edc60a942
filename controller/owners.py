"""Owners: which object each name that Envoy and ext_proc see comes from, to find a NACK's culprit.

Pure, and only asked when something was refused. What listens on a port is its first user's.
"""

from collections.abc import Iterator

from controller import ir, names
from crds import plan
from crds.meta import Key


def owners(config: ir.Config) -> dict[str, Key]:
    """The owner of every name of a configuration."""
    return dict(_pairs(config))


def _pairs(config: ir.Config) -> Iterator[tuple[str, Key]]:
    for listener in reversed(config.listeners):
        yield names.listener(listener.port), listener.gateway
        if listener.protocol == "HTTP":
            yield names.http_routes(listener.port), listener.gateway
        else:
            yield names.https_routes(listener.port, listener.hostname), listener.gateway
        for host in listener.virtual_hosts:
            yield f"vh/{host.name}", listener.gateway
    for target in config.targets:
        asked = target.picker.name if target.picker else None
        yield from ((name, target.backend) for name in names.parts(target.name, asked))
    yield from ((secret.name, secret.owner) for secret in config.secrets)
    for route in config.route_plans:
        namespace, _, name = route.name.partition("/")
        yield plan.resource_name(route), Key("AIRoute", namespace, name)
