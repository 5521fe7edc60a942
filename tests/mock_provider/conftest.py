"""A mock provider in the test's own loop, with what it received and a fault that can be switched."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from dragoman import mock_provider


@dataclass
class Started:
    port: int = 0
    fault: str = ""
    received: list[mock_provider.Received] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def raw(self, data: bytes, *, end: bool = False) -> bytes:
        """All bytes that come back until the provider closes; `end` closes our side first."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(data)
        if end:
            writer.close()
            await writer.wait_closed()
            return b""
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return answer

    async def post(self, body: Any, path: str = "/v1/chat/completions", *lines: str) -> bytes:
        """One request on a connection of its own."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.raw(head(path, f"content-length: {len(content)}", *lines) + content)


def head(path: str, *lines: str, method: str = "POST") -> bytes:
    return "\r\n".join(
        [f"{method} {path} HTTP/1.1", "Host: mock", "Connection: close", *lines, "", ""]
    ).encode()


@pytest.fixture
async def mock() -> AsyncIterator[Started]:
    started = Started()
    server = await mock_provider.serve(
        "127.0.0.1", 0, recorder=started.received.append, fault=lambda: started.fault
    )
    started.port = server.sockets[0].getsockname()[1]
    yield started
    server.close()
