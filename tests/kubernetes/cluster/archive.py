"""Images in OCI's layout: layers, each a tar file, and what to run. `docker load` takes them as well."""

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
OCI = "application/vnd.oci.image"


@dataclass(frozen=True)
class Image:
    """Layers from the bottom up, as `pack` made them, under a name with a tag."""

    name: str
    layers: tuple[Path, ...]
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    user: str = ""
    env: tuple[str, ...] = (PATH,)


def pack(folder: Path, layer: Path) -> None:
    """One layer of all that is in the folder, as root's, with its digest in a file beside it."""
    with tarfile.open(layer, "w", format=tarfile.PAX_FORMAT) as tar:
        for entry in sorted(folder.iterdir()):
            tar.add(entry, entry.name, filter=_owned_by_root)
    with layer.open("rb") as file:
        _digest_file(layer).write_text(hashlib.file_digest(file, "sha256").hexdigest())


def _owned_by_root(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return None if entry.ischr() or entry.isblk() else entry


def _digest_file(layer: Path) -> Path:
    return layer.with_suffix(".sha256")


def write(images: Iterable[Image], output: IO[bytes], present: Collection[str] = ()) -> None:
    """A stream of tar. A layer is in it once, or not at all if its digest is `present` already."""
    done = set(present)
    index = []
    with tarfile.open(fileobj=output, mode="w|") as tar:
        _add(tar, "oci-layout", {"imageLayoutVersion": "1.0.0"})
        for image in images:
            layers = [_described(layer) for layer in image.layers]
            for path, layer in zip(image.layers, layers, strict=True):
                if layer["digest"] not in done:
                    done.add(layer["digest"])
                    tar.add(path, _blob(layer["digest"]))
            config = _add_blob(tar, "config.v1+json", _config(image, layers))
            manifest = _add_blob(
                tar, "manifest.v1+json", {"schemaVersion": 2, "config": config, "layers": layers}
            )
            names = {"io.containerd.image.name": f"docker.io/{image.name}"}
            names["org.opencontainers.image.ref.name"] = image.name.rpartition(":")[2]
            index.append({**manifest, "annotations": names})
        _add(tar, "index.json", {"schemaVersion": 2, "manifests": index})


def _described(layer: Path) -> dict[str, Any]:
    digest = f"sha256:{_digest_file(layer).read_text()}"
    return {"mediaType": f"{OCI}.layer.v1.tar", "digest": digest, "size": layer.stat().st_size}


def _config(image: Image, layers: list[dict[str, Any]]) -> dict[str, Any]:
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    run = {"Entrypoint": image.entrypoint, "Cmd": image.command, "Env": image.env}
    return {
        "architecture": machine,
        "os": "linux",
        "config": {**run, "User": image.user, "WorkingDir": "/"},
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"] for layer in layers]},
    }


def _blob(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def _add_blob(tar: tarfile.TarFile, kind: str, value: dict[str, Any]) -> dict[str, Any]:
    content = json.dumps(value).encode()
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    _add(tar, _blob(digest), value)
    return {"mediaType": f"{OCI}.{kind}", "digest": digest, "size": len(content)}


def _add(tar: tarfile.TarFile, name: str, value: dict[str, Any]) -> None:
    content = json.dumps(value).encode()
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))
