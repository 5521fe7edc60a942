"""Health: `/livez`, `/readyz` and `/metrics` of the controller as a pod.

Alive means that the event loop answers; neither depends on the API server, so that an API server
that is away restarts nobody. Ready means that all was read once and translated.
"""

from collections.abc import Callable

from aiohttp import web
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from controller.metrics import Metrics


async def serve(
    host: str, port: int, metrics: Metrics, unready: Callable[[], str]
) -> web.AppRunner:
    """Answer until the runner is cleaned up; `unready` says what is missing, if anything."""

    async def livez(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        missing = unready()
        return web.Response(text=f"{missing or 'ok'}\n", status=503 if missing else 200)

    async def shown(_: web.Request) -> web.Response:
        body = generate_latest(metrics.registry)
        return web.Response(body=body, headers={"content-type": CONTENT_TYPE_PLAIN_0_0_4})

    application = web.Application()
    application.add_routes(
        [web.get("/livez", livez), web.get("/readyz", readyz), web.get("/metrics", shown)]
    )
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    return runner
