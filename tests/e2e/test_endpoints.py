"""Among the endpoints of one AIBackend, with a real Envoy: who serves, who is asked whether it is well."""

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

from tests.e2e import harness

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

SERVICE = """\
apiVersion: v1
kind: Service
metadata: {{name: {name}}}
spec: {{ports: [{{port: 80}}]}}
"""
SLICE = """\
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: {name}-{port}, labels: {{kubernetes.io/service-name: {name}}}}}
addressType: IPv4
endpoints: [{{addresses: [127.0.0.1]}}]
ports: [{{port: {port}}}]
"""
BACKEND = """\
apiVersion: dragoman.dev/v1alpha1
kind: AIBackend
metadata: {{name: {name}}}
spec:
  provider: OpenAICompatible
  endpoint: {{serviceRef: {{name: {name}, port: 80}}}}
  tls: {{mode: None}}
  auth: {{type: APIKey, secretRef: {{name: {name}-key}}}}
  ejection: {{consecutiveErrors: 1000}}
{more}"""
PROBE = "/v1/models"
"""Answered 200, or as the provider's fault says."""


class Pool:
    """A self-hosted backend with several endpoints, behind a gateway."""

    def __init__(self, directory: Path, rules: str, more: str = "", **others: str) -> None:
        self.servers = [harness.Provider() for _ in range(3)]
        self.client = httpx2.Client(timeout=60)
        self.url = f"http://127.0.0.1:{(port := harness.free_port())}/v1/chat/completions"
        self._documents = [
            harness.KEY.format(name="pool", key="planted-key-of-pool"),
            SERVICE.format(name="pool"),
            BACKEND.format(name="pool", more=more),
        ]
        self._write(directory, self.servers)
        harness.write(
            directory,
            gateway=harness.gateway(port),
            route=harness.route("assistant", rules),
            **others,
        )

    def _write(self, directory: Path, servers: list[harness.Provider]) -> None:
        slices = [SLICE.format(name="pool", port=each.port) for each in servers]
        harness.write(directory, pool="---\n".join([*self._documents, *slices]))

    def leave(self, directory: Path, number: int) -> None:
        """An endpoint of the Service goes."""
        self._write(directory, [each for n, each in enumerate(self.servers) if n != number])

    def ask(self, text: str = "hello", *, headers: dict[str, str] | None = None, **more):
        body = {"model": "m", "messages": [{"role": "user", "content": text}], **more}
        return self.client.post(self.url, json=body, headers=headers)

    def counts(self) -> list[int]:
        return [len(self.asked(each)) for each in self.servers]

    def asked(self, server: harness.Provider):
        """What a server was sent, probes apart."""
        return [each for each in server.received if each.method == "POST"]

    def server(self, *arguments, **more) -> int:
        """Which endpoint serves this request."""
        before = self.counts()
        response = self.ask(*arguments, **more)
        assert response.status_code == 200, response.text
        (served,) = [n for n, count in enumerate(self.counts()) if count != before[n]]
        return served

    def close(self) -> None:
        self.client.close()
        for each in self.servers:
            each.close()


RING = "  loadBalancing: {policy: RingHash}\n"
STICKY = """\
  - {name: talk, matches: [{model: {value: talk}}], backendRefs: [{name: pool}]}
  - {name: user, stickiness: {by: User}, retry: {attempts: 1}, backendRefs: [{name: pool}]}
"""


@pytest.fixture
def ring(tmp_path: Path):
    pool = Pool(tmp_path, STICKY, RING)
    with harness.running(tmp_path) as run:
        yield run, pool
    pool.close()


def test_equal_keys_meet_the_same_endpoint_and_nobody_forges_one(ring) -> None:
    run, pool = ring
    homes = {f"user-{n}": pool.server(user=f"user-{n}") for n in range(30)}
    assert set(homes.values()) == {0, 1, 2}
    for user, home in homes.items():
        forged = {"x-dragoman-affinity": "the same for all"}
        assert {pool.server(user=user, headers=forged) for _ in range(3)} == {home}
    assert len({pool.server() for _ in range(40)}) > 1  # no key: by lot
    sent = "".join(str(each) for server in pool.servers for each in server.received)
    assert "x-dragoman" not in sent
    assert "user-" not in "".join([*run.stdout, *run.stderr, run.metrics()])


def test_turns_of_a_conversation_meet_the_same_endpoint(ring) -> None:
    _, pool = ring
    homes = set()
    for number in range(20):
        turns = [
            {"role": "system", "content": "You help."},
            {"role": "user", "content": f"Question {number}"},
        ]
        (home,) = {pool.server(model="talk", messages=turns[:2])}
        for _ in range(3):
            turns += [
                {"role": "assistant", "content": "Answer"},
                {"role": "user", "content": "And then?"},
            ]
            assert pool.server(model="talk", messages=turns) == home
        homes.add(home)
    assert homes == {0, 1, 2}


def test_a_retry_at_the_same_backend_meets_another_endpoint(ring) -> None:
    _, pool = ring
    home = pool.server(user="jane")
    pool.servers[home].fault = "fault-status-500"
    for _ in range(5):
        before = pool.counts()
        response = pool.ask(user="jane")
        assert response.status_code == 200
        assert response.headers["x-dragoman-attempts"] == "2"
        assert pool.counts()[home] == before[home] + 1
    pool.servers[home].fault = ""
    assert pool.server(user="jane") == home


