"""Leader election on a real API server: one leads, and another takes over when it falls silent."""

import asyncio
from contextlib import asynccontextmanager
from functools import partial

import pytest

from controller.sources.api import Api
from controller.sources.lease import LEASE, Election, Times
from controller.sources.login import login
from tests.kubernetes.flaky import Flaky
from tests.kubernetes.reader import eventually

QUICK = Times(lasting=3, renewing=2, between=0.2)


@pytest.fixture
async def api(kubeconfig):
    async with Api(partial(login, kubeconfig)) as connected:
        yield connected


@pytest.fixture
async def flaky(kubeconfig):
    proxy = Flaky(login(kubeconfig))
    runner = await proxy.start()
    yield proxy
    await proxy.stop(runner)


class Candidate:
    def __init__(self, api, namespace, me) -> None:
        self.election = Election(api, namespace, "dragoman", me, QUICK)
        self.told: list[bool] = []
        self.task = asyncio.create_task(self.election.run(self.told.append))

    @property
    def leads(self) -> bool:
        return self.told[-1:] == [True]

    async def end(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


@asynccontextmanager
async def candidates(*made):
    try:
        yield made
    finally:
        for each in made:
            await each.end()


async def spec(api, namespace):
    return (await api.get(LEASE.at(namespace, "dragoman")))["spec"]


async def test_of_two_one_leads_and_gives_back_when_it_ends(api, namespace) -> None:
    async with candidates(*(Candidate(api, namespace, me) for me in ("a", "b"))) as both:
        await eventually(lambda: any(each.leads for each in both))
        await asyncio.sleep(1)
        (first,), (second,) = ([e for e in both if e.leads is leads] for leads in (True, False))
        assert (second.told, first.election.leader, second.election.leader) == ([], True, False)
        assert second.election.holder == first.election.holder
        await first.end()
        assert first.told == [True, False]
        await eventually(lambda: second.leads)
        assert (await spec(api, namespace))["leaseTransitions"] == 1


async def test_one_that_vanishes_is_followed_by_the_other(api, flaky, namespace) -> None:
    """No farewell: the way of the first to the API server is cut, as if it were killed."""
    async with (
        Api(flaky.login) as through,
        candidates(Candidate(through, namespace, "a")) as (first,),
    ):
        await eventually(lambda: first.leads)
        async with candidates(Candidate(api, namespace, "b")) as (second,):
            flaky.go_away()
            led_together = False

            def taken_over() -> bool:
                nonlocal led_together
                led_together |= first.election.leader and second.election.leader
                return second.leads

            await eventually(taken_over)
            assert (first.told, led_together) == ([True, False], False)
            flaky.come_back()
            await asyncio.sleep(1)
            assert (first.leads, second.leads) == (False, True)
            assert (await spec(api, namespace))["holderIdentity"] == "b"


async def test_a_clock_that_is_wrong_elects_nobody_early(api, namespace) -> None:
    """A holder whose clock is an hour behind renews; a Lease of tomorrow runs out all the same."""
    old = {
        "holderIdentity": "a",
        "leaseDurationSeconds": 2,
        "renewTime": "2020-01-01T00:00:00.000000Z",
    }
    body = {"apiVersion": LEASE.api_version, "kind": "Lease", "metadata": {"name": "dragoman"}}
    await api.create(LEASE.at(namespace), {**body, "spec": old})
    async with candidates(Candidate(api, namespace, "b")) as (second,):
        for turn in range(8):
            await asyncio.sleep(0.5)
            assert not second.told
            stamp = f"2020-01-01T00:00:{turn + 1:02}.000000Z"
            await api.merge(LEASE.at(namespace, "dragoman"), {"spec": {"renewTime": stamp}})
        late = {"spec": {"renewTime": "2099-01-01T00:00:00.000000Z"}}
        await api.merge(LEASE.at(namespace, "dragoman"), late)
        await eventually(lambda: second.leads)


async def test_one_whose_lease_is_taken_away_ceases(api, namespace) -> None:
    async with candidates(Candidate(api, namespace, "a")) as (first,):
        await eventually(lambda: first.leads)
        path = LEASE.at(namespace, "dragoman")
        await api.merge(path, {"spec": {"holderIdentity": "other", "leaseDurationSeconds": 60}})
        await eventually(lambda: first.told == [True, False])
        assert first.election.holder == "other"
