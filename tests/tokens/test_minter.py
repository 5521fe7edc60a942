"""Tokens in readings: asked for before anyone is told, renewed, kept while they last, and let go."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from itertools import count, cycle

import pytest

from controller.resources import Resources, SessionKey, Unminted
from controller.sources.gather import Reading
from controller.tokens import asking
from controller.tokens.grants import Token
from controller.tokens.minter import Clock, Minter, assumed
from controller.tokens.turns import OF_NAMESPACE
from crds.gateway import SecretValue
from crds.meta import Key
from tests.tokens.test_asking import BACKEND, oauth, resources

CLIENT = {"clientID": "c", "clientSecret": "s"}
ASKING = Reading(oauth(CLIENT))
ROTATED = Reading(oauth({**CLIENT, "clientSecret": "new"}))
SILENT = Reading(resources({"type": "None"}, {}))


class Endpoint:
    """Answers what it is told to, in order; the last answer again and again."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []

    async def __call__(self, ask):
        self.asked.append(ask)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, asyncio.Event):
            await answer.wait()
            answer = self.answers.pop(0)
        if answer == "nothing":
            await asyncio.Event().wait()
        return answer


class Times:
    """A clock that goes on when it is told to, and by what is waited for."""

    def __init__(self, chance=0.0):
        self.now = 0.0
        self.waits = []
        self._sleeping = []
        self.clock = Clock(lambda: self.now, self._sleep, lambda: chance)

    async def _sleep(self, wait_s):
        awake = asyncio.Event()
        self.waits.append(wait_s)
        self._sleeping.append((self.now + wait_s, awake))
        await awake.wait()

    async def pass_until(self, awaited):
        """Go from one awakening to the next until this is there."""
        task = asyncio.ensure_future(awaited)
        while not task.done():
            for _ in range(20):
                await asyncio.sleep(0)
            if self._sleeping and not task.done():
                first = min(self._sleeping, key=lambda each: each[0])
                self._sleeping.remove(first)
                self.now = first[0]
                first[1].set()
        return await task


def token(value, lasts_s=3600.0):
    return Token(SecretValue(value.encode()), timedelta(seconds=lasts_s))


@asynccontextmanager
async def joined(
    mint, *given, patience_s=5.0, more=None, clock=None, gathered_s=0.1
) -> AsyncIterator[AsyncIterator[Resources]]:
    """The readings that come out; what comes in stays open."""

    async def source():
        for each in given:
            yield each
        while True:
            yield await (more or asyncio.Queue()).get()

    async def out():
        async for reading in stream:
            yield reading.resources

    stream = Minter(mint, patience_s, clock, gathered_s).joined(source())
    try:
        yield out()
    finally:
        await stream.aclose()


async def test_the_first_reading_comes_with_its_token() -> None:
    async with joined(Endpoint(token("one")), ASKING) as readings:
        first = await anext(readings)
    assert first.tokens == {BACKEND: SecretValue(b"one")}
    assert first.backends == ASKING.resources.backends


async def test_what_asks_for_nothing_passes_untouched() -> None:
    endpoint = Endpoint(token("one"))
    async with joined(endpoint, SILENT) as readings:
        assert (await anext(readings)).tokens == {}
    assert endpoint.asked == []


async def test_a_token_is_renewed_before_it_ends() -> None:
    async with joined(Endpoint(token("one", 1), token("two")), ASKING) as readings:
        assert (await anext(readings)).tokens == {BACKEND: SecretValue(b"one")}
        assert (await anext(readings)).tokens == {BACKEND: SecretValue(b"two")}


async def test_a_token_that_cannot_be_renewed_serves_until_it_ends() -> None:
    endpoint = Endpoint(token("one", 2), "idp.example answered 500")
    async with joined(endpoint, ASKING) as readings:
        assert (await anext(readings)).tokens == {BACKEND: SecretValue(b"one")}
        asked = len(endpoint.asked)
        assert (await anext(readings)).tokens == {BACKEND: Unminted("idp.example answered 500")}
        assert len(endpoint.asked) > asked


