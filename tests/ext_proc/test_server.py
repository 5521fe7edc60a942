"""The loop around an exchange, through real gRPC on a Unix socket: how streams end."""

import asyncio
import json
import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress

import grpc
import pytest
from grpc import aio

from ext_proc import extproc_pb2 as pb
from ext_proc import server
from ext_proc.events import Continue, Stream
from ext_proc.machine import Pending
from ext_proc.server import RefusedError, Server
from tests.exchange import harness

PLANTED = "planted-5e0c"


def request_headers(path="/v1/chat/completions"):
    given = {
        ":method": "POST",
        ":path": path,
        "content-type": "application/json",
        "x-request-id": "r",
    }
    headers = [pb.HeaderValue(key=k, raw_value=v.encode()) for k, v in given.items()]
    return pb.ProcessingRequest(
        request_headers=pb.HttpHeaders(headers=pb.HeaderMap(headers=headers))
    )


def request_body(text="hi", **more):
    body = {"model": "gpt-4", "messages": [{"role": "user", "content": text}], **more}
    return pb.ProcessingRequest(
        request_body=pb.HttpBody(body=json.dumps(body).encode(), end_of_stream=True)
    )


def response_headers(status="200", kind="application/json", target="ns/first/gpt-4o-mini"):
    given = {":status": status, "content-type": kind, "x-dragoman-target": target}
    headers = [pb.HeaderValue(key=k, raw_value=v.encode()) for k, v in given.items()]
    return pb.ProcessingRequest(
        response_headers=pb.HttpHeaders(headers=pb.HeaderMap(headers=headers))
    )


def response_body(body, end):
    return pb.ProcessingRequest(response_body=pb.HttpBody(body=body, end_of_stream=end))


class Probe:
    """An exchange that does what a test tells it."""

    filter = "probe"

    def __init__(self, receive, done=False):
        self.receive = receive
        self.done = done
        self.ends = []

    def close(self, end):
        self.ends.append(end)


@asynccontextmanager
async def serving(tmp_path, open_exchange):
    failures = []
    address = f"unix:{tmp_path}/guard.sock"
    with ThreadPoolExecutor(1) as pool:
        running = Server(address, open_exchange, pool, lambda *failure: failures.append(failure))
        await running.start()
        async with aio.insecure_channel(address) as channel:
            method = channel.stream_stream(
                server.METHOD,
                request_serializer=pb.ProcessingRequest.SerializeToString,
                response_deserializer=pb.ProcessingResponse.FromString,
            )
            yield method, failures, running
        await running.stop(0)


def always(exchange):
    async def open_exchange(_):
        return exchange

    return open_exchange


async def test_a_whole_exchange_ends_with_ok(tmp_path):
    bench = harness.Bench(harness.snapshot("open"))
    async with serving(tmp_path, always(bench.exchange())) as (method, failures, _):
        call = method()
        await call.write(request_headers())
        assert (
            await call.read()
        ).mode_override.response_body_mode == pb.ProcessingMode.FULL_DUPLEX_STREAMED
        await call.write(request_body())
        verdict = await call.read()
        assert verdict.dynamic_metadata["dragoman"]["rule"] == "default"
        assert verdict.request_body.response.clear_route_cache
        await call.write(response_headers())
        await call.write(response_body(b'{"id":"c","object":"chat.completion",', end=False))
        await call.write(response_body(b'"model":"gpt-4o-mini","choices":[]}', end=True))
        assert (await call.read()).response_headers.response.header_mutation.set_headers
        last = await call.read()
        assert last.response_body.response.body_mutation.streamed_response.end_of_stream
        assert await call.read() is aio.EOF
        assert await call.code() is grpc.StatusCode.OK
    assert (failures, bench.records[0].status) == ([], 200)


@pytest.mark.parametrize("phases", range(4))
async def test_an_early_end_by_envoy_is_never_ok(tmp_path, phases):
    bench = harness.Bench(harness.snapshot("open"))
    messages = [
        request_headers(),
        request_body(stream=True),
        response_headers(kind="text/event-stream"),
    ]
    async with serving(tmp_path, always(bench.exchange())) as (method, failures, _):
        call = method()
        for message in messages[:phases]:
            await call.write(message)
            await call.read()
        await call.done_writing()
        assert await call.code() is grpc.StatusCode.INTERNAL
    assert (failures, [record.status for record in bench.records]) == ([], [499])
    assert bench.records[0].logged is (phases > 1)


