"""The certificates of the configuration path, judged by a library that did not make them."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509 import verification

from controller.dataplane import certificates
from controller.dataplane.certificates import Pair, UnusableError
from crds.gateway import SecretValue
from crds.meta import Key

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
GATEWAY = Key("Gateway", "shop", "ai")
AUTHORITY = certificates.new_authority(NOW)


def verifier(authority, now=NOW):
    trusted = verification.Store([x509.load_pem_x509_certificate(authority.certificate)])
    return verification.PolicyBuilder().store(trusted).time(now)


def test_a_client_is_its_gateway():
    made = certificates.client(AUTHORITY, GATEWAY, NOW)
    leaf = x509.load_pem_x509_certificate(made.certificate)
    found = verifier(AUTHORITY).build_client_verifier().verify(leaf, [])
    assert [each.value for each in found.subjects] == ["spiffe://dragoman.dev/ns/shop/gateway/ai"]
    assert made.authority == AUTHORITY.certificate


def test_a_server_is_its_name_and_no_client():
    made = certificates.server(AUTHORITY, "dragoman-xds.system.svc", NOW)
    leaf = x509.load_pem_x509_certificate(made.certificate)
    name = x509.DNSName("dragoman-xds.system.svc")
    verifier(AUTHORITY).build_server_verifier(name).verify(leaf, [])
    with pytest.raises(verification.VerificationError):
        verifier(AUTHORITY).build_server_verifier(x509.DNSName("other.svc")).verify(leaf, [])
    with pytest.raises(verification.VerificationError):
        verifier(AUTHORITY).build_client_verifier().verify(leaf, [])


def test_certificates_end_after_a_day_and_are_renewed_in_the_middle():
    made = certificates.client(AUTHORITY, GATEWAY, NOW)
    middle = certificates.renew_after(made.certificate)
    assert timedelta(hours=11) < middle - NOW < timedelta(hours=13)
    for late, expected in ((timedelta(minutes=-5), True), (timedelta(hours=25), False)):
        leaf = x509.load_pem_x509_certificate(made.certificate)
        checker = verifier(AUTHORITY, NOW + late).build_client_verifier()
        try:
            checker.verify(leaf, [])
        except verification.VerificationError:
            assert not expected
        else:
            assert expected
    assert certificates.serves(made, AUTHORITY, GATEWAY, middle - timedelta(seconds=1))
    assert not certificates.serves(made, AUTHORITY, GATEWAY, middle)


def test_a_certificate_serves_one_gateway_of_one_authority():
    made = certificates.client(AUTHORITY, GATEWAY, NOW)
    another = certificates.client(AUTHORITY, GATEWAY, NOW)
    assert not certificates.serves(made, AUTHORITY, Key("Gateway", "shop", "b"), NOW)
    assert not certificates.serves(made, certificates.new_authority(NOW), GATEWAY, NOW)
    swapped = certificates.Identity(made.certificate, another.private_key, made.authority)
    assert not certificates.serves(swapped, AUTHORITY, GATEWAY, NOW)
    for broken in (b"", b"no PEM", made.certificate[:-60]):
        cut = certificates.Identity(broken, made.private_key, made.authority)
        assert not certificates.serves(cut, AUTHORITY, GATEWAY, NOW)


def test_an_authority_of_someone_else_may_be_rsa():
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "theirs")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=90))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    theirs = Pair(certificates._pem(made), certificates._private_pem(key))
    assert certificates.wrong(theirs) == ""
    identity = certificates.client(theirs, GATEWAY, NOW)
    assert certificates.serves(identity, theirs, GATEWAY, NOW)


def test_what_cannot_sign_says_why_and_shows_nothing():
    leaf = certificates.client(AUTHORITY, GATEWAY, NOW)
    planted = SecretValue(b"planted")
    cases = {
        Pair(b"planted", AUTHORITY.private_key): "tls.crt is not a PEM certificate",
        Pair(AUTHORITY.certificate, planted): "tls.key is not a PEM private key without password",
        Pair(AUTHORITY.certificate, leaf.private_key): "tls.key is not the private key of tls.crt",
        Pair(
            leaf.certificate, leaf.private_key
        ): "tls.crt is not the certificate of an authority (CA:TRUE)",
    }
    for pair, expected in cases.items():
        assert certificates.wrong(pair) == expected
        with pytest.raises(UnusableError) as caught:
            certificates.client(pair, GATEWAY, NOW)
        assert "planted" not in str(caught.value)
    assert "PRIVATE" not in repr(AUTHORITY)
