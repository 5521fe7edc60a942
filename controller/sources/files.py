"""The file source: a directory of YAML, read whole and watched; every reading is a new value.

An edit that leaves a file unreadable changes nothing that runs: the file's last readable content
goes on serving, and a line says so. How documents become objects is in `crds.load`; how objects
of several files become one Resources is in `gather`.
"""

import asyncio
import os
import stat
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

import watchfiles

from controller.resources import Resources
from controller.sources.gather import Reading, gather
from crds.documents import SIZE_LIMIT
from crds.load import Loaded, load
from crds.objects import Finding

QUIET_MS = 50
LONGEST_MS = 500
LOOK_MS = 1000
"""Where the system reports no changes, they are looked for this often."""
ABSENT_S = 0.2
"""How often a directory that is gone is looked for."""
REWRITE_S = 0.1
"""How long an emptied file may take to be filled again."""


@dataclass(frozen=True, slots=True)
class _File:
    """One file as last seen, and what it held when it was last readable."""

    content: bytes | str
    """A string says why there are no bytes."""
    loaded: Loaded
    readable: Loaded


_Files = Mapping[Path, _File]
_Stamps = Mapping[Path, tuple[int, int, int]]


def read(directory: Path, environ: Mapping[str, str]) -> Reading:
    """Read every YAML file below the directory; `environ` fills `$(NAME)` in stringData."""
    if not directory.is_dir():
        return Reading(Resources(), unreadable=(Finding(str(directory), "is not a directory"),))
    return _reading(_load_all(directory, environ, {}), Resources())


async def watch(directory: Path, environ: Mapping[str, str]) -> AsyncIterator[Reading]:
    """Yield a reading at once, and one after every change of content; never ends by itself."""
    files: _Files = await asyncio.to_thread(_load_all, directory, environ, {})
    reading = _reading(files, Resources())
    yield reading
    while True:
        async for _ in _changes(directory):
            new = await _settled(directory, environ, files)
            if _identity(directory) is not None and _contents(new) != _contents(files):
                files, reading = new, _reading(new, reading.resources)
                yield reading
        if _identity(directory) is None:
            yield Reading(reading.resources, problems=(_gone(directory),))
        while _identity(directory) is None:  # noqa: ASYNC110  # nothing tells of what is not there
            await asyncio.sleep(ABSENT_S)


async def _settled(directory: Path, environ: Mapping[str, str], old: _Files) -> _Files:
    """Load again, giving a file that was just emptied the time to be filled."""
    new = await asyncio.to_thread(_load_all, directory, environ, old)
    if any(file.content == b"" and path in old and old[path].content for path, file in new.items()):
        await asyncio.sleep(REWRITE_S)
        new = await asyncio.to_thread(_load_all, directory, environ, old)
    return new


async def _changes(directory: Path) -> AsyncIterator[None]:
    """Something may have changed; ends when the directory is gone or another one."""
    known = _identity(directory)
    if known is None:
        return
    events = watchfiles.awatch(
        directory,
        watch_filter=None,
        debounce=LONGEST_MS,
        step=QUIET_MS,
        rust_timeout=LOOK_MS,
        yield_on_timeout=True,
    )
    yield
    stamps: _Stamps = {}
    async with aclosing(events):
        async for changes in events:
            now = _identity(directory)
            before, stamps = stamps, await asyncio.to_thread(_stamps, directory)
            if now is not None and (changes or stamps != before):
                yield
            if now != known or _was_deleted(directory, changes):
                return


def _was_deleted(directory: Path, changes: set[tuple[watchfiles.Change, str]]) -> bool:
    """Whether the directory itself went: what stands there now is not what is watched."""
    return any(
        kind is watchfiles.Change.deleted and Path(path).absolute() == directory.absolute()
        for kind, path in changes
    )


def _identity(directory: Path) -> tuple[int, int] | None:
    """Which directory stands there now, if any."""
    try:
        status = directory.stat()
    except OSError:
        return None
    return (status.st_dev, status.st_ino) if stat.S_ISDIR(status.st_mode) else None


def _stamps(directory: Path) -> _Stamps:
    """What tells without reading whether files changed."""
    found = {}
    for path in _paths(directory):
        try:
            status = path.stat()
        except OSError:
            continue
        found[path] = (status.st_ino, status.st_mtime_ns, status.st_size)
    return found


def _gone(directory: Path) -> Finding:
    return Finding(str(directory), "the directory is gone; its last content goes on serving")


def _reading(files: _Files, served: Resources) -> Reading:
    return gather([(file.loaded, file.readable) for _, file in sorted(files.items())], served)


def _contents(files: _Files) -> dict[Path, bytes | str]:
    return {path: file.content for path, file in files.items()}


def _load_all(directory: Path, environ: Mapping[str, str], old: _Files) -> _Files:
    """Every file; one whose bytes did not change is not parsed again."""
    return {
        path: _loaded(path, content, environ, old.get(path))
        for path in sorted(_paths(directory))
        if (content := _content(path)) is not None
    }


def _loaded(
    path: Path, content: bytes | str, environ: Mapping[str, str], old: _File | None
) -> _File:
    if old is not None and old.content == content:
        return old
    if isinstance(content, str):
        loaded = Loaded(unreadable=(Finding(str(path), content),))
    else:
        loaded = load(content, str(path), environ)
    before = old.readable if old else Loaded()
    return _File(content, loaded, before if loaded.unreadable else loaded)


def _paths(directory: Path) -> Iterator[Path]:
    """All *.yaml and *.yml files; hidden ones are not ours, and a link into a circle ends."""
    seen: set[tuple[int, int]] = set()
    for folder, folders, names in os.walk(directory, followlinks=True):
        here = _identity(Path(folder))
        if here is None or here in seen:
            folders.clear()
            continue
        seen.add(here)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in names:
            if name.endswith((".yaml", ".yml")) and not name.startswith("."):
                yield Path(folder) / name


def _content(path: Path) -> bytes | str | None:
    """The bytes of a file, or why there are none; None if it is gone."""
    try:
        if not path.is_file():
            return "leads to no file; mend or remove the link" if path.is_symlink() else None
        with path.open("rb") as file:
            return file.read(SIZE_LIMIT + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        return f"cannot be read: {error.strerror}"
