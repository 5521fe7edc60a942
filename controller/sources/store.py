"""Store: what the cluster holds, as last heard; the only copy of it we keep.

All writes are made on the main loop. What is heard late changes nothing: an event older than what
is here is passed over, and `Store.replace` writes only if nothing was heard since it was asked.
Who tells is in `streams` (kopf), `follow` (one watch each) and `audit` (what these missed).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import orjson

from controller.sources.api import Json
from controller.sources.references import Reference, references
from crds.load import Loaded, load_object
from crds.meta import Key
from crds.objects import Broken, Object

WITH_STATUS = {"AIRoute", "AIPolicy", "AIBackend", "Gateway", "GatewayClass"}


@dataclass(frozen=True, slots=True)
class Meta:
    """What writers need to know of an object."""

    uid: str
    version: str
    """The resourceVersion."""
    generation: int
    packed: bytes = b"{}"

    @property
    def status(self) -> Json:
        """The status that stands in the cluster; a fresh copy."""
        status: Json = orjson.loads(self.packed)
        return status


@dataclass(frozen=True, slots=True)
class Entry:
    """One object as last heard of."""

    key: Key
    meta: Meta
    made: Object[Any] | Broken
    references: frozenset[Reference]


def key_of(document: Mapping[str, Any]) -> Key:
    """The identity of an API object."""
    meta = document["metadata"]
    return Key(document["kind"], meta.get("namespace", ""), meta["name"])


def entry(document: Json) -> Entry:
    """What is kept of an API object; managedFields and annotations are not."""
    meta = document["metadata"]
    kind = document["kind"]
    status = (document.get("status") if kind in WITH_STATUS else None) or {}
    kept = Meta(
        meta.get("uid", ""),
        meta.get("resourceVersion", ""),
        meta.get("generation", 0),
        orjson.dumps(status),
    )
    return Entry(key_of(document), kept, load_object(document), references(document))


@dataclass(frozen=True, slots=True)
class Mark:
    """What was known of an object at a time; equal if nothing was heard since."""

    entry: Entry | None
    gone: str


class Store:
    """All objects by key; `changed` is called after every change of content."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._entries: dict[Key, Entry] = {}
        self._gone: dict[Key, str] = {}
        self._changed = changed
        self._referring: set[Key] = set()
        self._listeners: list[Callable[[Key], None]] = []
        self.wants_changed = True
        """Whether what is to be followed may be another."""

    def listen(self, listener: Callable[[Key], None]) -> None:
        """Call this with the key of whatever was seen anew, also if only its status changed."""
        self._listeners.append(listener)

    def meta(self, key: Key) -> Meta | None:
        """Uid, resourceVersion, generation and status of an object, if it is there."""
        found = self._entries.get(key)
        return found.meta if found else None

    def version(self, key: Key) -> str:
        """The resourceVersion that is here; safe to ask from any thread."""
        found = self._entries.get(key)
        return found.meta.version if found else ""

    def keys(self, kind: str, namespace: str = "") -> set[Key]:
        """All keys of a kind, of one namespace if one is given."""
        return {
            key for key in self._entries if key.kind == kind and namespace in ("", key.namespace)
        }

    def mark(self, key: Key) -> Mark:
        """What is known of an object now."""
        return Mark(self._entries.get(key), self._gone.get(key, ""))

    def put(self, new: Entry) -> None:
        """Take an object as it is told, unless something newer is known."""
        old = self._entries.get(new.key)
        known = old.meta.version if old else self._gone.get(new.key, "")
        if not _older(new.meta.version, known):
            self._set(new)

    def drop(self, key: Key, version: str) -> None:
        """An object was deleted, at that version; forget it unless a newer one came."""
        old = self._entries.get(key)
        if old is None or not _older(version, old.meta.version):
            self._unset(key)
            self._gone[key] = version

    def replace(self, before: Mark, key: Key, new: Entry | None) -> bool:
        """Take what was read on its own, if nothing was told since `before`; whether it was."""
        if self.mark(key) != before:
            return False
        if new is None:
            self._unset(key)
        else:
            self._set(new)
        return True

    def forget_deletions(self) -> None:
        """All that was told before now has arrived."""
        self._gone.clear()

    def loaded(self) -> Loaded:
        """All content, for `gather`."""
        every = [each.made for each in self._entries.values()]
        return Loaded(
            objects=tuple(each for each in every if isinstance(each, Object)),
            broken=tuple(each for each in every if isinstance(each, Broken)),
        )

    def references(self) -> Iterator[Reference]:
        """All references of all objects."""
        for key in self._referring:
            yield from self._entries[key].references

    def objects(self, kind: str) -> list[Object[Any]]:
        """The readable objects of a kind."""
        return [
            each.made
            for key, each in self._entries.items()
            if key.kind == kind and isinstance(each.made, Object)
        ]

    def _set(self, new: Entry) -> None:
        old = self._entries.get(new.key)
        if old is not None and new.made == old.made:
            new = replace(new, made=old.made)
        elif old is not None and isinstance(new.made, Broken):
            new = replace(new, references=new.references | old.references)
        self._entries[new.key] = new
        self._gone.pop(new.key, None)
        self._refer(new.key, old, new)
        if old is None or new.made is not old.made:
            self._changed()
        for listener in self._listeners:
            listener(new.key)

    def _unset(self, key: Key) -> None:
        old = self._entries.pop(key, None)
        if old is not None:
            self._refer(key, old, None)
            self._changed()

    def _refer(self, key: Key, old: Entry | None, new: Entry | None) -> None:
        if new is not None and new.references:
            self._referring.add(key)
        else:
            self._referring.discard(key)
        before, now = (each.references if each else frozenset() for each in (old, new))
        decides = key.kind in ("ReferenceGrant", "GatewayClass")
        if before != now or (decides and (old and old.made) is not (new and new.made)):
            self.wants_changed = True


def _older(version: str, than: str) -> bool:
    """Whether a resourceVersion is older; one that is no number is not."""
    return version.isdigit() and than.isdigit() and int(version) < int(than)
