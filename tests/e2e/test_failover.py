"""The first target fails in every way it can; the second answers, as itself."""

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

from tests.e2e import harness

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

FIRST_KEY, SECOND_KEY = "planted-key-of-first", "planted-key-of-second"


def start(
    tmp_path: Path,
    first_port: int,
    second_port: int,
    *,
    rule: str = "",
    more: str = "",
    host: str = "127.0.0.1",
):
    port = harness.free_port()
    refs = "    backendRefs: [{name: first, model: model-of-first}, {name: second, model: a-longer-model-of-second, priority: 1}]\n"
    harness.write(
        tmp_path,
        gateway=harness.gateway(port),
        first=harness.backend("first", first_port, more=more, host=host),
        second=harness.backend("second", second_port, provider="OpenAICompatible"),
        route=harness.route("assistant", f"  - name: only\n{refs}{rule}"),
    )
    return f"http://127.0.0.1:{port}/v1/chat/completions"


def ask(url: str, *, stream: bool = False, text: str = "hello") -> httpx2.Response:
    return httpx2.post(
        url,
        json={"model": "any", "stream": stream, "messages": [{"role": "user", "content": text}]},
        timeout=60,
    )


def assert_second_answered(response: httpx2.Response, second: harness.Provider) -> None:
    assert response.status_code == 200, response.text
    request = second.last()
    headers = dict(request.headers)
    assert headers["authorization"] == f"Bearer {SECOND_KEY}"
    assert json.loads(request.body)["model"] == "a-longer-model-of-second"
    assert int(headers["content-length"]) == len(request.body)
    assert FIRST_KEY not in str(request)
    assert response.headers["x-dragoman-backend"] == "default/second"
    assert response.headers["x-dragoman-model"] == "a-longer-model-of-second"


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory):
    directory = tmp_path_factory.mktemp("pair")
    first, second = harness.Provider(), harness.Provider()
    rule = "    timeouts: {attempt: 500ms, firstByte: 500ms}\n"
    url = start(directory, first.port, second.port, rule=rule)
    with harness.running(directory) as run:
        yield run, url, first, second
    first.close()
    second.close()


@pytest.mark.parametrize(
    "fault",
    ["fault-status-429", "fault-status-500", "fault-status-503", "fault-status-529", "fault-hang"],
)
@pytest.mark.parametrize("stream", [False, True])
def test_the_first_fails_and_the_second_answers(pair, fault: str, stream: bool) -> None:
    run, url, first, second = pair
    first.fault = fault
    response = ask(url, stream=stream)
    assert_second_answered(response, second)
    assert json.loads(first.last().body)["model"] == "model-of-first"
    assert dict(first.last().headers)["authorization"] == f"Bearer {FIRST_KEY}"
    record = run.record(response.headers["x-request-id"])
    assert record["attempts"] == 2
    assert record["backend"] == "default/second"
    assert record["usage"]["output_tokens"] > 0
    first.fault = ""
    # 429, 503 and 529 come with Retry-After: 1
    harness.eventually(lambda: ask(url).headers["x-dragoman-backend"] == "default/first")


def test_refused_unresolvable_and_ejected_targets_are_passed_over(tmp_path: Path) -> None:
    second = harness.Provider()
    for number, (port, host) in enumerate([(1, "127.0.0.1"), (8080, "does-not-exist.invalid")]):
        directory = tmp_path / str(number)
        directory.mkdir()
        url = start(directory, port, second.port, host=host)
        with harness.running(directory):
            for _ in range(12):  # enough to eject the endpoint
                assert_second_answered(ask(url), second)
    second.close()


def test_a_lone_target_is_asked_however_often_it_failed(tmp_path: Path) -> None:
    """One overloaded model of an account takes no other model from its callers."""
    provider, port = harness.Provider(), harness.free_port()
    harness.write(
        tmp_path,
        gateway=harness.gateway(port),
        only=harness.backend("only", provider.port),
        route=harness.route("assistant", "  - {name: only, backendRefs: [{name: only}]}\n"),
    )
    url = f"http://127.0.0.1:{port}/v1/chat/completions"
    messages = [{"role": "user", "content": "hello"}]
    with harness.running(tmp_path):
        for _ in range(12):
            busy = httpx2.post(url, json={"model": "fault-status-503", "messages": messages})
            assert busy.status_code == 503
        assert len(provider.received) == 12
        for _ in range(4):
            well = httpx2.post(url, json={"model": "echo", "messages": messages})
            assert well.status_code == 200
    provider.close()


def test_a_full_backend_is_passed_over(tmp_path: Path) -> None:
    """One request may be under way at the first; all others go to the second, and the place is freed."""
    first, second = harness.Provider(fault="fault-delay-2"), harness.Provider()
    url = start(
        tmp_path, first.port, second.port, more="  circuitBreaker: {maxConcurrentRequests: 1}\n"
    )
    with harness.running(tmp_path), ThreadPoolExecutor(8) as pool:
        responses = [f.result() for f in [pool.submit(ask, url) for _ in range(8)]]
        assert {r.status_code for r in responses} == {200}
        assert [r.headers["x-dragoman-backend"] for r in responses].count("default/first") == 1
        assert len(second.received) == 7
        assert ask(url).headers["x-dragoman-backend"] == "default/first"
    first.close()
    second.close()


def test_200_concurrent_429s_all_fail_over(tmp_path: Path) -> None:
    first, second = harness.Provider(fault="fault-status-429"), harness.Provider()
    url = start(tmp_path, first.port, second.port)
    with harness.running(tmp_path), ThreadPoolExecutor(50) as pool:
        responses = [
            f.result() for f in [pool.submit(ask, url, text=f"request {n}") for n in range(200)]
        ]
        assert {r.status_code for r in responses} == {200}
        assert len(second.received) == 200
        assert not [r for r in second.received if FIRST_KEY in str(r)]
        assert all(int(dict(r.headers)["content-length"]) == len(r.body) for r in second.received)
    first.close()
    second.close()


def test_when_every_target_fails_the_caller_gets_its_own_error_shape(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        closed = probe.getsockname()[1]
    url = start(tmp_path, closed, closed)
    with harness.running(tmp_path) as run:
        response = ask(url)
        assert response.status_code in (502, 503)
        assert response.json()["error"]["code"]
        assert run.record(response.headers["x-request-id"])["status"] == response.status_code


def test_a_large_prompt_is_retried_whole(tmp_path: Path) -> None:
    """3 MB and a 429: the second target gets the same bytes."""
    first, second = harness.Provider(fault="fault-status-429"), harness.Provider()
    url = start(tmp_path, first.port, second.port)
    text = "many words " * 270_000
    with harness.running(tmp_path):
        assert_second_answered(ask(url, text=text), second)
        assert json.loads(second.last().body)["messages"][0]["content"] == text
    first.close()
    second.close()
