"""The writer: only what differs, a fresh copy each time, and patience with the API server.

The cluster here is a dictionary that keeps resourceVersions; what a real API server makes of the
same writer is in tests/kubernetes/test_status.py.
"""

import asyncio
import copy
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from controller.sources.api import ApiError
from controller.sources.bucket import Bucket
from controller.sources.status import CONFLICTS, Pace, StatusWriter
from crds.meta import CONTROLLER_NAME, Key
from tests.status.leading import leading, settled

ROUTE = Key("AIRoute", "team-a", "chat")
PATH = "/apis/dragoman.dev/v1alpha1/namespaces/team-a/airoutes/chat"
QUICK = Pace(rate=10_000, burst=100, patience_s=0.02, retry_s=0.001, longest_retry_s=0.01)


def condition(type_: str, status: str, reason: str, generation: int) -> dict[str, Any]:
    return {
        "type": type_,
        "status": status,
        "observedGeneration": generation,
        "reason": reason,
        "message": "",
    }


def stated(status: str, reason: str, generation: int = 1) -> dict[str, Any]:
    return {
        "observedGeneration": generation,
        "conditions": [condition("Ready", status, reason, generation)],
        "parents": [],
    }


READY, PENDING = stated("True", "Programmed"), stated("Unknown", "Pending")
BROKEN = stated("False", "Invalid")


