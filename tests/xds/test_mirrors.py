"""Copies on a real Envoy: they arrive as they were made, and nowhere that no request may go to."""

import asyncio
import json
from dataclasses import replace

import pytest

from controller import ir, names
from controller.owners import owners
from controller.settings import BuildSettings
from controller.xds import mirrors, overlap, snapshot
from controller.xds.build import Builder, build
from controller.xds.refusals import Refusal
from controller.xds.snapshot import CLUSTER, LISTENER
from tests.xds import configs, picker, sigv4, standin
from tests.xds.test_signing import PATHS, held, signed

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

MIRRORED = replace(configs.traffic(translate=True), mirrored=True)
HURRIED = replace(configs.traffic(translate=True, request=1.0), mirrored=True)
LARGEST = 16 * 1024 * 1024
COPY = "mirror:default/copy/*"
JUDGED = names.judged(COPY)
ANSWERING = "127.0.0.2"
REFUSED = ("127.0.0.1/32", "::1/128")


@pytest.fixture
async def world(world):
    """`world.one` answers callers, at an address that no test refuses."""
    await world.one.stop()
    await world.one.start(host=ANSWERING)
    return world


@pytest.fixture
async def copied(world):
    """Who gets the copies."""
    async for provider in _provider("127.0.0.1"):
        yield provider


@pytest.fixture
async def copied_at_six(world):
    async for provider in _provider("::1"):
        yield provider


async def _provider(host):
    provider = standin.Provider()
    await provider.start(host=host)
    yield provider
    await provider.stop()


def mirror(target, copies=5):
    """A target as the mirror of that name."""
    return replace(target, name=names.mirror(target.name), copies=copies)


async def serve(world, *targets):
    host = configs.host(classes=(MIRRORED, HURRIED), body=LARGEST)
    one = configs.target("one", world.one.port, host=ANSWERING, body=LARGEST)
    await world.serve(configs.config([configs.listener(world.port, host)], [one, *targets]))


async def ask(world, traffic=MIRRORED, **given):
    """A request that is copied; it is answered whatever becomes of the copy."""
    status, headers, answer = await world.post(
        traffic=traffic, x_test_models='{"default/one/*": "m"}', x_test_mirrors="copy", **given
    )
    return status, headers.get("x-dragoman-backend"), answer


async def counted(world, cluster, **wanted):
    """Waits until a cluster's statistics are so."""
    for _ in range(2000):
        stats = await world.stats(cluster)
        if all(stats.get(name, 0) == value for name, value in wanted.items()):
            return stats
        await asyncio.sleep(0.02)
    raise AssertionError({name: stats.get(name) for name in wanted})


async def test_a_copy_arrives_as_it_was_made(world, copied) -> None:
    await serve(world, mirror(configs.target("copy", copied.port)))
    assert (await ask(world, cookie="a=b", authorization="of-the-client"))[0] == 200
    await world.until(lambda: copied.seen)
    [seen], [asked] = copied.seen, world.one.seen
    assert seen["path"] == "/copy/chat"
    assert json.loads(seen["body"]) == {"model": "m", "seen": "guard", "copy": "copy"}
    headers = seen["headers"]
    assert headers.pop("x-request-id") == asked["headers"]["x-request-id"]
    assert headers.pop("user-agent") == asked["headers"]["user-agent"]
    assert headers == {
        "host": f"127.0.0.1:{copied.port}",
        "content-type": "application/json",
        "content-length": str(len(seen["body"])),
        "authorization": "Bearer sk-copy",
        "x-default": "copy",
    }


@pytest.mark.parametrize("path", PATHS)
async def test_a_copy_is_signed_where_it_leaves(world, copied, path) -> None:
    await serve(world, mirror(signed("copy", copied.port)))
    await ask(world, x_test_paths=json.dumps({"copy": path}))
    await world.until(lambda: copied.seen)
    [seen] = copied.seen
    assert seen["path"] == path
    assert sigv4.check(seen, *held("copy")) == ("us-east-1", "bedrock")


