"""What is followed, told by a server that says what the test has it say."""

import asyncio

from controller.sources.api import ApiError, Page, Resource, Selection
from controller.sources.follow import Following
from crds.meta import Key

POD = Resource("v1", "Pod")
POOL = Resource("inference.networking.k8s.io/v1", "InferencePool")


def selection(labels):
    return Selection(POD, "team", labels=labels)


def pod(name):
    meta = {"name": name, "namespace": "team", "resourceVersion": "1"}
    return {"kind": "Pod", "metadata": meta}


class Server:
    """Answers LISTs from `held`, and watches with what `tell` says."""

    def __init__(self, held):
        self.held = held
        self.told = {each: asyncio.Queue() for each in held}

    async def pages(self, asked):
        if isinstance(self.held[asked], ApiError):
            raise self.held[asked]
        yield Page([pod(name) for name in self.held[asked]], "1")

    async def watch(self, asked, _since, _lasting):
        while True:
            yield await self.told[asked].get()


class Taken:
    """What is there, as the store would have it."""

    def __init__(self):
        self.keys = set()
        self.changed = asyncio.Event()

    def take(self, document):
        meta = document["metadata"]
        self.keys.add(Key(document["kind"], meta["namespace"], meta["name"]))
        self.changed.set()

    def lose(self, key):
        self.keys.remove(key)
        self.changed.set()

    async def until(self, *names):
        async with asyncio.timeout(20):
            while {key.name for key in self.keys} != set(names):
                self.changed.clear()
                await self.changed.wait()


async def following(server, *selections):
    taken, tasks = Taken(), []
    made = Following(server, taken, tasks.append)
    made.want(set(selections))
    await made.answered()
    return made, taken, tasks


async def ended(made, tasks):
    made.want(set())
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_pod_of_two_pools_is_there_until_both_have_lost_it() -> None:
    one, two = selection("app=llama"), selection("role=decode")
    server = Server({one: ["a", "b"], two: ["b", "c"]})
    made, taken, tasks = await following(server, one, two)
    await taken.until("a", "b", "c")
    server.told[one].put_nowait(("DELETED", pod("b")))
    server.told[one].put_nowait(("DELETED", pod("a")))
    await taken.until("b", "c")
    server.told[two].put_nowait(("DELETED", pod("b")))
    await taken.until("c")
    await ended(made, tasks)


async def test_a_pool_that_nobody_wants_any_more_takes_only_its_own_pods_along() -> None:
    one, two = selection("app=llama"), selection("role=decode")
    server = Server({one: ["a", "b"], two: ["b", "c"]})
    made, taken, tasks = await following(server, one, two)
    made.want({two})
    await taken.until("b", "c")
    await ended(made, tasks)
    assert taken.keys == set()


async def test_a_kind_that_the_cluster_does_not_know_is_no_trouble() -> None:
    pools = Selection(POOL, "team", fields="metadata.name=llama")
    server = Server({pools: ApiError(404, "NotFound")})
    made, taken, tasks = await following(server, pools)
    assert taken.keys == set()
    assert not any(task.done() for task in tasks)
    await ended(made, tasks)
