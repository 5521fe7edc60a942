"""A data plane with parameters of its own, and waiting until it stands as it should."""

from typing import Any

import yaml

from tests.kubernetes.installed import Installed, backend, eventually, gateway, route

DEPLOYMENT = "deployment/ai-dragoman"
_PARAMETERS = {"group": "", "kind": "ConfigMap", "name": "size"}
_DRAIN_S = 60
"""Longer than a stream: ten seconds, more on a busy machine."""


def size(**fields: Any) -> dict[str, Any]:
    """The Gateway's parameters."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "size"},
        "data": {"dataPlane.yaml": yaml.safe_dump({"drainSeconds": _DRAIN_S, **fields})},
    }


def serve(dragoman: Installed, team: str, **fields: Any) -> str:
    """A Gateway of two pods that lets streams end, and a route; its URL."""
    dragoman.apply(team, size(**fields), backend(), route())
    dragoman.apply(team, gateway(infrastructure={"parametersRef": _PARAMETERS}))
    dragoman.wait(team, "air/assistant", "aib/mock")
    eventually(lambda: len(dragoman.pods(team)) == 2, 120)
    return dragoman.url(team)


def settled(dragoman: Installed, team: str) -> None:
    """Wait until the Deployment has the pods it should, and those that had to go are gone."""
    dragoman.kubectl("rollout", "status", DEPLOYMENT, "-n", team, "--timeout=240s")
    replicas = dragoman.get(team, "deployment", "ai-dragoman")["spec"]["replicas"]
    eventually(lambda: len(_all_pods(dragoman, team)) == replicas, 180)


def _all_pods(dragoman: Installed, team: str) -> list[str]:
    """Those that end, too."""
    return dragoman.kubectl("get", "pods", "-n", team, "-o", "name").split()
