"""Pools on a real Envoy: the picker is asked, one of the pods serves, and a picker can do no more than pick."""

import asyncio
from dataclasses import replace

import pytest

from controller import ir
from controller.owners import owners
from controller.settings import BuildSettings
from controller.xds import inner, overlap
from controller.xds.build import Builder
from controller.xds.refusals import Refusal
from controller.xds.snapshot import CLUSTER, LISTENER
from tests.xds import configs, picker, standin

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

LARGEST = 16 * 1024 * 1024
CREDENTIALS = {"authorization", "proxy-authorization", "x-api-key", "api-key", "cookie"}


@pytest.fixture
async def asked(world):
    """A picker; `world.one` and `world.two` are the pods of its pool."""
    started = picker.Picker()
    await started.start()
    yield started
    await started.stop()


@pytest.fixture
async def other(world):
    """A target that is no pool, to fail over to."""
    provider = standin.Provider()
    await provider.start()
    yield provider
    await provider.stop()


def where(provider):
    return f"127.0.0.1:{provider.port}"


def pool(world, asked, name="pool", *, fails_open=False):
    pods = (("127.0.0.1", world.one.port), ("127.0.0.1", world.two.port))
    found = ir.Picker(f"picker:default/{name}", (("127.0.0.1", asked.port),), fails_open)
    target = configs.target(name, 80, host=f"{name}.default.svc", body=LARGEST)
    return replace(target, endpoints=pods, picker=found)


async def serve(world, *targets):
    classes = (configs.CALL, configs.traffic(translate=True))
    host = configs.host(classes=classes, body=LARGEST)
    await world.serve(configs.config([configs.listener(world.port, host)], targets))


async def ask(world, order="pool", **given):
    status, headers, answer = await world.post(x_test_order=order, **given)
    return status, headers["x-dragoman-backend"], answer


async def test_the_pod_that_the_picker_names_serves(world, asked) -> None:
    await serve(world, pool(world, asked))
    for pod, rest in ((world.one, world.two), (world.two, world.one)):
        asked.choose = where(pod)
        for _ in range(3):
            pod.seen.clear()
            status, backend, answer = await ask(world)
            assert (status, backend, answer["path"]) == (200, "default/pool/*", "/pool/chat")
            assert len(pod.seen) == 1
            assert rest.seen == []
        pod.seen.clear()


async def test_the_picker_sees_the_finished_request_without_its_key(world, asked) -> None:
    await serve(world, pool(world, asked))
    asked.choose = where(world.one)
    await ask(world, body=b'{"model": "m", "secret": 1}', authorization="of-the-client")
    [seen], [served] = asked.asked, world.one.seen
    assert b'"seen": "guard"' in seen["body"], "what the guard made of it"
    assert seen["headers"][":path"] == "/pool/chat"
    assert not CREDENTIALS & seen["headers"].keys()
    assert not [name for name in seen["headers"] if name.startswith("x-dragoman")]
    assert served["body"] == seen["body"]
    assert served["headers"]["x-request-id"] == seen["headers"]["x-request-id"]
    assert served["headers"]["authorization"] == "Bearer sk-pool"
    assert not [
        name
        for name in served["headers"]
        if name.startswith(("x-forwarded", "x-envoy", "x-gateway"))
    ]


async def test_the_picker_is_told_who_served_and_what(world, asked) -> None:
    await serve(world, pool(world, asked))
    asked.choose = where(world.two)
    status, _, _ = await ask(world)
    await world.until(lambda: asked.asked[0]["answer"])
    [seen] = asked.asked
    assert (status, seen["status"]) == (200, "200")
    assert seen["served"][inner.SERVED] == where(world.two)


async def test_each_attempt_is_translated_before_it_is_shown(world, asked) -> None:
    await serve(world, pool(world, asked))
    asked.choose = where(world.one)
    await ask(
        world, traffic=configs.traffic(translate=True), x_test_models='{"default/pool/*": "llama"}'
    )
    assert b'"model": "llama"' in asked.asked[0]["body"]
    assert world.one.seen[0]["body"] == asked.asked[0]["body"]


