"""Clusters for tests: a real control plane, and a real node where pods matter.

With KUBECONFIG they are the cluster it names, which tests may fill but not stop.
"""

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.kubernetes import images
from tests.kubernetes.cluster import Client, Cluster, Given, programs
from tests.kubernetes.faults import all_faults, faults, one_team, served  # noqa: F401  # fixtures
from tests.kubernetes.installed import dragoman, team  # noqa: F401  # fixtures
from tests.kubernetes.recorder import recorder  # noqa: F401  # a fixture

CRDS = Path(__file__).parents[2] / "crds"
SETUP_S = 600
"""A cluster's start on a busy machine counts as part of the first test that asks for it."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.kubernetes)
            if not item.get_closest_marker("timeout"):
                item.add_marker(pytest.mark.timeout(SETUP_S))


@pytest.fixture(scope="session")
def make_cluster(tmp_path_factory) -> Iterator[Callable[..., Cluster]]:
    """Makes a cluster with nothing of ours in it, and ends it after the session."""
    made: list[Cluster] = []

    def make(**options: bool) -> Cluster:
        cluster = Cluster(tmp_path_factory.mktemp("cluster"), **options)
        made.append(cluster)
        cluster.up()
        return cluster

    yield make
    for cluster in made:
        cluster.down()


def _given() -> Given | None:
    path = os.environ.get("KUBECONFIG")
    return Given(Path(path)) if path else None


def _with_kinds(client: Client) -> Client:
    if not client.answers("get", "crd", "gateways.gateway.networking.k8s.io"):
        client.apply_crds(programs.gateway_api())
    client.apply_crds(CRDS)
    return client


@pytest.fixture(scope="session")
def control_plane(make_cluster) -> Client:
    """A control plane with all kinds: objects live, pods stay Pending (unless KUBECONFIG is given)."""
    return _with_kinds(_given() or make_cluster())


@pytest.fixture(scope="session")
def cluster(control_plane) -> Client:
    return control_plane


@pytest.fixture(scope="session")
def own_cluster(control_plane) -> Cluster:
    """The same, for tests that stop its parts."""
    if not control_plane.ours:
        pytest.skip("parts of the cluster of KUBECONFIG are not ours to stop")
    return control_plane


@pytest.fixture(scope="session")
def node_cluster(make_cluster) -> Client:
    """A cluster on which pods run, with the images of this tree."""
    if os.geteuid() != 0:
        pytest.skip("images and the node need root")
    client = _with_kinds(_given() or make_cluster(node=True))
    client.load(images.images())
    return client


@pytest.fixture(scope="session")
def kubeconfig(control_plane) -> Path:
    return control_plane.kubeconfig


@pytest.fixture
def kubectl(control_plane) -> Callable[..., str]:
    """`kubectl("get", "pods", stdin=...)`; a complaint of kubectl's is a ClusterError."""
    return control_plane.kubectl


@pytest.fixture
def namespace(control_plane) -> Iterator[str]:
    """A namespace for one test."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    control_plane.kubectl("create", "namespace", name)
    yield name
    control_plane.kubectl("delete", "namespace", name, "--wait=false")
