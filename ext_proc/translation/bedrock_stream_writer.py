"""A ConverseStream answer, written: deltas become messages of an AWS event stream.

One block is open at a time: what comes while the arguments of a call are not complete waits for
their end. Usage is the last message, after the stop. Source:
`ConverseStreamOutput` of the Amazon Bedrock Runtime API reference.
"""

from collections.abc import Iterator
from typing import assert_never

from ext_proc.call import Reject, Usage
from ext_proc.formats import bedrock_errors, eventstream, strict
from ext_proc.translation.bedrock_answer import NO_METRICS, REASONS, write_usage
from ext_proc.translation.bedrock_carried import carry
from ext_proc.translation.bedrock_write import tool_id
from ext_proc.translation.codec import Asked, Json, UnreadableError
from ext_proc.translation.neutral import (
    Began,
    CallBegan,
    CallPiece,
    Delta,
    Failed,
    Finished,
    RefusalPiece,
    TextPiece,
    ThinkingPiece,
    Used,
)

_MOST_HELD = 16 * 1024 * 1024
_LEAST_HELD = 64
"""Characters that a piece counts at least, as it takes memory."""
Piece = TextPiece | ThinkingPiece | RefusalPiece | CallBegan | CallPiece
"""Of a block."""


class _Open:
    """The call of a tool whose block is open."""

    def __init__(self, index: int) -> None:
        self.index = index
        self._unread: list[str] = []
        self._depth = 0
        self._begun = self._quoted = self._escaped = False

    def add(self, arguments: str) -> None:
        """Take more of its arguments."""
        self._unread.append(arguments)

    @property
    def complete(self) -> bool:
        """Nothing can follow: every bracket is closed. No piece is read twice."""
        unread, self._unread = "".join(self._unread), []
        for character in unread:
            self._read(character)
        return self._begun and self._depth == 0

    def _read(self, character: str) -> None:
        if self._escaped:
            self._escaped = False
        elif self._quoted:
            self._quoted = character != '"'
            self._escaped = character == "\\"
        elif character == '"':
            self._quoted = True
        elif character in "{[":
            self._begun, self._depth = True, self._depth + 1
        elif character in "}]":
            self._depth -= 1