async def test_what_is_refused_at_first_is_told_and_asked_again() -> None:
    async with joined(Endpoint("idp.example answered 401", token("one")), ASKING) as readings:
        assert (await anext(readings)).tokens == {BACKEND: Unminted("idp.example answered 401")}
        assert (await anext(readings)).tokens == {BACKEND: SecretValue(b"one")}


async def test_an_endpoint_that_says_nothing_holds_nobody_up_for_long() -> None:
    async with joined(Endpoint("nothing"), ASKING, patience_s=0.05) as readings:
        assert (await anext(readings)).tokens == {}


async def test_an_endpoint_that_says_nothing_is_waited_for_once() -> None:
    """With patience for hours the reading after it would come in hours."""

    async def source():
        yield ASKING
        yield await later.get()

    later = asyncio.Queue()
    minter = Minter(Endpoint("nothing"), patience_s=0.05)
    stream = minter.joined(source())
    await anext(stream)
    minter._patience_s = 10_000.0
    later.put_nowait(ASKING)
    assert (await asyncio.wait_for(anext(stream), 60)).resources.tokens == {}
    await stream.aclose()


async def test_a_fault_of_ours_costs_one_token_for_a_while(caplog) -> None:
    async with joined(Endpoint(RuntimeError("ours"), token("one")), ASKING) as readings:
        told = (await anext(readings)).tokens[BACKEND]
        assert told == Unminted("idp.example could not be asked")
        assert (await anext(readings)).tokens == {BACKEND: SecretValue(b"one")}
    assert "a bug of ours" in caplog.text


async def test_a_rotated_secret_is_asked_with_anew_while_the_old_token_serves() -> None:
    answered, more = asyncio.Event(), asyncio.Queue()
    endpoint = Endpoint(token("one"), answered, token("two"), "never asked again")
    async with joined(endpoint, ASKING, more=more) as readings:
        await anext(readings)
        more.put_nowait(ASKING)
        assert (await anext(readings)).tokens == {BACKEND: SecretValue(b"one")}
        more.put_nowait(ROTATED)
        assert (await anext(readings)).tokens == {BACKEND: SecretValue(b"one")}
        answered.set()
        assert (await anext(readings)).tokens == {BACKEND: SecretValue(b"two")}
        more.put_nowait(SILENT)
        assert (await anext(readings)).tokens == {}
    assert len(endpoint.asked) == 2


async def test_a_rotated_secret_that_is_refused_costs_the_token_only_when_it_ends() -> None:
    times, more = Times(), asyncio.Queue()
    endpoint = Endpoint(token("one", 100), "idp.example answered 401")
    async with joined(endpoint, ASKING, more=more, clock=times.clock, gathered_s=0) as readings:
        await anext(readings)
        more.put_nowait(ROTATED)
        assert (await anext(readings)).tokens == {BACKEND: SecretValue(b"one")}
        told = await times.pass_until(anext(readings))
    assert told.tokens == {BACKEND: Unminted("idp.example answered 401")}
    assert times.now == 98


@pytest.mark.parametrize(
    "other",
    [
        oauth({**CLIENT, "clientID": "other"}),
        oauth(CLIENT, tokenURL="https://other.example/token"),
        oauth(CLIENT, scopes=["other"]),
        oauth({}),
    ],
)
async def test_no_token_serves_for_another_client_endpoint_or_scope(other) -> None:
    endpoint, more = Endpoint(token("one"), "nothing"), asyncio.Queue()
    async with joined(endpoint, ASKING, more=more, patience_s=0.05) as readings:
        await anext(readings)
        more.put_nowait(Reading(other))
        assert (await anext(readings)).tokens == {}


async def test_waits_differ_by_chance_and_are_never_longer() -> None:
    for chance, waits in ((0.0, [75.0, 1.0, 2.0]), (1.0, [60.0, 0.8, 1.6])):
        times = Times(chance)
        endpoint = Endpoint(token("one", 100), "no", "no", token("two", 100))
        async with joined(endpoint, ASKING, clock=times.clock) as readings:
            await anext(readings)
            await times.pass_until(anext(readings))
        assert times.waits[:3] == pytest.approx(waits)


