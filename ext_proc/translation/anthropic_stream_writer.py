"""Streams of Anthropic messages, written: deltas to events, and the words answers share.

This format's streams are blocks, one after the other, each of one kind (`block_order`); deltas of
another kind or another call end the block before.
"""

from ext_proc.call import Reject, Usage
from ext_proc.formats import errors, sse, strict
from ext_proc.translation import anthropic_citations
from ext_proc.translation.anthropic_blocks import tool_id
from ext_proc.translation.block_order import BlockOrder, Piece
from ext_proc.translation.citations import Citation, CitationPiece
from ext_proc.translation.cited_stream import Block
from ext_proc.translation.codec import Asked, Json
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
    ThinkingPiece,
    Used,
)

REASONS: dict[Finish, str] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "stop_sequence": "stop_sequence",
    "tool_calls": "tool_use",
    "refusal": "refusal",
    "content_filter": "refusal",
}


def stated(used: Usage | None) -> Json:
    """The usage as this format states it: cached tokens apart from the input."""
    known = used or Usage()
    read, stored = known.cache_read_tokens, known.cache_write_tokens
    thought = {"output_tokens_details": {"thinking_tokens": known.reasoning_tokens}}
    return {
        "input_tokens": max(known.input_tokens - read - stored, 0),
        "output_tokens": known.output_tokens,
        "cache_read_input_tokens": read,
        "cache_creation_input_tokens": stored,
        **(thought if known.reasoning_tokens else {}),
    }


class Writer:
    """Deltas to events; of several choices only the first can be told."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._began = False
        self._open: tuple[str, int] | None = None
        """The kind of the open block, and the number of its call."""
        self._order = BlockOrder()
        self._said = Block()
        self._index = -1
        self._finished = Finished("stop")
        self._usage: Usage | None = None
        self._failed = False

    def write(self, delta: Delta) -> bytes:
        """Say one thing."""
        if getattr(delta, "choice", 0):
            return b""
        start = b"" if isinstance(delta, Began | Failed) else self._begin(Began("", ""))
        return start + self._write(delta)

    def _write(self, delta: Delta) -> bytes:
        match delta:
            case Began():
                return self._begin(delta)
            case Finished():
                self._finished = delta
                return b"".join(map(self._say, self._order.rest()))
            case Used():
                self._usage = delta.usage
                return b""
            case Failed():
                self._failed = True
                reject = Reject(delta.status, "provider_error", delta.message)
                return errors.anthropic_stream(reject, self._asked.request_id)
            case _:
                return b"".join(map(self._say, self._order.put(delta)))

    def _say(self, piece: Piece) -> bytes:
        match piece:
            case TextPiece(text="") | RefusalPiece(text=""):
                return b""
            case TextPiece():
                opened = self._words(apart=piece.apart)
                self._said.say(piece.text)
                return opened + self._delta({"type": "text_delta", "text": piece.text})
            case RefusalPiece():
                said = {"type": "text_delta", "text": piece.text}
                return self._words(apart=False) + self._delta(said)
            case CitationPiece():
                return self._cite(piece.citation)
            case ThinkingPiece():
                return self._thought(piece)
            case CallBegan():
                block = {
                    "type": "tool_use",
                    "id": tool_id(piece.id),
                    "name": piece.name,
                    "input": {},
                }
                return self._block("tool_use", block, piece.index)
            case CallPiece():
                return self._delta({"type": "input_json_delta", "partial_json": piece.arguments})

    def end(self) -> bytes:
        """Close the last block, say why it ended, and end."""
        if self._failed:
            return b""
        finished = self._finished
        reason = {
            "stop_reason": REASONS[finished.finish],
            "stop_sequence": finished.stop_sequence,
        }
        last = {"type": "message_delta", "delta": reason, "usage": stated(self._usage)}
        start = self._begin(Began("", "")) + b"".join(map(self._say, self._order.rest()))
        return start + self._close() + _event(last) + _event({"type": "message_stop"})

    def _begin(self, began: Began) -> bytes:
        if self._began:
            return b""
        self._began = True
        message: Json = {
            "id": began.id or self._asked.request_id,
            "type": "message",
            "role": "assistant",
            "model": began.model or self._asked.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": stated(began.usage),
        }
        return _event({"type": "message_start", "message": message})

    def _words(self, *, apart: bool) -> bytes:
        closed = self._close() if apart else b""
        if self._open is None or self._open[0] != "text":
            self._said.begin()
        return closed + self._block("text", {"type": "text", "text": ""})

    def _cite(self, citation: Citation) -> bytes:
        """Say what the open block rests on; of words that are complete nothing more can be said."""
        is_open = self._open is not None and self._open[0] == "text"
        named = anthropic_citations.can_name(citation)
        if not is_open or not named or not self._said.within(citation):
            return b""
        said = anthropic_citations.write(citation)
        return self._delta({"type": "citations_delta", "citation": said})

    def _thought(self, piece: ThinkingPiece) -> bytes:
        if piece.redacted:
            block = {"type": "redacted_thinking", "data": piece.redacted}
            return self._close() + self._block("redacted_thinking", block) + self._close()
        opened = self._block("thinking", {"type": "thinking", "thinking": "", "signature": ""})
        said = (
            self._delta({"type": "thinking_delta", "thinking": piece.text}) if piece.text else b""
        )
        if not piece.signature:
            return opened + said
        signed = self._delta({"type": "signature_delta", "signature": piece.signature})
        return opened + said + signed + self._close()

    def _block(self, kind: str, block: Json, call: int = -1) -> bytes:
        """Open a block unless it is open."""
        if self._open == (kind, call):
            return b""
        closed = self._close()
        self._index += 1
        self._open = kind, call
        start = {"type": "content_block_start", "index": self._index, "content_block": block}
        return closed + _event(start)

    def _delta(self, delta: Json) -> bytes:
        return _event({"type": "content_block_delta", "index": self._index, "delta": delta})

    def _close(self) -> bytes:
        if self._open is None:
            return b""
        self._open = None
        return _event({"type": "content_block_stop", "index": self._index})


def _event(event: Json) -> bytes:
    return sse.encode(strict.dumps(event), str(event["type"]))
