"""Mirrors get copies of what the guards let pass, and no caller notices, whatever becomes of a copy."""

import json
import socket
from pathlib import Path

import httpx2
import pytest

from tests.e2e import harness

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

POLICY = """\
  request:
    guards:
    - {name: pii, type: PII, entities: [Email], action: Redact}
    - {name: secret-project, type: Keywords, words: [project manhattan], action: Label, label: {name: secret, value: "true"}}
    - {name: words, type: Keywords, words: [forbidden phrase], action: Block}
  authorization:
  - {name: stays, labels: [{name: secret, value: "true"}], backends: [{name: main}]}
"""
RULES = """\
  - name: none
    matches: [{{model: {{value: none}}}}]
    backendRefs: [{{name: main, model: of-main}}]
    mirrors: [{{name: other, model: of-other, percent: 0}}]
  - name: dead
    matches: [{{model: {{value: dead}}}}]
    backendRefs: [{{name: main, model: of-main}}]
    mirrors: [{{name: dead, percent: 100}}]
  - name: retried
    matches: [{{model: {{value: retried}}}}]
    backendRefs: [{{name: dead}}, {{name: main, model: of-main, priority: 1}}]
    mirrors: [{{name: other, model: of-other, percent: 100}}]
  - name: narrow
    matches: [{{model: {{value: narrow}}}}]
    backendRefs: [{{name: main, model: of-main}}]
    mirrors: [{{name: single, model: of-narrow, percent: 100}}]
  - name: unmirrored
    matches: [{{model: {{value: unmirrored}}}}]
    backendRefs: [{{name: main, model: of-main}}]
  - name: hurried
    matches: [{{model: {{value: hurried}}}}]
    backendRefs: [{{name: main, model: of-main}}]
    mirrors: [{{name: single, model: of-hurried, percent: 100}}]
    timeouts: {{request: 2s}}
  - name: busy
    matches: [{{model: {{value: busy}}}}]
    backendRefs: [{{name: single, model: of-single}}]
    mirrors: [{{name: single, model: of-copy, percent: 100}}]
  - name: all
    backendRefs: [{{name: main, model: of-main}}]
    mirrors:
    - {{name: claude, model: of-claude, percent: 100}}
    - {{name: other, model: a-longer-model-of-other, promptRef: {{name: prompt}}, percent: 100}}
"""
PROMPT = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: prompt}
data: {prompt: Answer like a pirate.}
"""
CLAUDE, OTHER = "default/claude", "default/other"


class World:
    """A gateway with a target and its mirrors."""

    def __init__(self, run: harness.Running, url: str, **providers: harness.Provider) -> None:
        self.run = run
        self.url = url
        self.main, self.claude, self.other, self.single = (
            providers[name] for name in ("main", "claude", "other", "single")
        )

    def ask(
        self, text: str, model: str = "all", *, stream: bool = False, **headers: str
    ) -> httpx2.Response:
        body = {
            "model": model,
            "stream": stream,
            "messages": [{"role": "user", "content": text}],
        }
        return httpx2.post(self.url, json=body, headers=headers, timeout=60)

    def heals(self) -> bool:
        """Whether both mirrors get copies."""
        before = len(self.claude.received), len(self.other.received)
        response = self.ask("are you well")
        assert self.run.record(response.headers["x-request-id"])["status"] == 200
        return len(self.claude.received) > before[0] and len(self.other.received) > before[1]

    def copy(self, provider: harness.Provider, text: str):
        """The copy that holds this text."""
        [found] = harness.eventually(
            lambda: [each for each in provider.received if text.encode() in each.body], 20
        )
        return found


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory):
    directory: Path = tmp_path_factory.mktemp("mirrors")
    providers = {name: harness.Provider() for name in ("main", "claude", "other", "single")}
    main, claude, other, single = providers.values()
    port = harness.free_port()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        closed = probe.getsockname()[1]
    harness.write(
        directory,
        gateway=harness.gateway(port),
        main=harness.backend("main", main.port),
        claude=harness.backend("claude", claude.port, provider="Anthropic"),
        other=harness.backend("other", other.port),
        single=harness.backend(
            "single", single.port, more="  circuitBreaker: {maxConcurrentRequests: 1}\n"
        ),
        dead=harness.backend("dead", closed),
        prompt=PROMPT,
        route=harness.route("assistant", RULES.format()),
        policy=harness.policy("baseline", POLICY),
    )
    with harness.running(directory) as run:
        url = f"http://127.0.0.1:{port}/v1/chat/completions"
        yield World(run, url, **providers)
    for provider in providers.values():
        provider.close()


@pytest.mark.parametrize("stream", [False, True])
def test_each_mirror_is_asked_as_itself(world: World, stream: bool) -> None:
    text = f"a question, stream {stream}"
    response = world.ask(text, stream=stream)
    assert response.status_code == 200
    assert response.headers["x-dragoman-backend"] == "default/main"

    copied = world.copy(world.claude, text)
    body, headers = json.loads(copied.body), dict(copied.headers)
    assert (copied.path, body["model"], body.get("stream", False)) == (
        "/v1/messages",
        "of-claude",
        stream,
    )
    assert headers["x-api-key"] == "planted-key-of-claude"
    assert "authorization" not in headers
    assert int(headers["content-length"]) == len(copied.body)
    assert headers["host"] == f"127.0.0.1:{world.claude.port}"

    copied = world.copy(world.other, text)
    body, headers = json.loads(copied.body), dict(copied.headers)
    assert (copied.path, body["model"]) == ("/v1/chat/completions", "a-longer-model-of-other")
    assert body["messages"][0] == {"role": "system", "content": "Answer like a pirate."}
    assert headers["authorization"] == "Bearer planted-key-of-other"
    assert int(headers["content-length"]) == len(copied.body)

    asked = world.main.last()
    assert json.loads(asked.body)["messages"] == [{"role": "user", "content": text}]
    for received in (asked, copied, world.copy(world.claude, text)):
        assert not [
            name
            for name, _ in received.headers
            if name.startswith(("x-dragoman", "x-envoy", "dragoman"))
        ]

    record = world.run.record(response.headers["x-request-id"])
    assert (record["backend"], record["attempts"], record["failed"]) == ("default/main", 1, [])
    assert [(each["backend"], each["prompt"]) for each in record["mirrors"]] == [
        (CLAUDE, None),
        (OTHER, "prompt"),
    ]


def test_a_copy_counts_only_as_a_copy(world: World) -> None:
    before = world.run.metrics()
    world.ask("counted once")
    world.copy(world.claude, "counted once")
    world.copy(world.other, "counted once")
    after = harness.eventually(lambda: (now := world.run.metrics()) != before and now)
    name = 'dragoman_mirror_copies_total{backend="default/claude",model="of-claude",prompt="",route="default/assistant",rule="all"}'
    assert counted(after, name) == counted(before, name) + 1
    envoys = 'envoy_cluster_upstream_rq_xx{envoy_response_code_class="2",envoy_cluster_name="mirror_default/claude/of-claude"}'
    harness.eventually(lambda: counted(world.run.metrics(), envoys) == counted(before, envoys) + 1)
    answers = [line for line in after.splitlines() if line.startswith("dragoman_target_answers")]
    assert not [line for line in answers if CLAUDE in line]


def counted(metrics: str, name: str) -> float:
    lines = [line for line in metrics.splitlines() if line.startswith(name)]
    return float(lines[0].rpartition(" ")[2]) if lines else 0.0


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "fault", ["fault-status-500", "fault-status-429", "fault-cut-after-0", "fault-hang"]
)
def test_what_becomes_of_a_copy_is_nobodys_trouble(world: World, fault: str, stream: bool) -> None:
    """A mirror that hangs would hold an answer for as long as the test may take."""
    world.claude.fault = world.other.fault = fault
    try:
        for number in range(8):  # enough to eject a target
            text = f"{fault} {stream} {number}"
            response = world.ask(text, stream=stream)
            assert response.status_code == 200
            assert response.headers["x-dragoman-backend"] == "default/main"
        assert world.copy(world.claude, f"{fault} {stream} 0")
    finally:
        world.claude.fault = world.other.fault = ""
        harness.eventually(world.heals)  # an endpoint that fails is passed over for a while


def test_a_dead_mirror_is_not_noticed(world: World) -> None:
    for _ in range(8):
        response = world.ask("to the dead", "dead")
        assert (response.status_code, response.headers["x-dragoman-backend"]) == (
            200,
            "default/main",
        )


def test_a_request_that_is_tried_again_is_copied_once(world: World) -> None:
    for number in range(3):
        response = world.ask(f"again and again {number}", "retried")
        assert response.headers["x-dragoman-backend"] == "default/main"
        assert world.copy(world.other, f"again and again {number}")
    assert world.other.bodies().count(b"again and again 0") == 1


def test_a_mirror_sees_what_the_guards_released_and_no_more(world: World) -> None:
    assert world.ask("the forbidden phrase of 4711").status_code == 403
    assert world.ask("write to jane@example.org about 4712").status_code == 200
    for mirror in (world.claude, world.other):
        assert b"jane@example.org" not in world.copy(mirror, "4712").body
        assert b"4711" not in mirror.bodies()


def test_what_is_bound_to_a_backend_is_not_copied_elsewhere(world: World) -> None:
    response = world.ask("all about project manhattan")
    assert (response.status_code, response.headers["x-dragoman-backend"]) == (200, "default/main")
    record = world.run.record(response.headers["x-request-id"])
    assert (record["labels"], record["mirrors"]) == ({"secret": ["true"]}, [])
    world.ask("after it")
    for mirror in (world.claude, world.other):
        world.copy(mirror, "after it")
        assert b"manhattan" not in mirror.bodies()


@pytest.mark.parametrize("model", ["none", "unmirrored"])
def test_nothing_is_copied_unless_the_lot_falls(world: World, model: str) -> None:
    response = world.ask(f"to {model}", model)
    assert world.run.record(response.headers["x-request-id"])["mirrors"] == []
    world.ask(f"after {model}")
    world.copy(world.other, f"after {model}")
    assert f"to {model}".encode() not in world.other.bodies()


def test_a_client_cannot_send_copies(world: World) -> None:
    told = {
        "dragoman-mirror": "e30=",
        "dragoman-mirror-0": "mirror:default/other/a-longer-model-of-other",
        "dragoman-mirror-1": "default/other/of-other",
        "x-dragoman-path": "/v1/files",
        "x-dragoman-translated": "1",
    }
    for model in ("unmirrored", "none", "all"):
        response = world.ask(f"smuggled by {model}", model, **told)
        assert response.status_code == 200
    copied = world.copy(world.other, "smuggled by all")
    assert copied.path == "/v1/chat/completions"
    assert b"smuggled by unmirrored" not in world.other.bodies()
    assert b"smuggled by none" not in world.other.bodies()


def test_callers_come_before_copies(world: World) -> None:
    """The AIBackend takes one request at a time, and the caller's is one."""
    response = world.ask("one at a time", "busy")
    assert response.status_code == 200
    assert world.run.record(response.headers["x-request-id"])["mirrors"] == []


