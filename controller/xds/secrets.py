"""Secrets: provider keys, certificates and authorities, on their way to Envoy and nowhere else."""

from envoy_data_plane.envoy.config.core.v3 import DataSource
from envoy_data_plane.envoy.extensions.transport_sockets.tls.v3 import (
    CertificateValidationContext,
    GenericSecret,
    Secret,
    TlsCertificate,
)

from controller import ir


def build(secret: ir.Secret) -> Secret:
    """The SDS resource of a secret."""
    match secret:
        case ir.GenericSecret():
            key = GenericSecret(secret=DataSource(inline_bytes=secret.value.reveal()))
            return Secret(name=secret.name, generic_secret=key)
        case ir.CertificateSecret():
            certificate = TlsCertificate(
                certificate_chain=DataSource(inline_bytes=secret.chain),
                private_key=DataSource(inline_bytes=secret.private_key.reveal()),
            )
            return Secret(name=secret.name, tls_certificate=certificate)
        case ir.AuthoritiesSecret():
            authorities = CertificateValidationContext(
                trusted_ca=DataSource(inline_bytes=secret.bundle)
            )
            return Secret(name=secret.name, validation_context=authorities)
