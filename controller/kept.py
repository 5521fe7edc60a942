"""What a controller leaves to the one started after it: what no file on disk says any more.

The last readable texts of the source and the last accepted AIPolicies, in a private directory that
lives as long as `dragoman run`. No value from the environment is written: `$(NAME)` stays a name.
That accepted policies are there at all says that a configuration was live once.
"""

import json
import logging
import os
from pathlib import Path

from pydantic import TypeAdapter

from controller.sources.past import Past
from controller.translate.policies import Accepted, Policy
from crds.meta import Key

logger = logging.getLogger(__name__)

_POLICIES = TypeAdapter(tuple[Policy, ...])


class Kept:
    """Two files of a directory, each replaced in one step."""

    def __init__(self, directory: Path) -> None:
        self._past = directory / "past.json"
        self._accepted = directory / "accepted.json"

    def past(self) -> Past:
        """What the source held; nothing at the first start."""
        content = _read(self._past)
        return Past() if content is None else _decoded(content)

    def keep_past(self, past: Past) -> None:
        """Keep what the source holds now."""
        _write(self._past, _encoded(past))

    def accepted(self) -> Accepted | None:
        """The policies of what was live last; None if nothing ever was."""
        content = _read(self._accepted)
        if content is None:
            return None
        return Accepted({policy.key: policy for policy in _POLICIES.validate_json(content)})

    def keep_accepted(self, accepted: Accepted) -> None:
        """Keep the policies of what is live now."""
        _write(self._accepted, _POLICIES.dump_json(tuple(accepted.policies.values())))


def _encoded(past: Past) -> bytes:
    files = {path: _text(content) for path, content in past.files.items()}
    objects = [[*key, path, _text(content)] for key, (path, content) in past.objects.items()]
    return json.dumps({"files": files, "objects": objects}).encode()


def _decoded(content: bytes) -> Past:
    given = json.loads(content)
    return Past(
        {path: _bytes(text) for path, text in given["files"].items()},
        {
            Key(kind, namespace, name): (path, _bytes(text))
            for kind, namespace, name, path, text in given["objects"]
        },
    )


def _text(content: bytes) -> str:
    return content.decode(errors="surrogateescape")


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogateescape")


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all; a full disk must not end what serves."""
    fresh = path.with_suffix(".new")
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(content)
        fresh.replace(path)
    except OSError as error:
        logger.warning("what serves now is not kept for a restart: %s", error.strerror)
