"""`dragoman explain` and a running gateway say the same of a thousand random requests."""

import json
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

from controller.sources import files
from controller.translate import translate
from dragoman.explanation import Explanation, Request, explain
from tests.e2e import harness

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

REQUESTS = 1000
SEED = 20261128
MODELS = ["chat", "chat-mini", "gpt-4o", "gpt-4o-mini", "o3", "o3-mini", "claude-x", "unserved"]
TEXTS = [
    "hello",
    "write to jane@example.org",
    "the forbidden word",
    "a curious thing",
    "jane@example.org is curious",
]
PATHS = ["/v1/chat/completions", "/v1/chat/completions?trace=1", "/v1/embeddings", "/v1/nothing"]
HOSTS = ["a.example", "b.example", "x.b.example", "elsewhere.test"]
HEADERS = [{}, {"x-team": "red"}, {"x-team": "red", "x-beta": "1"}, {"x-beta": "1"}]

ROUTES = """\
  - {name: labelled, matches: [{labels: [{name: pii, value: "true"}], model: {type: Prefix, value: gpt-}}], backendRefs: [{name: local}]}
  - {name: chat, matches: [{model: {value: chat}}], backendRefs: [{name: cloud, weight: 2}, {name: local}, {name: spare, priority: 1}]}
  - {name: chat-red, matches: [{model: {value: chat}, headers: [{name: x-team, value: red}]}], backendRefs: [{name: spare}, {name: cloud, weight: 0}]}
  - {name: gpt, matches: [{model: {type: Prefix, value: gpt-}}], backendRefs: [{name: cloud}]}
  - {name: gpt-chat, matches: [{model: {type: Prefix, value: gpt-4}, path: {type: Prefix, value: /v1/chat}}], backendRefs: [{name: cloud}, {name: local, priority: 2}]}
  - {name: mini, matches: [{model: {type: Suffix, value: -mini}}], backendRefs: [{name: spare}]}
  - {name: series, matches: [{model: {type: Regex, value: "o[0-9](-.*)?"}}], backendRefs: [{name: local}]}
  - {name: beta, matches: [{headers: [{name: x-beta, value: "1"}]}], backendRefs: [{name: cloud}]}
"""
SECOND = """\
  - {name: claude, matches: [{model: {type: Regex, value: "claude-.*"}}], backendRefs: [{name: spare}]}
  - {name: embeddings, matches: [{path: {value: /v1/embeddings}}], backendRefs: [{name: local}, {name: cloud}]}
"""
POLICY = """\
  request:
    guards:
    - {name: mark, type: PII, entities: [Email], action: Label, label: {name: pii, value: "true"}}
    - {name: words, type: Keywords, words: [forbidden], action: Block}
  authorization:
  - {name: stays, labels: [{name: pii, value: "true"}], backends: [{name: local}, {name: spare}]}
"""
OWN = "  request: {guards: [{name: own, type: Keywords, words: [curious], action: Redact}]}\n"
OF_ROUTE = "{group: dragoman.dev, kind: AIRoute, name: first}"


def requests(count: int) -> list[Request]:
    chance = random.Random(SEED)
    made = []
    for _ in range(count):
        path = chance.choice(PATHS)
        text = chance.choice(TEXTS)
        said = (
            {"input": text}
            if "embeddings" in path
            else {"messages": [{"role": "user", "content": text}]}
        )
        body = {"model": chance.choice(MODELS), **said}
        headers = {"host": chance.choice(HOSTS), **chance.choice(HEADERS)}
        method = chance.choice(["POST"] * 20 + ["PUT"])
        made.append(Request(method, path, headers, json.dumps(body).encode()))
    return made


def send(url: str, request: Request) -> httpx2.Response:
    headers = {"content-type": "application/json", **request.headers}
    return httpx2.request(
        request.method, url + request.path, content=request.body, headers=headers, timeout=60
    )


def agree(said: Explanation, response: httpx2.Response, record: dict) -> None:
    if said.refusal is not None:
        assert response.status_code == said.refusal.status, said
        error = response.json()["error"]
        assert error["code"] == said.refusal.code
        if said.refusal.by == "Envoy":
            assert record["details"] == "direct_response"
            return
    else:
        assert response.status_code == 200, (said, response.text)
        first = [each.backend for each in said.targets if each.priority == said.targets[0].priority]
        assert response.headers["x-dragoman-backend"] in first, said
    assert record["rule"] == (said.rule.rule if said.rule else None)
    assert record["route"] == (said.rule.route if said.rule else None)
    marks = {(name, value) for name, values in record["labels"].items() for value in values}
    assert marks == set(said.labels)
    found = {each["guard"] for each in record["guards"] if each["type"] != "Authorization"}
    assert found == {g.guard for level in said.levels for g in level.guards if g.found}


def test_explain_agrees_with_envoy(tmp_path: Path) -> None:
    provider, port = harness.Provider(), harness.free_port()
    first = harness.route("first", ROUTES)
    second = harness.route("second", SECOND).replace(
        "spec:\n", 'spec:\n  hostnames: [b.example, "*.b.example"]\n'
    )
    gateway = harness.gateway(port)
    named = gateway.replace("protocol: HTTP}", 'protocol: HTTP, hostname: "*.example"}')
    harness.write(
        tmp_path,
        gateway=named,
        first=first,
        second=second,
        policy=harness.policy("baseline", POLICY),
        own=harness.policy("own", OWN, OF_ROUTE),
        **{name: harness.backend(name, provider.port) for name in ("cloud", "local", "spare")},
    )
    reading = files.read(tmp_path, {})
    translation = translate(reading.resources)
    asked = requests(REQUESTS)
    with harness.running(tmp_path) as run:
        url = f"http://127.0.0.1:{port}"
        with ThreadPoolExecutor(8) as pool:
            responses = list(pool.map(lambda each: send(url, each), asked))
        ids = [response.headers.get("x-request-id", "") for response in responses]
        harness.eventually(lambda: len(run.records) >= sum(map(bool, ids)), 30)
        records = {record["request_id"]: record for record in run.records}
    provider.close()
    said = [explain(reading.resources, translation, each) for each in asked]
    for one, response, request_id in zip(said, responses, ids, strict=True):
        agree(one, response, records[request_id])
    kinds = {one.rule.rule for one in said if one.rule}
    assert kinds == {
        "labelled",
        "chat",
        "chat-red",
        "gpt",
        "gpt-chat",
        "mini",
        "series",
        "beta",
        "claude",
        "embeddings",
    }
    codes = {one.refusal.code for one in said if one.refusal}
    assert codes >= {"blocked_by_policy", "model_not_found", "misdirected_request", "unknown_path"}
