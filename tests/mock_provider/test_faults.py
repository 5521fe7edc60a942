"""Every fault as it looks on the wire."""

import asyncio
import json
import zlib

import pytest

from dragoman.mock_provider import FAULTS

SAID = "one two three four"
PATHS = {
    "/v1/chat/completions": "[DONE]",
    "/v1/responses": "response.completed",
    "/v1/messages": "message_stop",
}


def chat(model: str, *, stream: bool = False) -> dict[str, object]:
    options = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
    return {
        "model": model,
        "max_tokens": 99,
        "messages": [{"role": "user", "content": SAID}],
        "input": SAID,
        **options,
    }


def split(answer: bytes) -> tuple[int, dict[str, str], list[bytes], bool]:
    """Status, headers, the chunks (or the one body), and whether it came to its end."""
    top, _, body = answer.partition(b"\r\n\r\n")
    lines = top.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines[1:])
    status = int(lines[0].split(" ")[1])
    if "transfer-encoding" not in headers:
        return status, headers, [body], len(body) == int(headers["content-length"])
    chunks = []
    while body:
        size, _, body = body.partition(b"\r\n")
        if size == b"0":
            return status, headers, chunks, True
        chunks.append(body[: int(size, 16)])
        body = body[int(size, 16) + 2 :]
    return status, headers, chunks, False


def data(body: bytes) -> list[str]:
    """The data of each event, as the SSE specification reads it."""
    events = body.decode().replace("\r\n", "\n").split("\n\n")
    lines = [
        [line[6:] for line in event.split("\n") if line.startswith("data: ")] for event in events
    ]
    return ["\n".join(some) for some in lines if some]


def text(body: bytes) -> str:
    deltas = []
    for item in data(body):
        if item == "[DONE]":
            continue
        event = json.loads(item)
        deltas += [c["delta"].get("content") or "" for c in event.get("choices", ())]
        deltas += (
            [event["delta"].get("text", "")] if event.get("type") == "content_block_delta" else []
        )
        deltas += [event["delta"]] if event.get("type") == "response.output_text.delta" else []
    return "".join(deltas)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "fault",
    ["onebyte", "crlf", "split-data", "no-usage", "usage-negative", "usage-absurd", "no-done"],
)
async def test_odd_streams_say_the_same(mock, path: str, fault: str) -> None:
    status, headers, chunks, whole = split(
        await mock.post(chat(f"fault-{fault}+echo", stream=True), path)
    )
    body = b"".join(chunks)
    assert (status, whole) == (200, True)
    assert headers["server"] == "dragoman-mock-provider"
    assert headers["content-type"].startswith("text/event-stream")
    assert text(body) == SAID
    assert (PATHS[path] in body.decode()) == (fault != "no-done")
    assert (b'"usage"' in body) == (fault != "no-usage")
    assert (b'_tokens":-' in body) == (fault == "usage-negative")
    assert (b"000000000000000000" in body) == (fault == "usage-absurd")
    assert (b"\r\n: a comment\r\n" in body) == (fault == "crlf")
    assert (max(map(len, chunks)) == 1) == (fault == "onebyte")
    assert (b"data: {\ndata: " in body) == (fault == "split-data")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("count", [0, 3, 500])
async def test_answers_are_cut_before_their_end(mock, path: str, stream: bool, count: int) -> None:
    answer = await mock.post(chat(f"fault-cut-after-{count}+echo", stream=stream), path)
    status, _, chunks, whole = split(answer)
    assert (status, whole) == (200, False)
    if stream:
        assert len(chunks) == count or (count == 500 and len(chunks) > 5)
    else:
        assert (len(chunks[0]) > 0) == (count > 0)


@pytest.mark.parametrize("stream", [False, True])
async def test_gzip_inflates_to_the_answer(mock, stream: bool) -> None:
    _, headers, chunks, _ = split(await mock.post(chat("fault-gzip+echo", stream=stream)))
    assert headers["content-encoding"] == "gzip"
    body = zlib.decompress(b"".join(chunks), wbits=31)
    said = text(body) if stream else json.loads(body)["choices"][0]["message"]["content"]
    assert said == SAID


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/v1/chat/completions", ""),
        ("/v1/responses", "event: error\n"),
        ("/v1/messages", "event: error\n"),
    ],
)
async def test_an_error_in_mid_stream(mock, path: str, name: str) -> None:
    _, _, chunks, whole = split(await mock.post(chat("fault-error-event+echo", stream=True), path))
    assert whole
    assert SAID.startswith(text(b"".join(chunks)))
    assert chunks[-1].decode().startswith(f'{name}data: {{"')
    assert json.loads(data(chunks[-1])[0])["error"]["message"]
    assert split(await mock.post(chat("fault-error-event+echo"), path))[0] == 500


