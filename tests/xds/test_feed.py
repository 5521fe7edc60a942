"""A Feed by itself: who ends its streams, and what is left of one that broke."""

import asyncio

import pytest

from controller.xds import discovery_pb2 as wire
from controller.xds.cache import Cache
from controller.xds.server import LARGEST_PART, Feed, ForeignNodeError
from controller.xds.snapshot import CLUSTER, PLAN, Resource, Snapshot

TARGET = Snapshot({CLUSTER: {"a": Resource("a", "1", b"content")}})


class Client:
    """What a client sends; it never ends by itself."""

    def __init__(self, feed):
        self.requests = asyncio.Queue()
        self.responses = feed.follow(self._sent())

    async def _sent(self):
        while True:
            yield await self.requests.get()

    def ask(self, cluster="", role="envoy", type_url=CLUSTER, **more):
        node = wire.Node(id=f"{role}/a", cluster=cluster)
        self.requests.put_nowait(wire.DeltaDiscoveryRequest(type_url=type_url, node=node, **more))


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


async def test_many_plans_come_in_parts_and_are_answered_once():
    """Sixty prompts of a megabyte: no message has more than its part of them."""
    mega = b"p" * (1 << 20)
    plans = {f"route/ns/r{n}": Resource(f"route/ns/r{n}", "1", mega) for n in range(60)}
    plans["route/ns/large"] = Resource("route/ns/large", "1", mega * 7)
    events = []
    feed = Feed(Cache(1.0), events.append, lambda _: None)
    feed.publish(Snapshot({PLAN: plans}), {})
    client = Client(feed)
    client.ask(role="ext_proc", type_url=PLAN)
    messages = [await anext(client.responses)]
    while not messages[-1].nonce:
        messages.append(await anext(client.responses))
    sizes = [sum(len(each.resource.value) for each in m.resources) for m in messages]
    assert [each.name for m in messages for each in m.resources] == list(plans)
    assert sorted(sizes)[-2:] == [LARGEST_PART, 7 << 20]
    assert len(messages) == 16
    client.ask(role="ext_proc", type_url=PLAN, response_nonce=messages[-1].nonce)
    feed.publish(Snapshot({PLAN: {**plans, "vh/x": Resource("vh/x", "1", b"{}")}}), {})
    more = await asyncio.wait_for(anext(client.responses), 5)
    assert ([each.name for each in more.resources], bool(more.nonce)) == (["vh/x"], True)
    await client.responses.aclose()
    feed.stop()


async def test_what_envoy_is_sent_comes_in_one_message():
    large = b"c" * (LARGEST_PART // 2 + 1)
    feed = Feed(Cache(1.0), lambda _: None, lambda _: None)
    feed.publish(Snapshot({CLUSTER: {n: Resource(n, "1", large) for n in "abc"}}), {})
    client = Client(feed)
    client.ask()
    first = await anext(client.responses)
    assert (len(first.resources), bool(first.nonce)) == (3, True)
    await client.responses.aclose()
    feed.stop()
