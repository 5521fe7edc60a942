"""Which target serves, with a real Envoy: price, speed, stickiness, failures, and what is told of it."""

import json
from collections import Counter
from pathlib import Path

import httpx2
import pytest

from tests.e2e import harness

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

PRICE = '{{input: "{0}", output: "{0}"}}'
BACKEND = """\
  models: [{{name: m, price: {price}}}]
  ejection: {{consecutiveErrors: 3, baseTime: 10m}}
"""
RULES = """\
  - {name: cheap, matches: [{model: {value: cheap}}], selection: LowestCost, retry: {attempts: 0}, backendRefs: &both [{name: dear, model: m}, {name: cheap, model: m}]}
  - {name: retried, matches: [{model: {value: retried}}], selection: LowestCost, backendRefs: *both}
  - {name: alone, matches: [{model: {value: alone}}], backendRefs: [{name: cheap, model: m}]}
  - {name: fast, matches: [{model: {value: fast}}], selection: LowestLatency, backendRefs: *both}
  - {name: sticky, matches: [{model: {value: sticky}}], stickiness: {by: User}, backendRefs: *both}
"""
POLICY = """\
  request:
    maxPromptTokens: 100
    maxOutputTokens: {limit: 50}
    guards: [{name: mail, type: PII, entities: [Email], action: Redact}]
"""


class Pair:
    """A gateway with two backends of one model, a cheap and a dear one."""

    def __init__(self, directory: Path) -> None:
        self.cheap, self.dear = harness.Provider(), harness.Provider()
        port = harness.free_port()
        prices = {"cheap": ("1", self.cheap), "dear": ("5", self.dear)}
        backends = {
            name: harness.backend(
                name, provider.port, more=BACKEND.format(price=PRICE.format(price))
            )
            for name, (price, provider) in prices.items()
        }
        harness.write(
            directory,
            gateway=harness.gateway(port),
            route=harness.route("assistant", RULES),
            policy=harness.policy("limits", POLICY),
            **backends,
        )
        self.url = f"http://127.0.0.1:{port}/v1/chat/completions"

    def ask(self, model: str, text: str = "hello", **more) -> httpx2.Response:
        body = {"model": model, "messages": [{"role": "user", "content": text}], **more}
        return httpx2.post(self.url, json=body, timeout=60)

    def server(self, model: str, **more) -> str:
        response = self.ask(model, **more)
        assert response.status_code == 200, response.text
        return response.headers["x-dragoman-backend"].removeprefix("default/")

    def close(self) -> None:
        self.cheap.close()
        self.dear.close()


@pytest.fixture
def pair(tmp_path: Path):
    started = Pair(tmp_path)
    with harness.running(tmp_path) as run:
        yield run, started
    started.close()


def test_a_provider_that_asks_to_be_left_alone_is_for_as_long_as_it_says(pair) -> None:
    """429 with Retry-After: 1, though the backend's own base time is ten minutes."""
    _, both = pair
    assert both.server("cheap") == "cheap"
    both.cheap.fault = "fault-status-429"
    refused = both.ask("cheap")
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
    assert both.ask("alone").status_code == 429  # tried all the same: it is the only one
    harness.eventually(lambda: both.ask("cheap").headers.get("x-dragoman-backend"))
    both.cheap.fault = ""
    harness.eventually(lambda: both.server("cheap") == "cheap")


def test_one_that_was_passed_over_is_left_alone_for_as_long_as_it_says(pair) -> None:
    """The first 429 leads to the other at once, and the next requests do not try it again."""
    _, both = pair
    both.cheap.fault = "fault-status-429"
    assert both.ask("retried").headers["x-dragoman-attempts"] == "2"
    harness.eventually(lambda: both.ask("retried").headers["x-dragoman-attempts"] == "1")
    assert len(both.cheap.received) < 3  # three in a row would eject it anyway, for ten minutes
    both.cheap.fault = ""
    harness.eventually(lambda: both.server("retried") == "cheap")


def test_failures_in_a_row_eject_and_are_told(pair) -> None:
    run, both = pair
    both.cheap.fault = "fault-status-500"
    for _ in range(3):
        response = both.ask("retried")
        assert response.status_code == 200
        assert response.headers["x-dragoman-backend"] == "default/dear"
        assert response.headers["x-dragoman-attempts"] == "2"
        record = run.record(response.headers["x-request-id"])
        assert record["failed"] == [{"backend": "default/cheap", "model": "m", "prompt": None}]
    both.cheap.fault = ""
    asked = len(both.cheap.received)
    after = both.ask("retried")
    assert after.headers["x-dragoman-attempts"] == "1"
    assert run.record(after.headers["x-request-id"])["failed"] == []
    assert len(both.cheap.received) == asked
    labels = 'backend="default/{}",model="m",prompt="",route="default/assistant",rule="retried"'
    metrics = run.metrics()
    assert f"dragoman_target_failures_total{{{labels.format('cheap')}}} 3.0" in metrics
    answers = labels.format("dear") + ',status="200"'
    assert f"dragoman_target_answers_total{{{answers}}} 4.0" in metrics


def test_the_fastest_serves_until_it_is_slow_or_dead(pair) -> None:
    _, both = pair
    both.cheap.fault = "fault-delay-0.4"
    served = Counter(both.server("fast") for _ in range(30))
    assert served["dear"] >= 24
    both.cheap.fault, both.dear.fault = "", "fault-delay-2"
    harness.eventually(lambda: both.server("fast") == "cheap")
    served = Counter(both.server("fast") for _ in range(20))
    assert served["cheap"] >= 15
    both.cheap.fault, both.dear.fault = "fault-status-503", ""
    assert {both.server("fast") for _ in range(10)} == {"dear"}


def test_a_user_stays_on_one_side_and_is_named_nowhere(pair) -> None:
    run, both = pair
    users = [f"user-{number}@example.org" for number in range(40)]
    sides = {user: both.server("sticky", user=user) for user in users}
    assert set(sides.values()) == {"cheap", "dear"}
    for user in users[:10]:
        assert {both.server("sticky", user=user) for _ in range(3)} == {sides[user]}
    assert b"user-" not in both.cheap.bodies() + both.dear.bodies()  # redacted, and yet told apart
    told = "".join([*run.stdout, *run.stderr, run.metrics()])
    assert "user-" not in told


def test_token_limits_hold_for_prompt_and_answer(pair) -> None:
    _, both = pair
    both.server("cheap", max_tokens=4000)
    assert json.loads(both.cheap.last().body)["max_tokens"] == 50
    both.server("cheap")
    assert json.loads(both.cheap.last().body)["max_completion_tokens"] == 50
    refused = both.ask("cheap", text="word " * 200)
    assert refused.status_code == 400
    assert refused.json()["error"]["code"] == "context_length_exceeded"
