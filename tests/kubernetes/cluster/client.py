"""What any cluster can do for a test: ours, or the one that KUBECONFIG names (kind, k3d)."""

import os
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from tests.kubernetes.cluster import archive, programs
from tests.kubernetes.cluster.parts import ClusterError


class Client(ABC):
    """kubectl with the rights of an administrator."""

    kubeconfig: Path
    ours = False
    """Whether its parts may be stopped."""

    def kubectl(self, *arguments: str | Path, stdin: str | None = None) -> str:
        """What kubectl prints; what it complains about is the error's message."""
        return programs.run(programs.clients() / "kubectl", *arguments, env=self.environment, input=stdin)  # fmt: skip

    def helm(self, *arguments: str | Path) -> str:
        """The same for helm."""
        return programs.run(programs.clients() / "helm", *arguments, env=self.environment)

    @property
    def environment(self) -> dict[str, str]:
        """What kubectl, helm and our own programs look at, far from anybody's other clusters."""
        return {**os.environ, "KUBECONFIG": str(self.kubeconfig)}

    def answers(self, *arguments: str) -> bool:
        """Whether kubectl succeeds."""
        try:
            self.kubectl(*arguments)
        except ClusterError:
            return False
        return True

    def apply_crds(self, path: Path) -> None:
        """Definitions as `kubectl apply --server-side` takes them; they serve when this returns."""
        self.kubectl("apply", "--server-side", "--force-conflicts", "-f", path)
        self.kubectl("wait", "--for=condition=Established", "--timeout=60s", "crd", "--all")

    @abstractmethod
    def load(self, images: Iterable[archive.Image]) -> None:
        """Give the nodes images."""


class Given(Client):
    """The cluster of KUBECONFIG. Nothing of it is started, stopped or deleted."""

    def __init__(self, kubeconfig: Path) -> None:
        self.kubeconfig = kubeconfig

    def load(self, images: Iterable[archive.Image]) -> None:
        """By the tool the context is named for; on other clusters the images must be there."""
        kind, _, name = self.kubectl("config", "current-context").strip().partition("-")
        with tempfile.NamedTemporaryFile(suffix=".tar") as file:
            if kind == "kind" and shutil.which("kind"):
                _write(images, file)
                programs.run("kind", "load", "image-archive", file.name, "--name", name)
            elif kind == "k3d" and shutil.which("k3d"):
                _write(images, file)
                programs.run("k3d", "image", "import", file.name, "--cluster", name)


def _write(images: Iterable[archive.Image], file: IO[bytes]) -> None:
    archive.write(images, file)
    file.flush()
