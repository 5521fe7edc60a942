"""Ids of tool calls where none is given: made up, and the same in every reading.

An answer's ids must not come again in the next answer, so they are made of the whole of it; those
of a conversation are counted, and each result without one answers the first call that waits.
"""

import hashlib
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from functools import cache
from typing import Any

from ext_proc.formats import strict
from ext_proc.translation.neutral import Request, ToolCall

NameCall = Callable[[int, int, str], str]
"""The id of a call, by its choice, its number there and its name."""


def namer(answer: bytes | dict[str, Any]) -> NameCall:
    """How calls of an answer are named; of a stream, by its first event."""

    @cache
    def seed() -> bytes:
        raw = answer if isinstance(answer, bytes) else strict.dumps(answer)
        return hashlib.sha256(raw).digest()

    def name_call(choice: int, number: int, name: str) -> str:
        own = hashlib.sha256(b"%b/%d/%d/%b" % (seed(), choice, number, name.encode()))
        return f"call_{own.hexdigest()[:24]}"

    return name_call


def spelled(stated: str, characters: str, longest: int, prefix: str) -> str:
    """An id that a format can have: the stated one, or always the same other one.

    `characters`: those it is made of; empty: any.
    """
    alike = not characters or not stated.strip(characters)
    if 0 < len(stated) <= longest and alike:
        return stated
    return f"{prefix}{hashlib.sha256(stated.encode(errors='replace')).hexdigest()[:24]}"


class Calls:
    """The calls of one conversation, as far as it was read."""

    def __init__(self) -> None:
        self._count = 0
        self._names: OrderedDict[str, str] = OrderedDict()
        """Of the calls without a result, by id."""
        self._open: dict[str, OrderedDict[str, None]] = defaultdict(OrderedDict)
        """The ids of the same, by name."""

    def called(self, name: str, given: str) -> str:
        """The id of a call: its own, if it has one."""
        id_ = given or self._made_up()
        self._names[id_] = name
        self._open[name][id_] = None
        return id_

    def answered(self, name: str, given: str) -> str:
        """The id of the call that a result answers: its own, or that of the first open one."""
        waiting = self._open[name] if name else self._names
        id_ = given or next(iter(waiting), "")
        self._open[self._names.pop(id_, name)].pop(id_, None)
        return id_ or self._made_up()

    def _made_up(self) -> str:
        self._count += 1
        return f"call_{self._count}"


def named(request: Request) -> dict[str, str]:
    """The tool's name of every call, by the call's id: some formats want it with the result."""
    return {
        part.id: part.name
        for message in request.messages
        for part in message.parts
        if isinstance(part, ToolCall)
    }
