"""The keys of one cluster: an authority, certificates signed by it, and kubeconfigs."""

import base64
import datetime as dt
import ipaddress
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NODE = "dragoman-node"
CLIENTS = {  # file: (user, group)
    "admin": ("admin", "system:masters"),
    "apiserver-kubelet": ("apiserver-kubelet", "system:masters"),
    "kube-controller-manager": ("system:kube-controller-manager", None),
    "kube-scheduler": ("system:kube-scheduler", None),
    "kubelet": (f"system:node:{NODE}", "system:nodes"),
    "kube-proxy": ("system:kube-proxy", None),
}
SERVER_NAMES = ["localhost", "kubernetes", *(f"kubernetes.default{end}" for end in ("", ".svc", ".svc.cluster.local"))]  # fmt: skip


def write(folder: Path, server: str, addresses: list[str]) -> None:
    """Everything the parts need; `addresses` are those of the API server and the node."""
    folder.mkdir(mode=0o700, parents=True)
    authority = ec.generate_private_key(ec.SECP256R1())
    issuer = _name("dragoman test cluster", None)
    ca = _builder(issuer, issuer, authority)
    ca = ca.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    ca_pem = _pem(ca.sign(authority, hashes.SHA256()))
    (folder / "ca.crt").write_bytes(ca_pem)
    _write_key(folder / "ca.key", authority)
    accounts = ec.generate_private_key(ec.SECP256R1())
    _write_key(folder / "service-accounts.key", accounts)
    (folder / "service-accounts.pub").write_bytes(
        accounts.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    names: list[x509.GeneralName] = [x509.DNSName(name) for name in [*SERVER_NAMES, NODE]]
    names += [x509.IPAddress(ipaddress.ip_address(each)) for each in ["127.0.0.1", *addresses]]
    for file, (user, group) in {"server": ("kube-apiserver", None), **CLIENTS}.items():
        key = ec.generate_private_key(ec.SECP256R1())
        made = _builder(_name(user, group), issuer, key).add_extension(
            x509.ExtendedKeyUsage(
                [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
            ),
            critical=False,
        )
        if file == "server":
            made = made.add_extension(x509.SubjectAlternativeName(names), critical=False)
        pem = _pem(made.sign(authority, hashes.SHA256()))
        (folder / f"{file}.crt").write_bytes(pem)
        _write_key(folder / f"{file}.key", key)
        config = _kubeconfig(server, ca_pem, pem, (folder / f"{file}.key").read_bytes())
        _write_private(folder / f"{file}.kubeconfig", config)


def _name(user: str, group: str | None) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, user)]
    parts += [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group)] if group else []
    return x509.Name(parts)


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:  # fmt: skip
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=3650))
    )


def _kubeconfig(server: str, ca: bytes, certificate: bytes, key: bytes) -> bytes:
    def text(data: bytes) -> str:
        return base64.b64encode(data).decode()

    user = {"client-certificate-data": text(certificate), "client-key-data": text(key)}
    cluster = {"server": server, "certificate-authority-data": text(ca)}
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": "test", "user": user}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            "current-context": "test",
        }
    ).encode()


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    _write_private(path, pem)


def _write_private(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(content)
