"""A real Kubernetes for the tests, from package registries alone: no Docker, no image registry.

`Cluster(folder).up()` starts etcd and the control plane on this machine; with `node=True` also one
real node, in namespaces of its own, on which pods run. `python -m tests.kubernetes.cluster` is the
same for a person.
"""

from tests.kubernetes.cluster.client import Client, Given
from tests.kubernetes.cluster.lifecycle import Cluster
from tests.kubernetes.cluster.parts import ClusterError

__all__ = ["Client", "Cluster", "ClusterError", "Given"]