@pytest.mark.parametrize("policy", ["LeastRequest", "RoundRobin"])
def test_a_busy_endpoint_is_kept_off_unless_they_take_turns(policy: str, tmp_path: Path) -> None:
    more = f"  loadBalancing: {{policy: {policy}}}\n"
    pool = Pool(tmp_path, "  - {name: only, backendRefs: [{name: pool}]}\n", more)
    with ThreadPoolExecutor(1) as threads, harness.running(tmp_path):
        for each in pool.servers:
            each.fault = "fault-delay-60"
        threads.submit(pool.ask)
        harness.eventually(lambda: sum(pool.counts()) == 1)
        busy = pool.counts().index(1)
        for each in pool.servers:
            each.fault = ""
        served = Counter(pool.server() for _ in range(90))
        turns = served[busy] > 20  # of two drawn by lot both are the busy one: about ten times
        assert turns == (policy == "RoundRobin"), served
    pool.close()


CHECKED = f"  healthCheck: {{path: {PROBE}, interval: 1s, unhealthyThreshold: 2}}\n"
FAILOVER = """\
  - {name: only, backendRefs: [{name: pool, model: m}, {name: spare, model: m, priority: 1}]}
"""


def test_an_unhealthy_endpoint_gets_no_requests_and_a_healthy_one_does_again(
    tmp_path: Path,
) -> None:
    pool = Pool(tmp_path, "  - {name: only, backendRefs: [{name: pool}]}\n", CHECKED)
    pool.servers[0].fault = "fault-status-500"  # from the start: asked before it serves
    with harness.running(tmp_path):
        assert {pool.server() for _ in range(20)} == {1, 2}
        assert pool.counts()[0] == 0
        probes = [each for each in pool.servers[0].received if each.method == "GET"]
        assert {each.path for each in probes} == {PROBE}
        assert "planted-key" not in str(probes)
        assert "x-dragoman" not in str(probes)
        pool.servers[0].fault = ""
        harness.eventually(lambda: pool.server() == 0)
        pool.leave(tmp_path, 2)  # new endpoints take over once they were asked: no request fails
        harness.eventually(lambda: {pool.server() for _ in range(8)} == {0, 1})
    pool.close()


def test_without_a_healthy_endpoint_the_next_target_serves_at_once(tmp_path: Path) -> None:
    """No request goes to what failed its checks, though nothing else tells that it is down."""
    spare = harness.Provider()
    pool = Pool(tmp_path, FAILOVER, CHECKED, spare=harness.backend("spare", spare.port))
    with harness.running(tmp_path):
        assert pool.ask().headers["x-dragoman-backend"] == "default/pool"
        for each in pool.servers:
            each.fault = "fault-status-500"
        seen = [len(each.received) for each in pool.servers]
        harness.eventually(  # two failures and one question more, so that both were heard
            lambda: all(
                len(each.received) >= n + 3 for each, n in zip(pool.servers, seen, strict=True)
            )
        )
        before = pool.counts()
        for _ in range(10):
            response = pool.ask()
            assert response.status_code == 200
            assert response.headers["x-dragoman-backend"] == "default/spare"
            assert response.headers["x-dragoman-attempts"] == "2"
        assert pool.counts() == before
        for each in pool.servers:
            each.fault = ""
        harness.eventually(lambda: pool.ask().headers["x-dragoman-backend"] == "default/pool")
    pool.close()
    spare.close()


BUDGET = """\
  - name: only
    retry: {attempts: 1, budget: {percent: 20, perSecond: 0}}
    backendRefs: [{name: first, model: m}, {name: second, model: m, priority: 1}]
"""


def test_a_retry_budget_bounds_further_tries(tmp_path: Path) -> None:
    first, second = harness.Provider(fault="fault-status-500"), harness.Provider()
    port = harness.free_port()
    harness.write(
        tmp_path,
        gateway=harness.gateway(port),
        route=harness.route("assistant", BUDGET),
        first=harness.backend("first", first.port, more="  ejection: {consecutiveErrors: 30}\n"),
        second=harness.backend("second", second.port),
    )
    body = {"model": "any", "messages": [{"role": "user", "content": "hello"}]}

    with harness.running(tmp_path) as run, httpx2.Client(timeout=60) as client:

        def ask() -> httpx2.Response:
            return client.post(f"http://127.0.0.1:{port}/v1/chat/completions", json=body)

        answers = [ask() for _ in range(30)]
        served = [each for each in answers if each.status_code == 200]
        assert {each.status_code for each in answers} == {200, 500}
        assert 1 <= len(served) <= 6
        assert len(second.received) == len(served)
        assert len(first.received) == 30
        refused = next(each for each in answers if each.status_code == 500)
        record = run.record(refused.headers["x-request-id"])
        assert record["retry_budget_spent"] is True
        assert record["attempts"] == 1
        told = 'dragoman_retry_budget_spent_total{route="default/assistant",rule="only"}'
        assert told in run.metrics()
        # thirty failures in a row: the other stands first now, and needs no retry
        assert {ask().headers.get("x-dragoman-backend") for _ in range(10)} == {"default/second"}
        assert json.loads(second.last().body)["model"] == "m"
    first.close()
    second.close()
