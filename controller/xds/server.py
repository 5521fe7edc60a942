"""The ADS server: delta streams over a Unix socket or mutual TLS, loops around `cache`.

Envoy and ext_proc speak the same protocol to it; the type URL says what they are after.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from pathlib import Path

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from controller.xds import discovery_pb2 as wire
from controller.xds import refusals
from controller.xds.ads import Request, Response
from controller.xds.cache import Cache
from controller.xds.happenings import Event
from controller.xds.snapshot import PLAN, Resource, Snapshot

_SERVICE = "envoy.service.discovery.v3.AggregatedDiscoveryService"
_OPTIONS = (
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
)
LARGEST_PART = 4 * 1024 * 1024
"""Bytes of plans in one message, unless a single plan has more."""
LONGEST_ERROR = 4096
"""How much of a client's complaint is kept."""
Sent = Callable[[Response], None]
Happened = Callable[[Event], None]
_Requests = AsyncIterator[wire.DeltaDiscoveryRequest]
_Responses = AsyncGenerator[wire.DeltaDiscoveryResponse, None]
_Context = grpc.aio.ServicerContext[wire.DeltaDiscoveryRequest, wire.DeltaDiscoveryResponse]


class ForeignNodeError(Exception):
    """A client says it belongs elsewhere than its certificate does."""


class Feed:
    """The streams of one Cache; `sent` and `happened` hear of every push and of every event.

    A client may leave out its `node.cluster`; where `cluster` is given, it may not state another.
    """

    def __init__(
        self,
        cache: Cache,
        happened: Happened,
        sent: Sent,
        clock: Callable[[], float] = time.monotonic,
        cluster: str = "",
    ) -> None:
        self._cluster = cluster
        self._cache = cache
        self._happened = happened
        self._sent = sent
        self._clock = clock
        self._queues: dict[int, asyncio.Queue[Response | None]] = {}
        self._stopped = False
        self._timer: asyncio.TimerHandle | None = None

    def publish(self, target: Snapshot, bridge: Mapping[str, Resource]) -> None:
        """Set what all clients should hold, and send what can be sent."""
        self._cache.publish(target, bridge, self._clock())
        self._advance()

    def expect(self, places: frozenset[str]) -> None:
        """Say which pods serve requests now."""
        self._cache.expect(places)
        self._advance()

    def silent(self) -> tuple[str, ...]:
        """The clients that are not waited for any more."""
        return self._cache.silent(self._clock())

    def stop(self) -> None:
        """Send nothing more, and end all streams: who comes back is led to who feeds it then."""
        self._stopped = True
        if self._timer:
            self._timer.cancel()
        self._timer = None
        for queue in self._queues.values():
            queue.put_nowait(None)

    async def follow(self, requests: _Requests) -> _Responses:
        """Answer one client until it ends."""
        number = self._cache.connect(self._clock())
        queue = self._queues[number] = asyncio.Queue()
        reader = asyncio.create_task(self._read(number, requests))
        try:
            while not (self._stopped or (reader.done() and queue.empty())):
                response = await _next(queue, reader)
                for message in _messages(response) if response is not None else ():
                    yield message
            if reader.done():
                reader.result()
        finally:
            reader.cancel()
            del self._queues[number]
            self._cache.disconnect(number, self._clock())
            self._advance()
            await asyncio.wait((reader,))

    async def _read(self, number: int, requests: _Requests) -> None:
        async for message in requests:
            if self._cluster and message.node.cluster not in ("", self._cluster):
                raise ForeignNodeError
            for event in self._cache.receive(number, _decode(message)):
                self._happened(event)
            self._advance()

    def _advance(self) -> None:
        """Send what is due, tell what has come true, and come back when time changes something."""
        if self._stopped:
            return
        now = self._clock()
        responses, events = self._cache.advance(now)
        for number, response in responses:
            self._sent(response)
            self._queues[number].put_nowait(response)
        for event in events:
            self._happened(event)
        if self._timer:
            self._timer.cancel()
        deadline = self._cache.deadline(now)
        if deadline is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(max(0.0, deadline - now), self._advance)


