"""Held: the API for those who may write only while the Lease is ours, and what they last saw."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from weakref import WeakValueDictionary

from controller.sources.api import Api, ApiError, Json
from controller.sources.login import Login
from controller.sources.store import Meta
from crds.meta import Key


class HeldApi(Api):
    """Reads always; a write without the Lease fails as if the API server were away.

    `wrote` hears of every write, by the resource's plural name.
    """

    def __init__(
        self, login: Login, held: Callable[[], bool], wrote: Callable[[str], None] = lambda _: None
    ) -> None:
        super().__init__(login)
        self._held = held
        self._wrote = wrote

    async def _ask(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        params: Mapping[str, str] | None = None,
        **more: str,
    ) -> Json:
        if method == "GET":
            return await super()._ask(method, path, body, params, **more)
        if not self._held():
            raise ApiError(0, "the Lease is not ours")
        answer = await super()._ask(method, path, body, params, **more)
        self._wrote(_plural(path))
        return answer


def _plural(path: str) -> str:
    """What kind of objects a path is about, as paths name it."""
    _, root, *parts = path.split("/")
    _, *within = parts[1:] if root == "apis" else parts
    return within[2] if within[0] == "namespaces" and len(within) > 2 else within[0]


class LastSeen(Mapping[str, Any]):
    """An object as writers of statuses look at it: generation and status, unpacked when asked."""

    def __init__(self, meta: Meta) -> None:
        self.meta = meta

    def __getitem__(self, name: str) -> Any:
        if name == "metadata":
            return {"generation": self.meta.generation, "uid": self.meta.uid}
        if name == "status":
            return self.meta.status
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(("metadata", "status"))

    def __len__(self) -> int:
        return 2


class Views:
    """One view of each object until it is seen anew, so that views can be told apart.

    Only the reader keeps it: what was deleted leaves nothing here.
    """

    def __init__(self, meta: Callable[[Key], Meta | None]) -> None:
        self._meta = meta
        self._views: WeakValueDictionary[Key, LastSeen] = WeakValueDictionary()

    def read(self, key: Key) -> LastSeen | None:
        """The object as it was last seen, if it is there."""
        meta, known = self._meta(key), self._views.get(key)
        if meta is None:
            self._views.pop(key, None)
            return None
        if known is None or known.meta is not meta:
            known = self._views[key] = LastSeen(meta)
        return known