async def test_an_exception_ends_the_stream_with_an_error_and_says_nothing_of_its_text(
    tmp_path, caplog
):
    def broken(_):
        raise ValueError(PLANTED)

    probe = Probe(broken)
    with caplog.at_level(logging.DEBUG):
        async with serving(tmp_path, always(probe)) as (method, failures, _):
            call = method()
            await call.write(request_headers())
            assert await call.code() is grpc.StatusCode.INTERNAL
            assert PLANTED not in await call.details()
    assert (failures, probe.ends) == ([("probe", "ValueError")], ["failed"])
    assert "ValueError at test_server.py" in caplog.text
    assert PLANTED not in caplog.text


async def test_an_exception_on_another_thread_does_the_same(tmp_path):
    def broken():
        raise ValueError(PLANTED)

    probe = Probe(lambda _: Pending(broken))
    async with serving(tmp_path, always(probe)) as (method, failures, _):
        call = method()
        await call.write(request_headers())
        assert await call.code() is grpc.StatusCode.INTERNAL
    assert failures == [("probe", "ValueError")]


async def test_an_exception_while_closing_does_not_undo_an_answer(tmp_path):
    class Failing(Probe):
        def close(self, end):
            raise ValueError(PLANTED)

    probe = Failing(lambda _: (Continue(),))
    probe.receive = lambda _: setattr(probe, "done", True) or (Continue(),)
    async with serving(tmp_path, always(probe)) as (method, failures, _):
        call = method()
        await call.write(request_headers())
        assert (await call.read()).WhichOneof("response") == "request_headers"
        assert await call.code() is grpc.StatusCode.OK
    assert failures == [("probe", "close: ValueError")]


async def test_a_stream_no_one_can_serve_is_unavailable(tmp_path):
    async def refuse(_):
        raise RefusedError("the plan is not known")

    async with serving(tmp_path, refuse) as (method, failures, _):
        call = method()
        with suppress(aio.AioRpcError, asyncio.InvalidStateError):  # it may be over by then
            await call.write(request_headers())
        assert await call.code() is grpc.StatusCode.UNAVAILABLE
    assert failures == [("", "refused")]


async def test_a_garbled_message_ends_the_stream_with_an_error(tmp_path):
    async with serving(tmp_path, always(Probe(lambda _: ()))) as (method, failures, _):
        call = method()
        await call.write(pb.ProcessingRequest())
        assert await call.code() is grpc.StatusCode.INTERNAL
    assert failures == [("probe", "UnknownMessageError")]


async def test_shutdown_lets_streams_finish_and_ends_the_rest_with_an_error(tmp_path):
    probe = Probe(lambda _: (Stream(b"x", end=False),))
    async with serving(tmp_path, always(probe)) as (method, _, running):
        call = method()
        await call.write(response_body(b"", end=False))
        await call.read()
        await running.stop(0)
        assert await call.code() is not grpc.StatusCode.OK
    assert probe.ends == ["failed"]


async def test_a_client_that_leaves_is_closed_once(tmp_path):
    probe = Probe(lambda _: ())
    closed = asyncio.Event()
    probe.close = lambda end: (probe.ends.append(end), closed.set())
    async with serving(tmp_path, always(probe)) as (method, failures, _):
        call = method()
        await call.write(request_headers())
        call.cancel()
        await closed.wait()
    assert (probe.ends, failures) == (["gone"], [])


async def test_a_long_body_does_not_hold_up_other_streams(tmp_path):
    let_go = asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow():
        asyncio.run_coroutine_threadsafe(let_go.wait(), loop).result()
        return lambda: (Continue(),)

    async def open_exchange(metadata):
        return Probe(lambda _: Pending(slow) if "x-slow" in metadata else (Continue(),))

    async with serving(tmp_path, open_exchange) as (method, _, _running):
        waiting, quick = method(metadata=(("x-slow", "1"),)), method()
        await waiting.write(request_headers())
        await quick.write(request_headers())
        first = await quick.read()
        let_go.set()
        second = await waiting.read()
        assert first == second
        waiting.cancel()
        quick.cancel()