async def test_bodies_that_are_not_the_answer(mock) -> None:
    _, headers, chunks, _ = split(await mock.post(chat("fault-html")))
    assert headers["content-type"].startswith("text/html")
    assert chunks[0].startswith(b"<!doctype html>")
    status, headers, chunks, _ = split(await mock.post(chat("fault-200-error", stream=True)))
    assert (status, headers["content-type"]) == (200, "application/json")
    assert json.loads(chunks[0])["error"]
    status, headers, chunks, whole = split(await mock.post(chat("fault-empty")))
    assert (status, headers["content-length"], chunks, whole) == (200, "0", [b""], True)


async def test_json_without_a_length(mock) -> None:
    _, headers, chunks, whole = split(await mock.post(chat("fault-nolength+echo")))
    assert "content-length" not in headers
    assert whole
    assert len(chunks) > 1
    assert json.loads(b"".join(chunks))["choices"][0]["message"]["content"] == SAID


@pytest.mark.parametrize("stream", [False, True])
async def test_a_big_event(mock, stream: bool) -> None:
    _, _, chunks, _ = split(await mock.post(chat("fault-bigevent+echo", stream=stream)))
    assert max(map(len, chunks)) > 1_000_000
    assert SAID.encode() in b"".join(chunks)


@pytest.mark.parametrize("name", ["hang", "hang-after-2"])
async def test_a_silent_provider_stays_silent_until_the_client_leaves(mock, name: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", mock.port)
    body = json.dumps(chat(f"fault-{name}+echo", stream=True)).encode()
    writer.write(
        f"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body
    )
    if name == "hang":
        while not mock.received:
            await asyncio.sleep(0.01)
    else:
        await reader.readuntil(b"one ")
        await reader.readuntil(b"\n\n\r\n")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(1), 0.2)
    writer.close()
    await writer.wait_closed()


async def test_delays_pass_and_the_answer_comes(mock) -> None:
    for fault in ("delay-0.01", "slow-0.01"):
        _, _, chunks, whole = split(await mock.post(chat(f"fault-{fault}+echo", stream=True)))
        assert whole
        assert text(b"".join(chunks)) == SAID


async def test_by_header_by_instance_and_several(mock) -> None:
    assert (
        split(await mock.post(chat("echo"), "/v1/chat/completions", "x-mock-fault: status-418"))[0]
        == 418
    )
    assert split(await mock.post(chat("fault-crlf+fault-status-503+echo")))[0] == 503
    mock.fault = "fault-status-429"
    status, headers, _, _ = split(await mock.post(chat("echo")))
    assert (status, headers["retry-after"]) == (429, "1")
    mock.fault = ""
    assert split(await mock.post(chat("echo")))[0] == 200


@pytest.mark.parametrize(
    "model",
    [
        "fault-",
        "fault-nonsense",
        "fault-status",
        "fault-delay-x",
        "fault-delay--1",
        "fault-delay-nan",
        "fault-delay-1e9",
        "fault-delay-99999",
        "fault-onebyte-3",
    ],
)
async def test_an_unknown_fault_is_said_to_be_one(mock, model: str) -> None:
    status, _, chunks, _ = split(await mock.post(chat(model)))
    assert status == 400
    assert b"no such fault" in chunks[0]


async def test_every_fault_has_an_answer_everywhere(mock) -> None:
    """No fault but `hang` leaves a caller of any endpoint without a valid head."""
    for name, fault in FAULTS.items():
        if name.startswith("hang"):
            continue
        full = (
            f"{name}-{ {'STATUS': 418, 'SECONDS': 0, 'N': 1}[fault.argument] }"
            if fault.argument
            else name
        )
        for path in (*PATHS, "/v1/embeddings"):
            body = {**chat(f"fault-{full}"), "input": "x"}
            assert (await mock.post(body, path)).startswith(b"HTTP/1.1 "), (name, path)