async def test_what_cannot_be_told_of_one_backend_costs_it_alone(monkeypatch, caplog) -> None:
    """And what it has goes on serving."""
    one, two = BACKEND, Key("AIBackend", "infra", "c")
    both = replace(
        ASKING.resources,
        backends={
            one: ASKING.resources.backends[one],
            two: replace(ASKING.resources.backends[one], key=two),
        },
    )
    told, more = asking.ask, asyncio.Queue()

    def fails(key, resources):
        if key == one:
            raise ValueError("planted")
        return told(key, resources)

    async with joined(Endpoint(token("one")), ASKING, more=more) as readings:
        assert (await anext(readings)).tokens.keys() == {one}
        monkeypatch.setattr(asking, "ask", fails)
        more.put_nowait(Reading(both))
        assert (await anext(readings)).tokens.keys() == {one, two}
    async with joined(Endpoint(token("one")), Reading(both)) as readings:
        assert (await anext(readings)).tokens.keys() == {two}
    assert "AIBackend infra/b" in caplog.text
    assert "planted" not in caplog.text


async def test_tokens_that_are_renewed_together_come_in_one_reading() -> None:
    """A token endpoint must not decide how often everything is translated."""
    spec = ASKING.resources.backends[BACKEND]
    keys = [Key("AIBackend", "infra", f"b{n}") for n in range(OF_NAMESPACE)]
    many = {key: replace(spec, key=key) for key in keys}
    given = Reading(replace(ASKING.resources, backends=many))
    numbers, chances = count(), cycle(n / OF_NAMESPACE for n in range(OF_NAMESPACE))

    async def mint(_):
        return token(f"{next(numbers)}", 1)

    clock = Clock(chance=lambda: next(chances))
    async with joined(mint, given, clock=clock, gathered_s=1) as readings:
        first = await anext(readings)
        second = await anext(readings)
    assert first.tokens.keys() == second.tokens.keys() == set(keys)
    assert not set(first.tokens.values()) & set(second.tokens.values())


async def test_a_namespace_asks_for_few_tokens_at_once() -> None:
    spec = ASKING.resources.backends[BACKEND]
    keys = [Key("AIBackend", "infra", f"b{n}") for n in range(OF_NAMESPACE + 5)]
    many = {key: replace(spec, key=key) for key in keys}
    endpoint = Endpoint("nothing")
    given = Reading(replace(ASKING.resources, backends=many))
    async with joined(endpoint, given, patience_s=0.05) as readings:
        assert (await anext(readings)).tokens == {}
    assert len(endpoint.asked) == OF_NAMESPACE


async def test_a_source_that_breaks_breaks_what_reads_it() -> None:
    async def source():
        yield SILENT
        raise LookupError("the source")

    with pytest.raises(LookupError, match="the source"):
        async for _ in Minter(Endpoint("nothing")).joined(source()):
            pass


async def test_a_source_that_ends_ends_after_its_last_reading() -> None:
    async def source():
        yield ASKING

    found = [reading async for reading in Minter(Endpoint(token("one"))).joined(source())]
    assert [each.resources.tokens for each in found] == [{BACKEND: SecretValue(b"one")}]


def test_who_only_looks_assumes_keys_of_a_role() -> None:
    own = {
        "serviceAccountRef": {"name": "s"},
        "aws": {"roleARN": "arn:aws:iam::123456789012:role/r"},
    }
    auth = {"type": "AWS", "workloadIdentity": own}
    given = resources(auth, {}, provider="Bedrock", aws={"region": "us-east-1"})
    [found] = assumed(given).tokens.values()
    assert isinstance(found, SessionKey)


def test_who_only_looks_assumes_every_token() -> None:
    assert list(assumed(ASKING.resources).tokens) == [BACKEND]
    assert json.dumps(repr(assumed(ASKING.resources).tokens)).count("<secret>") == 1
