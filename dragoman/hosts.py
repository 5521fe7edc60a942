"""Hosts: which virtual host Envoy picks for a request."""

from collections.abc import Mapping, Sequence

from controller import ir
from controller.translate import hostnames


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
