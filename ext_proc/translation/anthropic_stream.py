"""Streams of Anthropic messages: events to deltas, and deltas to events.

This format's streams are blocks, one after the other, each of one kind (`block_order`); deltas of
another kind or another call end the block before. Input tokens are told at the beginning and output
tokens at the end.
"""

from collections.abc import Iterator

from ext_proc.call import Reject, Usage
from ext_proc.formats import errors, sse, strict, usage
from ext_proc.translation.anthropic_parts import tool_id
from ext_proc.translation.block_order import BlockOrder, Piece
from ext_proc.translation.codec import Asked, Json, UnreadableError
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
from ext_proc.translation.sse_reader import CUT, SseReader
from ext_proc.translation.values import as_text, mapping, string

FINISHES: dict[str, Finish] = {
    "end_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "stop_sequence": "stop_sequence",
    "tool_use": "tool_calls",
    "pause_turn": "stop",
    "refusal": "refusal",
}
REASONS: dict[Finish, str] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "stop_sequence": "stop_sequence",
    "tool_calls": "tool_use",
    "refusal": "refusal",
    "content_filter": "refusal",
}
_STATUSES = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "timeout_error": 504,
    "overloaded_error": 529,
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


class Reader(SseReader):
    """Events to deltas."""

    def __init__(self) -> None:
        super().__init__()
        self._counts: Json = {}
        self._calls: dict[int, int] = {}
        """The number of the call in each open block of that kind."""
        self._numbered = 0
        self._unargued: int | None = None
        """The open call, if none of its arguments came."""
        self._ended = self._failed = False

    def end(self) -> Iterator[Delta]:
        """The provider ended. Raise UnreadableError for a stream that was cut."""
        yield from super().end()
        if not self._ended and not self._failed:
            raise UnreadableError(CUT)

    def event(self, event: sse.Event) -> Iterator[Delta]:
        """Read one event."""
        if self._failed or event.data is None:
            return
        said = self.document(event.data)
        match said.get("type"):
            case "message_start":
                message = mapping(said.get("message"))
                self._count(message.get("usage"))
                yield Began(
                    string(message.get("id")),
                    string(message.get("model")),
                    usage.anthropic({"output_tokens": 0, **self._counts}),
                )
            case "content_block_start":
                yield from self._start(said)
            case "content_block_delta":
                yield from self._delta(said)
            case "content_block_stop":
                yield from self._stop()
            case "message_delta":
                yield from self._end(said)
            case "error":
                self._failed = True
                error = mapping(said.get("error"))
                status = _STATUSES.get(string(error.get("type")), 502)
                yield Failed(status, string(error.get("message")) or "The provider failed.")

    def _count(self, told: object) -> None:
        known = told if isinstance(told, dict) else {}
        self._counts |= {name: count for name, count in known.items() if count is not None}

    def _start(self, said: Json) -> Iterator[Delta]:
        block, at = mapping(said.get("content_block")), said.get("index")
        match block.get("type"):
            case "text" if text := string(block.get("text")):
                yield TextPiece(text)
            case "thinking" if text := string(block.get("thinking")):
                yield ThinkingPiece(text, string(block.get("signature")))
            case "redacted_thinking":
                yield ThinkingPiece(redacted=string(block.get("data")))
            case "tool_use":
                number, self._numbered = self._numbered, self._numbered + 1
                if isinstance(at, int):
                    self._calls = {at: number}
                self._unargued = number
                yield CallBegan(number, string(block.get("id")), string(block.get("name")))
                if given := mapping(block.get("input")):
                    self._unargued = None
                    yield CallPiece(number, as_text(given))

    def _delta(self, said: Json) -> Iterator[Delta]:
        delta, at = mapping(said.get("delta")), said.get("index")
        match delta.get("type"):
            case "text_delta":
                yield TextPiece(string(delta.get("text")))
            case "thinking_delta":
                yield ThinkingPiece(string(delta.get("thinking")))
            case "signature_delta":
                yield ThinkingPiece(signature=string(delta.get("signature")))
            case "input_json_delta" if isinstance(at, int) and at in self._calls:
                if piece := string(delta.get("partial_json")):
                    self._unargued = None
                    yield CallPiece(self._calls[at], piece)

    def _stop(self) -> Iterator[Delta]:
        """A call without a word about its arguments has none."""
        if self._unargued is not None:
            yield CallPiece(self._unargued, "{}")
            self._unargued = None

    def _end(self, said: Json) -> Iterator[Delta]:
        delta = mapping(said.get("delta"))
        self._ended = True
        finish = FINISHES.get(string(delta.get("stop_reason")), "stop")
        yield Finished(finish, string(delta.get("stop_sequence")) or None)
        if isinstance(said.get("usage"), dict):
            self._count(said["usage"])
            self.usage = usage.anthropic(self._counts)
            self.usage_invalid = self.usage is None
            if self.usage is not None:
                yield Used(self.usage)


class Writer:
    """Deltas to events; of several choices only the first can be told."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._began = False
        self._open: tuple[str, int] | None = None
        """The kind of the open block, and the number of its call."""
        self._order = BlockOrder()
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
            case TextPiece() | RefusalPiece():
                opened = self._block("text", {"type": "text", "text": ""})
                return opened + self._delta({"type": "text_delta", "text": piece.text})
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
