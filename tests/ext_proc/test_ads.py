"""The client of the plans against a scripted controller."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress

from google.protobuf import any_pb2

from controller.xds import plans as xds_plans
from controller.xds.cache import Cache
from controller.xds.server import LARGEST_PART, AdsServer, Feed
from controller.xds.snapshot import Resource, Snapshot
from crds.plan import (
    TYPE_URL,
    GuardPlan,
    Guards,
    PromptPlan,
    RoutePlan,
    RulePlan,
    TargetPlan,
    VirtualHostPlan,
    canonical,
    version,
)
from ext_proc import ads
from ext_proc.plans import Plans
from tests.ext_proc.ads_server import Controller, response

HOST = VirtualHostPlan(name="host", gateway="ns/ai", listener="http", routes=("ns/r",))
ROUTE = RoutePlan(name="ns/r", rules=())


@asynccontextmanager
async def following(address):
    heard = asyncio.Queue()
    with ThreadPoolExecutor(1) as pool:
        plans = Plans(pool)
        task = asyncio.create_task(
            ads.follow(address, "ext_proc/1", plans, heard.put_nowait, retry_s=0.01)
        )
        try:
            yield plans, heard
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def test_the_first_request_asks_for_every_plan_and_what_comes_is_acked(tmp_path):
    async with (
        Controller(f"unix:{tmp_path}/ads.sock") as controller,
        following(controller.address) as (plans, _),
    ):
        first = await controller.heard.get()
        assert (first.node.id, first.type_url) == ("ext_proc/1", TYPE_URL)
        assert (list(first.resource_names_subscribe), dict(first.initial_resource_versions)) == (
            ["*"],
            {},
        )
        controller.send(response("n1", HOST, ROUTE))
        ack = await controller.heard.get()
        assert (ack.response_nonce, ack.HasField("error_detail"), ack.type_url) == (
            "n1",
            False,
            TYPE_URL,
        )
        assert plans.snapshot.complete
        assert plans.snapshot.versions == {
            "vh/host": version(canonical(HOST)),
            "route/ns/r": version(canonical(ROUTE)),
        }


async def test_what_comes_in_parts_is_swapped_in_and_acked_as_one(tmp_path):
    async with (
        Controller(f"unix:{tmp_path}/ads.sock") as controller,
        following(controller.address) as (plans, heard),
    ):
        await controller.heard.get()
        controller.send(response("n1", ROUTE))
        await controller.heard.get()
        before = plans.snapshot
        controller.send(response("", HOST))
        controller.send(response("", RoutePlan(name="ns/other", rules=())))
        controller.send(response("n2", removed=("route/ns/r",)))
        ack = await controller.heard.get()
        assert (ack.response_nonce, ack.HasField("error_detail")) == ("n2", False)
        assert before.versions.keys() == {"route/ns/r"}
        assert plans.snapshot.versions.keys() == {"vh/host", "route/ns/other"}
        assert heard.qsize() == 2


async def test_more_plans_than_a_message_holds_arrive_whole(tmp_path):
    """The controller's own server and the guard's own client; the last part goes with the host."""
    prompt = PromptPlan(name="p", mode="Prepend", text="x" * (32 * 1024))
    target = TargetPlan(
        cluster="c",
        backend="n/b",
        provider="OpenAI",
        model="m",
        prompt=prompt,
        weight=1,
        priority=0,
    )
    rule = RulePlan(
        name="r", targets=(target,) * 32, unary_class="", stream_class="", translate=False
    )
    routes = [RoutePlan(name=f"ns/r{n}", rules=(rule,)) for n in range(10)]
    host = HOST.model_copy(update={"routes": tuple(each.name for each in routes)})
    built = [xds_plans.build(each) for each in (*routes, host)]
    held = {each.name: Resource(each.name, each.version, each.content) for each in built}
    assert sum(len(each.content) for each in built) > 2 * LARGEST_PART
    sent = []
    feed = Feed(Cache(1.0), lambda _: None, sent.append)
    feed.publish(Snapshot({TYPE_URL: held}), {})
    server = AdsServer(lambda _: feed)
    await server.start(tmp_path / "ads.sock")
    try:
        async with following(f"unix:{tmp_path}/ads.sock") as (plans, heard):
            assert await heard.get() is True
            assert plans.snapshot.complete
            assert plans.snapshot.versions == {n: each.version for n, each in held.items()}
            assert (heard.qsize(), len(sent)) == (0, 1)
    finally:
        feed.stop()
        await server.stop()


async def test_parts_of_a_stream_that_broke_are_forgotten(tmp_path):
    address = f"unix:{tmp_path}/ads.sock"
    async with following(address) as (plans, _):
        async with Controller(address) as controller:
            await controller.heard.get()
            controller.send(response("", RoutePlan(name="ns/half", rules=())))
            controller.send(response("n1", HOST))
            await controller.heard.get()
            controller.send(response("", RoutePlan(name="ns/lost", rules=())))
        async with Controller(address) as controller:
            await controller.heard.get()
            controller.send(response("n1", ROUTE))
            await controller.heard.get()
        assert plans.snapshot.versions.keys() == {"vh/host", "route/ns/half", "route/ns/r"}


async def test_what_cannot_be_used_is_nacked_by_name_and_changes_nothing(tmp_path):
    async with (
        Controller(f"unix:{tmp_path}/ads.sock") as controller,
        following(controller.address) as (plans, heard),
    ):
        controller.send(response("n1", HOST, ROUTE))
        await heard.get()
        before = plans.snapshot
        bad = response("n2", HOST.model_copy(update={"listener": "other"}))
        bad.resources.add(
            name="route/ns/bad",
            version="x",
            resource=any_pb2.Any(type_url=TYPE_URL, value=b'{"kind":"Route","name":"planted"}'),
        )
        controller.send(bad)
        assert await heard.get() is False
        requests = [await controller.heard.get() for _ in range(3)]
        assert (requests[-1].response_nonce, requests[-1].error_detail.message) == (
            "n2",
            "route/ns/bad cannot be used",
        )
        assert plans.snapshot is before


async def test_a_plan_is_replaced_and_removed_while_a_request_keeps_its_own(tmp_path):
    guard = GuardPlan(name="g", policy="ns/p", type="Keywords", action="Block", words=("w",))
    async with (
        Controller(f"unix:{tmp_path}/ads.sock") as controller,
        following(controller.address) as (plans, heard),
    ):
        controller.send(response("n1", HOST, ROUTE))
        await heard.get()
        host, snapshot = await plans.host("vh/host", 0)
        controller.send(
            response(
                "n2",
                HOST.model_copy(update={"guards": (Guards(request=(guard,)),)}),
                removed=("route/ns/r",),
            )
        )
        await heard.get()
        assert (snapshot.hosts["vh/host"] is host, "ns/r" in snapshot.routes) == (True, True)
        assert (len(plans.snapshot.hosts["vh/host"].levels), plans.snapshot.routes) == (1, {})


async def test_plans_outlive_the_controller_and_are_named_when_it_returns(tmp_path):
    address = f"unix:{tmp_path}/ads.sock"
    async with following(address) as (plans, heard):
        async with Controller(address) as controller:
            controller.send(response("n1", HOST, ROUTE))
            await heard.get()
        assert plans.snapshot.complete
        async with Controller(address) as controller:
            again = await controller.heard.get()
            assert dict(again.initial_resource_versions) == dict(plans.snapshot.versions)


async def test_a_stream_waits_for_a_plan_under_way_and_gives_up(tmp_path):
    async with (
        Controller(f"unix:{tmp_path}/ads.sock") as controller,
        following(controller.address) as (plans, _),
    ):
        assert await plans.host("vh/host", 0) is None
        waiting = asyncio.create_task(plans.host("vh/host", 30))
        controller.send(response("n1", HOST, ROUTE))
        found = await waiting
        assert found is not None
        assert await plans.host("vh/other", 0) is None