@pytest.mark.parametrize("with_signature", [False, True])
async def test_large_bodies_are_copied_whole(world, copied, with_signature) -> None:
    made = (signed if with_signature else configs.target)("copy", copied.port)
    await serve(world, mirror(replace(made, max_body_bytes=LARGEST)))
    text = "y" * 11_000_000
    assert (await ask(world, body=json.dumps({"a": text}).encode()))[0] == 200
    await world.until(lambda: copied.seen)
    [seen] = copied.seen
    assert json.loads(seen["body"])["a"] == text
    assert seen["headers"]["content-length"] == str(len(seen["body"]))
    if with_signature:
        sigv4.check(seen, *held("copy"))


async def test_a_copy_goes_to_ipv6_and_to_a_name(world, copied, copied_at_six) -> None:
    await serve(world, mirror(configs.target("copy", copied_at_six.port, host="::1")))
    await ask(world)
    await world.until(lambda: copied_at_six.seen)
    assert copied_at_six.seen[0]["headers"]["host"] == f"[::1]:{copied_at_six.port}"
    await serve(world, mirror(configs.target("copy", copied.port, host="localhost")))
    await ask(world)
    await world.until(lambda: copied.seen)
    assert copied.seen[0]["headers"]["host"] == f"localhost:{copied.port}"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "service", "::1"])
async def test_no_copy_goes_where_nobody_may_be_called(world, copied, copied_at_six, host) -> None:
    world.builder = Builder(replace(world.settings, refused=REFUSED))
    provider = copied_at_six if host == "::1" else copied
    target = configs.target("copy", provider.port, host=host)
    if host == "service":
        target = replace(target, endpoints=(("127.0.0.1", provider.port),))
    await serve(world, mirror(target))
    for number in range(1, 8):  # enough to eject a target
        status, backend, answer = await ask(world)
        assert (status, backend, answer["path"]) == (200, "default/one/*", "/one/chat")
        await counted(world, COPY, upstream_rq_502=number, upstream_rq_active=0)
    assert (len(world.one.seen), world.logged()) == (7, [])
    assert provider.seen == []
    world.builder = Builder(replace(world.settings, refused=("169.254.0.0/16",)))
    await serve(world, mirror(target))
    assert (await ask(world))[0] == 200
    await world.until(lambda: provider.seen)
    assert len(provider.seen) == 1, "only when it was allowed"


async def test_a_mirrored_pool_is_judged_where_it_is_picked(world, copied) -> None:
    asked = picker.Picker()
    await asked.start()
    asked.choose = f"127.0.0.1:{copied.port}"
    found = ir.Picker("picker:default/copy", (("127.0.0.1", asked.port),), fails_open=False)
    pods = (("127.0.0.1", copied.port),)
    pool = mirror(replace(configs.target("copy", 80), endpoints=pods, picker=found))
    for refused, arrived in ((REFUSED, 0), (("169.254.0.0/16",), 1)):
        world.builder = Builder(replace(world.settings, refused=refused))
        await serve(world, pool)
        assert JUDGED not in {*build(world.served, world.settings).of(CLUSTER)}
        await ask(world)
        name = "upstream_rq_200" if arrived else "upstream_rq_502"
        await counted(world, COPY, **{name: 1})
        assert len(copied.seen) == arrived
    assert len(asked.asked) == 2
    await asked.stop()


async def test_a_copy_ends_with_the_time_of_its_request(world, copied) -> None:
    await serve(world, mirror(configs.target("copy", copied.port)))
    copied.fault = "hang"
    assert (await ask(world, HURRIED))[0] == 200
    await world.until(lambda: copied.seen)
    await counted(world, JUDGED, upstream_rq_active=0, upstream_rq_total=1, upstream_cx_active=0)
    await counted(world, COPY, upstream_rq_active=0, upstream_rq_total=1)