async def test_a_picker_names_pods_of_its_pool_only(world, asked, other) -> None:
    await serve(world, pool(world, asked), configs.target("other", other.port))
    for named in (where(other), f"{where(other)},10.9.9.9:80", "127.0.0.1:1"):
        asked.choose = named
        status, backend, _ = await ask(world)
        assert (status, backend) == (200, "default/pool/*")
    assert other.seen == []
    asked.choose = f"{where(other)},{where(world.two)}"
    world.two.seen.clear()
    await ask(world)
    assert len(world.two.seen) == 1, "the first that is of the pool"


async def test_a_picker_changes_no_header_and_says_nothing_in_our_name(world, asked) -> None:
    await serve(world, pool(world, asked))
    asked.choose, asked.mood = where(world.one), "meddle"
    status, backend, answer = await ask(world)
    assert (status, backend, answer["path"]) == (200, "default/pool/*", "/pool/chat")
    [served] = world.one.seen
    assert served["headers"]["authorization"] == "Bearer sk-pool"
    assert "x-added" not in served["headers"]


async def test_a_connection_that_fails_goes_down_the_pickers_list(world, asked) -> None:
    await serve(world, pool(world, asked))
    await world.one.stop()
    asked.choose = f"{where(world.one)},{where(world.two)}"
    status, _, _ = await ask(world)
    assert status == 200
    assert len(world.two.seen) == 1
    await world.one.start()


FAILURES = ("close-early", "close", "abort", "none")


@pytest.mark.parametrize("body", [b'{"a": 1}', b'{"a": "%s"}' % (b"y" * 300_000)])
async def test_a_picker_that_fails_is_a_target_that_fails(world, asked, other, body) -> None:
    await serve(world, pool(world, asked), configs.target("other", other.port))
    for mood in FAILURES:
        asked.mood = mood
        status, backend, answer = await ask(world, "pool,other", body=body)
        assert (status, backend) == (200, "default/other/*"), mood
        assert answer["length"] == len(other.seen[-1]["body"])
        assert "x-gateway-destination-endpoint" not in other.seen[-1]["headers"]
    assert world.one.seen + world.two.seen == []


async def test_of_a_failing_picker_alone_no_pod_hears(world, asked) -> None:
    await serve(world, pool(world, asked))
    for mood in FAILURES:
        asked.mood = mood
        status, _, answer = await world.post(x_test_order="pool")
        assert status in (502, 503), mood  # 502: it has failed so often that it is passed over
        assert answer["error"]["code"] == "provider_unavailable"
    await asked.stop()
    status, _, _ = await world.post(x_test_order="pool")
    assert status in (502, 503)
    assert world.one.seen + world.two.seen == []


@pytest.mark.parametrize("body", [b'{"a": 1}', b'{"a": "%s"}' % (b"y" * 300_000)])
async def test_fail_open_serves_without_the_picker_and_with_the_whole_body(
    world, asked, body
) -> None:
    await serve(world, pool(world, asked, fails_open=True))
    asked.choose = where(world.two)
    status, _, _ = await ask(world, body=body)
    assert status == 200
    assert len(world.two.seen) == 1
    for mood in FAILURES:
        asked.mood = mood
        world.one.seen.clear()
        world.two.seen.clear()
        status, backend, _ = await ask(world, body=body)
        assert (status, backend) == (200, "default/pool/*"), mood
        [served] = world.one.seen + world.two.seen
        assert len(served["body"]) > len(body)
        assert served["headers"]["authorization"] == "Bearer sk-pool"
    await asked.stop()
    status, _, _ = await ask(world, body=body)
    assert status == 200


@pytest.mark.parametrize("fails_open", [False, True])
async def test_a_picker_that_says_nothing_is_given_up(
    world, asked, other, fails_open, monkeypatch
) -> None:
    monkeypatch.setattr(inner, "PATIENCE", inner.PATIENCE / 15)
    target = pool(world, asked, fails_open=fails_open)
    await serve(world, target, configs.target("other", other.port))
    asked.mood = "hang"
    status, backend, _ = await ask(world, "pool,other")
    assert (status, backend) == (200, "default/pool/*" if fails_open else "default/other/*")


