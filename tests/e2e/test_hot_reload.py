"""Edits while requests pass: the good ones are live, the bad ones are reported, none costs a request."""

import random
import threading
from pathlib import Path

import httpx2
import pytest

from tests.e2e import harness

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


def rule(name: str, target: str, model: str = "") -> str:
    matches = f"    matches: [{{model: {{value: {model}}}}}]\n" if model else ""
    return f"  - name: {name}\n{matches}    backendRefs: [{{name: {target}}}]\n"


WORDS = (
    "  request:\n    guards: [{{name: words, type: Keywords, words: [{word}], action: Block}}]\n"
)


def test_200_edits_without_a_failed_request(tmp_path: Path, provider: harness.Provider) -> None:
    """Backends switched, rules added, removed and reordered, policies changed."""
    port = harness.free_port()
    other = harness.Provider()
    rng = random.Random(7)
    harness.write(
        tmp_path,
        gateway=harness.gateway(port),
        one=harness.backend("one", provider.port),
        two=harness.backend("two", other.port),
        route=harness.route("assistant", rule("default", "one")),
    )
    url = f"http://127.0.0.1:{port}/v1/chat/completions"
    failures: list[str] = []
    answered = [0]
    stop = threading.Event()

    def load(stream: bool) -> None:
        with httpx2.Client(timeout=30) as client:
            while not stop.is_set():
                try:
                    response = client.post(
                        url,
                        json={
                            "model": "echo",
                            "stream": stream,
                            "messages": [{"role": "user", "content": "hello"}],
                        },
                    )
                    answered[0] += 1
                    if response.status_code != 200 or "hello" not in response.text:
                        failures.append(f"{response.status_code} {response.text[:200]}")
                except httpx2.HTTPError as error:
                    failures.append(repr(error))

    with harness.running(tmp_path) as run:
        threads = [threading.Thread(target=load, args=(stream,)) for stream in (False, True, False)]
        for thread in threads:
            thread.start()
        for number in range(200):
            target = ("one", "two")[number % 2]
            extra = [rule(f"extra-{n}", target, f"model-{n}") for n in range(rng.randrange(4))]
            rng.shuffle(extra)
            match number % 4:
                case 0 | 1:
                    harness.write(
                        tmp_path,
                        route=harness.route(
                            "assistant", "".join([*extra, rule("default", target)])
                        ),
                    )
                case 2:
                    harness.write(
                        tmp_path,
                        policy=harness.policy("baseline", WORDS.format(word=f"word-{number}")),
                    )
                case _:
                    (tmp_path / "policy.yaml").unlink(missing_ok=True)
            threading.Event().wait(0.08)
        harness.write(tmp_path, route=harness.route("assistant", rule("default", "two")))
        seen = len(other.received)
        harness.eventually(lambda: len(other.received) > seen + 20)
        stop.set()
        for thread in threads:
            thread.join()
        assert failures == []
        assert answered[0] > 200
        assert not run.stderr, run.stderr
    other.close()


def chat(url: str, text: str, model: str = "echo") -> httpx2.Response:
    return httpx2.post(
        url, json={"model": model, "messages": [{"role": "user", "content": text}]}, timeout=30
    )


def test_a_broken_route_is_named_and_taken_out_alone(
    tmp_path: Path, provider: harness.Provider
) -> None:
    port = harness.free_port()
    url = f"http://127.0.0.1:{port}/v1/chat/completions"
    harness.write(
        tmp_path,
        gateway=harness.gateway(port),
        one=harness.backend("one", provider.port),
        route=harness.route("assistant", rule("default", "one", "echo")),
        second=harness.route("second", rule("default", "one", "gpt-4o")),
    )
    with harness.running(tmp_path) as run:
        assert chat(url, "hello").status_code == 200
        broken = harness.route(
            "second", rule("default", "one", "gpt-4o").replace("backendRefs", "backendRef")
        )
        harness.write(tmp_path, second=broken)
        line = harness.eventually(lambda: next((x for x in run.stderr if "backendRef" in x), ""))
        assert "second.yaml" in line
        assert "AIRoute default/second" in line
        assert "spec.rules[0]" in line
        assert chat(url, "hello").status_code == 200
        harness.eventually(lambda: chat(url, "hello", "gpt-4o").status_code == 404)
        harness.write(tmp_path, second="this: is: not: yaml: [")
        harness.eventually(lambda: any("second.yaml" in x and "YAML" in x for x in run.stderr))
        assert chat(url, "hello").status_code == 200


