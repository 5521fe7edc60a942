"""Certificates and keys of every usual kind, made here, right and wrong."""

import datetime as dt

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

from controller.translate import pem

PRIVATE = serialization.PrivateFormat
KEYS = {
    "ec": ec.generate_private_key(ec.SECP256R1()),
    "other-ec": ec.generate_private_key(ec.SECP256R1()),
    "rsa": rsa.generate_private_key(65537, 2048),
    "ed25519": ed25519.Ed25519PrivateKey.generate(),
}


def certificate(name: str) -> bytes:
    key = KEYS[name]
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ai.example")])
    start = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + dt.timedelta(days=36500))
        .sign(key, None if name == "ed25519" else hashes.SHA256())
    )
    return built.public_bytes(serialization.Encoding.PEM)


def private(name: str, form: PRIVATE = PRIVATE.PKCS8, password: bytes | None = None) -> bytes:
    hidden = (
        serialization.BestAvailableEncryption(password)
        if password
        else serialization.NoEncryption()
    )
    return KEYS[name].private_bytes(serialization.Encoding.PEM, form, hidden)


@pytest.mark.parametrize("name", ["ec", "rsa", "ed25519"])
@pytest.mark.parametrize("form", [PRIVATE.PKCS8, PRIVATE.TraditionalOpenSSL])
def test_a_pair_that_belongs_together(name: str, form: PRIVATE) -> None:
    if (name, form) == ("ed25519", PRIVATE.TraditionalOpenSSL):
        form = PRIVATE.PKCS8
    assert pem.wrong_pair(certificate(name), private(name, form)) == ""
    chain = certificate(name) + certificate("other-ec")
    assert pem.wrong_pair(b"# a note\n" + chain, b"\r\n" + private(name, form)) == ""


@pytest.mark.parametrize(("chain", "key"), [("ec", "other-ec"), ("rsa", "ec"), ("ec", "rsa")])
@pytest.mark.parametrize("form", [PRIVATE.PKCS8, PRIVATE.TraditionalOpenSSL])
def test_the_key_of_another_certificate(chain: str, key: str, form: PRIVATE) -> None:
    assert "not the private key" in pem.wrong_pair(certificate(chain), private(key, form))


@pytest.mark.parametrize("form", [PRIVATE.PKCS8, PRIVATE.TraditionalOpenSSL])
def test_an_encrypted_key(form: PRIVATE) -> None:
    problem = pem.wrong_pair(certificate("ec"), private("ec", form, b"password"))
    assert problem == "tls.key must not be encrypted"


def test_what_is_no_pem() -> None:
    good, key = certificate("ec"), private("ec")
    begin, end = b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----"
    for chain in (b"", b"text", key, good[:-30], begin + b"\n!!!\n" + end, good + key, begin):
        assert pem.wrong_pair(chain, key).startswith("tls.crt must hold"), chain
        assert pem.wrong_authorities(chain)
    for wrong in (b"", b"text", good, key + key, key[:-30], b"-----BEGIN PRIVATE KEY-----"):
        assert pem.wrong_pair(good, wrong).startswith("tls.key must hold"), wrong


def test_garbage_inside_a_key_is_no_crash() -> None:
    for content in (b"AAAA", b"MIID", b"MA==", b"MIQ/////", b"MAMCAQA="):
        key = b"-----BEGIN PRIVATE KEY-----\n" + content + b"\n-----END PRIVATE KEY-----\n"
        assert pem.wrong_pair(certificate("ec"), key) == ""


def test_a_megabyte_of_beginnings_is_read_once() -> None:
    text = b"-----BEGIN CERTIFICATE-----\n" * 40_000
    assert pem.wrong_authorities(text)
