"""When a part dies, what was not inspected goes nowhere; seconds later the service is back."""

import os
import signal
import threading
import time
from pathlib import Path

import httpx2
import pytest

from tests.e2e import harness

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

SECRET = "planted forbidden phrase"
POLICY = """\
  request:
    guards: [{name: words, type: Keywords, words: [forbidden phrase], action: Redact}]
  response:
    guards: [{name: words, type: Keywords, words: [unspeakable word], action: Redact}]
"""
RULES = """\
  - name: translated
    matches: [{model: {value: either}}]
    backendRefs: [{name: openai, model: echo}, {name: openai, model: gpt-4o, priority: 1}]
  - name: direct
    backendRefs: [{name: openai}]
"""


@pytest.fixture(scope="module")
def provider():
    started = harness.Provider()
    yield started
    started.close()


@pytest.fixture(scope="module")
def gateway_run(tmp_path_factory: pytest.TempPathFactory, provider: harness.Provider):
    tmp_path: Path = tmp_path_factory.mktemp("config")
    port = harness.free_port()
    harness.write(
        tmp_path,
        gateway=harness.gateway(port),
        openai=harness.backend("openai", provider.port),
        route=harness.route("assistant", RULES),
        policy=harness.policy("baseline", POLICY),
    )
    with harness.running(tmp_path) as run:
        yield run, f"http://127.0.0.1:{port}/v1/chat/completions"


@pytest.fixture
def url(gateway_run):
    """The gateway, recovered from whatever the test before did to it."""
    run, address = gateway_run

    def serves() -> bool:
        try:
            return ask(address, "hello").status_code == 200
        except httpx2.HTTPError:
            return False

    harness.eventually(serves)
    return run, address


def ask(url: str, text: str, model: str = "echo", *, stream: bool = False) -> httpx2.Response:
    body = {"model": model, "stream": stream, "messages": [{"role": "user", "content": text}]}
    return httpx2.post(url, json=body, timeout=30, headers={"x-dragoman-class": "call,retries=0"})


def test_ext_proc_killed_under_load_three_times(url, provider: harness.Provider) -> None:
    """No request passes uninspected, none hangs, and each time the service comes back."""
    run, address = url
    stop = threading.Event()
    statuses: list[int] = []
    leaked: list[str] = []

    def load(stream: bool, model: str) -> None:
        while not stop.is_set():
            try:
                response = ask(address, f"{SECRET} and an unspeakable word", model, stream=stream)
            except httpx2.HTTPError:
                continue  # a stream cut in the middle
            statuses.append(response.status_code)
            if "unspeakable" in response.text:
                leaked.append(response.text)

    threads = [
        threading.Thread(target=load, args=case)
        for case in [
            (False, "echo"),
            (True, "echo"),
            (False, "either"),
            (True, "fault-delay-0.2+echo"),
        ]
    ]
    for thread in threads:
        thread.start()
    try:
        for _ in range(3):
            well = statuses.count(200)
            harness.eventually(lambda well=well: statuses.count(200) > well + 4)
            old = run.kill("ext_proc")
            harness.eventually(lambda old=old: run.children().get("ext_proc") not in (None, old))
        well = statuses.count(200)
        harness.eventually(lambda: statuses.count(200) > well)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert leaked == []
    assert b"forbidden phrase" not in provider.bodies()
    assert set(statuses) <= {200, 500, 502, 503, 504}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGSTOP])
@pytest.mark.parametrize("model", ["fault-delay-2+echo", "either"])
@pytest.mark.parametrize("stream", [False, True])
def test_ext_proc_signalled_while_the_provider_answers(
    url, provider: harness.Provider, number: signal.Signals, model: str, stream: bool
) -> None:
    """Whatever the phase, what the client sees of the answer has passed the guard."""
    run, address = url
    answers: list[str] = []
    known = len(provider.received)

    def call() -> None:
        try:
            answers.append(ask(address, "an unspeakable word", model, stream=stream).text)
        except httpx2.HTTPError as error:
            answers.append(repr(error))

    caller = threading.Thread(target=call)
    caller.start()
    harness.eventually(lambda: len(provider.received) > known)
    pid = run.kill("ext_proc", number)
    if number == signal.SIGSTOP:
        time.sleep(1)
        os.kill(pid, signal.SIGKILL)
    caller.join()
    assert "unspeakable" not in answers[0]


def test_envoy_and_controller_come_back(url) -> None:
    run, address = url
    for part in ("controller", "envoy"):
        old = run.kill(part)
        harness.eventually(lambda part=part, old=old: run.children().get(part) not in (None, old))

        def answered() -> bool:
            try:
                return ask(address, "hello").status_code == 200
            except httpx2.HTTPError:
                return False

        harness.eventually(answered)


def test_while_ext_proc_is_away_the_answer_is_a_clean_503(url, provider: harness.Provider) -> None:
    run, address = url
    os.kill(run.children()["ext_proc"], signal.SIGKILL)
    response = ask(address, SECRET)
    assert response.status_code in (200, 503)
    if response.status_code == 503:
        assert response.json()["error"]["code"] == "guard_unavailable"
    assert b"forbidden phrase" not in provider.bodies()
