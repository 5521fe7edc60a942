"""What guards label stays with the backends that the label is bound to, whatever fails there."""

from pathlib import Path

import httpx2
import pytest

from tests.e2e import harness

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

POLICY = """\
  request:
    guards:
    - {name: mark, type: PII, entities: [Email], action: Label, label: {name: pii, value: "true"}}
  authorization:
  - {name: stays, labels: [{name: pii, value: "true"}], backends: [{name: onprem}]}
"""
RULES = """\
  - name: cloud-only
    matches: [{model: {value: cloud-only}}]
    backendRefs: [{name: cloud, model: m}]
  - name: default
    backendRefs: [{name: cloud, model: of-cloud}, {name: onprem, model: of-onprem, priority: 1}]
    retry: {attempts: 3}
"""
TEXT = "write to jane@example.org"


@pytest.fixture
def gateway(tmp_path: Path):
    cloud, onprem = harness.Provider(), harness.Provider()
    port = harness.free_port()
    harness.write(
        tmp_path,
        gateway=harness.gateway(port),
        cloud=harness.backend("cloud", cloud.port),
        onprem=harness.backend("onprem", onprem.port, provider="OpenAICompatible"),
        route=harness.route("assistant", RULES),
        policy=harness.policy("baseline", POLICY),
    )
    with harness.running(tmp_path) as run:
        yield run, cloud, onprem, f"http://127.0.0.1:{port}/v1/chat/completions"
    cloud.close()
    onprem.close()


def ask(url: str, text: str, model: str = "any", *, stream: bool = False) -> httpx2.Response:
    body = {"model": model, "stream": stream, "messages": [{"role": "user", "content": text}]}
    return httpx2.post(url, json=body, timeout=60)


def test_a_labelled_request_goes_to_its_backend_and_nowhere_else(gateway) -> None:
    run, cloud, onprem, url = gateway
    for stream in (False, True):
        response = ask(url, TEXT, stream=stream)
        assert (response.status_code, response.headers["x-dragoman-backend"]) == (
            200,
            "default/onprem",
        )
        assert b"jane@example.org" in onprem.last().body
        record = run.record(response.headers["x-request-id"])
        assert (record["labels"], record["attempts"]) == ({"pii": ["true"]}, 1)
    onprem.fault = "fault-status-500"
    assert ask(url, TEXT).status_code >= 500
    assert ask(url, TEXT, stream=True).status_code >= 500
    assert not cloud.received
    refused = ask(url, TEXT, "cloud-only")
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "blocked_by_policy")
    assert not cloud.received
    assert ask(url, "write to Jane").headers["x-dragoman-backend"] == "default/cloud"
    assert b"jane@example.org" not in cloud.bodies()
    name = 'dragoman_request_labels_total{gateway="default/ai",name="pii",value="true"}'
    assert f"{name} 5.0" in run.metrics()
