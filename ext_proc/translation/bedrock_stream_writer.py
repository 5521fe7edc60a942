"""A ConverseStream answer, written: deltas become messages of an AWS event stream.

One block is open at a time (`block_order`). Usage is the last message, after the stop. Source:
`ConverseStreamOutput` of the Amazon Bedrock Runtime API reference.
"""

from collections.abc import Iterator
from typing import assert_never

from ext_proc.call import Reject, Usage
from ext_proc.formats import bedrock_errors, eventstream, strict
from ext_proc.translation import bedrock_citations
from ext_proc.translation.bedrock_answer import NO_METRICS, REASONS, write_usage
from ext_proc.translation.bedrock_carried import carry
from ext_proc.translation.bedrock_write import tool_id
from ext_proc.translation.block_order import BlockOrder, Piece
from ext_proc.translation.citations import CitationPiece
from ext_proc.translation.cited_stream import Block
from ext_proc.translation.codec import Asked, Json
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


class Writer:
    """One stream, of the first choice."""

    def __init__(self, asked: Asked) -> None:
        self._request_id = asked.request_id
        self._index = 0
        """Of the block that is open, or of the next one."""
        self._open = ""
        """What the open block is: text, reasoning or a call; empty: none is open."""
        self._order = BlockOrder()
        self._said = Block()
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
                for piece in self._order.put(delta):
                    yield from self._say(piece)

    def _finish(self, finished: Finished) -> Iterator[bytes]:
        for piece in self._order.rest():
            yield from self._say(piece)
        yield from self._close()
        self._finished = True
        yield _event("messageStop", _stop(finished))

    def _say(self, piece: Piece) -> Iterator[bytes]:
        match piece:
            case TextPiece(text) | RefusalPiece(text):
                if text:
                    yield from self._words(piece, text)
            case CitationPiece(citation):
                if self._open == "text" and self._said.within(citation):
                    yield self._delta({"citation": bedrock_citations.write(citation)})
            case ThinkingPiece():
                yield from self._thought(piece)
            case CallBegan():
                yield from self._begin(piece)
            case CallPiece(_, arguments):
                if arguments:
                    yield self._delta({"toolUse": {"input": arguments}})
            case _:
                assert_never(piece)

    def _words(self, piece: TextPiece | RefusalPiece, text: str) -> Iterator[bytes]:
        if isinstance(piece, TextPiece) and piece.apart:
            yield from self._close()
        if self._open != "text":
            self._said.begin()
        if isinstance(piece, TextPiece):
            self._said.say(text)
        yield from self._within("text", {"text": text})

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
        self._open = "call"

    def _delta(self, delta: Json) -> bytes:
        return _event("contentBlockDelta", {"delta": delta, "contentBlockIndex": self._index})

    def _close(self) -> Iterator[bytes]:
        if self._open:
            yield _event("contentBlockStop", {"contentBlockIndex": self._index})
            self._index += 1
            self._open = ""


def _reasoning(**delta: str) -> Json:
    return {"reasoningContent": delta}


def _stop(finished: Finished) -> Json:
    stated: Json = {"stopReason": REASONS[finished.finish]}
    if finished.stop_sequence is not None:
        stated["additionalModelResponseFields"] = {"stop_sequence": finished.stop_sequence}
    return stated


def _event(name: str, payload: Json) -> bytes:
    return eventstream.event(name, strict.dumps(payload))