class AdsServer:
    """Leads every client to its Feed, by who its certificate says it is; `` on a Unix socket."""

    def __init__(self, feed_of: Callable[[str], Feed | None]) -> None:
        self._feed_of = feed_of
        self._server = grpc.aio.server(options=_OPTIONS)
        handler = grpc.stream_stream_rpc_method_handler(
            self._serve,
            request_deserializer=wire.DeltaDiscoveryRequest.FromString,
            response_serializer=wire.DeltaDiscoveryResponse.SerializeToString,
        )
        methods = {"DeltaAggregatedResources": handler}
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(_SERVICE, methods),)
        )

    async def start(self, socket: Path) -> None:
        """Listen on a Unix socket, whose directory says who may come."""
        self._server.add_insecure_port(f"unix:{socket}")
        await self._server.start()

    async def start_tls(self, address: str, credentials: grpc.ServerCredentials) -> int:
        """Listen on an address with TLS, which must ask for client certificates; the port."""
        port = self._server.add_secure_port(address, credentials)
        await self._server.start()
        return port

    async def stop(self) -> None:
        """End all streams; clients keep what they hold."""
        await self._server.stop(grace=None)

    async def _serve(self, requests: _Requests, context: _Context) -> _Responses:
        feed = self._feed_of(_identity(context))
        if feed is None:
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, "nothing is for this client")
        try:
            async with contextlib.aclosing(feed.follow(requests)) as responses:
                async for response in responses:
                    yield response
        except ForeignNodeError:
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, "certificate and node differ")
        except DecodeError:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "not a discovery request")


def _identity(context: _Context) -> str:
    """The URI in the client's certificate; empty without one."""
    names = context.auth_context().get("x509_subject_alternative_name", ())
    uris = [name.decode() for name in names if name.startswith(b"spiffe://")]
    return uris[0] if len(uris) == 1 else ""


async def _next(
    queue: asyncio.Queue[Response | None], reader: asyncio.Task[None]
) -> Response | None:
    """The next response, or None if the stream ends first."""
    getter = asyncio.create_task(queue.get())
    try:
        await asyncio.wait({getter, reader}, return_when=asyncio.FIRST_COMPLETED)
        return getter.result() if getter.done() else None
    finally:
        getter.cancel()


def _decode(message: wire.DeltaDiscoveryRequest) -> Request:
    return Request(
        type_url=message.type_url,
        node_id=message.node.id,
        subscribe=tuple(message.resource_names_subscribe),
        unsubscribe=tuple(message.resource_names_unsubscribe),
        initial_versions=tuple(message.initial_resource_versions.items()),
        nonce=message.response_nonce,
        error=_error(message),
    )


def _error(message: wire.DeltaDiscoveryRequest) -> str | None:
    refused = message.HasField("error_detail")
    return refusals.without_dumps(message.error_detail.message)[:LONGEST_ERROR] if refused else None


def _messages(response: Response) -> Iterator[wire.DeltaDiscoveryResponse]:
    """The response in one message; plans in as many as their size asks for.

    A message without nonce goes on in the next: a guard takes them as one response, and answers it
    once. Envoy knows nothing of this, and has no limit of its own.
    """
    parts = list(_parts(response.resources)) if response.type_url == PLAN else []
    for part in parts[:-1]:
        yield _encode(response.type_url, part)
    last = parts[-1] if parts else response.resources
    yield _encode(response.type_url, last, response.nonce, response.removed)


def _parts(resources: Sequence[Resource]) -> Iterator[tuple[Resource, ...]]:
    part: list[Resource] = []
    size = 0
    for each in resources:
        if part and size + len(each.content) > LARGEST_PART:
            yield tuple(part)
            part, size = [], 0
        part.append(each)
        size += len(each.content)
    if part:
        yield tuple(part)


def _encode(
    type_url: str, resources: Sequence[Resource], nonce: str = "", removed: Sequence[str] = ()
) -> wire.DeltaDiscoveryResponse:
    return wire.DeltaDiscoveryResponse(
        type_url=type_url,
        nonce=nonce,
        removed_resources=removed,
        resources=[
            wire.Resource(
                name=each.name,
                version=each.version,
                resource=wire.Body(type_url=type_url, value=each.content),
            )
            for each in resources
        ],
    )
