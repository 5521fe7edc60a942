"""A pool of model servers behind the real guard: its picker reads what is left after redaction, and its word counts."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.e2e import harness
from tests.xds import picker

pytestmark = pytest.mark.e2e

PERSON = "jane.doe@example.com"
POLICY = """\
  request:
    guards: [{name: pii, type: PII, entities: [Email], action: Redact}]
  response:
    guards: [{name: leak, type: PII, entities: [Email], action: Redact}]
"""
RULES = """\
  - name: own
    backendRefs: [{name: llama, model: echo}, {name: openai, model: echo, priority: 1}]
    retry: {attempts: 1}
  - name: alone
    matches: [{model: {value: alone}}]
    backendRefs: [{name: llama, model: echo}]
  - name: copied
    matches: [{model: {value: copied}}]
    backendRefs: [{name: openai, model: echo}]
    mirrors: [{name: llama, model: echo, percent: 100}]
"""
POOL = """\
apiVersion: inference.networking.k8s.io/v1
kind: InferencePool
metadata: {{name: llama}}
spec:
  selector: {{matchLabels: {{app: llama}}}}
  targetPorts: [{ports}]
  endpointPickerRef: {{name: picker, port: {{number: 9002}}, failureMode: {mode}}}
---
apiVersion: v1
kind: Service
metadata: {{name: picker}}
spec: {{ports: [{{port: 9002}}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: picker, labels: {{kubernetes.io/service-name: picker}}}}
addressType: IPv4
endpoints: [{{addresses: [127.0.0.1]}}]
ports: [{{port: {picker}}}]
---
apiVersion: v1
kind: Pod
metadata: {{name: llama-0, labels: {{app: llama}}}}
status: {{podIP: 127.0.0.1, conditions: [{{type: Ready, status: "{ready}"}}]}}
"""
BACKEND = """\
apiVersion: dragoman.dev/v1alpha1
kind: AIBackend
metadata: {name: llama}
spec:
  provider: OpenAICompatible
  endpoint: {inferencePoolRef: {name: llama}}
  tls: {mode: None}
  auth: {type: None}
"""


class Picker(picker.Picker):
    """The stand-in picker in a thread of its own."""

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self.start(), self._loop).result(10)

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self.stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()


class World:
    """One pod with two ports, a picker, and a provider that is no pool."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.picker = Picker()
        self.one, self.two = harness.Provider(), harness.Provider()
        self.other = harness.Provider()
        self.port = harness.free_port()
        self.picker.choose = f"127.0.0.1:{self.two.port}"

    def write(self, mode: str = "FailClose", ready: str = "True") -> None:
        ports = f"{{number: {self.one.port}}}, {{number: {self.two.port}}}"
        harness.write(
            self.directory,
            gateway=harness.gateway(self.port),
            route=harness.route("assistant", RULES),
            policy=harness.policy("baseline", POLICY),
            openai=harness.backend("openai", self.other.port),
            backend=BACKEND,
            pool=POOL.format(ports=ports, picker=self.picker.port, mode=mode, ready=ready),
        )

    def ask(self, text: str = "hello", **more: object) -> httpx2.Response:
        body = {"model": "any", "messages": [{"role": "user", "content": text}], **more}
        url = f"http://127.0.0.1:{self.port}/v1/chat/completions"
        return httpx2.post(url, json=body, timeout=60)

    def close(self) -> None:
        self.picker.close()
        for each in (self.one, self.two, self.other):
            each.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    made.write()
    yield made
    made.close()


def test_the_picker_reads_what_guards_left_and_the_pod_it_names_serves(world: World) -> None:
    with harness.running(world.directory) as run:
        answer = world.ask(f"write to {PERSON}")
        assert answer.status_code == 200, answer.text
        [seen] = world.picker.asked
        assert PERSON.encode() not in seen["body"]
        assert b'"model":"echo"' in seen["body"].replace(b" ", b"")
        assert seen["headers"][":path"] == "/v1/chat/completions"
        assert world.two.last().body == seen["body"]
        assert world.one.received == world.other.received == []
        record = run.record(answer.headers["x-request-id"])
        assert record["backend"] == "default/llama"
        streamed = world.ask("tell a story", stream=True)
        assert streamed.status_code == 200
        assert streamed.text.rstrip().endswith("data: [DONE]")
        assert len(world.two.received) == 2


def test_callers_of_another_format_are_translated_before_the_picker_reads(world: World) -> None:
    with harness.running(world.directory):
        body = {"model": "any", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
        url = f"http://127.0.0.1:{world.port}/v1/messages"
        headers = {"anthropic-version": "2023-06-01"}
        answer = httpx2.post(url, json=body, headers=headers, timeout=60)
        assert answer.status_code == 200, answer.text
        assert answer.json()["type"] == "message"
        [seen] = world.picker.asked
        assert seen["headers"][":path"] == "/v1/chat/completions"
        assert world.two.last().body == seen["body"]


def test_without_its_picker_a_pool_is_failed_over_from_or_goes_on_as_it_says(world: World) -> None:
    with harness.running(world.directory):
        world.picker.mood = "close"
        assert world.ask().status_code == 200
        assert len(world.other.received) == 1
        refused = world.ask(model="alone")
        assert refused.status_code in (502, 503)
        assert refused.json()["error"]["code"] == "provider_unavailable"
        assert world.one.received == world.two.received == []
        world.write(mode="FailOpen")
        harness.eventually(lambda: world.ask(model="alone").status_code == 200)
        assert world.one.received + world.two.received


def test_a_pool_may_be_mirrored_to_and_its_picker_is_asked(world: World) -> None:
    with harness.running(world.directory):
        assert world.ask(f"write to {PERSON}", model="copied").status_code == 200
        harness.eventually(lambda: world.two.received)
        [seen] = world.picker.asked
        assert PERSON.encode() not in seen["body"]
        assert world.two.last().body == seen["body"]
        assert len(world.other.received) == 1


def test_an_answer_that_a_picker_drops_is_an_error(world: World) -> None:
    with harness.running(world.directory):
        world.picker.mood = "done"
        dropped = world.ask(model="alone")
        world.picker.mood = "gone"
        broken = world.ask(model="alone")
        assert (dropped.status_code, broken.status_code) == (502, 503)
        assert dropped.json()["error"]["code"] == "provider_bad_response"
        assert broken.json()["error"]["code"] == "provider_unavailable"


def test_a_pod_that_is_not_ready_is_nowhere(world: World) -> None:
    with harness.running(world.directory):
        assert world.ask().status_code == 200
        assert len(world.two.received) == 1
        world.write(ready="False")
        harness.eventually(lambda: world.ask().status_code == 200 and world.other.received)
        before = len(world.two.received)
        assert world.ask().status_code == 200
        assert len(world.two.received) == before
