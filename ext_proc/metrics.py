"""What ext_proc counts, and the small HTTP server that shows it on a Unix socket.

Names are OpenTelemetry's for GenAI where it has them. Label values are names from plans and price
lists, so they are bounded.
"""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from crds.plan import GENERIC, Format, Unread
from ext_proc.arms import Arms
from ext_proc.record import Record

Ready = Callable[[], bool]

OPERATIONS: Mapping[Format | Unread, str] = MappingProxyType(
    {
        "OpenAIChat": "chat",
        "OpenAIResponses": "chat",
        "OpenAIEmbeddings": "embeddings",
        "AnthropicMessages": "chat",
        "GeminiContent": "generate_content",
        "GeminiEmbeddings": "embeddings",
        "GeminiEmbedContent": "embeddings",
        "GeminiTokenCount": "count_tokens",
        "BedrockConverse": "chat",
        "AnthropicTokenCount": "count_tokens",
        "OpenAICompletions": "text_completion",
        "OpenAIModerations": "moderation",
        **dict.fromkeys(
            ("OpenAIImages", "OpenAIImageEdits", "OpenAIImageVariations"), "image_generation"
        ),
        "OpenAISpeech": "speech",
        "OpenAITranscription": "transcription",
        "OpenAIAudioTranslation": "transcription",
        "Rerank": "rerank",
        GENERIC: "generic",
    }
)
# https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-metrics/
_TOKEN_BUCKETS = tuple(4**power for power in range(14))
_DURATION_BUCKETS = tuple(0.01 * 2**power for power in range(14))
_OVERHEAD_BUCKETS = tuple(0.0001 * 2**power for power in range(14))
_SERVED = (
    "gen_ai_operation_name",
    "gen_ai_provider_name",
    "gen_ai_request_model",
    "backend",
    "route",
)
_SPENT = ("route", "backend", "model")
_OUTCOME = ("gateway", "route", "rule", "backend", "format", "status", "error")
_LABEL = ("gateway", "name", "value")
_VERDICT = ("guard", "policy", "type", "action", "phase")


class Metrics:
    """All metrics of one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.arms = Arms(self.registry, _DURATION_BUCKETS)
        counter = partial(Counter, registry=self.registry)
        gauge = partial(Gauge, registry=self.registry)
        histogram = partial(Histogram, registry=self.registry)
        self.tokens = histogram(
            "gen_ai_client_token_usage",
            "Tokens per request.",
            [*_SERVED, "gen_ai_token_type"],
            buckets=_TOKEN_BUCKETS,
        )
        self.duration = histogram(
            "gen_ai_server_request_duration",
            "Seconds from a request's headers to the end of its response.",
            _SERVED,
            buckets=_DURATION_BUCKETS,
        )
        self.first_token = histogram(
            "gen_ai_server_time_to_first_token",
            "Seconds from a request's headers to the first piece of its stream.",
            _SERVED,
            buckets=_DURATION_BUCKETS,
        )
        self.overhead = histogram(
            "dragoman_overhead_seconds",
            "Time a request spent in the guard itself.",
            buckets=_OVERHEAD_BUCKETS,
        )
        self.cost = counter("dragoman_cost_usd", "US dollars spent.", _SPENT)
        self.unpriced = counter("dragoman_unpriced_requests", "Requests without a price.", _SPENT)
        self.usage_invalid = counter("dragoman_usage_invalid", "Impossible usages.", ["backend"])
        self.requests = counter("dragoman_requests", "Requests by outcome.", _OUTCOME)
        self.verdicts = counter("dragoman_guard_verdicts", "What guards found.", _VERDICT)
        self.labels = counter("dragoman_request_labels", "Requests that guards marked.", _LABEL)
        self.budget_spent = counter(
            "dragoman_retry_budget_spent",
            "Requests that could not be tried again, because their rule's budget was spent.",
            ["route", "rule"],
        )
        self.failed = counter(
            "dragoman_exchanges_failed",
            "Streams ended with an error status, so that nothing uninspected passed.",
            ["filter", "reason"],
        )
        self.records_lost = counter("dragoman_records_lost", "Records nobody read in time.")
        self.plans = gauge("dragoman_plans", "Plans in force.")
        self.ready = gauge("dragoman_ext_proc_ready", "Whether no plan is missing.")
        self.plan_updates = counter("dragoman_plan_updates", "Plan updates.", ["result"])

    def observe(self, record: Record) -> None:
        """Count one request."""
        self.overhead.observe(record.overhead_s)
        self.requests.labels(
            record.gateway or "",
            record.route or "",
            record.rule or "",
            record.backend or "",
            record.format or "",
            str(record.status),
            record.error or "",
        ).inc()
        for verdict in record.verdicts:
            self.verdicts.labels(
                verdict.guard, verdict.policy, verdict.type, verdict.action, verdict.phase
            ).inc()
        self.arms.observe(record)
        if record.budget_spent:
            self.budget_spent.labels(record.route or "", record.rule or "").inc()
        for name, value in record.labels:
            self.labels.labels(record.gateway or "", name, value).inc()
        if record.backend is not None and record.format is not None:
            self._observe_served(record, record.backend, OPERATIONS[record.format])

    def _observe_served(self, record: Record, backend: str, operation: str) -> None:
        model = record.served_model or ""
        route = record.route or ""
        served = (operation, (record.provider or "").lower(), record.model or "", backend, route)
        self.duration.labels(*served).observe(record.duration_s)
        if record.first_token_s is not None:
            self.first_token.labels(*served).observe(record.first_token_s)
        if record.usage_invalid:
            self.usage_invalid.labels(backend).inc()
        if record.usage is not None:
            self.tokens.labels(*served, "input").observe(record.usage.input_tokens)
            self.tokens.labels(*served, "output").observe(record.usage.output_tokens)
        if record.cost == "unpriced":
            self.unpriced.labels(route, backend, model).inc()
        elif record.cost is not None:
            self.cost.labels(route, backend, model).inc(float(record.cost))


async def serve(path: str, registry: CollectorRegistry, ready: Ready) -> asyncio.Server:
    """Answer HTTP on a Unix socket: `/ready` with 200 or 503, all else with the metrics as text."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            asked = head.split(b" ", 2)[1:2] == [b"/ready"]
            writer.write(_readiness(ready()) if asked else _metrics(registry))
            await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            pass  # whoever asked has gone or does not speak HTTP
        finally:
            writer.close()

    return await asyncio.start_unix_server(answer, path)


def _readiness(ready: bool) -> bytes:  # noqa: FBT001 - the one thing to say
    if ready:
        return _response("200 OK", "text/plain", b"ready\n")
    return _response("503 Service Unavailable", "text/plain", b"plans are missing\n")


def _metrics(registry: CollectorRegistry) -> bytes:
    return _response("200 OK", CONTENT_TYPE_PLAIN_0_0_4, generate_latest(registry))


def _response(status: str, content_type: str, body: bytes) -> bytes:
    head = (
        f"HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\n"
        f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body
