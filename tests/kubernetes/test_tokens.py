"""Tokens in a cluster: what a token endpoint says is on the AIBackend, and changes when it does."""

import json
import subprocess
import sys

import pytest

from tests.e2e.harness import free_port
from tests.kubernetes.installed import eventually
from tests.tokens.idp import Idp

pytestmark = pytest.mark.timeout(900)


@pytest.fixture
def idp(tmp_path):
    started = Idp(tmp_path)
    yield started
    started.close()


def objects(namespace: str, idp: Idp) -> str:
    auth = {
        "type": "OAuth2",
        "secretRef": {"name": "client"},
        "oauth2": {"tokenURL": idp.url, "caCertificateRefs": [{"name": "idp-ca"}]},
    }
    client = {"clientID": "id", "clientSecret": "planted-client-secret"}
    service = {"ports": [{"name": "xds", "port": 18000}]}
    found = [
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "xds"}, "spec": service},
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "client"},
            "stringData": client,
        },
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "idp-ca"},
            "data": {"ca.crt": idp.authority},
        },
        {
            "apiVersion": "dragoman.dev/v1alpha1",
            "kind": "AIBackend",
            "metadata": {"name": "one"},
            "spec": {"provider": "OpenAI", "auth": auth},
        },
    ]
    for each in found:
        each["metadata"]["namespace"] = namespace
    return "\n---\n".join(map(json.dumps, found))


def test_a_token_endpoints_refusal_is_on_the_backend_until_it_gives_one(
    kubectl, kubeconfig, namespace, idp, tmp_path
) -> None:
    idp.answer = 401, '{"error_description": "planted-client-secret is wrong"}'
    kubectl("apply", "-f", "-", stdin=objects(namespace, idp))

    def resolved() -> dict:
        shown = json.loads(kubectl("get", "aib", "one", "-n", namespace, "-o", "json"))
        conditions = shown.get("status", {}).get("conditions", [])
        return next((each for each in conditions if each["type"] == "ResolvedRefs"), {})

    command = [
        *(sys.executable, "-m", "controller", "kubernetes", f"--namespace={namespace}"),
        *("--pod-name=a", "--pod-ip=192.0.2.1", "--xds-service=xds", f"--lease={namespace}"),
        *(f"--ads-port={free_port()}", f"--health-port={free_port()}"),
        *(f"--watch-namespaces={namespace}", "--allow-endpoints=127.0.0.0/8"),
        *(f"--gateway-class={namespace}", f"--kubeconfig={kubeconfig}"),
    ]
    with (tmp_path / "log").open("w") as log:
        controller = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            refused = eventually(
                lambda: resolved() if resolved().get("status") == "False" else None
            )
            assert refused["reason"] == "TokenNotMinted"
            assert refused["message"] == f"spec.auth: 127.0.0.1:{idp.port} answered 401"
            idp.answer = None
            eventually(lambda: resolved().get("status") == "True")
        finally:
            controller.terminate()
            assert controller.wait(30) == 0
    assert "planted" not in (tmp_path / "log").read_text()
    assert {each["client"] for each in idp.asked} == {("id", "planted-client-secret")}
