"""Streams of OpenAI chat completions, written: deltas to chunks, and the words answers share."""

from ext_proc.call import Reject, Usage
from ext_proc.formats import errors, sse, strict
from ext_proc.translation import openai_chat_parts as parts
from ext_proc.translation import openai_citations
from ext_proc.translation.citations import Citation, CitationPiece
from ext_proc.translation.cited import Held
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
    Thinking,
    ThinkingPiece,
    ToolCall,
    Used,
)

REASONS: dict[Finish, str] = {
    "stop": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
    "refusal": "content_filter",
}


def stated(used: Usage) -> Json:
    """The usage as this format states it."""
    return {
        "prompt_tokens": used.input_tokens,
        "completion_tokens": used.output_tokens,
        "total_tokens": used.input_tokens + used.output_tokens,
        "prompt_tokens_details": {"cached_tokens": used.cache_read_tokens},
        "completion_tokens_details": {"reasoning_tokens": used.reasoning_tokens},
    }


class Writer:
    """Deltas to chunks."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._id, self._model = asked.request_id, asked.model
        self._usage: Usage | None = None
        self._failed = False
        self._cites: dict[int, list[Citation]] = {}
        """By choice."""
        self._held = Held()
        self._begun: set[int] = set()

    def write(self, delta: Delta) -> bytes:
        """Say one thing."""
        match delta:
            case Began():
                self._id, self._model = delta.id or self._id, delta.model or self._model
                return b""
            case TextPiece():
                return self._chunk(delta.choice, {"content": delta.text})
            case RefusalPiece():
                return self._chunk(delta.choice, {"refusal": delta.text})
            case ThinkingPiece():
                return self._chunk(delta.choice, _thought(delta))
            case CallBegan():
                call = parts.write_call(ToolCall(delta.id, delta.name, "", delta.signature))
                call["function"]["arguments"] = ""
                return self._chunk(delta.choice, {"tool_calls": [{"index": delta.index, **call}]})
            case CallPiece():
                function = {"arguments": delta.arguments}
                piece = {"index": delta.index, "function": function}
                return self._chunk(delta.choice, {"tool_calls": [piece]})
            case CitationPiece():
                self._cites.setdefault(delta.choice, []).append(self._held.hold(delta.citation))
                return b""
            case Finished():
                annotated = self._annotated(delta.choice)
                return annotated + self._chunk(delta.choice, {}, REASONS[delta.finish])
            case Used():
                self._usage = delta.usage
                return b""
            case Failed():
                self._failed = True
                reject = Reject(delta.status, "provider_error", delta.message)
                return errors.openai_stream(reject, self._asked.request_id)

    def end(self) -> bytes:
        """State the usage, and end."""
        if self._failed:
            return b""
        last = b""
        if self._usage is not None:
            last = self._event([], usage=stated(self._usage))
        return last + sse.encode(b"[DONE]")

    def _annotated(self, choice: int) -> bytes:
        """All annotations in one chunk: OpenAI's own SDKs do not join lists without indexes."""
        written = openai_citations.write_chat(self._cites.pop(choice, ()))
        return self._chunk(choice, {"annotations": written}) if written else b""

    def _chunk(self, choice: int, delta: Json, finish: str | None = None) -> bytes:
        if choice not in self._begun:
            self._begun.add(choice)
            delta = {"role": "assistant", **delta}
        written = {"index": choice, "delta": delta, "logprobs": None, "finish_reason": finish}
        return self._event([written])

    def _event(self, choices: list[Json], **more: Json) -> bytes:
        chunk: Json = {
            "id": self._id,
            "object": "chat.completion.chunk",
            "created": self._asked.created,
            "model": self._model,
            "choices": choices,
            **more,
        }
        return sse.encode(strict.dumps(chunk))


def _thought(piece: ThinkingPiece) -> Json:
    said: Json = {"reasoning_content": piece.text} if piece.text else {}
    if piece.signature or piece.redacted:
        thought = Thinking("", piece.signature, piece.redacted)
        said["reasoning_details"] = [parts.detail(thought)]
    return said
