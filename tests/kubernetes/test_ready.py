"""`kubectl wait --for=condition=Ready` returns when a request really succeeds, and not before."""

import os

import openai
import pytest

from tests.kubernetes.installed import ask, backend, eventually, gateway, route

pytestmark = pytest.mark.timeout(1800)

REPETITIONS = int(os.environ.get("DRAGOMAN_REPETITIONS", "200"))
"""CI has less time."""


def test_ready_means_that_the_next_request_gets_the_new_answer(dragoman, team):
    dragoman.apply(team, gateway(), backend(), route())
    dragoman.wait(team, "air/assistant", "aib/mock")
    url = dragoman.url(team)
    both = eventually(lambda: (found := dragoman.pods(team)) and len(found) == 2 and found)
    pods = [f"http://{pod['status']['podIP']}:10080" for pod in both]
    wrong = []
    for number in range(REPETITIONS):
        model = f"model-{number}"
        dragoman.apply(team, route(model=model))
        dragoman.wait(team, "air/assistant")
        for place in (url, *pods):
            answer = ask(place)
            if answer.status_code != 200 or answer.json()["model"] != model:
                wrong.append((number, place, answer.status_code, answer.text[:200]))
    assert wrong == []


def test_the_official_sdk_is_answered_through_the_service(dragoman, team):
    dragoman.apply(team, gateway(), backend(), route())
    dragoman.wait(team, "air/assistant")
    client = openai.OpenAI(base_url=f"{dragoman.url(team)}/v1", api_key="unused", max_retries=0)
    with client:
        message = [{"role": "user", "content": "hello"}]
        answer = client.chat.completions.create(model="echo", messages=message)
        assert answer.choices[0].message.content == "hello"
        stream = client.chat.completions.create(model="echo", messages=message, stream=True)
        text = "".join(c.choices[0].delta.content or "" for c in stream if c.choices)
        assert text == "hello"


def test_an_object_without_proxies_or_references_says_so(dragoman, team):
    dragoman.apply(
        team,
        gateway(
            infrastructure={"parametersRef": {"group": "", "kind": "ConfigMap", "name": "none"}}
        ),
    )
    dragoman.apply(team, backend(), backend("unused"), route())
    unused = eventually(
        lambda: (
            (c := dragoman.condition(team, "aib", "unused", "Ready")).get("status") == "True" and c
        )
    )
    assert unused["reason"] == "NotReferenced"
    waiting = eventually(
        lambda: (
            (c := dragoman.condition(team, "air", "assistant", "Ready")).get("status") == "False"
            and c
        )
    )
    assert waiting["reason"] == "WaitingForProxies"
    accepted = dragoman.condition(team, "gateway", "ai", "Accepted")
    assert (accepted["status"], accepted["reason"]) == ("False", "InvalidParameters")
    assert "spec.infrastructure.parametersRef" in accepted["message"]
    parameters = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "none"},
        "data": {"dataPlane.yaml": "replicas: 0"},
    }
    dragoman.apply(team, parameters)
    eventually(lambda: dragoman.condition(team, "gateway", "ai", "Accepted")["status"] == "True")
    assert dragoman.condition(team, "air", "assistant", "Ready")["reason"] == "WaitingForProxies"
    dragoman.kubectl("scale", "deployment/ai-dragoman", "-n", team, "--replicas=1")
    dragoman.wait(team, "air/assistant", "aib/mock")
    assert ask(dragoman.url(team)).status_code == 200
    dragoman.kubectl("scale", "deployment/ai-dragoman", "-n", team, "--replicas=0")
    eventually(lambda: not dragoman.pods(team))
    assert dragoman.condition(team, "air", "assistant", "Ready")["status"] == "True"
