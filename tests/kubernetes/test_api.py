"""The client on a real API server: every verb, and errors that say what, but nothing sent."""

import asyncio
import base64
import os
from dataclasses import replace
from functools import partial

import pytest

from controller.sources.api import Api, ApiError, Gone, Resource, Selection
from controller.sources.login import login
from tests.kubernetes.flaky import Flaky

CONFIG_MAP = Resource("v1", "ConfigMap")
SECRET = Resource("v1", "Secret")


def config_map(name, **data):
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "labels": {"test": "yes"}},
        "data": data,
    }


@pytest.fixture
async def api(kubeconfig):
    async with Api(partial(login, kubeconfig)) as connected:
        yield connected


async def every(api, selection, **options):
    return [each async for page in api.pages(selection, **options) for each in page.items]


def test_a_login_leaves_the_environment_as_it_was(kubeconfig, monkeypatch) -> None:
    for before in (None, "elsewhere"):
        monkeypatch.delenv("KUBECONFIG", raising=False)
        if before is not None:
            monkeypatch.setenv("KUBECONFIG", before)
        login(kubeconfig)
        assert os.environ.get("KUBECONFIG") == before


async def test_an_object_from_its_making_to_its_end(api, namespace) -> None:
    made = await api.create(CONFIG_MAP.at(namespace), config_map("a", x="1"))
    path = CONFIG_MAP.at(namespace, "a")
    assert (await api.get(path))["metadata"]["uid"] == made["metadata"]["uid"]
    assert (await api.merge(path, {"data": {"y": "2"}}))["data"] == {"x": "1", "y": "2"}
    with pytest.raises(ApiError) as stale:
        await api.replace(path, made)
    assert (stale.value.code, stale.value.reason) == (409, "Conflict")
    with pytest.raises(ApiError) as other:
        await api.delete(path, uid="another")
    assert other.value.code == 409
    await api.delete(path, uid=made["metadata"]["uid"])
    with pytest.raises(ApiError) as gone:
        await api.get(path)
    assert str(gone.value) == "404 NotFound"


async def test_a_field_of_another_manager_is_taken_by_force_only(api, namespace) -> None:
    path = CONFIG_MAP.at(namespace, "a")
    await api.apply(path, config_map("a", x="1"), "one")
    with pytest.raises(ApiError) as refused:
        await api.apply(path, config_map("a", x="2"), "two")
    assert refused.value.code == 409
    assert (await api.apply(path, config_map("a", x="2"), "two", force=True))["data"] == {"x": "2"}


async def test_lists_come_in_pages_whole_or_as_metadata(api, namespace) -> None:
    for name in "abc":
        await api.create(CONFIG_MAP.at(namespace), config_map(name, x="1"))
    mine = Selection(CONFIG_MAP, namespace, labels="test=yes")
    pages = [page async for page in api.pages(mine, limit=2)]
    assert [[each["metadata"]["name"] for each in page.items] for page in pages] == [
        ["a", "b"],
        ["c"],
    ]
    assert all(each["kind"] == "ConfigMap" and "data" in each for each in pages[0].items)
    assert all("data" not in each for each in await every(api, mine, metadata_only=True))
    one = Selection(CONFIG_MAP, namespace, fields="metadata.name=b")
    assert [each["metadata"]["name"] for each in await every(api, one)] == ["b"]


async def test_a_watch_tells_what_happens_until_its_time_is_over(api, namespace) -> None:
    mine = Selection(CONFIG_MAP, namespace, labels="test=yes")
    (page,) = [page async for page in api.pages(mine)]
    path = CONFIG_MAP.at(namespace, "a")
    await api.create(CONFIG_MAP.at(namespace), config_map("a", text="x" * 300_000))
    await api.merge(path, {"data": {"text": "y"}})
    await api.delete(path)
    heard = [(kind, each["kind"]) async for kind, each in api.watch(mine, page.version, 2)]
    happened = [kind for kind, _ in heard if kind != "BOOKMARK"]
    assert happened == ["ADDED", "MODIFIED", "DELETED"]
    assert {name for _, name in heard} == {"ConfigMap"}


async def test_too_long_ago_is_gone(api, kubeconfig, namespace) -> None:
    flaky = Flaky(login(kubeconfig))
    runner = await flaky.start()
    async with Api(flaky.login) as through:
        flaky.refused["continue="] = 410
        for name in "ab":
            await api.create(CONFIG_MAP.at(namespace), config_map(name))
        with pytest.raises(Gone):
            await every(through, Selection(CONFIG_MAP, namespace), limit=1)
        with pytest.raises(Gone):
            async with asyncio.timeout(30):
                async for kind, _ in through.watch(Selection(CONFIG_MAP, namespace), "0"):
                    if kind == "ADDED":
                        flaky.break_watches("/configmaps", 410)
        flaky.go_away()
        with pytest.raises(ApiError) as away:
            await through.get(CONFIG_MAP.at(namespace, "a"))
        assert away.value.code == 0
    await flaky.stop(runner)


async def test_a_token_that_is_not_accepted_is_read_again(api, kubeconfig, namespace) -> None:
    account = Resource("v1", "ServiceAccount")
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    body = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "reader"}}
    await api.create(account.at(namespace), body)
    made = await api.create(account.at(namespace, "reader", "token"), request)
    nobody = replace(login(kubeconfig), certificate_data=None, private_key_data=None)
    nobody = replace(nobody, certificate_path=None, private_key_path=None)
    tokens = ["old", made["status"]["token"]]
    async with Api(lambda: replace(nobody, token=tokens.pop(0))) as connected:
        with pytest.raises(ApiError) as refused:
            await connected.get(SECRET.at(namespace, "a"))
        assert (refused.value.code, tokens) == (403, []), "known, but without rights"


async def test_an_error_quotes_nothing_that_was_sent(api, namespace) -> None:
    secret = base64.b64encode(b"planted").decode()
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "Not_a_name"}}
    with pytest.raises(ApiError) as refused:
        await api.create(SECRET.at(namespace), {**body, "data": {"key": secret}})
    assert str(refused.value) == "422 Invalid"
    assert secret not in repr(refused.value)
