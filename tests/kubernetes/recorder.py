"""A provider in the cluster that writes down all it is sent, before it answers as the mock does."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.kubernetes import images
from tests.kubernetes.installed import PROVIDERS, Installed

HOST = f"recorder.{PROVIDERS}.svc.cluster.local"
SCRIPT = """
import asyncio, json
from dragoman.mock_provider.server import serve
def tell(got):
    line = {"path": got.path, "headers": got.headers, "body": got.body.decode("latin-1")}
    print(json.dumps(line), flush=True)
async def run():
    server = await serve("0.0.0.0", 8090, recorder=tell)
    await server.serve_forever()
asyncio.run(run())
"""


def pod(name: str, script: str, **spec: Any) -> dict[str, Any]:
    """A pod of the controller's image that runs a script."""
    container = {
        "name": "only",
        "image": images.CONTROLLER,
        "command": ["python", "-c", script],
        "resources": {"requests": {"cpu": "10m"}},
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"terminationGracePeriodSeconds": 1, "containers": [container], **spec},
    }


def recorded(dragoman: Installed) -> list[dict[str, Any]]:
    """Every request that reached it."""
    lines = dragoman.kubectl("logs", "-n", PROVIDERS, "recorder").splitlines()
    return [json.loads(line) for line in lines]


@pytest.fixture
def recorder(dragoman: Installed) -> Iterator[dict[str, Any]]:
    """A new one for one test: the endpoint that leads to it."""
    listening = {"tcpSocket": {"port": 8090}, "periodSeconds": 1}
    made = pod("recorder", SCRIPT)
    made["spec"]["containers"][0]["readinessProbe"] = listening
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "recorder"},
        "spec": {"selector": {"app": "recorder"}, "ports": [{"port": 80, "targetPort": 8090}]},
    }
    dragoman.apply(PROVIDERS, made, service)
    dragoman.wait(PROVIDERS, "pod/recorder")
    yield {"hostname": HOST, "port": 80}
    dragoman.kubectl("delete", "-n", PROVIDERS, "pod/recorder", "service/recorder")
