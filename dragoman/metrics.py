"""One endpoint for the metrics of all parts: asks each over its Unix socket, joins the texts."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

PART_TIMEOUT_S = 2.0
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


async def fetch(socket: Path, path: str) -> bytes | None:
    """The body of `GET path` over a Unix socket; None if the part does not answer with 200."""
    try:
        return await asyncio.wait_for(_get(socket, path), PART_TIMEOUT_S)
    except (OSError, TimeoutError, asyncio.IncompleteReadError):
        return None


async def _get(socket: Path, path: str) -> bytes | None:
    reader, writer = await asyncio.open_unix_connection(str(socket), limit=2**26)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: metrics\r\nConnection: close\r\n\r\n".encode())
        head, _, body = (await reader.read(-1)).partition(b"\r\n\r\n")
    finally:
        writer.close()
    lines = head.split(b"\r\n")
    if b" 200 " not in lines[0] + b" ":
        return None
    return _unchunked(body) if b"transfer-encoding: chunked" in head.lower() else body


def _unchunked(body: bytes) -> bytes:
    pieces = []
    while body:
        size, _, body = body.partition(b"\r\n")
        length = int(size.split(b";")[0], 16)
        pieces.append(body[:length])
        body = body[length + 2 :]
        if not length:
            break
    return b"".join(pieces)


async def collect(parts: Mapping[str, tuple[Path, str]]) -> bytes:
    """The metrics of all parts, and `dragoman_part_up` for each."""
    texts = await asyncio.gather(*(fetch(socket, path) for socket, path in parts.values()))
    up = [
        f'dragoman_part_up{{part="{name}"}} {int(text is not None)}\n'
        for name, text in zip(parts, texts, strict=True)
    ]
    head = "# HELP dragoman_part_up Whether the part answers.\n# TYPE dragoman_part_up gauge\n"
    return b"".join([(head + "".join(up)).encode(), *(text or b"" for text in texts)])


async def serve(host: str, port: int, parts: Mapping[str, tuple[Path, str]]) -> asyncio.Server:
    """Serve `GET /metrics`; raises OSError if the port is taken."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)).split(b" ", 2)
            found = request[:2] == [b"GET", b"/metrics"]
            body = await collect(parts) if found else b"try /metrics\n"
            status = "200 OK" if found else "404 Not Found"
            head = f"HTTP/1.1 {status}\r\ncontent-type: {CONTENT_TYPE}\r\n"
            head += f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
            writer.write(head.encode() + body)
            await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()

    return await asyncio.start_server(answer, host, port)
