"""AWS signatures on real Envoy, checked by botocore: every attempt's own path, host and final body."""

import json
from dataclasses import replace

import aiohttp
import pytest
from aiohttp import web

from controller import ir
from crds.gateway import SecretValue
from tests.xds import configs, sigv4

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

TRANSLATED = configs.traffic(translate=True)
CALL = configs.traffic()
MODEL = "/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse"
PATHS = [
    MODEL,
    "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Ainference-profile%2Fus.amazon.nova-pro-v1%3A0/converse",
    "/model/plain/converse-stream",
    "/model/a%20b%7Ec~d/converse",
]


def key(name, *, token=True):
    return ir.AccessKey(
        SecretValue(f"planted-id-{name}".encode()),
        SecretValue(f"planted+secret/{name}".encode()),
        SecretValue(f"planted-token/{name}==".encode()) if token else None,
    )


def signed(name, port, region="us-east-1", *, token=True):
    return replace(
        configs.target(name, port, key=False),
        provider="Bedrock",
        formats=("BedrockConverse",),
        headers=(),
        signing=ir.Signing("bedrock", region, key(name, token=token)),
    )


def held(name):
    return f"planted-id-{name}", f"planted+secret/{name}", f"planted-token/{name}=="


async def serve(world, *targets):
    host = configs.host(classes=(CALL, TRANSLATED))
    await world.serve(configs.config([configs.listener(world.port, host)], targets))


@pytest.mark.parametrize("path", PATHS)
async def test_the_signature_covers_path_host_and_body(world, path):
    await serve(world, signed("one", world.one.port))
    status, _, _ = await world.post(
        body=b'{"text": "\xc3\xbc"}', x_test_paths=json.dumps({"one": path}), x_amz_date="forged"
    )
    assert status == 200
    [seen] = world.one.seen
    assert seen["path"] == path
    assert sigv4.check(seen, *held("one")) == ("us-east-1", "bedrock")


async def test_a_body_as_large_as_the_limit_allows_is_signed_whole(world):
    await serve(world, signed("one", world.one.port))
    body = json.dumps({"text": "x" * (1024 * 1024 - 64)}).encode()
    status, _, _ = await world.post(body=body, x_test_paths=json.dumps({"one": MODEL}))
    assert status == 200
    [seen] = world.one.seen
    assert len(seen["body"]) > len(body)
    sigv4.check(seen, *held("one"))


@pytest.fixture
async def pod(monkeypatch):
    """What EKS Pod Identity puts into a container's environment, and the agent it leads to."""

    async def answer(request):
        asked.append(request.headers.get("authorization"))
        return web.json_response(
            {
                "AccessKeyId": "planted-id-pod",
                "SecretAccessKey": "planted+secret/pod",
                "Token": "planted-token/pod==",
                "Expiration": "2099-01-01T00:00:00Z",
            }
        )

    asked = []
    app = web.Application()
    app.router.add_get("/v1/credentials", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    where = f"http://127.0.0.1:{runner.addresses[0][1]}/v1/credentials"
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", where)
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "of-the-pod")
    yield asked
    await runner.cleanup()


async def test_without_a_key_envoy_signs_with_what_its_pod_is_given(pod, world):
    target = signed("one", world.one.port)
    await serve(world, replace(target, signing=replace(target.signing, key=None)))
    status, _, _ = await world.post(x_test_paths=json.dumps({"one": MODEL}))
    assert status == 200
    [seen] = world.one.seen
    assert sigv4.check(seen, *held("pod")) == ("us-east-1", "bedrock")
    assert set(pod) == {"of-the-pod"}


async def test_a_wrong_key_and_a_changed_body_are_found_by_the_check(world):
    await serve(world, signed("one", world.one.port))
    await world.post(x_test_paths=json.dumps({"one": MODEL}))
    [seen] = world.one.seen
    wrong = [
        (seen, held("two")),
        ({**seen, "body": seen["body"] + b" "}, held("one")),
        ({**seen, "path": MODEL.replace("converse", "invoke")}, held("one")),
        ({**seen, "headers": {**seen["headers"], "host": "elsewhere"}}, held("one")),
    ]
    for each, keys in wrong:
        with pytest.raises(AssertionError):
            sigv4.check(each, *keys)


async def test_each_attempt_is_signed_with_its_own_key_over_its_own_body(world):
    second = signed("two", world.two.port, "eu-west-1", token=False)
    await serve(world, signed("one", world.one.port), second)
    world.one.fault = 429
    models = json.dumps({"default/one/*": "first", "default/two/*": "the-second-one"})
    paths = json.dumps({"one": MODEL, "two": "/model/two/converse"})
    status, _, _ = await world.post(
        traffic=TRANSLATED, x_test_order="one,two", x_test_models=models, x_test_paths=paths
    )
    assert status == 200
    [first], [last] = world.one.seen, world.two.seen
    assert sigv4.check(first, *held("one")) == ("us-east-1", "bedrock")
    assert sigv4.check(last, *held("two")[:2]) == ("eu-west-1", "bedrock")
    assert [json.loads(seen["body"])["model"] for seen in (first, last)] == [
        "first",
        "the-second-one",
    ]
    assert int(last["headers"]["content-length"]) == len(last["body"])


@pytest.mark.parametrize("order", ["one,two", "two,one"])
async def test_signatures_and_keys_do_not_follow_to_the_next_attempt(world, order):
    await serve(world, signed("one", world.one.port), configs.target("two", world.two.port))
    failing, serving = [{"one": world.one, "two": world.two}[name] for name in order.split(",")]
    failing.fault = 503
    status, _, _ = await world.post(
        x_test_order=order, x_test_paths=json.dumps({"one": MODEL}), authorization="Bearer caller"
    )
    assert status == 200
    [keyed], [own] = world.two.seen, world.one.seen
    assert not [name for name in keyed["headers"] if name.startswith("x-amz-")]
    assert keyed["headers"]["authorization"] == "Bearer sk-two"
    sigv4.check(own, *held("one"))
    assert serving.seen


async def test_envoy_shows_no_secret_of_a_signature_in_its_dump(world):
    await serve(world, signed("one", world.one.port))
    connector = aiohttp.UnixConnector(str(world.directory / "admin.sock"))
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.get("http://admin/config_dump?include_eds") as response,
    ):
        dump = await response.text()
    assert "aws_request_signing" in dump
    assert "planted+secret" not in dump
    assert "planted-token" not in dump
