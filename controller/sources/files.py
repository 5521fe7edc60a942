"""The file source: a directory of YAML, read whole and watched; every reading is a new value.

An edit that leaves a file unreadable changes nothing that runs: the file's last readable content
goes on serving, and a line says so. What an object means is not known here.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import watchfiles

from controller.resources import Broken, Object, Resources
from crds.documents import SIZE_LIMIT
from crds.load import Loaded, load
from crds.meta import Key
from crds.objects import Finding, findings

QUIET_MS = 50
LONGEST_MS = 500
ABSENT_S = 0.2
"""How often an absent directory is looked for."""

_FIELDS: Mapping[str, str] = {
    "Gateway": "gateways",
    "GatewayClass": "gateway_classes",
    "ReferenceGrant": "reference_grants",
    "AIRoute": "routes",
    "AIPolicy": "policies",
    "AIBackend": "backends",
}
_VALUES: Mapping[str, str] = {"Secret": "secrets", "ConfigMap": "config_maps"}
_TAKEN_OUT = {"AIRoute", "AIPolicy"}
"""Kinds whose broken objects are answered for by `translate`; others keep their last content."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One look at the directory."""

    resources: Resources
    problems: tuple[Finding, ...] = ()
    """What the user must mend, one line each; those of `resources.broken` are among them."""
    unreadable: tuple[Finding, ...] = ()
    """Files that can't be told at all: fatal at start, replaced by their last content later."""
    notes: tuple[Finding, ...] = ()
    """What was passed over on purpose."""


Files = Mapping[Path, Loaded]


def read(directory: Path, environ: Mapping[str, str]) -> Reading:
    """Read every YAML file below the directory; `environ` fills `$(NAME)` in stringData."""
    return _gather(_load_all(directory, environ), {}, Resources())


async def watch(directory: Path, environ: Mapping[str, str]) -> AsyncIterator[Reading]:
    """Yield a reading at once, and one after every change; never ends by itself."""
    last: Files = {}
    served = Resources()
    async for files in _changes(directory, environ):
        reading = _gather(files, last, served)
        last = {path: _readable(loaded, last.get(path)) for path, loaded in files.items()}
        served = reading.resources
        yield reading


async def _changes(directory: Path, environ: Mapping[str, str]) -> AsyncIterator[Files]:
    """Look again whenever something changed; a directory that is gone may come back."""
    while True:
        async with asyncio.TaskGroup() as group:
            del group
        files = await asyncio.to_thread(_load_all, directory, environ)
        yield files
