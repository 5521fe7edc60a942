"""What a request is on the wire, what is recorded of it, and the command."""

import asyncio
import json
import signal
import socket
import subprocess
import sys

import pytest

from dragoman import mock_provider
from tests.mock_provider.conftest import head

PATH = "/v1/chat/completions"
BODY = json.dumps({"model": "echo", "messages": [{"role": "user", "content": "naïve"}]}).encode()


async def test_the_recorder_sees_the_request_as_it_came(mock) -> None:
    await mock.post(BODY, f"{PATH}?a=1", "X-One: 1", "x-one:  2 ")
    (request,) = mock.received
    assert (request.method, request.path, request.body, request.complete) == (
        "POST",
        f"{PATH}?a=1",
        BODY,
        True,
    )
    assert [value for name, value in request.headers if name == "x-one"] == ["1", "2"]
    assert request.header("x-one") == "1"


@pytest.mark.parametrize("step", [1, 7, 1000])
async def test_chunked_requests_in_any_pieces(mock, step: int) -> None:
    chunks = b"".join(
        b"%x;ext=1\r\n%b\r\n" % (len(p), p)
        for p in (BODY[i : i + 11] for i in range(0, len(BODY), 11))
    )
    data = head(PATH, "Transfer-Encoding: chunked") + chunks + b"0\r\ntrailer: 1\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", mock.port)
    for start in range(0, len(data), step):
        writer.write(data[start : start + step])
        await writer.drain()
    assert b"na\xc3\xafve" in await reader.read()
    writer.close()
    await writer.wait_closed()
    assert mock.received[0].body == BODY


async def test_keep_alive_and_pipelining(mock) -> None:
    request = f"POST {PATH} HTTP/1.1\r\ncontent-length: {len(BODY)}\r\n\r\n".encode() + BODY
    answer = await mock.raw(request * 3 + head("/v1/models", method="GET"))
    assert answer.count(b"HTTP/1.1 200 OK") == 4
    assert len(mock.received) == 4


async def test_expect_100_continue(mock) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", mock.port)
    writer.write(head(PATH, f"content-length: {len(BODY)}", "Expect: 100-continue"))
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(BODY)
    assert (await reader.read()).startswith(b"HTTP/1.1 200 OK")
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (head(PATH, "content-length: 99") + b"planted", (PATH, b"planted")),
        (
            head(PATH, "transfer-encoding: chunked") + b"7\r\nplanted\r\n9\r\nmore",
            (PATH, b"plantedmore"),
        ),
        (b"POST /v1/chat", ("", b"POST /v1/chat")),
    ],
)
async def test_a_request_cut_short_is_recorded_as_far_as_it_came(
    mock, sent: bytes, kept: tuple[str, bytes]
) -> None:
    await mock.raw(sent, end=True)
    while not mock.received:
        await asyncio.sleep(0.01)
    (request,) = mock.received
    assert (request.path, request.body, request.complete) == (*kept, False)


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        head(PATH, "no colon"),
        head(PATH, "content-length: 3", "transfer-encoding: chunked") + b"abc",
        head(PATH, "content-length: 3", "content-length: 4") + b"abc",
        head(PATH, "content-length: -3"),
        head(PATH, "content-length: 999999999999"),
        head(PATH, "transfer-encoding: gzip, chunked"),
        head(PATH, "transfer-encoding: chunked") + b"zz\r\n",
        head(PATH, "transfer-encoding: chunked") + b"1\r\nab\r\n",
        head(PATH, "content-length: 1") + b"{",
        head(PATH, "content-length: 2") + b"[]",
    ],
)
async def test_malformed_requests_are_400(mock, sent: bytes) -> None:
    answer = await mock.raw(sent)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b'"error"' in answer


async def test_other_paths_and_methods(mock) -> None:
    assert (await mock.post(BODY, "/v1/other")).startswith(b"HTTP/1.1 404 ")
    assert (await mock.raw(head(PATH, method="GET"))).startswith(b"HTTP/1.1 405 ")


@pytest.mark.parametrize("path", [PATH, "/v1/messages"])
@pytest.mark.parametrize("content", [None, 3, {"text": "x"}, [1, "x", {"text": 3}], [[]], "\ud800"])
async def test_odd_content_is_answered_all_the_same(mock, path: str, content: object) -> None:
    messages = [{"role": "user", "content": content}, 7]
    for stream in (False, True):
        body = {"model": "echo", "messages": messages, "tools": [1, {}], "n": "x", "stream": stream}
        assert (await mock.post(body, path)).startswith(b"HTTP/1.1 200 OK")
    assert len(mock.received) == 2


async def test_a_required_key_is_required_and_repeated() -> None:
    server = await mock_provider.serve("127.0.0.1", 0, require_key="sk-right")
    address = server.sockets[0].getsockname()[:2]
    for line, status in (
        ("authorization: Bearer sk-right", b"200"),
        ("x-api-key: sk-right", b"401"),
        ("authorization: Bearer sk-wrong", b"401"),
        ("accept: */*", b"401"),
    ):
        reader, writer = await asyncio.open_connection(*address)
        writer.write(head("/v1/models", line, method="GET"))
        answer = await reader.read()
        assert answer.split(b" ")[1] == status
        assert (b"sk-wrong" in answer) == ("sk-wrong" in line)
        writer.close()
        await writer.wait_closed()
    server.close()


def test_the_command_serves_says_what_it_is_and_ends_cleanly() -> None:
    command = [sys.executable, "-m", "dragoman", "mock-provider", "--port"]
    with subprocess.Popen(
        [*command, "0", "--fault", "status-503"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        line = process.stdout.readline()
        assert "a stand-in for demos and tests" in line
        port = line.strip().rpartition(":")[2]
        with socket.create_connection(("127.0.0.1", int(port))) as connection:
            connection.sendall(head("/v1/models", method="GET"))
            assert connection.recv(99).startswith(b"HTTP/1.1 503 ")
        idle = socket.create_connection(("127.0.0.1", int(port)))
        taken = subprocess.run([*command, port], capture_output=True, text=True, check=False)
        assert taken.returncode == 2
        assert taken.stderr.count("\n") == 1
        assert port in taken.stderr
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert process.stderr.read() == ""
        idle.close()


def test_the_command_refuses_what_it_does_not_know() -> None:
    with pytest.raises(SystemExit) as refused:
        mock_provider.main(["--fault", "nonsense"])
    assert refused.value.code == 2