def test_a_slow_mirror_has_only_so_many_copies(world: World) -> None:
    """The first copy hangs at it, so the second is dropped; the callers are answered."""
    overflow = 'envoy_cluster_upstream_rq_active_overflow{envoy_cluster_name="mirror_default/single/of-narrow"}'
    world.single.fault = "fault-hang"
    world.ask("narrow one", "narrow")
    world.copy(world.single, "narrow one")
    assert world.ask("narrow two", "narrow").status_code == 200
    harness.eventually(lambda: counted(world.run.metrics(), overflow) > 0)
    assert b"narrow two" not in world.single.bodies()
    world.single.fault = ""


def test_a_copy_ends_with_the_time_of_its_request(world: World) -> None:
    """Also where it has passed the internal listener: the mirror itself would never end it."""
    name = (
        'envoy_cluster_upstream_rq_active{envoy_cluster_name="%smirror_default/single/of-hurried"}'
    )
    world.single.fault = "fault-hang"
    assert world.ask("hurry", "hurried").status_code == 200
    world.copy(world.single, "hurry")
    for part in ("", "judged_"):
        harness.eventually(lambda part=part: f"{name % part} 0" in world.run.metrics())
    assert world.single.bodies().count(b"hurry") == 1
    world.single.fault = ""


def test_large_prompts_are_copied_whole(world: World) -> None:
    text = "many words " * 200_000 + "4713"
    assert world.ask(text).status_code == 200
    copied = world.copy(world.claude, "4713")
    assert json.loads(copied.body)["messages"][0]["content"] == [{"type": "text", "text": text}]