@pytest.mark.parametrize("fails_open", [False, True])
async def test_a_pod_may_take_longer_than_a_picker(world, asked, fails_open, monkeypatch) -> None:
    monkeypatch.setattr(inner, "PATIENCE", inner.PATIENCE / 15)
    await serve(world, pool(world, asked, fails_open=fails_open))
    asked.choose, world.one.delay_s = where(world.one), 4
    status, _, _ = await ask(world)
    assert status == 200


async def test_a_picker_that_sheds_load_is_a_target_that_has_enough(world, asked, other) -> None:
    await serve(world, pool(world, asked), configs.target("other", other.port))
    asked.mood = "busy"
    status, _, _ = await ask(world)
    assert status == 429
    status, backend, _ = await ask(world, "pool,other")
    assert (status, backend) == (200, "default/other/*")


async def test_two_pools_in_one_order_ask_each_its_own_picker(world, asked, other) -> None:
    second = picker.Picker()
    await second.start()
    await serve(world, pool(world, asked), pool(world, second, "second"))
    asked.mood, second.choose = "abort", where(world.two)
    status, backend, _ = await ask(world, "pool,second")
    assert (status, backend) == (200, "default/second/*")
    assert (len(asked.asked), len(second.asked), len(world.two.seen)) == (1, 1, 1)
    await second.stop()


async def test_no_pod_where_nobody_may_be_called(world, asked) -> None:
    world.builder = Builder(replace(world.settings, refused=("127.0.0.0/8",)))
    await serve(world, pool(world, asked))
    asked.choose = where(world.one)
    status, _, _ = await ask(world)
    assert status == 502
    assert world.one.seen + world.two.seen == []


async def test_a_pool_without_ready_pods_is_a_target_that_fails(world, asked, other) -> None:
    empty = replace(pool(world, asked), endpoints=())
    await serve(world, empty, configs.target("other", other.port))
    asked.choose = where(world.one)
    status, backend, _ = await ask(world, "pool,other")
    assert (status, backend) == (200, "default/other/*")


async def test_pods_that_come_and_go_move_one_cluster(world, asked) -> None:
    before = Builder(BuildSettings())
    one, whole = pool(world, asked), world.port
    first = before.build(configs.config([configs.listener(whole)], [one]))
    fewer = replace(one, endpoints=one.endpoints[:1])
    second = before.build(configs.config([configs.listener(whole)], [fewer]))
    moved = {
        name
        for kind, held in second.resources.items()
        for name, each in held.items()
        if each.version != first.of(kind)[name].version
    }
    assert moved == {"picked:default/pool/*"}


@pytest.mark.parametrize("fails_open", [False, True])
async def test_bodies_beyond_envoys_own_buffers(world, asked, fails_open) -> None:
    await serve(world, pool(world, asked, fails_open=fails_open))
    asked.choose = where(world.two)
    status, _, answer = await ask(world, body=b'{"a": "%s"}' % (b"y" * 11_000_000))
    assert (status, answer["length"] > 11_000_000) == (200, True)
    assert len(world.two.seen) == 1


def test_what_envoy_refuses_of_a_part_is_told_to_the_backend(world, asked) -> None:
    target = pool(world, asked, fails_open=True)
    config = configs.config([configs.listener(world.port)], [target])
    built = Builder(BuildSettings()).build(config)
    parts = {*built.of(CLUSTER), *built.of(LISTENER)} - {"blackhole", f"listener/{world.port}"}
    assert len(parts) == 5
    for name in parts:
        assert owners(config)[name] == target.backend
        refused = Refusal(CLUSTER, name, "as asked", replaced=False)
        assert overlap.without(config, [refused]).targets == ()


async def test_many_at_once(world, asked) -> None:
    await serve(world, pool(world, asked))
    asked.choose = where(world.two)
    answers = await asyncio.gather(
        *(ask(world, body=b'{"a": "%s"}' % (b"z" * 100_000)) for _ in range(40))
    )
    assert {status for status, _, _ in answers} == {200}
    assert len(world.two.seen) == 40
