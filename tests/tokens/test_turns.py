"""Few ask at once; a namespace's crowd waits for itself."""

import asyncio

from controller.tokens.turns import Turns


class Crowd:
    """Holds its turns until told to let go, and knows who has one."""

    def __init__(self, turns):
        self.turns = turns
        self.there = []
        self.go = asyncio.Event()

    async def hold(self, namespace):
        async with self.turns.taken(namespace):
            self.there.append(namespace)
            await self.go.wait()


async def settled():
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_namespace_that_holds_on_leaves_turns_to_others() -> None:
    crowd = Crowd(Turns(at_once=3, of_namespace=2))
    async with asyncio.TaskGroup() as group:
        for namespace in ("a", "a", "a", "a", "b", "c"):
            group.create_task(crowd.hold(namespace))
        await settled()
        assert crowd.there == ["a", "a", "b"]
        crowd.go.set()
    assert sorted(crowd.there) == ["a", "a", "a", "a", "b", "c"]


async def test_who_is_cancelled_while_waiting_takes_no_turn() -> None:
    crowd = Crowd(Turns(at_once=1, of_namespace=1))
    first, second = (asyncio.create_task(crowd.hold(each)) for each in ("a", "a"))
    await settled()
    second.cancel()
    await settled()
    crowd.go.set()
    await first
    await crowd.hold("a")
    assert crowd.there == ["a", "a"]
