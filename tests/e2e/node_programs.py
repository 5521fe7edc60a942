"""Programs for Node that others wrote: official SDKs and a mock server, installed at first use.

They are pinned by `node/package-lock.json` with hashes, and kept in the cache folder by its digest.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent / "node"
_PINS = ("package.json", "package-lock.json")


def node() -> str:
    """Node's path; without Node and npm, the test is skipped."""
    program = shutil.which("node")
    if program is None or shutil.which("npm") is None:
        pytest.skip("node or npm is not installed")
    return program


def installed() -> Path:
    """The folder with `node_modules` as the lock file has it."""
    node()
    digest = hashlib.sha256(b"".join((SOURCE / name).read_bytes() for name in _PINS)).hexdigest()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "dragoman-node" / digest[:16]
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as fresh:
            for name in _PINS:
                shutil.copy(SOURCE / name, fresh)
            install = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            subprocess.run(install, cwd=fresh, check=True, capture_output=True, timeout=240)
            Path(fresh).chmod(0o755)
            try:
                Path(fresh).rename(folder)
            except OSError:
                assert folder.exists()  # another worker was first
            else:
                Path(fresh).mkdir()
    return folder


def run(script: str, *arguments: str) -> str:
    """What a script of `node/` prints."""
    folder = installed()
    placed = folder / script
    fresh = folder / f".{script}.{os.getpid()}"
    shutil.copy(SOURCE / script, fresh)
    fresh.rename(placed)
    done = subprocess.run(
        [node(), str(placed), *arguments], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
