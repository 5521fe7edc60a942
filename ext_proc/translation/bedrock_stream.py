"""A ConverseStream answer, read: messages of an AWS event stream become deltas.

Blocks of text need no beginning; those of tools have one. Signatures come with their block's end.
A stream without `messageStop` was cut. Source: `ConverseStreamOutput` of the Amazon Bedrock Runtime
API reference.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ext_proc.call import Usage
from ext_proc.formats import bedrock_errors, strict, usage
from ext_proc.formats.eventstream import BrokenFrameError, Message, Messages
from ext_proc.translation import bedrock_citations
from ext_proc.translation.bedrock_answer import UNREADABLE, finish_of, sequence_of
from ext_proc.translation.bedrock_carried import carried
from ext_proc.translation.cited_stream import Words
from ext_proc.translation.codec import Json, UnreadableError
from ext_proc.translation.neutral import (
    Began,
    CallBegan,
    CallPiece,
    Delta,
    Failed,
    Finished,
    ThinkingPiece,
    Used,
)
from ext_proc.translation.sse_reader import CUT

_MOST_CALLS = 4096
_MOST_HELD = 1024 * 1024
"""Characters of signatures that wait for the end of their block."""


class Reader:
    """One stream."""

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self.usage_invalid = False
        self._messages = Messages()
        self._calls: dict[int, int] = {}
        """Numbers of calls, by block."""
        self._unargued: set[int] = set()
        """Blocks of calls of whose arguments nothing came."""
        self._ignored: set[int] = set()
        """Blocks of tools that the provider ran itself."""
        self._held: dict[tuple[int, str], list[str]] = {}
        """Pieces of signatures and of what is encrypted, by block."""
        self._held_length = 0
        self._signature = ""
        """Of the call that comes next."""
        self._words = Words(follow=True)
        self._worded: int | None = None
        """The last block of words."""
        self._over = self._failed = False
        self._events: dict[str, Callable[[Json], Iterable[Delta]]] = {
            "messageStart": lambda _: (Began("", ""),),
            "contentBlockStart": self._start,
            "contentBlockDelta": self._delta,
            "contentBlockStop": self._stop,
            "messageStop": self._finish,
            "metadata": self._metadata,
        }

    def feed(self, data: bytes) -> Iterator[Delta]:
        """Take what arrived. Raise UnreadableError."""
        try:
            for message in self._messages.push(data):
                yield from self._message(message)
        except BrokenFrameError:
            raise UnreadableError("The provider's stream is no AWS event stream.") from None

    def end(self) -> Iterator[Delta]:
        """The provider ended. Raise UnreadableError."""
        if not self._over or self._messages.cut:
            raise UnreadableError(CUT)
        return iter(())

    def _message(self, message: Message) -> Iterable[Delta]:
        if self._failed:
            return ()
        if message.kind in ("exception", "error"):
            self._over = self._failed = True
            return (Failed(*bedrock_errors.of_message(message)),)
        reader = self._events.get(message.name)
        if reader is None:
            return ()
        try:
            return reader(strict.loads(message.payload))
        except strict.InvalidJsonError:
            raise UnreadableError(UNREADABLE) from None

    def _start(self, event: Json) -> Iterator[Delta]:
        index, start = _index(event), event.get("start")
        called = start.get("toolUse") if isinstance(start, dict) else None
        if not isinstance(called, dict) or called.get("type"):
            self._ignored.add(index)
            if len(self._ignored) > _MOST_CALLS:
                raise UnreadableError(UNREADABLE)
            return
        name, call_id = called.get("name"), called.get("toolUseId")
        if not isinstance(name, str) or not isinstance(call_id, str) or index in self._calls:
            raise UnreadableError(UNREADABLE)
        if len(self._calls) >= _MOST_CALLS:
            raise UnreadableError(UNREADABLE)
        number = self._calls[index] = len(self._calls)
        self._unargued.add(index)
        signature, self._signature = self._signature, ""
        yield CallBegan(number, call_id, name, signature)

    def _delta(self, event: Json) -> Iterator[Delta]:
        index, delta = _index(event), event.get("delta")
        if not isinstance(delta, dict):
            raise UnreadableError(UNREADABLE)
        if (text := delta.get("text")) is not None:
            if index != self._worded:
                self._worded = index
                yield from self._words.begin()
            yield self._words.say(_string(text))
        if (citation := bedrock_citations.read(delta.get("citation"))) is not None:
            yield from self._words.cite(citation)
        if (thought := delta.get("reasoningContent")) is not None:
            yield from self._thought(index, thought)
        if (called := delta.get("toolUse")) is not None and index not in self._ignored:
            if not isinstance(called, dict) or index not in self._calls:
                raise UnreadableError(UNREADABLE)
            if piece := _string(called.get("input", "")):
                self._unargued.discard(index)
                yield CallPiece(self._calls[index], piece)

    def _thought(self, index: int, thought: Any) -> Iterator[Delta]:
        if not isinstance(thought, dict):
            raise UnreadableError(UNREADABLE)
        if (text := thought.get("text")) is not None:
            yield ThinkingPiece(_string(text))
        for name in ("signature", "redactedContent"):
            if (piece := thought.get(name)) is not None:
                self._held.setdefault((index, name), []).append(_string(piece))
                self._held_length += len(piece) + 1
                if self._held_length > _MOST_HELD:
                    raise UnreadableError(UNREADABLE)

    def _stop(self, event: Json) -> Iterator[Delta]:
        index = _index(event)
        self._ignored.discard(index)
        yield from self._words.end()
        if index in self._unargued:
            self._unargued.remove(index)
            yield CallPiece(self._calls[index], "{}")
        yield from self._signed(index, "signature")
        yield from self._signed(index, "redactedContent")

    def _signed(self, index: int, name: str) -> Iterator[Delta]:
        whole = "".join(self._held.pop((index, name), ()))
        self._held_length -= len(whole)
        if whole and name == "signature":
            yield ThinkingPiece(signature=whole)
        elif whole:
            purpose, told = carried(whole)
            if purpose == "call":
                self._signature = told
            else:
                yield ThinkingPiece(redacted=told)

    def _finish(self, event: Json) -> Iterator[Delta]:
        if self._over:
            raise UnreadableError(UNREADABLE)
        for index, name in list(self._held):
            yield from self._signed(index, name)
        self._over = True
        yield from self._words.end()
        yield Finished(finish_of(event.get("stopReason")), sequence_of(event))

    def _metadata(self, event: Json) -> Iterator[Delta]:
        stated = event.get("usage")
        self.usage = usage.bedrock(stated)
        self.usage_invalid = stated is not None and self.usage is None
        if self.usage is not None:
            yield Used(self.usage)


def _index(event: Json) -> int:
    index = event.get("contentBlockIndex")
    if type(index) is not int:
        raise UnreadableError(UNREADABLE)
    return index


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise UnreadableError(UNREADABLE)
    return value
