"""Keys and certificates are replaced under load, and nobody is cut off."""

import base64
import ssl
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from controller.dataplane import certificates
from controller.dataplane.certificates import Pair
from crds.gateway import SecretValue
from crds.meta import Key
from tests.kubernetes.cluster import ClusterError
from tests.kubernetes.installed import SYSTEM, ask, backend, eventually, gateway, route
from tests.kubernetes.load import Call, Load, connect, load, say
from tests.kubernetes.recorder import recorded

CLIENT = "ai-dragoman-xds"
ADMIN = """
import socket
admin = socket.socket(socket.AF_UNIX)
admin.connect("/run/dragoman/admin.sock")
admin.sendall(b"GET /certs HTTP/1.1\\r\\nhost: admin\\r\\nconnection: close\\r\\n\\r\\n")
print(b"".join(iter(lambda: admin.recv(65536), b"")).decode())
"""
"""What Envoy says of its certificates; the guard's container has Python and the same sockets."""


@pytest.fixture(scope="module")
def authority():
    return certificates.new_authority(datetime.now(UTC))


def tls_secret(name, identity):
    files = {"tls.crt": identity.certificate, "tls.key": identity.private_key.reveal()}
    data = {field: base64.b64encode(content).decode() for field, content in files.items()}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name},
        "type": "kubernetes.io/tls",
        "data": data,
    }


def serial(certificate):
    return x509.load_pem_x509_certificate(certificate).serial_number


def shown(connection):
    """The serial number of the certificate that a connection was opened with."""
    if connection.sock is None:
        connection.connect()
    seen = ssl.DER_cert_to_PEM_cert(connection.sock.getpeercert(binary_form=True))
    return serial(seen.encode())


def shown_now(url):
    """That of a new one."""
    with closing(connect(url)) as connection:
        return shown(connection)


def test_a_listeners_certificate_is_replaced_and_open_connections_stay(dragoman, team, authority):
    old, new = (certificates.server(authority, "ai.example.org", datetime.now(UTC)) for _ in "ab")
    tls = {"name": "https", "port": 443, "protocol": "HTTPS"}
    listener = {**tls, "tls": {"certificateRefs": [{"name": "ai-example-org"}]}}
    dragoman.apply(team, tls_secret("ai-example-org", old), backend(), route())
    dragoman.apply(team, gateway(listeners=[listener]))
    dragoman.wait(team, "air/assistant", "aib/mock")
    eventually(lambda: len(dragoman.pods(team)) == 2)
    places = [f"https://{p['status']['podIP']}:10443" for p in dragoman.pods(team)]
    with ExitStack() as ends:
        kept = [ends.enter_context(closing(connect(place))) for place in places]
        assert [shown(each) for each in kept] == [serial(old.certificate)] * 2
        assert [say(each, Call()) for each in kept] == ["", ""]
        sockets = [each.sock for each in kept]
        under = ends.enter_context(load(dragoman.url(team, port=443).replace("http:", "https:")))
        dragoman.apply(team, tls_secret("ai-example-org", new))
        for place in places:
            eventually(lambda place=place: shown_now(place) == serial(new.certificate))
        under.go_on()
        assert [say(each, Call()) for each in kept] == ["", ""]
        assert [each.sock for each in kept] == sockets
    assert under.bad == []


def held(dragoman, team):
    """The client certificate of the data plane, as its Secret has it."""
    try:
        text = dragoman.get(team, "secret", CLIENT)["data"]["tls.crt"]
    except ClusterError:  # it is not there for a moment
        return b""
    return base64.b64decode(text)


def loaded(dragoman, team):
    """Whether every Envoy uses the certificate that the Secret holds."""
    number = f"{serial(held(dragoman, team)):x}"
    told = [
        dragoman.kubectl(
            *("exec", "-n", team, pod["metadata"]["name"], "-c", "guard"),
            *("--", "python", "-c", ADMIN),
        )
        for pod in dragoman.pods(team)
    ]
    return all(number in each for each in told)


def nearly_expired(dragoman, team):
    """A certificate like the leader's own, made when its time is almost over."""
    secret = dragoman.get(SYSTEM, "secret", "dragoman-ca")["data"]
    crt, key = (base64.b64decode(secret[name]) for name in ("tls.crt", "tls.key"))
    then = datetime.now(UTC) - timedelta(hours=23)
    return certificates.client(Pair(crt, SecretValue(key)), Key("Gateway", team, "ai"), then)


@pytest.mark.parametrize("why", ["deleted", "nearly expired"])
def test_the_certificate_of_the_configuration_path_is_renewed_under_load(dragoman, team, why):
    dragoman.apply(team, gateway(), backend(), route())
    dragoman.wait(team, "air/assistant", "aib/mock")
    eventually(lambda: len(dragoman.pods(team)) == 2)
    before = held(dragoman, team)
    with load(dragoman.url(team)) as under:
        if why == "deleted":
            dragoman.kubectl("delete", "secret", CLIENT, "-n", team)
        else:
            old = nearly_expired(dragoman, team)
            dragoman.apply(team, tls_secret(CLIENT, old))
            before = old.certificate
        eventually(lambda: held(dragoman, team) not in {before, b""})
        until = x509.load_pem_x509_certificate(held(dragoman, team)).not_valid_after_utc
        assert until > datetime.now(UTC) + timedelta(hours=20)
        eventually(lambda: loaded(dragoman, team), 240)
        # A new leader means new connections, which must be made with the new certificate.
        dragoman.kubectl("delete", "pod", "-n", SYSTEM, dragoman.leader())
        dragoman.apply(team, route(model="echo-2"))
        dragoman.wait(team, "air/assistant")
        under.go_on()
    assert under.bad == []
    for pod in dragoman.pods(team):
        assert ask(f"http://{pod['status']['podIP']}:10080").json()["model"] == "echo-2"


def test_a_providers_key_is_replaced_and_soon_used(dragoman, team, recorder):
    def key(value):
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "provider-key"},
            "stringData": {"apiKey": value},
        }

    auth = {"type": "APIKey", "secretRef": {"name": "provider-key"}}
    dragoman.apply(team, key("first-key"), gateway(), backend(endpoint=recorder, auth=auth))
    dragoman.apply(team, route())
    dragoman.wait(team, "air/assistant", "aib/mock")
    eventually(lambda: len(dragoman.pods(team)) == 2)
    under = Load()
    for pod in dragoman.pods(team):
        name, address = pod["metadata"]["name"], pod["status"]["podIP"]
        for keep in (True, False):
            under.start(f"{name} {keep}", f"http://{address}:10080", keep=keep)
    try:
        eventually(lambda: len(under.good) == 4)
        dragoman.apply(team, key("second-key"))
        eventually(lambda: used(dragoman)[-1] == "Bearer second-key")
        under.go_on(10)
        mark = len(used(dragoman))
        under.go_on(10)
    finally:
        under.end()
    assert under.bad == []
    keys = used(dragoman)
    assert set(keys) == {"Bearer first-key", "Bearer second-key"}
    assert set(keys[mark:]) == {"Bearer second-key"}


def used(dragoman):
    """The keys the provider was shown, in order."""
    return [dict(each["headers"])["authorization"] for each in recorded(dragoman)]
