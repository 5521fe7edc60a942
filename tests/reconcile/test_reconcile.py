"""The loop around translate, build and publish: what is served, what is told, what is fatal."""

import io
import json
import logging

import pytest

from controller.kept import Kept
from controller.metrics import Metrics
from controller.reconcile import FatalError, Reconciler
from controller.report import Report
from controller.resources import Resources
from controller.settings import BuildSettings
from controller.sources import files
from controller.sources.gather import Reading
from controller.xds.ads import Request
from controller.xds.cache import Cache, Live, Refused
from controller.xds.snapshot import CLUSTER, LISTENER, PLAN

GATEWAY = """\
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: ai}
spec:
  gatewayClassName: dragoman
  listeners: [{name: http, port: 8080, protocol: HTTP}]
"""
BACKEND = """\
apiVersion: dragoman.dev/v1alpha1
kind: AIBackend
metadata: {name: one}
spec:
  provider: OpenAICompatible
  endpoint: {hostname: 127.0.0.1, port: 9001}
  tls: {mode: None}
  auth: {type: None}
"""
ROUTE = """\
apiVersion: dragoman.dev/v1alpha1
kind: AIRoute
metadata: {name: assistant}
spec:
  parentRefs: [{name: ai}]
  rules: [{name: all, backendRefs: [{name: NAME}]}]
"""


class Loop:
    """A Reconciler with its outside recorded."""

    def __init__(self, directory):
        self.directory = directory
        self.events, self.people = io.StringIO(), io.StringIO()
        self.published, self.failed = [], []
        self.cache = Cache(drain_s=10)
        self.metrics = Metrics()
        self.reconciler = Reconciler(
            BuildSettings(),
            self.cache,
            self.metrics,
            Report(self.events, self.people),
            Kept(directory),
        )

    def write(self, **texts):
        for name, text in texts.items():
            (self.directory / f"{name}.yaml").write_text(text)

    async def read(self, *more):
        readings = [files.read(self.directory, {}), *more]

        async def watch():
            for reading in readings:
                yield reading

        await self.reconciler.run(watch(), self.publish, self.failed.append)

    def publish(self, target, bridge):
        self.published.append(target)
        self.cache.publish(target, bridge, 0.0)

    def told(self, kind):
        events = [json.loads(line) for line in self.events.getvalue().splitlines()]
        return [event for event in events if event["event"] == kind]

    def lines(self):
        return self.people.getvalue().splitlines()


@pytest.fixture
def loop(tmp_path):
    made = Loop(tmp_path)
    made.write(gateway=GATEWAY, backend=BACKEND, route=ROUTE.replace("NAME", "one"))
    return made


async def test_a_good_configuration_is_published_and_ready_is_told_once(loop):
    await loop.read()
    [target] = loop.published
    assert set(target.of(LISTENER)) == {"listener/8080"}
    assert loop.told("ready") == []
    for _ in range(2):
        loop.reconciler.happened(Live(target.version))
    assert loop.told("ready") == [{"event": "ready", "urls": ["http://127.0.0.1:8080"]}]
    assert loop.lines() == []


async def test_an_equal_reading_publishes_nothing(loop):
    await loop.read(files.read(loop.directory, {}))
    assert len(loop.published) == 1


async def test_a_problem_is_told_when_it_appears_and_when_it_is_gone(loop):
    second = ROUTE.replace("NAME", "missing").replace("assistant", "second")
    loop.write(second=second.replace("all,", "all, matches: [{model: {value: m}}],"))
    await loop.read(files.read(loop.directory, {}))
    [line] = loop.lines()
    assert "AIRoute default/second" in line
    assert [event["line"] for event in loop.told("problem")] == [line]
    (loop.directory / "second.yaml").unlink()
    await loop.read()
    assert [event["line"] for event in loop.told("resolved")] == [line]
    assert loop.lines() == [line]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ({}, "no configuration"),
        ({"gateway": "kind: [unclosed"}, "gateway.yaml"),
        ({"gateway": GATEWAY.replace("dragoman", "other")}, "no usable Gateway"),
        ({"backend": BACKEND}, "no usable Gateway"),
    ],
)
async def test_what_cannot_start_is_fatal_in_one_line(tmp_path, texts, expected):
    loop = Loop(tmp_path)
    loop.write(**texts)
    with pytest.raises(FatalError, match=expected) as fatal:
        await loop.read()
    assert "\n" not in str(fatal.value)
    assert loop.published == []


async def test_what_becomes_unreadable_later_is_a_problem_only(loop):
    await loop.read()
    loop.reconciler.happened(Live(loop.published[-1].version))
    await loop.read(Reading(Resources(), unreadable=(files.Finding("a.yaml", "is not YAML"),)))
    assert any("is not YAML" in line for line in loop.lines())


async def test_a_fault_of_ours_keeps_what_runs(loop, caplog):
    wrong = Reading(None)
    good = files.read(loop.directory, {})
    with caplog.at_level(logging.ERROR):
        await loop.read(wrong, good)
    assert "bug" in caplog.text
    assert len(loop.published) == 1


async def test_a_taken_port_is_fatal_at_start_and_a_problem_later(loop):
    await loop.read()
    refused = Refused(LISTENER, "listener/8080", "cannot bind: Address already in use", False)
    loop.reconciler.happened(refused)
    [error] = loop.failed
    assert str(error) == "port 8080 is in use"


async def test_a_refused_cluster_is_left_out_and_its_owner_told(loop):
    await loop.read()
    number = loop.cache.connect(0.0)
    loop.cache.receive(number, Request(CLUSTER, "envoy/0"))
    [(_, response)], _ = loop.cache.advance(0.0)
    assert "default/one/*" in {each.name for each in response.resources}
    error = "Error adding/updating cluster(s) default/one/*: no"
    for event in loop.cache.receive(number, Request(CLUSTER, nonce=response.nonce, error=error)):
        loop.reconciler.happened(event)
    assert set(loop.published[-1].of(CLUSTER)) == {"blackhole"}
    assert (
        json.loads(loop.published[-1].of(PLAN)["route/default/assistant"].content)["rules"][0][
            "targets"
        ]
        == []
    )
    [line] = loop.lines()
    assert line.startswith("AIBackend default/one: EnvoyRejected: ")
    loop.write(backend=BACKEND.replace("9001", "9002"))
    await loop.read()
    assert "default/one/*" in loop.published[-1].of(CLUSTER)
    assert [event["line"] for event in loop.told("resolved")] == [line]
