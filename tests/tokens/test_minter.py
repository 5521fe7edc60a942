"""Tokens in readings: asked for before anyone is told, renewed, kept while they last, and let go."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from controller.resources import Resources, Unminted
from controller.sources.gather import Reading
from controller.tokens.grants import Token
from controller.tokens.minter import Minter, assumed
from crds.gateway import SecretValue
from tests.tokens.test_asking import BACKEND, oauth, resources

CLIENT = {"clientID": "c", "clientSecret": "s"}
ASKING = Reading(oauth(CLIENT))
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
        if answer == "nothing":
            await asyncio.Event().wait()
        return answer


def token(value, lasts_s=3600.0):
    return Token(SecretValue(value.encode()), timedelta(seconds=lasts_s))


@asynccontextmanager
async def joined(
    mint, *given, patience_s=5.0, more=None
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

    stream = Minter(mint, patience_s).joined(source())
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
    endpoint = Endpoint(token("one", 2), "answered 500")
    async with joined(endpoint, ASKING) as readings:
        assert (await anext(readings)).tokens == {BACKEND: SecretValue(b"one")}
        asked = len(endpoint.asked)
        assert (await anext(readings)).tokens == {BACKEND: Unminted("idp.example answered 500")}
        assert len(endpoint.asked) > asked


async def test_what_is_refused_at_first_is_told_and_asked_again() -> None:
    async with joined(Endpoint("answered 401", token("one")), ASKING) as readings:
        assert (await anext(readings)).tokens == {BACKEND: Unminted("idp.example answered 401")}
        assert (await anext(readings)).tokens == {BACKEND: SecretValue(b"one")}


async def test_an_endpoint_that_says_nothing_holds_nobody_up_for_long() -> None:
    async with joined(Endpoint("nothing"), ASKING, patience_s=0.05) as readings:
        assert (await anext(readings)).tokens == {}


async def test_a_fault_of_ours_costs_one_token_for_a_while(caplog) -> None:
    async with joined(Endpoint(RuntimeError("ours"), token("one")), ASKING) as readings:
        told = (await anext(readings)).tokens[BACKEND]
        assert told == Unminted("idp.example could not be asked")
        assert (await anext(readings)).tokens == {BACKEND: SecretValue(b"one")}
    assert "a bug of ours" in caplog.text


async def test_another_secret_is_asked_for_anew_and_the_old_token_is_gone() -> None:
    endpoint, more = Endpoint(token("one"), token("two")), asyncio.Queue()
    async with joined(endpoint, ASKING, more=more) as readings:
        await anext(readings)
        more.put_nowait(ASKING)
        assert (await anext(readings)).tokens == {BACKEND: SecretValue(b"one")}
        more.put_nowait(Reading(oauth({**CLIENT, "clientSecret": "new"})))
        assert (await anext(readings)).tokens == {BACKEND: SecretValue(b"two")}
        more.put_nowait(SILENT)
        assert (await anext(readings)).tokens == {}
    assert len(endpoint.asked) == 2


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


def test_who_only_looks_assumes_every_token() -> None:
    assert list(assumed(ASKING.resources).tokens) == [BACKEND]
    assert json.dumps(repr(assumed(ASKING.resources).tokens)).count("<secret>") == 1
