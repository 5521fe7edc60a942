"""Streams of OpenAI chat completions, read: chunks to deltas.

A chunk may say several things at once. A call's first chunk names it; where a server names no
index, a new id begins a new call.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ext_proc.formats import sse, usage
from ext_proc.translation import call_ids, openai_citations
from ext_proc.translation import openai_chat_parts as parts
from ext_proc.translation.citations import CitationPiece
from ext_proc.translation.cited import moved
from ext_proc.translation.codec import Json, UnreadableError
from ext_proc.translation.neutral import (
    Began,
    CallBegan,
    CallPiece,
    Delta,
    Failed,
    Finish,
    Finished,
    RefusalPiece,
    TextPiece,
    Thinking,
    ThinkingPiece,
    Used,
)
from ext_proc.translation.sse_reader import CUT, SseReader
from ext_proc.translation.values import listed, mapping, string

_MOST_CALLS = 512
FINISHES: dict[str, Finish] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}


def finish(reason: Any, *, calls: bool) -> Finish | None:
    """Why a choice ended; whoever names the tool to call is told `stop` when it is called."""
    said = FINISHES.get(reason) if isinstance(reason, str) else None
    return "tool_calls" if said == "stop" and calls else said


@dataclass(slots=True)
class _Called:
    """A call that began."""

    number: int
    """Within its choice."""
    id: str
    """As the server gave it."""
    argued: bool = False
    """Some of its arguments came."""


class Reader(SseReader):
    """Chunks to deltas."""

    def __init__(self) -> None:
        super().__init__()
        self._began = False
        self._calls: dict[tuple[int, int | None], _Called] = {}
        """The last call by choice and the server's own index."""
        self._numbered: dict[int, int] = {}
        """How many calls each choice has made."""
        self._unargued: dict[tuple[int, int], None] = {}
        """Choice and number of those of whose arguments nothing came."""
        self._said: dict[int, int] = {}
        """How many characters each choice has said."""
        self._name_call = call_ids.namer(b"")
        self._finishes: dict[int, str] = {}
        """Said at the end: some servers state a reason in every chunk."""
        self._open: set[int] = set()
        """Choices that have said something and not why they ended."""
        self._over = False

    def end(self) -> Iterator[Delta]:
        """The provider ended. Raise UnreadableError for a stream that was cut."""
        yield from super().end()
        if self._over:
            return
        if self._open or not self._finishes:
            raise UnreadableError(CUT)
        yield from self._ended()

    def event(self, event: sse.Event) -> Iterator[Delta]:
        """Read one event."""
        if self._over or event.data is None:
            return
        if event.data.strip() == b"[DONE]":
            self._over = True
            yield from self._ended()
            return
        chunk = self.document(event.data)
        if "error" in chunk and not chunk.get("choices"):
            self._over = True
            yield _failed(chunk["error"])
            return
        if not self._began:
            self._began = True
            self._name_call = call_ids.namer(event.data)
            yield Began(string(chunk.get("id")), string(chunk.get("model")))
        for choice in listed(chunk.get("choices")):
            yield from self._choice(choice)
        if (told := chunk.get("usage")) is not None:
            self.usage = usage.openai(told)
            self.usage_invalid = self.usage is None

    def _ended(self) -> Iterator[Delta]:
        for choice, number in self._unargued:
            if self._finishes.get(choice) != "length":  # else they were cut off
                yield CallPiece(number, "{}", choice)
        for choice, reason in self._finishes.items():
            calls = choice in self._numbered
            yield Finished(finish(reason, calls=calls) or "stop", choice=choice)
        if self._finishes and self.usage is not None:
            yield Used(self.usage)
        self._finishes = {}

    def _choice(self, choice: Json) -> Iterator[Delta]:
        number = choice.get("index")
        at = number if type(number) is int and 0 <= number < _MOST_CALLS else 0
        delta = mapping(choice.get("delta"))
        for each in listed(delta.get("reasoning_details")):
            text = string(each.get("text") or each.get("summary"))
            yield ThinkingPiece(
                text, string(each.get("signature")), string(each.get("data")), choice=at
            )
        thought = string(delta.get("reasoning_content") or delta.get("reasoning"))
        if thought and not delta.get("reasoning_details"):
            yield ThinkingPiece(thought, choice=at)
        for said in parts.spoken(delta.get("content")):
            thinks = isinstance(said, Thinking)
            self._said[at] = self._said.get(at, 0) + (0 if thinks else len(said.text))
            yield ThinkingPiece(said.text, choice=at) if thinks else TextPiece(said.text, at)
        for citation in openai_citations.read_chat(delta.get("annotations")):
            if until := self._said.get(at, 0):
                yield CitationPiece(moved(citation, 0, until), at)
        if refusal := string(delta.get("refusal")):
            yield RefusalPiece(refusal, at)
        for each in listed(delta.get("tool_calls")):
            yield from self._call(each, at)
        reason = choice.get("finish_reason")
        if isinstance(reason, str):
            self._finishes[at] = reason
            self._open.discard(at)
        elif at not in self._finishes:
            self._open.add(at)

    def _call(self, call: Json, at: int) -> Iterator[Delta]:
        function = mapping(call.get("function"))
        given, id_, name = call.get("index"), string(call.get("id")), string(function.get("name"))
        place = given if type(given) is int else None
        called = self._calls.get((at, place))
        if called is None or _begins(called, id_, name, indexed=place is not None):
            called = self._calls[at, place] = self._next(at, id_)
            signature = mapping(mapping(call.get("extra_content")).get("google"))
            yield CallBegan(
                called.number,
                id_ or self._name_call(at, called.number, name),
                name,
                string(signature.get("thought_signature")),
                at,
            )
        if arguments := parts.arguments_of(function):
            called.argued = True
            self._unargued.pop((at, called.number), None)
            yield CallPiece(called.number, arguments, at)

    def _next(self, at: int, id_: str) -> _Called:
        number = self._numbered.get(at, 0)
        if number >= _MOST_CALLS:
            raise UnreadableError("The provider's stream has too many tool calls.")
        self._numbered[at] = number + 1
        self._unargued[at, number] = None
        return _Called(number, id_)


def _begins(called: _Called, id_: str, name: str, *, indexed: bool) -> bool:
    """Tell whether another call begins in the place of one that is known.

    Google's servers number all calls of an answer 0, and some name a call again in each piece, or
    give each piece an id of its own: so a call that has an index begins with an id and a name.
    """
    if indexed:
        return bool(name and called.id) and id_ not in ("", called.id)
    return id_ != called.id if id_ else called.argued and bool(name)


def _failed(error: Any) -> Failed:
    stated_ = error if isinstance(error, dict) else {"message": error}
    code = stated_.get("code")
    status = code if type(code) is int and 400 <= code < 600 else 502
    return Failed(status, string(stated_.get("message")) or "The provider's stream failed.")
