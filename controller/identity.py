"""Identity: what the controller proves itself with to data planes, and renews while it runs.

gRPC asks at every handshake, so a renewed certificate or another authority needs no restart.
"""

from collections.abc import Callable
from datetime import UTC, datetime

import grpc

from controller.dataplane import certificates
from controller.dataplane.certificates import Pair


class ServerIdentity:
    """The server certificate of one name, issued in memory."""

    def __init__(
        self,
        host: str,
        authority: Pair,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._host = host
        self._now = now
        self.authority = authority
        """Set another one and the next handshake uses it."""
        self._used = authority
        self._renew_after = now()

    def credentials(self) -> grpc.ServerCredentials:
        """For a server that takes only clients with a certificate of the same authority."""
        return grpc.dynamic_ssl_server_credentials(
            self._issue(),
            self._asked,  # type: ignore[arg-type]  # None says that the old one is still good
            require_client_authentication=True,
        )

    def _asked(self) -> grpc.ServerCertificateConfiguration | None:
        """A new certificate, if the one in use is past half its life or of another authority."""
        if self._now() < self._renew_after and self._used == self.authority:
            return None
        return self._issue()

    def _issue(self) -> grpc.ServerCertificateConfiguration:
        self._used = self.authority
        made = certificates.server(self._used, self._host, self._now())
        self._renew_after = certificates.renew_after(made.certificate)
        return grpc.ssl_server_certificate_configuration(
            [(made.private_key.reveal(), made.certificate)], root_certificates=made.authority
        )
