import io
import json
import os
import threading
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import get_args

import aiohttp

from crds.plan import GENERIC, CallerFormat
from ext_proc import metrics
from ext_proc.call import Usage, Verdict
from ext_proc.metrics import Metrics
from ext_proc.record import Arm, Record, Writer, line

RECORD = Record(
    time=datetime(2026, 11, 23, tzinfo=UTC),
    request_id="r",
    status=200,
    duration_s=0.25,
    overhead_s=0.001,
    first_token_s=0.1,
    gateway="ns/ai",
    route="ns/r",
    rule="default",
    backend="ns/b",
    provider="OpenAI",
    model="gpt-4o",
    served_model="gpt-4o",
    format="OpenAIChat",
    stream=True,
    attempts=2,
    plan={"vh/h": "1"},
    usage=Usage(input_tokens=10, output_tokens=20),
    cost=Decimal("0.000225"),
    verdicts=(Verdict("pii", "ns/p", "PII", "Redact", "request", (("Email", 2),)),),
)


def value(counted, name, **labels):
    return counted.registry.get_sample_value(name, labels)


def test_a_record_is_counted_under_bounded_labels():
    counted = Metrics()
    counted.observe(RECORD)
    served = {
        "gen_ai_operation_name": "chat",
        "gen_ai_provider_name": "openai",
        "gen_ai_request_model": "gpt-4o",
        "backend": "ns/b",
        "route": "ns/r",
    }
    assert (
        value(counted, "gen_ai_client_token_usage_sum", **served, gen_ai_token_type="input") == 10
    )
    assert (
        value(counted, "gen_ai_client_token_usage_sum", **served, gen_ai_token_type="output") == 20
    )
    assert value(counted, "gen_ai_server_request_duration_sum", **served) == 0.25
    assert value(counted, "gen_ai_server_time_to_first_token_sum", **served) == 0.1
    assert (
        value(counted, "dragoman_cost_usd_total", route="ns/r", backend="ns/b", model="gpt-4o")
        == 0.000225
    )
    guard = {
        "guard": "pii",
        "policy": "ns/p",
        "type": "PII",
        "action": "Redact",
        "phase": "request",
    }
    assert value(counted, "dragoman_guard_verdicts_total", **guard) == 1
    assert value(counted, "dragoman_overhead_seconds_sum") == 0.001


def test_every_format_is_an_operation():
    assert set(metrics.OPERATIONS) == {*get_args(CallerFormat), GENERIC}


def test_labels_are_counted_by_name_and_value():
    counted = Metrics()
    counted.observe(replace(RECORD, labels=(("pii", "eu"), ("pii", "true"))))
    counted.observe(replace(RECORD, labels=(("pii", "true"),)))
    counts = {
        value_: counted.registry.get_sample_value(
            "dragoman_request_labels_total", {"gateway": "ns/ai", "name": "pii", "value": value_}
        )
        for value_ in ("true", "eu")
    }
    assert counts == {"true": 2, "eu": 1}


def test_a_request_without_a_price_is_not_free():
    counted = Metrics()
    counted.observe(replace(RECORD, cost="unpriced"))
    labels = {"route": "ns/r", "backend": "ns/b", "model": "gpt-4o"}
    assert value(counted, "dragoman_unpriced_requests_total", **labels) == 1
    assert value(counted, "dragoman_cost_usd_total", **labels) is None


async def test_metrics_are_served_on_a_unix_socket(tmp_path):
    path = f"{tmp_path}/metrics.sock"
    counted = Metrics()
    counted.observe(RECORD)
    running = await metrics.serve(path, counted.registry, lambda: False)
    session = aiohttp.ClientSession(connector=aiohttp.UnixConnector(path))
    async with running, session, session.get("http://guard/metrics") as response:
        assert response.status == 200
        assert "dragoman_cost_usd_total" in await response.text()


def test_a_record_is_one_line_of_json():
    written = line(RECORD)
    assert written.count(b"\n") == 1
    read = json.loads(written)
    assert (read["duration_ms"], read["cost"], read["usage"]["output_tokens"]) == (
        250.0,
        "0.000225",
        20,
    )
    assert read["guards"] == [
        {
            "guard": "pii",
            "policy": "ns/p",
            "type": "PII",
            "action": "Redact",
            "phase": "request",
            "found": {"Email": 2},
            "score": None,
            "enforced": True,
        }
    ]


def test_records_are_written_in_order_and_lost_ones_are_known():
    stream = io.BytesIO()
    writer = Writer(stream)
    assert all(writer.write(RECORD) for _ in range(100))
    writer.close()
    assert stream.getvalue() == line(RECORD) * 100


class Gone(io.BytesIO):
    """A standard output that nobody reads any more."""

    def write(self, written):
        raise BrokenPipeError


def test_records_nobody_reads_are_lost_without_a_queue_that_grows():
    writer = Writer(Gone(), limit=2)
    writer.write(RECORD)
    writer._thread.join(30)
    assert not writer.write(RECORD)
    writer.close()


def test_a_full_queue_loses_the_newest_and_still_ends():
    read, written = os.pipe()
    with os.fdopen(written, "wb", buffering=0) as stream, os.fdopen(read, "rb") as reader:
        writer = Writer(stream, limit=1)
        while writer.write(RECORD):
            pass
        closing = threading.Thread(target=writer.close)
        closing.start()
        while closing.is_alive():
            os.read(reader.fileno(), 65536)
            closing.join(0.01)
            os.write(written, b".")


def test_the_arms_of_a_canary_are_counted_apart():
    counted = Metrics()
    canary = {"backend": "ns/new", "served_model": "gpt-4.1", "prompt": "v2"}
    counted.observe(RECORD)
    counted.observe(replace(RECORD, **canary, failed=(Arm("ns/b", "gpt-4o"),), duration_s=0.5))
    counted.observe(replace(RECORD, **canary, status=500, usage=None, cost=None, duration_s=0.5))
    counted.observe(replace(RECORD, backend=None, status=403, usage=None, cost=None))
    rule = {"route": "ns/r", "rule": "default"}
    old = {**rule, "backend": "ns/b", "model": "gpt-4o", "prompt": ""}
    new = {**rule, "backend": "ns/new", "model": "gpt-4.1", "prompt": "v2"}
    assert value(counted, "dragoman_target_answers_total", **old, status="200") == 1
    assert value(counted, "dragoman_target_answers_total", **new, status="200") == 1
    assert value(counted, "dragoman_target_answers_total", **new, status="500") == 1
    assert value(counted, "dragoman_target_failures_total", **old) == 1
    assert value(counted, "dragoman_target_failures_total", **new) is None
    assert value(counted, "dragoman_target_duration_seconds_sum", **new) == 1.0
    assert value(counted, "dragoman_target_tokens_total", **new, type="output") == 20
    assert value(counted, "dragoman_target_cost_usd_total", **new) == 0.000225
    counts = counted.registry.collect()
    (answers,) = (each for each in counts if each.name == "dragoman_target_answers")
    assert len([s for s in answers.samples if s.name.endswith("_total")]) == 3