class Writer:
    """One stream, of the first choice."""

    def __init__(self, asked: Asked) -> None:
        self._request_id = asked.request_id
        self._index = 0
        """Of the block that is open, or of the next one."""
        self._open: _Open | str = ""
        """What the open block is: text, reasoning or a call; empty: none is open."""
        self._waiting: list[Delta] = []
        """What came while a call was not complete."""
        self._held = 0
        """Characters of it."""
        self._usage: Usage | None = None
        self._began = self._finished = self._failed = False

    def write(self, delta: Delta) -> bytes:
        """Say one thing."""
        choice: int = getattr(delta, "choice", 0)
        if self._failed or choice:
            return b""
        began = b"" if isinstance(delta, Failed) else self._begin_message()
        return began + b"".join(self._take(delta))

    def _begin_message(self) -> bytes:
        if self._began:
            return b""
        self._began = True
        return _event("messageStart", {"role": "assistant"})

    def end(self) -> bytes:
        """Say what was used; a stream that nobody ended ends here."""
        if self._failed:
            return b""
        last = b"" if self._finished else self.write(Finished("stop"))
        if self._usage is None:
            return last
        stated = {"usage": write_usage(self._usage), "metrics": NO_METRICS}
        return last + _event("metadata", stated)

    def _take(self, delta: Delta) -> Iterator[bytes]:
        """Say something about the whole stream, or the next piece of a block when it may go."""
        match delta:
            case Began():
                pass  # it begins with the first word of any kind
            case Finished():
                yield from self._finish(delta)
            case Used(used):
                self._usage = used
            case Failed(status, message):
                self._failed = True
                reject = Reject(status, "provider_error", message)
                yield bedrock_errors.stream(reject, self._request_id)
            case _:
                yield from self._order(delta)

    def _order(self, piece: Piece) -> Iterator[bytes]:
        """Say a piece, or let it wait for a call that goes on."""
        called = self._open if isinstance(self._open, _Open) else None
        if called and isinstance(piece, CallPiece) and piece.index == called.index:
            called.add(piece.arguments)
            if piece.arguments:
                yield self._delta({"toolUse": {"input": piece.arguments}})
        elif called and not called.complete:
            self._wait(piece)
        elif self._waiting:
            self._wait(piece)
            yield from self._release()
        else:
            yield from self._say(piece)

    def _wait(self, piece: Piece) -> None:
        self._waiting.append(piece)
        self._held += len(_said(piece)) + _LEAST_HELD
        if self._held > _MOST_HELD:
            raise UnreadableError("The tool calls of the provider's stream are too large.")

    def _release(self) -> Iterator[bytes]:
        """Go on with what waits."""
        yield from self._close()
        waiting, self._waiting, self._held = self._waiting, [], 0
        for delta in waiting:
            yield from self._take(delta)

    def _finish(self, finished: Finished) -> Iterator[bytes]:
        while self._waiting:
            yield from self._release()
        yield from self._close()
        self._finished = True
        yield _event("messageStop", _stop(finished))

    def _say(self, piece: Piece) -> Iterator[bytes]:
        match piece:
            case TextPiece(text) | RefusalPiece(text):
                if text:
                    yield from self._within("text", {"text": text})
            case ThinkingPiece():
                yield from self._thought(piece)
            case CallBegan():
                yield from self._begin(piece)
            case CallPiece():
                pass  # blanks after arguments that were complete
            case _:
                assert_never(piece)

    def _within(self, kind: str, delta: Json) -> Iterator[bytes]:
        if self._open != kind:
            yield from self._close()
            self._open = kind
        yield self._delta(delta)

    def _thought(self, piece: ThinkingPiece) -> Iterator[bytes]:
        if piece.text:
            yield from self._within("reasoning", _reasoning(text=piece.text))
        if piece.signature:
            yield from self._within("reasoning", _reasoning(signature=piece.signature))
            yield from self._close()
        if piece.redacted:
            yield from self._opaque(carry("redacted", piece.redacted))

    def _opaque(self, content: str) -> Iterator[bytes]:
        yield from self._close()
        yield from self._within("reasoning", _reasoning(redactedContent=content))
        yield from self._close()

    def _begin(self, began: CallBegan) -> Iterator[bytes]:
        if began.signature:
            yield from self._opaque(carry("call", began.signature))
        yield from self._close()
        named = {"toolUseId": tool_id(began.id), "name": began.name}
        start = {"start": {"toolUse": named}, "contentBlockIndex": self._index}
        yield _event("contentBlockStart", start)
        self._open = _Open(began.index)

    def _delta(self, delta: Json) -> bytes:
        return _event("contentBlockDelta", {"delta": delta, "contentBlockIndex": self._index})

    def _close(self) -> Iterator[bytes]:
        if self._open:
            yield _event("contentBlockStop", {"contentBlockIndex": self._index})
            self._index += 1
            self._open = ""


def _said(piece: Piece) -> str:
    match piece:
        case TextPiece(text) | RefusalPiece(text):
            return text
        case CallPiece(_, arguments):
            return arguments
        case ThinkingPiece(text, signature, redacted):
            return text + signature + redacted
        case CallBegan(_, call_id, name, signature):
            return call_id + name + signature


def _reasoning(**delta: str) -> Json:
    return {"reasoningContent": delta}


def _stop(finished: Finished) -> Json:
    stated: Json = {"stopReason": REASONS[finished.finish]}
    if finished.stop_sequence is not None:
        stated["additionalModelResponseFields"] = {"stop_sequence": finished.stop_sequence}
    return stated


def _event(name: str, payload: Json) -> bytes:
    return eventstream.event(name, strict.dumps(payload))
