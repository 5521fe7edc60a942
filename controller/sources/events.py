"""Events: what `kubectl describe` tells about an object whose summary condition changed.

Told by the writer of statuses, after a write; what is only under way is not told, so that an edit
that goes live makes no event. Nobody depends on them: one too many, or one that the API server does
not take, is dropped.
"""

import logging
from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any, Protocol

from controller.sources.api import ApiError, Resource
from controller.sources.bucket import Bucket
from controller.sources.merge import UNDER_WAY, condition
from crds.meta import CONTROLLER_NAME, Key

logger = logging.getLogger(__name__)

Json = dict[str, Any]

EVENT = Resource("events.k8s.io/v1", "Event")
SUMMARY = {"AIRoute": "Ready", "AIPolicy": "Ready", "AIBackend": "Ready", "Gateway": "Programmed"}
"""The condition whose transitions are told."""
_LONGEST_NOTE = 1024
_RATE, _BURST = 5, 50
_RATE_OF_OBJECT, _BURST_OF_OBJECT = 1 / 60, 5


class Create(Protocol):
    """How an object is made."""

    async def __call__(self, path: str, body: Json, /) -> Json:
        """Make a new object at the path of all of them."""
        ...


class Events:
    """Tells every transition once; `instance` is the name of this controller's pod."""

    def __init__(
        self,
        create: Create,
        instance: str,
        clock: Callable[[], float],
        now: Callable[[], datetime],
    ) -> None:
        self._create = create
        self._instance = instance
        self._clock = clock
        self._now = now
        self._told: dict[Key, tuple[str, str]] = {}
        self._bucket = Bucket(_RATE, _BURST, clock)
        self._of_object: dict[Key, Bucket] = {}

    async def tell(self, key: Key, before: Json, status: Json) -> None:
        """Tell what has become of an object; `before` is the whole object with its old status."""
        type_ = SUMMARY.get(key.kind, "")
        was, is_ = condition(before.get("status") or {}, type_), condition(status, type_)
        if was is not None and was["reason"] not in UNDER_WAY:
            self._told.setdefault(key, (was["status"], was["reason"]))
        if is_ is None or is_["reason"] in UNDER_WAY:
            return
        if self._told.get(key) == (is_["status"], is_["reason"]):
            return
        self._told[key] = is_["status"], is_["reason"]
        bucket = self._of_object.setdefault(
            key, Bucket(_RATE_OF_OBJECT, _BURST_OF_OBJECT, self._clock)
        )
        if not (bucket.take_now() and self._bucket.take_now()):
            return
        body = event(before, is_, self._instance, self._now())
        try:
            await self._create(EVENT.at(body["metadata"]["namespace"]), body)
        except ApiError as error:
            logger.debug("no event about %s: %s", key, error)

    def forget_all_but(self, keys: Collection[Key]) -> None:
        """Keep nothing about objects that are gone."""
        self._told = {key: each for key, each in self._told.items() if key in keys}
        self._of_object = {key: each for key, each in self._of_object.items() if key in keys}


def event(about: Json, told: Json, instance: str, now: datetime) -> Json:
    """The event that tells a condition of an object."""
    meta = about["metadata"]
    name = meta["name"][:200].rstrip("-.")
    namespace = meta.get("namespace", "default")
    regarding = {field: meta[field] for field in ("name", "namespace", "uid") if field in meta}
    return {
        "apiVersion": EVENT.api_version,
        "kind": EVENT.kind,
        "metadata": {
            "name": f"{name}.{int(now.timestamp() * 1_000_000):x}",
            "namespace": namespace,
        },
        "eventTime": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "reportingController": CONTROLLER_NAME,
        "reportingInstance": instance[:128],
        "action": "UpdateStatus",
        "type": "Normal" if told["status"] == "True" else "Warning",
        "reason": told["reason"],
        "note": (told["message"] or f"{told['type']}: {told['status']}")[:_LONGEST_NOTE],
        "regarding": {"apiVersion": about["apiVersion"], "kind": about["kind"], **regarding},
    }