async def test_no_copy_takes_longer_than_the_longest(world, copied, monkeypatch) -> None:
    monkeypatch.setattr(mirrors, "LONGEST", mirrors.LONGEST / 600)
    await serve(world, mirror(configs.target("copy", copied.port)))
    copied.fault = "hang"
    assert (await ask(world))[0] == 200
    await world.until(lambda: copied.seen)
    await counted(world, COPY, upstream_rq_max_duration_reached=1, upstream_rq_active=0)
    await counted(world, JUDGED, upstream_rq_active=0, upstream_rq_total=1, upstream_cx_active=0)


async def test_a_copy_may_take_longer_than_a_listener_has_patience(
    world, copied, monkeypatch
) -> None:
    monkeypatch.setattr("controller.xds.inner.PATIENCE", mirrors.LONGEST / 600)
    await serve(world, mirror(configs.target("copy", copied.port)))
    copied.delay_s = 4
    await ask(world)
    await counted(world, COPY, upstream_rq_200=1)


async def test_there_are_only_so_many_copies_at_a_time(world, copied) -> None:
    await serve(world, mirror(configs.target("copy", copied.port), copies=2))
    copied.fault = "hang"
    for _ in range(5):
        assert (await ask(world))[0] == 200
    await counted(world, COPY, upstream_rq_active=2, upstream_rq_active_overflow=3)
    assert len(copied.seen) == 2


@pytest.mark.parametrize("fault", [429, 500, 503])
async def test_no_copy_is_sent_twice(world, copied, fault) -> None:
    await serve(world, mirror(configs.target("copy", copied.port)))
    copied.fault = fault
    assert (await ask(world))[0] == 200
    await counted(world, COPY, **{f"upstream_rq_{fault}": 1, "upstream_rq_active": 0})
    assert len(copied.seen) == 1
    await copied.stop()
    copied.fault = None
    assert (await ask(world))[0] == 200
    stats = await counted(world, JUDGED, upstream_cx_connect_fail=1, upstream_rq_retry=0)
    assert stats["upstream_cx_total"] == 2
    await copied.start()


async def test_a_mirror_that_fails_is_passed_over_for_a_while(world, copied) -> None:
    await serve(world, mirror(configs.target("copy", copied.port)))
    copied.fault = 503
    for number in range(1, 8):
        assert (await ask(world))[0] == 200
        await counted(world, COPY, upstream_rq_503=number)
    assert len(copied.seen) == ir.Ejection().after
    assert (await world.stats(COPY))["membership_healthy"] == 2, "copies are made all the same"


def test_endpoints_are_balanced_and_asked_for_their_health_where_they_are() -> None:
    check = ir.HealthCheck("/health", interval_s=5, timeout_s=1, unhealthy_after=3, healthy_after=1)
    plain = configs.target("copy", 80)
    target = mirror(replace(plain, balancing="RingHash", health_check=check))
    config = configs.config([configs.listener(8080)], [target])
    shown = snapshot.render(build(config, BuildSettings()))["clusters"]
    assert "healthChecks" not in shown[COPY]
    assert "RingHash" not in json.dumps(shown[COPY])
    assert [each["httpHealthCheck"]["path"] for each in shown[JUDGED]["healthChecks"]] == [
        "/health"
    ]
    assert "RingHash" in json.dumps(shown[JUDGED])


def test_what_envoy_refuses_of_a_mirror_is_told_to_its_backend() -> None:
    target = mirror(configs.target("copy", 80))
    config = configs.config([configs.listener(8080)], [target])
    built = Builder(BuildSettings()).build(config)
    parts = {*built.of(CLUSTER), *built.of(LISTENER)} - {"blackhole", "listener/8080"}
    assert parts == {COPY, JUDGED}
    for name in parts:
        assert owners(config)[name] == target.backend
        refused = Refusal(CLUSTER, name, "as asked", replaced=False)
        assert overlap.without(config, [refused]).targets == ()