class Cluster:
    """Objects by path, and what was written to them."""

    def __init__(self, *names: str) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.written: list[str] = []
        self.events: list[dict[str, Any]] = []
        self.version = 0
        self.broken: Callable[[str], Exception | None] = lambda method: None
        for name in names or ("chat",):
            self.add(name)

    def add(self, name: str, generation: int = 1, status: dict[str, Any] | None = None) -> None:
        self.version += 1
        self.objects[f"{PATH.rpartition('/')[0]}/{name}"] = {
            "apiVersion": "dragoman.dev/v1alpha1",
            "kind": "AIRoute",
            "metadata": {
                "name": name,
                "namespace": "team-a",
                "generation": generation,
                "uid": "1",
                "resourceVersion": str(self.version),
            },
            "status": status or {},
        }

    def read(self, key: Key) -> dict[str, Any] | None:
        return self.objects.get(f"{PATH.rpartition('/')[0]}/{key.name}")

    async def get(self, path: str) -> dict[str, Any]:
        self.fail("GET")
        if path not in self.objects:
            raise ApiError(404, "NotFound")
        return copy.deepcopy(self.objects[path])

    async def replace(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        self.fail("PUT")
        found = self.objects[path.removesuffix("/status")]
        if body["metadata"]["resourceVersion"] != found["metadata"]["resourceVersion"]:
            raise ApiError(409, "Conflict")
        self.version += 1
        meta = {**found["metadata"], "resourceVersion": str(self.version)}
        self.objects[path.removesuffix("/status")] = {
            **found,
            "metadata": meta,
            "status": body["status"],
        }
        self.written.append(found["metadata"]["name"])
        return body

    async def create(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        self.fail("POST")
        self.events.append(body)
        return body

    def fail(self, method: str) -> None:
        error = self.broken(method)
        if error is not None:
            raise error

    def ready(self, name: str = "chat") -> str | None:
        found = self.objects[f"{PATH.rpartition('/')[0]}/{name}"]["status"].get("conditions", [])
        return next((each["reason"] for each in found if each["type"] == "Ready"), None)


def writer(cluster: Cluster, pace: Pace = QUICK) -> StatusWriter:
    return StatusWriter(
        cluster,
        cluster.read,
        "pod-1",
        pace,
        time.monotonic,
        lambda: datetime(2026, 1, 1, tzinfo=UTC),
    )


async def test_what_differs_is_written_once() -> None:
    cluster = Cluster()
    statuses = writer(cluster)
    async with leading(statuses):
        for _ in range(3):
            statuses.want({ROUTE: copy.deepcopy(READY)})
            statuses.changed(ROUTE)
            await settled(statuses)
    assert cluster.written == ["chat"]
    assert cluster.ready() == "Programmed"


async def test_nothing_is_written_without_leading_and_all_is_compared_when_it_begins() -> None:
    cluster = Cluster()
    statuses = writer(cluster)
    statuses.want({ROUTE: READY})
    await asyncio.sleep(0.01)
    assert cluster.written == []
    async with leading(statuses):
        await settled(statuses)
    assert cluster.written == ["chat"]
    statuses.want({ROUTE: BROKEN})
    await asyncio.sleep(0.01)
    assert cluster.written == ["chat"]
    async with leading(statuses):
        await settled(statuses)
    assert cluster.ready() == "Invalid"


async def test_what_becomes_ready_soon_is_never_called_pending() -> None:
    cluster = Cluster()
    statuses = writer(cluster, Pace(rate=10_000, patience_s=30))
    async with leading(statuses):
        statuses.want({ROUTE: PENDING})
        statuses.want({ROUTE: READY})
        while not cluster.written:
            await asyncio.sleep(0.002)
    assert cluster.written == ["chat"]
    assert cluster.ready() == "Programmed"


async def test_what_stays_pending_is_told_even_if_it_is_wanted_again_and_again() -> None:
    cluster = Cluster()
    statuses = writer(cluster)
    async with leading(statuses):
        for _ in range(5):
            statuses.want({ROUTE: copy.deepcopy(PENDING)})
            await asyncio.sleep(0.001)
        await settled(statuses)
    assert cluster.ready() == "Pending"
    assert cluster.events == []


async def test_the_newest_wanted_status_wins() -> None:
    cluster = Cluster()
    statuses = writer(cluster)
    held = asyncio.Event()
    plain = cluster.get

    async def slow(path: str) -> dict[str, Any]:
        found = await plain(path)
        await held.wait()
        return found

    cluster.get = slow
    async with leading(statuses):
        statuses.want({ROUTE: BROKEN})
        await asyncio.sleep(0.01)
        statuses.want({ROUTE: READY})
        held.set()
        await settled(statuses)
    assert cluster.ready() == "Programmed"


async def test_a_status_that_goes_back_before_the_cache_sees_it_is_written() -> None:
    """What was last seen still shows the first status, while the API has the second."""
    cluster = Cluster()
    statuses = writer(cluster)
    async with leading(statuses):
        statuses.want({ROUTE: READY})
        await settled(statuses)
        seen = cluster.read(ROUTE)
        statuses._read = lambda key: seen
        statuses.want({ROUTE: BROKEN})
        await settled(statuses)
        assert cluster.ready() == "Invalid"
        statuses.want({ROUTE: READY})
        await settled(statuses)
    assert cluster.ready() == "Programmed"


@pytest.mark.parametrize(("generation", "observed"), [(2, 1), (1, 2)])
async def test_what_was_judged_from_another_generation_is_not_written(
    generation: int, observed: int
) -> None:
    cluster = Cluster()
    cluster.add("chat", generation, stated("True", "Programmed", observed))
    statuses = writer(cluster)
    async with leading(statuses):
        statuses.want({ROUTE: BROKEN})
        await settled(statuses)
    assert cluster.written == []


async def test_a_conflict_is_tried_again_with_a_fresh_copy() -> None:
    cluster = Cluster()
    left = [CONFLICTS - 1]

    def once_more(method: str) -> Exception | None:
        if method == "PUT" and left[0]:
            left[0] -= 1
            return ApiError(409, "Conflict")
        return None

    cluster.broken = once_more
    statuses = writer(cluster)
    async with leading(statuses):
        statuses.want({ROUTE: READY})
        await settled(statuses)
    assert cluster.written == ["chat"]


@pytest.mark.parametrize(
    "error", [ApiError(0, "no answer"), ApiError(500, "x"), ApiError(429, "x"), ApiError(409, "x")]
)
async def test_an_api_server_that_is_away_is_waited_for(error: ApiError) -> None:
    cluster = Cluster("chat", "other")
    failures = [25]

    def away(method: str) -> Exception | None:
        failures[0] -= 1
        return error if failures[0] > 0 else None

    cluster.broken = away
    statuses = writer(cluster)
    async with leading(statuses):
        statuses.want({ROUTE: READY, Key("AIRoute", "team-a", "other"): READY})
        await settled(statuses)
    assert sorted(cluster.written) == ["chat", "other"]


async def test_an_object_that_is_gone_is_forgotten_and_one_made_again_is_written() -> None:
    cluster = Cluster()
    statuses = writer(cluster)
    async with leading(statuses):
        statuses.want({ROUTE: READY})
        await settled(statuses)
        cluster.objects.pop(PATH)
        statuses.want({ROUTE: BROKEN})
        await settled(statuses)
        cluster.add("chat")
        statuses.want({ROUTE: copy.deepcopy(BROKEN)})
        await settled(statuses)
    assert cluster.written == ["chat", "chat"]
    assert cluster.ready() == "Invalid"


async def test_transitions_are_told_as_events_once() -> None:
    cluster = Cluster()
    statuses = writer(cluster)
    async with leading(statuses):
        for each in (PENDING, READY, PENDING, READY, BROKEN, BROKEN, READY):
            statuses.want({ROUTE: copy.deepcopy(each)})
            await settled(statuses)
    told = [(each["type"], each["reason"]) for each in cluster.events]
    assert told == [("Normal", "Programmed"), ("Warning", "Invalid"), ("Normal", "Programmed")]
    assert {each["reportingController"] for each in cluster.events} == {CONTROLLER_NAME}


async def test_an_object_that_flaps_is_told_of_only_so_often() -> None:
    cluster = Cluster()
    statuses = writer(cluster)
    async with leading(statuses):
        for _ in range(10):
            for each in (READY, BROKEN):
                statuses.want({ROUTE: each})
                await settled(statuses)
    assert len(cluster.written) == 20
    assert len(cluster.events) == 5


async def test_a_new_leader_does_not_tell_again_what_was_told() -> None:
    cluster = Cluster()
    for wanted in (
        BROKEN,
        {
            **BROKEN,
            "parents": [
                {"parentRef": {"name": "x"}, "controllerName": CONTROLLER_NAME, "conditions": []}
            ],
        },
    ):
        statuses = writer(cluster)
        async with leading(statuses):
            statuses.want({ROUTE: wanted})
            await settled(statuses)
    assert len(cluster.written) == 2
    assert len(cluster.events) == 1


async def test_events_that_are_not_taken_harm_nothing() -> None:
    cluster = Cluster()
    cluster.broken = lambda method: ApiError(403, "Forbidden") if method == "POST" else None
    statuses = writer(cluster)
    async with leading(statuses):
        statuses.want({ROUTE: READY})
        await settled(statuses)
    assert cluster.ready() == "Programmed"


def test_a_bucket_gives_a_burst_and_then_its_rate() -> None:
    now = [0.0]
    bucket = Bucket(20, 100, lambda: now[0])
    assert [bucket.take() for _ in range(100)] == [0.0] * 100
    assert bucket.take() == pytest.approx(0.05)
    assert bucket.take() == pytest.approx(0.1)
    assert not bucket.take_now()
    now[0] = 1000.0
    assert all(bucket.take_now() for _ in range(100))
    assert not bucket.take_now()


async def test_a_write_that_fails_for_days_is_tried_on() -> None:
    cluster = Cluster()
    statuses = writer(cluster)
    cluster.broken = lambda _: ApiError(500, "x")
    async with leading(statuses):
        statuses._failures[ROUTE] = 5000
        statuses.want({ROUTE: READY})
        await asyncio.sleep(0.05)
        cluster.broken = lambda _: None
        await settled(statuses)
    assert cluster.written == ["chat"]


async def test_a_new_term_does_not_write_what_the_last_one_wanted() -> None:
    cluster = Cluster()
    statuses = writer(cluster)
    async with leading(statuses):
        statuses.want({ROUTE: BROKEN})
        await settled(statuses)
    cluster.add("chat", status=READY)
    async with leading(statuses):
        await asyncio.sleep(0.05)
        assert statuses.idle
    assert cluster.written == ["chat"]
