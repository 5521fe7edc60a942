"""A client of the configuration server with a certificate of one's choice, and what Envoy really holds."""

import base64
import json
import queue
import socket
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc

from controller.dataplane import certificates
from controller.xds import discovery_pb2 as wire
from crds.meta import Key
from tests.kubernetes.installed import SYSTEM, Installed, eventually

HOST = f"dragoman-xds.{SYSTEM}.svc"
METHOD = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources"
CLUSTERS = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
SECRETS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"
PATIENCE_S = 30
_DUMP = """
import http.client, socket, sys
class Unix(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect("/run/dragoman/admin.sock")
it = Unix("admin")
it.request("GET", sys.argv[1])
sys.stdout.write(it.getresponse().read().decode())
"""


@dataclass(frozen=True)
class Papers:
    """A client certificate, its key, and whom its bearer believes; PEM."""

    certificate: bytes
    key: bytes
    authority: bytes


def papers(dragoman: Installed, namespace: str, gateway: str) -> Papers:
    """Those of a Gateway's data plane, from its Secret."""
    name = f"{gateway}-dragoman-xds"
    eventually(lambda: dragoman.client.answers("get", "secret", name, "-n", namespace), 120)
    data = dragoman.get(namespace, "secret", name)["data"]
    return Papers(*(base64.b64decode(data[key]) for key in ("tls.crt", "tls.key", "ca.crt")))


def forged(real: Papers, namespace: str, gateway: str) -> Papers:
    """The same name, signed by another authority."""
    now = datetime.now(UTC)
    key = Key("Gateway", namespace, gateway)
    made = certificates.client(certificates.new_authority(now), key, now)
    return Papers(made.certificate, made.private_key.reveal(), real.authority)


def address(dragoman: Installed) -> tuple[str, int]:
    """Where the leader serves configurations."""
    pod = dragoman.get(SYSTEM, "pod", dragoman.leader())
    return pod["status"]["podIP"], 18000


def greeting(dragoman: Installed, real: Papers, shown: Papers | None) -> bytes:
    """The first bytes of a server that lets a client in; none if it ends the handshake."""
    context = ssl.create_default_context(cadata=real.authority.decode())
    context.set_alpn_protocols(["h2"])
    with tempfile.TemporaryDirectory() as folder:
        if shown is not None:
            file = Path(folder, "both.pem")
            file.write_bytes(shown.certificate + shown.key)
            context.load_cert_chain(file)
        with (
            socket.create_connection(address(dragoman), PATIENCE_S) as plain,
            context.wrap_socket(plain, server_hostname=HOST) as tls,
        ):
            try:
                return tls.recv(64)
            except (ssl.SSLError, ConnectionError):  # the server's alert, or just its end
                return b""


class Rogue:
    """One stream to the configuration server."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._asked: queue.Queue[bytes | None] = queue.Queue()
        # bytes go out as they are, whether they are messages or not
        call = channel.stream_stream(
            METHOD, response_deserializer=wire.DeltaDiscoveryResponse.FromString
        )
        self._answers = call(iter(self._asked.get, None), timeout=PATIENCE_S)

    def send(self, message: bytes | wire.DeltaDiscoveryRequest) -> None:
        raw = message if isinstance(message, bytes) else message.SerializeToString()
        self._asked.put(raw)

    def answer(self) -> wire.DeltaDiscoveryResponse:
        return next(self._answers)

    def ending(self) -> tuple[grpc.StatusCode, int]:
        """How the server ends the stream, and how much it said before."""
        heard = 0
        try:
            for _ in self._answers:
                heard += 1
        except grpc.RpcError as error:
            return error.code(), heard
        return grpc.StatusCode.OK, heard


@contextmanager
def rogue(dragoman: Installed, shown: Papers) -> Iterator[Rogue]:
    credentials = grpc.ssl_channel_credentials(shown.authority, shown.key, shown.certificate)
    host, port = address(dragoman)
    options = [("grpc.ssl_target_name_override", HOST)]
    with grpc.secure_channel(f"{host}:{port}", credentials, options) as channel:
        stream = Rogue(channel)
        yield stream
        stream.send(b"")
        stream._asked.put(None)  # ends gRPC's reading thread


def request(type_url: str, *names: str, **more: Any) -> wire.DeltaDiscoveryRequest:
    cluster = more.pop("cluster", "")
    node = wire.Node(id="envoy/rogue", cluster=cluster)
    return wire.DeltaDiscoveryRequest(
        node=node, type_url=type_url, resource_names_subscribe=names, **more
    )


def held(dragoman: Installed, namespace: str, gateway: str) -> str:
    """All that the Envoys of a Gateway hold: configuration, endpoints, and names of secrets."""
    label = f"gateway.networking.k8s.io/gateway-name={gateway}"
    running = "--field-selector=status.phase=Running"
    names = ("get", "pods", "-n", namespace, "-l", label, running, "-o", "name")
    pods = [each.removeprefix("pod/") for each in dragoman.kubectl(*names).split()]
    paths = ("/config_dump?include_eds", "/clusters?format=json", "/certs")
    dumps = [admin(dragoman, namespace, pod, path) for pod in pods for path in paths]
    assert dumps
    return "\n".join(dumps)


def admin(dragoman: Installed, namespace: str, pod: str, path: str) -> str:
    """What a pod's Envoy answers on its admin socket, which only its own pod reaches."""
    command = ("exec", "-n", namespace, pod, "-c", "guard", "--", "python", "-c", _DUMP, path)
    return dragoman.kubectl(*command)


def stat(dragoman: Installed, namespace: str, pod: str, name: str) -> int:
    found = json.loads(admin(dragoman, namespace, pod, f"/stats?format=json&filter=^{name}$"))
    return sum(each.get("value", 0) for each in found["stats"])
