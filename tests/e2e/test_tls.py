"""HTTPS listeners: certificates over SDS, rotated without a broken connection; names that do not belong get 421."""

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.e2e import harness

pytestmark = pytest.mark.e2e


class Authority:
    """A certificate authority of the test's own."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
        self.certificate = self._build(self._name, self._key, ca=True, names=[])

    def _build(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, ca: bool, names: list[str]
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=2))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if names:
            alternatives = [
                x509.IPAddress(ip_address(n)) if n[0].isdigit() else x509.DNSName(n) for n in names
            ]
            builder = builder.add_extension(
                x509.SubjectAlternativeName(alternatives), critical=False
            )
        return builder.sign(self._key, hashes.SHA256())

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def issue(self, *names: str) -> tuple[str, str]:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        certificate = self._build(subject, key, ca=False, names=list(names))
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return certificate.public_bytes(serialization.Encoding.PEM).decode(), private.decode()


def indented(text: str) -> str:
    return "".join(f"    {line}\n" for line in text.splitlines())


def certificate_secret(authority: Authority, name: str, *hosts: str) -> str:
    chain, key = authority.issue(*hosts)
    return (
        f"apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}}}\ntype: kubernetes.io/tls\nstringData:\n"
        f"  tls.crt: |\n{indented(chain)}  tls.key: |\n{indented(key)}"
    )


def https_gateway(port: int) -> str:
    return f"""\
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: ai}}
spec:
  gatewayClassName: dragoman
  listeners:
  - name: https
    port: {port}
    protocol: HTTPS
    hostname: ai.example.org
    tls: {{certificateRefs: [{{name: server}}]}}
"""


def test_https_with_rotation_and_misdirected_requests(
    tmp_path: Path, provider: harness.Provider
) -> None:
    authority = Authority()
    port = harness.free_port()
    harness.write(
        tmp_path,
        gateway=https_gateway(port),
        certificate=certificate_secret(authority, "server", "ai.example.org"),
        one=harness.backend("one", provider.port),
        route=harness.route("assistant", "  - name: default\n    backendRefs: [{name: one}]\n"),
    )
    context = ssl.create_default_context(cadata=authority.pem)
    body = {"model": "echo", "messages": [{"role": "user", "content": "hello"}]}

    def ask(client: httpx2.Client, host: str = "ai.example.org") -> httpx2.Response:
        return client.post(
            f"https://127.0.0.1:{port}/v1/chat/completions",
            json=body,
            headers={"host": host},
            extensions={"sni_hostname": "ai.example.org"},
        )

    def serial() -> int:
        with (
            httpx2.Client(verify=context) as fresh,
            fresh.stream(
                "POST",
                f"https://127.0.0.1:{port}/v1/chat/completions",
                json=body,
                headers={"host": "ai.example.org"},
                extensions={"sni_hostname": "ai.example.org"},
            ) as response,
        ):
            tls = response.extensions["network_stream"].get_extra_info("ssl_object")
            return x509.load_der_x509_certificate(tls.getpeercert(True)).serial_number

    with harness.running(tmp_path), httpx2.Client(verify=context) as kept:
        assert ask(kept).status_code == 200
        misdirected = ask(kept, "elsewhere.example.org")
        assert misdirected.status_code == 421
        assert misdirected.json()["error"]["code"]
        first = serial()
        harness.write(
            tmp_path, certificate=certificate_secret(authority, "server", "ai.example.org")
        )
        harness.eventually(lambda: serial() != first)
        assert ask(kept).status_code == 200


@pytest.mark.parametrize("trusted", [True, False])
def test_a_private_authority_is_trusted_only_when_named(tmp_path: Path, trusted: bool) -> None:
    authority, stranger = Authority(), Authority()
    chain, key = authority.issue("localhost", "127.0.0.1")
    (tmp_path / "server.pem").write_text(chain + key)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "server.pem")
    provider = harness.Provider(tls=tls)
    port = harness.free_port()
    directory = tmp_path / "config"
    directory.mkdir()
    pem = (authority if trusted else stranger).pem
    one = harness.backend("one", provider.port).replace(
        "{mode: None}", "{mode: Verify, caCertificateRefs: [{name: corp-ca}]}"
    )
    harness.write(
        directory,
        gateway=harness.gateway(port),
        one=one
        + f"---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: corp-ca}}\ndata:\n  ca.crt: |\n{indented(pem)}",
        route=harness.route("assistant", "  - name: default\n    backendRefs: [{name: one}]\n"),
    )
    with harness.running(directory):
        response = httpx2.post(
            f"http://127.0.0.1:{port}/v1/chat/completions",
            json={"model": "echo", "messages": [{"role": "user", "content": "hello"}]},
            timeout=30,
        )
        assert response.status_code == (200 if trusted else 502)
        assert bool(provider.received) is trusted
    provider.close()
