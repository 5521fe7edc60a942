"""Login: where the API server is and how we prove who we are; kopf and our own client share it.

Read again and again, never kept for long: a service account's token changes every hour.
"""

import contextlib
import os
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import kopf

Login = Callable[[], kopf.ConnectionInfo]

_environment = threading.Lock()


def login(kubeconfig: Path | None = None) -> kopf.ConnectionInfo:
    """Log in by a kubeconfig file if one is given, else by the pod's service account."""
    settings = kopf.OperatorSettings()
    if kubeconfig is None:
        found = kopf.login_with_service_account(settings=settings)
    else:
        with _named(kubeconfig):
            found = kopf.login_with_kubeconfig(settings=settings)
    if found is None:
        raise kopf.LoginError("no service account here; give a kubeconfig file")
    return found


@contextlib.contextmanager
def _named(kubeconfig: Path) -> Iterator[None]:
    """Kopf takes the file's name from the environment only; what stood there is put back."""
    with _environment:
        before = os.environ.get("KUBECONFIG")
        os.environ["KUBECONFIG"] = str(kubeconfig)
        try:
            yield
        finally:
            del os.environ["KUBECONFIG"]
            if before is not None:
                os.environ["KUBECONFIG"] = before


@dataclass(frozen=True, slots=True)
class Connection:
    """What a request needs to reach the API server."""

    found: kopf.ConnectionInfo
    tls: ssl.SSLContext

    @property
    def headers(self) -> dict[str, str]:
        """Who we are."""
        return self.found.as_http_headers()

    def url(self, path: str) -> str:
        """Where a path is."""
        return self.found.server.rstrip("/") + path


def connect(by: Login, before: Connection | None) -> Connection:
    """Log in now, which takes reading a few files; TLS goes on if only the token is another."""
    found = by()
    if before is not None and replace(before.found, token=None) == replace(found, token=None):
        return Connection(found, before.tls)
    return Connection(found, found.as_ssl_context())