def test_a_broken_policy_keeps_its_last_version_and_without_one_its_targets_answer_503(
    tmp_path: Path, provider: harness.Provider
) -> None:
    port = harness.free_port()
    url = f"http://127.0.0.1:{port}/v1/chat/completions"
    good = harness.policy("baseline", WORDS.format(word="forbidden"))
    harness.write(
        tmp_path,
        gateway=harness.gateway(port),
        one=harness.backend("one", provider.port),
        route=harness.route("assistant", rule("default", "one")),
        policy=good,
    )
    broken = good.replace("type: Keywords", "type: Keyword")
    with harness.running(tmp_path) as run:
        assert chat(url, "forbidden").status_code == 403
        harness.write(tmp_path, policy=broken)
        harness.eventually(lambda: any("AIPolicy default/baseline" in line for line in run.stderr))
        assert chat(url, "forbidden").status_code == 403
        assert chat(url, "hello").status_code == 200
    with harness.running(tmp_path) as run:
        refused = chat(url, "hello")
        assert refused.status_code == 503
        assert refused.json()["error"]["code"] == "guard_unavailable"
        harness.write(tmp_path, policy=good)
        harness.eventually(lambda: chat(url, "hello").status_code == 200)
        assert chat(url, "forbidden").status_code == 403
    assert b"forbidden" not in provider.bodies()


def test_a_controller_killed_while_files_are_broken_loses_nothing(
    tmp_path: Path, provider: harness.Provider
) -> None:
    """What is broken on disk goes on in its last good version, also under the next controller."""
    port = harness.free_port()
    url = f"http://127.0.0.1:{port}/v1/chat/completions"
    good = harness.policy("baseline", WORDS.format(word="forbidden"))
    harness.write(
        tmp_path,
        gateway=harness.gateway(port),
        one=harness.backend("one", provider.port),
        route=harness.route("assistant", rule("default", "one")),
        policy=good,
    )
    with harness.running(tmp_path) as run:
        assert chat(url, "forbidden").status_code == 403
        harness.write(
            tmp_path,
            policy=good.replace("type: Keywords", "type: Keyword"),
            route="this: is: not: yaml: [",
            one=harness.backend("one", provider.port).replace("OpenAI", "OpenIA"),
        )
        for name in ("baseline", "route.yaml", "AIBackend default/one"):
            harness.eventually(lambda name=name: any(name in line for line in run.stderr))
        for _ in range(2):
            run.stderr.clear()
            old = run.kill("controller")
            harness.eventually(lambda old=old: run.children().get("controller") not in (None, old))
            for name in ("baseline", "route.yaml", "AIBackend default/one"):
                harness.eventually(lambda name=name: any(name in line for line in run.stderr))
            assert chat(url, "forbidden").status_code == 403
            assert chat(url, "hello").status_code == 200
        harness.write(
            tmp_path,
            policy=good.replace("forbidden", "other"),
            route=harness.route("assistant", rule("default", "one")),
            one=harness.backend("one", provider.port),
        )
        harness.eventually(lambda: chat(url, "forbidden").status_code == 200)
        assert chat(url, "other").status_code == 403


def test_a_rotated_key_is_used_without_a_failed_request(
    tmp_path: Path, provider: harness.Provider
) -> None:
    port = harness.free_port()
    url = f"http://127.0.0.1:{port}/v1/chat/completions"
    harness.write(
        tmp_path,
        gateway=harness.gateway(port),
        one=harness.backend("one", provider.port, key="first-key"),
        route=harness.route("assistant", rule("default", "one")),
    )
    with harness.running(tmp_path):
        assert chat(url, "hello").status_code == 200
        harness.write(tmp_path, one=harness.backend("one", provider.port, key="second-key"))

        def rotated() -> bool:
            assert chat(url, "hello").status_code == 200
            return provider.header("authorization") == "Bearer second-key"

        harness.eventually(rotated)
