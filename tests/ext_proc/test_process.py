"""`python -m ext_proc` as a process: who it says it is, and when it says that it is ready."""

import asyncio
import sys

import aiohttp

from tests.ext_proc.ads_server import Controller, response
from tests.ext_proc.test_ads import HOST, ROUTE

PATIENCE_S = 60


async def test_it_is_ready_with_all_plans_and_stays_so_without_its_controller(tmp_path):
    address, metrics = f"unix:{tmp_path}/ads.sock", f"{tmp_path}/metrics.sock"
    async with Controller(address) as controller:
        guard = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "ext_proc", "--ads", address, "--node", "pod-1"),
            *("--listen", f"{tmp_path}/ext_proc.sock", "--metrics", metrics),
        )
        try:
            async with asyncio.timeout(PATIENCE_S):
                await _ready_with_plans(controller, metrics)
                await controller.__aexit__()
                assert await _get(metrics, "/ready") == (200, "ready\n")
        finally:
            guard.terminate()
            assert await guard.wait() == 0


async def _ready_with_plans(controller, metrics):
    first = await controller.heard.get()
    assert first.node.id == "ext_proc/pod-1"
    assert await _get(metrics, "/ready") == (503, "plans are missing\n")
    controller.send(response("n1", HOST))
    await controller.heard.get()
    assert (await _get(metrics, "/ready"))[0] == 503, "a plan that is named is missing"
    controller.send(response("n2", ROUTE))
    await controller.heard.get()
    assert await _get(metrics, "/ready") == (200, "ready\n")
    status, text = await _get(metrics, "/metrics")
    assert status == 200
    assert "dragoman_ext_proc_ready 1.0" in text


async def _get(path, target):
    connector = aiohttp.UnixConnector(path)
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.get(f"http://guard{target}") as answer,
    ):
        return answer.status, await answer.text()
