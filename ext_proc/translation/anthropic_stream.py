"""Streams of Anthropic messages, read: events to deltas.

Input tokens are told at the beginning and output tokens at the end.
"""

from collections.abc import Iterator

from ext_proc.formats import sse, usage
from ext_proc.translation import anthropic_citations
from ext_proc.translation.cited_stream import Words
from ext_proc.translation.codec import Json, UnreadableError
from ext_proc.translation.neutral import (
    Began,
    CallBegan,
    CallPiece,
    Delta,
    Failed,
    Finish,
    Finished,
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
        self._words = Words(follow=False)
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
            case "text":
                yield from self._words.begin()
                if text := string(block.get("text")):
                    yield self._words.say(text)
                for citation in anthropic_citations.read(block.get("citations")):
                    yield from self._words.cite(citation)
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
                yield self._words.say(string(delta.get("text")))
            case "citations_delta":
                for citation in anthropic_citations.read([delta.get("citation")]):
                    yield from self._words.cite(citation)
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
        yield from self._words.end()
        if self._unargued is not None:
            yield CallPiece(self._unargued, "{}")
            self._unargued = None

    def _end(self, said: Json) -> Iterator[Delta]:
        delta = mapping(said.get("delta"))
        self._ended = True
        yield from self._words.end()
        finish = FINISHES.get(string(delta.get("stop_reason")), "stop")
        yield Finished(finish, string(delta.get("stop_sequence")) or None)
        if isinstance(said.get("usage"), dict):
            self._count(said["usage"])
            self.usage = usage.anthropic(self._counts)
            self.usage_invalid = self.usage is None
            if self.usage is not None:
                yield Used(self.usage)
