"""The transport: grpc.aio on a Unix socket, and the loop around an exchange.

Envoy lets traffic pass when a stream ends with OK, so a stream ends so only after its exchange gave
the last answer; an early end, an exception and a shutdown all end it with an error status. What
the messages mean is in `wire`, what to answer in `exchange`.
"""

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Executor
from typing import Protocol

import grpc
from grpc import aio

from ext_proc import wire
from ext_proc.account import End
from ext_proc.events import Event
from ext_proc.machine import Outcome, Pending, Replies

logger = logging.getLogger(__name__)

METHOD = "/envoy.service.ext_proc.v3.ExternalProcessor/Process"
MESSAGE_LIMIT_BYTES = 256 * 1024 * 1024
"""Above every body limit: limits are for `admission` to explain."""
_OPTIONS = [
    ("grpc.max_receive_message_length", MESSAGE_LIMIT_BYTES),
    ("grpc.max_send_message_length", MESSAGE_LIMIT_BYTES),
    ("grpc.max_concurrent_streams", 2**31 - 1),
    ("grpc.so_reuseport", 0),
]


class Exchange(Protocol):
    """What a filter does with one stream."""

    @property
    def filter(self) -> str:
        """The filter's name."""
        ...

    @property
    def done(self) -> bool:
        """Whether the stream may end with OK."""
        ...

    def receive(self, event: Event) -> Outcome:
        """Answer an event."""
        ...

    def close(self, end: End) -> None:
        """Called once, however the stream ended."""
        ...


class RefusedError(Exception):
    """A stream cannot be served; the message is for Envoy's log and holds nothing of a user."""


Open = Callable[[Mapping[str, str]], Awaitable[Exchange]]
"""Makes the exchange of a stream from its initial metadata, or raises RefusedError."""
Failed = Callable[[str, str], None]
"""Counts a stream ended with an error: filter and reason."""
_Context = aio.ServicerContext[bytes, bytes]


class _Handler(grpc.GenericRpcHandler):
    """The one method served; messages travel as bytes."""

    def __init__(self, open_exchange: Open, executor: Executor, failed: Failed) -> None:
        self._open = open_exchange
        self._executor = executor
        self._failed = failed
        self.stopping = False

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> "grpc.RpcMethodHandler[bytes, bytes] | None":
        """Look the method up."""
        if handler_call_details.method != METHOD:
            return None
        return grpc.stream_stream_rpc_method_handler(self._process)

    async def _process(self, _: object, context: _Context) -> None:
        metadata = {key: str(value) for key, value in context.invocation_metadata() or ()}
        try:
            exchange = await self._open(metadata)
        except RefusedError as refused:
            self._failed(metadata.get("x-dragoman-filter", ""), "refused")
            await context.abort(grpc.StatusCode.UNAVAILABLE, str(refused))
        end: End = "failed"
        try:
            if await self._converse(exchange, context):
                return
            end = self._ended()
        except asyncio.CancelledError:
            end = self._ended()
            raise
        except Exception as error:  # noqa: BLE001 - whatever breaks, nothing uninspected may pass
            self._failed(exchange.filter, type(error).__name__)
            logger.error("%s: %s at %s", exchange.filter, type(error).__name__, _where(error))  # noqa: TRY400 - a traceback may quote a prompt
        finally:
            self._close(exchange, end)
        await context.abort(grpc.StatusCode.INTERNAL, "the exchange was not completed")

    def _ended(self) -> End:
        """Envoy ends a stream when its client has gone; we end those that outlast a shutdown."""
        return "failed" if self.stopping else "gone"

    def _close(self, exchange: Exchange, end: End) -> None:
        try:
            exchange.close(end)
        except Exception as error:  # noqa: BLE001 - accounting must not turn an answered request into a failed one
            self._failed(exchange.filter, f"close: {type(error).__name__}")
            logger.error("close: %s at %s", type(error).__name__, _where(error))  # noqa: TRY400 - as above

    async def _converse(self, exchange: Exchange, context: _Context) -> bool:
        """Answer until the exchange is done; False if the stream ended before."""
        while not exchange.done:
            message: bytes | object = await context.read()
            if not isinstance(message, bytes):  # EOF
                return False
            event = wire.decode(message)
            for reply in await self._answer(exchange.receive(event)):
                await context.write(wire.encode(event, reply))
        return True

    async def _answer(self, outcome: Outcome) -> Replies:
        if not isinstance(outcome, Pending):
            return outcome
        future = asyncio.get_running_loop().run_in_executor(self._executor, outcome.resume)
        try:
            step = await asyncio.shield(future)
        except asyncio.CancelledError:
            await asyncio.wait([future])  # the thread still works on what `close` will read
            raise
        return step()


def _where(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno}" if frames else "?"


class Server:
    """Serves exchanges on one address."""

    def __init__(
        self, address: str, open_exchange: Open, executor: Executor, failed: Failed
    ) -> None:
        self._address = address
        self._handler = _Handler(open_exchange, executor, failed)
        self._server = aio.server(handlers=[self._handler], options=_OPTIONS)

    async def start(self) -> None:
        """Begin to accept streams."""
        self._server.add_insecure_port(self._address)
        await self._server.start()

    async def stop(self, drain_s: float) -> None:
        """Accept no more, let streams finish, then end those that are left with an error."""
        self._handler.stopping = True
        await self._server.stop(drain_s)
