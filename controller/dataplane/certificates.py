"""Certificates of the configuration path: an authority, and what it signs for both of its ends.

Pure: the time is given. Who keeps the results, and where, is in `sources.provision`.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519
from cryptography.hazmat.primitives.asymmetric.types import (
    CertificateIssuerPrivateKeyTypes,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from controller import names
from crds.gateway import SecretValue
from crds.meta import Key

AUTHORITY_LIFETIME = timedelta(days=3650)
LIFETIME = timedelta(hours=24)
"""Of a server's and a client's certificate."""
SKEW = timedelta(minutes=10)
"""How far clocks may differ: certificates begin this much earlier."""


class UnusableError(Exception):
    """A key pair that can't sign; the text says why and holds nothing of it."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its private key, both PEM."""

    certificate: bytes
    private_key: SecretValue


@dataclass(frozen=True, slots=True)
class Identity:
    """What one end of the configuration path shows, and whom it believes."""

    certificate: bytes
    private_key: SecretValue
    authority: bytes


def new_authority(now: datetime) -> Pair:
    """A certificate authority that signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("dragoman-xds-ca")
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    builder = (
        _builder(name, name, key.public_key(), now, AUTHORITY_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return Pair(_pem(builder.sign(key, hashes.SHA256())), _private_pem(key))


def wrong(authority: Pair) -> str:
    """Why a key pair can't be an authority; empty if it can."""
    try:
        _signer(authority)
    except UnusableError as error:
        return str(error)
    return ""


def server(authority: Pair, host: str, now: datetime) -> Identity:
    """What the controller shows to data planes."""
    return _issue(authority, x509.DNSName(host), ExtendedKeyUsageOID.SERVER_AUTH, now)


def client(authority: Pair, gateway: Key, now: datetime) -> Identity:
    """What a Gateway's data plane shows to the controller."""
    uri = x509.UniformResourceIdentifier(names.spiffe(gateway))
    return _issue(authority, uri, ExtendedKeyUsageOID.CLIENT_AUTH, now)


def renew_after(certificate: bytes) -> datetime:
    """When half of a certificate's life is over."""
    read = x509.load_pem_x509_certificate(certificate)
    begin, end = read.not_valid_before_utc, read.not_valid_after_utc
    return begin + (end - begin) / 2


def serves(identity: Identity, authority: Pair, gateway: Key, now: datetime) -> bool:
    """Whether a Gateway's client certificate is as good as a new one."""
    try:
        read = x509.load_pem_x509_certificate(identity.certificate)
        issuer = x509.load_pem_x509_certificate(authority.certificate)
        read.verify_directly_issued_by(issuer)
        names_of = read.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        key = serialization.load_pem_private_key(identity.private_key.reveal(), None)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm, x509.ExtensionNotFound):
        return False
    return (
        names_of.get_values_for_type(x509.UniformResourceIdentifier) == [names.spiffe(gateway)]
        and key.public_key() == read.public_key()
        and identity.authority == authority.certificate
        and read.not_valid_before_utc <= now < renew_after(identity.certificate)
    )


def _issue(
    authority: Pair, subject: x509.GeneralName, usage: x509.ObjectIdentifier, now: datetime
) -> Identity:
    issuer, signer = _signer(authority)
    key = ec.generate_private_key(ec.SECP256R1())
    builder = (
        _builder(_name("dragoman"), issuer.subject, key.public_key(), now, LIFETIME)
        .add_extension(x509.SubjectAlternativeName([subject]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .add_extension(_authority_key(issuer), critical=False)
    )
    unhashed = isinstance(signer, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey)
    signed = builder.sign(signer, None if unhashed else hashes.SHA256())
    return Identity(_pem(signed), _private_pem(key), authority.certificate)


def _authority_key(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    """The issuer's own word for its key, if it has one."""
    try:
        own = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(
            cast("ec.EllipticCurvePublicKey", issuer.public_key())
        )
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)


def _signer(authority: Pair) -> tuple[x509.Certificate, CertificateIssuerPrivateKeyTypes]:
    """The authority as objects; raises UnusableError without a word of the key."""
    try:
        certificate = x509.load_pem_x509_certificate(authority.certificate)
    except ValueError:
        raise UnusableError("tls.crt is not a PEM certificate") from None
    try:
        key = serialization.load_pem_private_key(authority.private_key.reveal(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise UnusableError("tls.key is not a PEM private key without password") from None
    if key.public_key() != certificate.public_key():
        raise UnusableError("tls.key is not the private key of tls.crt")
    if not _may_sign(certificate):
        raise UnusableError("tls.crt is not the certificate of an authority (CA:TRUE)")
    return certificate, cast("CertificateIssuerPrivateKeyTypes", key)


def _may_sign(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    now: datetime,
    lifetime: timedelta,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + lifetime)
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _private_pem(key: ec.EllipticCurvePrivateKey) -> SecretValue:
    return SecretValue(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
