"""What the controller counts, and the small HTTP server that shows it on a Unix socket."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from controller.xds.ads import Response
from controller.xds.snapshot import TYPES

_SECONDS = tuple(0.001 * 2**power for power in range(14))


class Metrics:
    """All metrics of one process, in a registry of their own."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        self.pushes = Counter(
            "dragoman_xds_pushes_total", "Responses sent over xDS.", ["type"], registry=registry
        )
        self.resources = Counter(
            "dragoman_xds_resources_sent_total",
            "Resources sent over xDS.",
            ["type"],
            registry=registry,
        )
        self.bytes = Counter(
            "dragoman_xds_bytes_sent_total",
            "Bytes of resources sent over xDS.",
            ["type"],
            registry=registry,
        )
        self.nacks = Counter(
            "dragoman_xds_nacks_total", "Resources refused over xDS.", ["type"], registry=registry
        )
        self.translate = Histogram(
            "dragoman_translate_seconds", "Resources to IR.", buckets=_SECONDS, registry=registry
        )
        self.build = Histogram(
            "dragoman_build_seconds", "IR to snapshot.", buckets=_SECONDS, registry=registry
        )
        self.connected = Gauge(
            "dragoman_xds_connected", "Connected xDS clients.", ["role"], registry=registry
        )
        self.objects = Gauge(
            "dragoman_config_objects", "Objects read, by kind.", ["kind"], registry=registry
        )
        self.writes = Counter(
            "dragoman_kubernetes_writes_total",
            "Objects written to the API server, but for the Lease.",
            ["resource"],
            registry=registry,
        )
        self.problems = Gauge(
            "dragoman_problems", "Lines that tell a user what to mend.", registry=registry
        )

    def count_push(self, response: Response) -> None:
        """Count a response that was sent."""
        label = TYPES[response.type_url]
        self.pushes.labels(label).inc()
        self.resources.labels(label).inc(len(response.resources))
        self.bytes.labels(label).inc(sum(len(each.content) for each in response.resources))

    def count_write(self, resource: str) -> None:
        """Count a write to the API server."""
        self.writes.labels(resource).inc()

    def count_objects(self, by_kind: Mapping[str, int]) -> None:
        """Set how many objects of each kind were read."""
        self.objects.clear()
        for kind, count in by_kind.items():
            self.objects.labels(kind).set(count)


async def serve(metrics: Metrics, path: Path) -> asyncio.Server:
    """Answer every request with all metrics."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            body = generate_latest(metrics.registry)
            head = (
                f"HTTP/1.1 200 OK\r\ncontent-type: {CONTENT_TYPE_PLAIN_0_0_4}\r\n"
                f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
            )
            writer.write(head.encode() + body)
            await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            pass  # the reader went away; there is nobody to tell
        finally:
            writer.close()

    return await asyncio.start_unix_server(answer, path)
