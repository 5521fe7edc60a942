"""A way to the API server that can be made to fail as networks and API servers do.

A reverse proxy on loopback, in front of a real API server: it can be gone, lose events of a watch,
break a watch with an ERROR, refuse a path; and it remembers what was asked for.
"""

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass, field

import aiohttp
import kopf
from aiohttp import web

HOP = {"connection", "transfer-encoding", "content-length", "content-encoding", "host"}


@dataclass
class Flaky:
    """What goes wrong now."""

    upstream: kopf.ConnectionInfo
    away: bool = False
    swallowed: set[tuple[str, str]] = field(default_factory=set)
    """(part of a path, event type)"""
    refused: dict[str, int] = field(default_factory=dict)
    """Part of a path and query, and the status it is answered with."""
    asked: list[str] = field(default_factory=list)
    """Method, path and query of every request."""
    url: str = ""
    _watches: set[tuple[str, asyncio.Queue]] = field(default_factory=set)
    _open: dict[int, web.BaseRequest] = field(default_factory=dict)

    def login(self) -> kopf.ConnectionInfo:
        return kopf.ConnectionInfo(server=self.url)

    def go_away(self) -> None:
        """All connections end, and new ones are cut."""
        self.away = True
        for request in list(self._open.values()):
            if request.transport is not None:
                request.transport.abort()

    def come_back(self) -> None:
        self.away = False

    def break_watches(self, path: str, code: int) -> int:
        """End the watches of a path by an ERROR; how many there were."""
        found = [queue for there, queue in self._watches if path in there]
        for queue in found:
            queue.put_nowait(code)
        return len(found)

    async def start(self) -> web.AppRunner:
        app = web.Application(client_max_size=2**25)
        app.router.add_route("*", "/{path:.*}", self._pass)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self.upstream.as_ssl_context(), limit=0),
            timeout=aiohttp.ClientTimeout(total=None),
        )
        return runner

    async def stop(self, runner: web.AppRunner) -> None:
        self.go_away()
        await runner.cleanup()
        await self._session.close()

    async def _pass(self, request: web.Request) -> web.StreamResponse:
        if self.away:
            request.transport.abort()
            return web.Response(status=502)
        self.asked.append(f"{request.method} {request.rel_url}")
        for part, code in self.refused.items():
            if part in str(request.rel_url):
                return web.json_response(
                    {"kind": "Status", "code": code, "reason": "Test"}, status=code
                )
        headers = {n: v for n, v in request.headers.items() if n.lower() not in HOP}
        headers |= self.upstream.as_http_headers()
        self._open[id(request)] = request
        try:
            async with self._session.request(
                request.method,
                self.upstream.server + str(request.rel_url),
                data=await request.read() or None,
                headers=headers,
            ) as answer:
                if request.query.get("watch") == "true" and answer.status == 200:
                    return await self._watch(request, answer)
                content = await answer.read()
            kept = {n: v for n, v in answer.headers.items() if n.lower() not in HOP}
            return web.Response(body=content, status=answer.status, headers=kept)
        finally:
            del self._open[id(request)]

    async def _watch(self, request, answer) -> web.StreamResponse:
        response = web.StreamResponse()
        response.content_type = "application/json"
        await response.prepare(request)
        queue: asyncio.Queue = asyncio.Queue()
        entry = (request.path, queue)
        self._watches.add(entry)
        reading = asyncio.create_task(self._read(answer, queue))
        try:
            while (item := await queue.get()) is not None:
                if isinstance(item, int):
                    status = {"kind": "Status", "code": item, "reason": "Test", "message": "Test"}
                    line = json.dumps({"type": "ERROR", "object": status}).encode()
                    await response.write(line + b"\n")
                    break
                kind = json.loads(item)["type"]
                if not any(p in request.path and t == kind for p, t in self.swallowed):
                    await response.write(item + b"\n")
        except ConnectionError:  # the client left
            pass
        finally:
            self._watches.discard(entry)
            reading.cancel()
        return response

    async def _read(self, answer, queue: asyncio.Queue) -> None:
        rest = b""
        with suppress(aiohttp.ClientError):
            async for chunk in answer.content.iter_any():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    queue.put_nowait(line)
        queue.put_nowait(None)
