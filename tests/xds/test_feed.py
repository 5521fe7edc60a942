"""A Feed by itself: who ends its streams, and what is left of one that broke."""

import asyncio

import pytest

from controller.xds import discovery_pb2 as wire
from controller.xds.cache import Cache
from controller.xds.server import Feed, ForeignNodeError
from controller.xds.snapshot import CLUSTER, Resource, Snapshot

TARGET = Snapshot({CLUSTER: {"a": Resource("a", "1", b"content")}})


class Client:
    """What a client sends; it never ends by itself."""

    def __init__(self, feed):
        self.requests = asyncio.Queue()
        self.responses = feed.follow(self._sent())

    async def _sent(self):
        while True:
            yield await self.requests.get()

    def ask(self, cluster=""):
        node = wire.Node(id="envoy/a", cluster=cluster)
        self.requests.put_nowait(wire.DeltaDiscoveryRequest(type_url=CLUSTER, node=node))


@pytest.fixture
async def feed():
    made = Feed(Cache(1.0), lambda _: None, lambda _: None, cluster="team/ai")
    made.publish(TARGET, {})
    return made


async def test_a_feed_that_stops_ends_its_streams(feed):
    client = Client(feed)
    client.ask()
    first = await anext(client.responses)
    assert [each.name for each in first.resources] == ["a"]
    feed.stop()
    with pytest.raises(StopAsyncIteration):
        await asyncio.wait_for(anext(client.responses), 5)
    assert feed._cache.connected() == {"envoy": 0, "ext_proc": 0}
    assert feed._timer is None


async def test_a_stream_that_breaks_leaves_nothing(feed):
    client = Client(feed)
    client.ask()
    await anext(client.responses)
    client.ask(cluster="team/other")
    with pytest.raises(ForeignNodeError):
        await asyncio.wait_for(anext(client.responses), 5)
    assert feed._cache.connected() == {"envoy": 0, "ext_proc": 0}
    assert feed._queues == {}
    feed.stop()
