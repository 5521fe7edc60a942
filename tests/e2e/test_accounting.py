"""Tokens and money are exact, counted once, and counted whatever happens to the connection."""

import json
from decimal import Decimal
from pathlib import Path

import httpx2
import pytest

from tests.e2e import harness

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

PRICES = """\
  models:
  - {name: echo, price: {input: "3.00", cachedInput: "0.30", output: "15.00"}}
  - {name: fault-no-usage+echo, price: {input: "3.00", output: "15.00"}}
  - {name: fault-usage-negative+echo, price: {input: "3.00", output: "15.00"}}
  - {name: fault-usage-absurd+echo, price: {input: "3.00", output: "15.00"}}
  - {name: fault-delay-0.3+echo, price: {input: "3.00", output: "15.00"}}
"""


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory):
    directory = tmp_path_factory.mktemp("config")
    provider, flaky = harness.Provider(), harness.Provider(fault="fault-status-500")
    port = harness.free_port()
    rules = """\
  - name: retried
    matches: [{model: {value: retried}}]
    backendRefs: [{name: flaky, model: echo}, {name: openai, model: echo, priority: 1}]
  - name: default
    backendRefs: [{name: openai}]
"""
    harness.write(
        directory,
        gateway=harness.gateway(port),
        openai=harness.backend("openai", provider.port, more=PRICES),
        flaky=harness.backend("flaky", flaky.port, more=PRICES),
        route=harness.route("assistant", rules),
    )
    with harness.running(directory) as run:
        yield run, f"http://127.0.0.1:{port}/v1/chat/completions"
    provider.close()
    flaky.close()


def body(model: str, text: str, **more: object) -> dict[str, object]:
    return {"model": model, "messages": [{"role": "user", "content": text}], **more}


def expected_cost(usage: dict[str, int]) -> Decimal:
    cached = usage.get("cache_read_tokens", 0)
    return (
        Decimal(usage["input_tokens"] - cached) * Decimal("3.00")
        + Decimal(cached) * Decimal("0.30")
        + Decimal(usage["output_tokens"]) * Decimal("15.00")
    ) / 1_000_000


def test_a_json_answer_costs_exactly_its_tokens(started) -> None:
    run, url = started
    response = httpx2.post(url, json=body("echo", "alpha beta gamma delta"))
    usage = response.json()["usage"]
    record = run.record(response.headers["x-request-id"])
    assert record["usage"]["input_tokens"] == usage["prompt_tokens"]
    assert record["usage"]["output_tokens"] == usage["completion_tokens"]
    assert record["usage"]["cache_read_tokens"] == usage["prompt_tokens_details"]["cached_tokens"]
    assert Decimal(record["cost"]) == expected_cost(record["usage"])


def test_a_stream_costs_the_same(started) -> None:
    run, url = started
    response = httpx2.post(url, json=body("echo", "alpha beta gamma delta", stream=True))
    assert '"usage":{' not in response.text.replace(" ", "")
    record = run.record(response.headers["x-request-id"])
    assert record["usage"]["estimated"] is False
    assert Decimal(record["cost"]) == expected_cost(record["usage"])


@pytest.mark.parametrize("fault", ["no-usage", "usage-negative", "usage-absurd"])
@pytest.mark.parametrize("stream", [False, True])
def test_usage_that_cannot_be_believed_is_counted_and_marked(
    started, fault: str, stream: bool
) -> None:
    run, url = started
    response = httpx2.post(
        url, json=body(f"fault-{fault}+echo", "alpha beta gamma delta", stream=stream)
    )
    record = run.record(response.headers["x-request-id"])
    assert record["usage"]["estimated"] is True
    assert 4 <= record["usage"]["output_tokens"] <= 8
    assert Decimal(record["cost"]) > 0


def test_a_retried_request_is_charged_once(started) -> None:
    run, url = started
    before = cost_total(run)
    response = httpx2.post(url, json=body("retried", "alpha beta"))
    record = run.record(response.headers["x-request-id"])
    assert record["attempts"] == 2
    assert Decimal(record["cost"]) == expected_cost(record["usage"])
    assert cost_total(run) - before == pytest.approx(float(record["cost"]), rel=1e-6)


def test_a_client_that_leaves_is_still_charged(started) -> None:
    run, url = started
    known = len(run.records)
    text = " ".join(f"word{n}" for n in range(200))
    with httpx2.stream(
        "POST", url, json=body("fault-delay-0.3+echo", text, stream=True)
    ) as response:
        request_id = response.headers["x-request-id"]
        next(response.iter_bytes())
    record = run.record(request_id)
    assert record["usage"]["input_tokens"] > 100
    assert record["usage"]["estimated"] is True
    assert Decimal(record["cost"]) > 0
    assert len([r for r in run.records[known:] if r["request_id"] == request_id]) == 1


def test_a_model_without_a_price_is_unpriced_not_free(started) -> None:
    run, url = started
    response = httpx2.post(url, json=body("nobody-knows-me", "alpha"))
    assert run.record(response.headers["x-request-id"])["cost"] == "unpriced"


def test_one_endpoint_serves_the_metrics_of_all_parts(started) -> None:
    run, url = started
    httpx2.post(url, json=body("echo", "alpha"))
    text = run.metrics()
    for name in (
        'dragoman_part_up{part="envoy"} 1',
        'dragoman_part_up{part="ext_proc"} 1',
        'dragoman_part_up{part="controller"} 1',
        "gen_ai_client_token_usage",
        "gen_ai_server_request_duration",
        "dragoman_cost_usd_total",
        "dragoman_xds_pushes_total",
        "dragoman_build_seconds",
        "envoy_cluster_upstream_rq_total",
    ):
        assert name in text, name
    assert cost_total(run) > 0


def cost_total(run: harness.Running) -> float:
    return sum(
        float(line.rsplit(" ", 1)[1])
        for line in run.metrics().splitlines()
        if line.startswith("dragoman_cost_usd_total{")
    )


def test_records_are_json_lines_without_text(started) -> None:
    run, url = started
    response = httpx2.post(
        url,
        json=body("planted-model-name", "planted-text"),
        headers={"authorization": "Bearer planted-token"},
    )
    record = run.record(response.headers["x-request-id"])
    assert "planted" not in json.dumps(record)
    assert "planted" not in "".join(run.stderr)
    assert "planted" not in run.metrics()


def test_the_directory_of_sockets_is_private(started) -> None:
    run, _ = started
    directory = next(
        Path(word).parent
        for word in Path(f"/proc/{run.children()['ext_proc']}/cmdline").read_text().split("\0")
        if word.endswith("ext_proc.sock")
    )
    assert directory.stat().st_mode & 0o777 == 0o700
