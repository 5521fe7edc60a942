"""Model servers whose API no format knows, each with what it received: HTTP with WebSockets, and gRPC."""

import asyncio
import hashlib
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import grpc
from aiohttp import WSMsgType, web


@dataclass
class Seen:
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes = b""


@dataclass
class HTTPServer:
    """aiohttp in a thread of its own."""

    seen: list[Seen] = field(default_factory=list)
    port: int = 0
    tls: ssl.SSLContext | None = None
    begun: int = 0
    """How many bodies have begun to arrive."""

    def __post_init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._runner = asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(20)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def last(self) -> Seen:
        return self.seen[-1]

    async def _start(self) -> web.AppRunner:
        app = web.Application(client_max_size=1 << 30)
        app.router.add_get("/{base:.*}ws", self._socket)
        app.router.add_get("/{base:.*}events", self._events)
        app.router.add_route("*", "/{base:.*}status/{code}", self._status)
        app.router.add_route("*", "/{path:.*}", self._echo)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", self.port, ssl_context=self.tls)
        await site.start()
        self.port = runner.addresses[0][1]
        return runner

    def _note(self, request: web.Request, body: bytes = b"") -> None:
        headers: dict[str, str] = {}
        for name, value in request.raw_headers:
            key = name.decode().lower()
            headers[key] = f"{headers[key]},{value.decode()}" if key in headers else value.decode()
        self.seen.append(Seen(request.method, request.raw_path, headers, body))

    async def _echo(self, request: web.Request) -> web.StreamResponse:
        digest, size, head = hashlib.sha256(), 0, b""
        async for piece in request.content.iter_any():
            self.begun += not size
            digest.update(piece)
            size += len(piece)
            head += piece[: 1000 - len(head)] if len(head) < 1000 else b""
        self._note(request, head)
        told = {"size": size, "sha256": digest.hexdigest()}
        headers = {
            "set-cookie": "session=server",
            "x-envoy-upstream-service-time": "1",
            "x-dragoman-cost": "9",
            "x-model": "whisper",
            "content-range": "bytes 0-1/2",
        }
        return web.json_response(told, headers=headers)

    async def _status(self, request: web.Request) -> web.StreamResponse:
        await request.read()
        self._note(request)
        return web.Response(status=int(request.match_info["code"]), text="as the server says")

    async def _events(self, request: web.Request) -> web.StreamResponse:
        self._note(request)
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        for number in range(5):
            await response.write(b"data: %d\n\n" % number)
        await response.write_eof()
        return response

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        self._note(request)
        socket = web.WebSocketResponse(protocols=("realtime",))
        await socket.prepare(request)
        async for message in socket:
            if message.type == WSMsgType.TEXT:
                await socket.send_str(f"heard {message.data}")
            elif message.type == WSMsgType.BINARY:
                await socket.send_bytes(message.data[::-1])
        return socket


class GRPCServer:
    """A gRPC server whose messages are bytes; `seen` has the metadata of each call."""

    def __init__(self, credentials: grpc.ServerCredentials | None = None) -> None:
        self.seen: list[dict[str, str]] = []
        self._server = grpc.server(ThreadPoolExecutor(8), options=[("grpc.so_reuseport", 0)])
        self._server.add_generic_rpc_handlers((_Handlers(self),))
        address = "127.0.0.1:0"
        self.port = (
            self._server.add_insecure_port(address)
            if credentials is None
            else self._server.add_secure_port(address, credentials)
        )
        self._server.start()

    def close(self) -> None:
        self._server.stop(None).wait(10)


class _Handlers(grpc.GenericRpcHandler):
    def __init__(self, server: GRPCServer) -> None:
        self._server = server
        self._methods = {
            "/inference.Echo/Unary": grpc.unary_unary_rpc_method_handler(self._unary),
            "/inference.Echo/Fails": grpc.unary_unary_rpc_method_handler(self._fails),
            "/inference.Echo/Refuses": grpc.unary_unary_rpc_method_handler(self._refuses),
            "/inference.Echo/Answers": grpc.unary_stream_rpc_method_handler(self._answers),
            "/inference.Echo/Asks": grpc.stream_unary_rpc_method_handler(self._asks),
            "/inference.Echo/Both": grpc.stream_stream_rpc_method_handler(self._both),
        }

    def service(self, details: Any) -> Any:
        return self._methods.get(details.method)

    def _note(self, context: Any) -> None:
        self._server.seen.append({key: str(value) for key, value in context.invocation_metadata()})
        context.set_trailing_metadata((("x-took", "3"), ("x-dragoman-cost", "9")))

    def _unary(self, request: bytes, context: Any) -> bytes:
        self._note(context)
        return request[::-1]

    def _fails(self, request: bytes, context: Any) -> bytes:
        self._note(context)
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "no such model version")
        return request

    def _refuses(self, request: bytes, context: Any) -> bytes:
        self._note(context)
        key = self._server.seen[-1]["authorization"]
        context.abort(grpc.StatusCode.UNAUTHENTICATED, f"no such key: {key}")
        return request

    def _answers(self, request: bytes, context: Any) -> Iterator[bytes]:
        self._note(context)
        yield from (bytes([each]) for each in request)

    def _asks(self, requests: Iterator[bytes], context: Any) -> bytes:
        self._note(context)
        return b"".join(requests)

    def _both(self, requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
        self._note(context)
        for request in requests:
            yield request[::-1]
