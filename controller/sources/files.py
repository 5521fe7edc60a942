"""The file source: a directory of YAML, read whole and watched; every reading is a new value.

An edit that leaves a file unreadable changes nothing that runs: the file's last readable content
goes on serving, and a line says so; a `Past` carries this over a restart. How documents become
objects is in `crds.load`; how objects of several files become one Resources is in `gather`.
"""

import asyncio
import os
import stat
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path

import watchfiles

from controller.resources import Resources
from controller.sources.gather import Reading, gather
from controller.sources.past import Past
from crds.documents import SIZE_LIMIT
from crds.load import Loaded, load
from crds.meta import Key
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
    text: bytes | None
    """What `readable` was read from."""


_Files = Mapping[Path, _File]
_Stamps = Mapping[Path, tuple[int, int, int]]


def read(directory: Path, environ: Mapping[str, str]) -> Reading:
    """Read every YAML file below the directory; `environ` fills `$(NAME)` in stringData."""
    if not directory.is_dir():
        return Reading(Resources(), unreadable=(Finding(str(directory), "is not a directory"),))
    return _reading(_load_all(directory, environ, {}), Resources())


async def watch(
    directory: Path,
    environ: Mapping[str, str],
    past: Past | None = None,
    keep: Callable[[Past], None] = lambda _: None,
) -> AsyncIterator[Reading]:
    """Yield a reading at once, and one after every change of content; never ends by itself.

    `keep` takes what a later `watch` needs as `past` to go on where this one was.
    """
    look = await asyncio.to_thread(_first, directory, environ, past or Past())
    while True:
        await asyncio.to_thread(keep, look.past)
        yield look.reading
        look = await _next(directory, environ, look)


@dataclass(frozen=True, slots=True)
class _Look:
    """All files as last seen, what was made of them, and what would bring it back."""

    files: _Files
    reading: Reading
    past: Past
    gone: bool = False


def _first(directory: Path, environ: Mapping[str, str], past: Past) -> _Look:
    before = _resumed(past, environ)
    if past.files and _identity(directory) is None:
        return _without_directory(directory, before)
    return _look(_load_all(directory, environ, before.files), before)


async def _next(directory: Path, environ: Mapping[str, str], look: _Look) -> _Look:
    """The next look that differs."""
    while True:
        async for _ in _changes(directory):
            new = await _settled(directory, environ, look.files)
            changed = look.gone or _contents(new) != _contents(look.files)
            if _identity(directory) is not None and changed:
                return await asyncio.to_thread(_look, new, look)
        if _identity(directory) is None and not look.gone:
            return _without_directory(directory, look)
        while _identity(directory) is None:  # noqa: ASYNC110  # nothing tells of what is not there
            await asyncio.sleep(ABSENT_S)


def _look(files: _Files, before: _Look) -> _Look:
    reading = _reading(files, before.reading.resources)
    objects = {
        broken.key: found
        for broken in reading.resources.broken
        if (found := before.past.objects.get(broken.key) or _found(before.files, broken.key))
    }
    texts = {str(path): file.text for path, file in files.items() if file.text is not None}
    return _Look(files, reading, Past(texts, objects))


def _found(files: _Files, key: Key) -> tuple[str, bytes] | None:
    """The file and content in which an object is good."""
    for path, file in sorted(files.items()):
        if file.text is not None and any(each.key == key for each in file.readable.objects):
            return str(path), file.text
    return None


def _resumed(past: Past, environ: Mapping[str, str]) -> _Look:
    """The look that left this past."""
    earlier = [
        Loaded(tuple(o for o in load(text, path, environ).objects if o.key == key))
        for key, (path, text) in past.objects.items()
    ]
    served = gather([(loaded, loaded) for loaded in earlier], Resources()).resources
    files = {
        Path(path): _File(text, loaded, loaded, text)
        for path, text in past.files.items()
        for loaded in (load(text, path, environ),)
    }
    return _Look(files, _reading(files, served), past)


def _without_directory(directory: Path, look: _Look) -> _Look:
    reading = Reading(look.reading.resources, problems=(_gone(directory),))
    return replace(look, reading=reading, gone=True)


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
    if not loaded.unreadable and isinstance(content, bytes):
        return _File(content, loaded, loaded, content)
    return _File(content, loaded, old.readable if old else Loaded(), old.text if old else None)


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
