"""Streams of OpenAI chat completions: chunks to deltas, and deltas to chunks.

A chunk may say several things at once. A call's first chunk names it; where a server names no
index, a new id begins a new call.
"""

from collections.abc import Iterator
from typing import Any

from ext_proc.call import Reject, Usage
from ext_proc.formats import errors, sse, strict, usage
from ext_proc.translation import openai_chat_parts as parts
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
    Thinking,
    ThinkingPiece,
    ToolCall,
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
REASONS: dict[Finish, str] = {
    "stop": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
    "refusal": "content_filter",
}


def finish(reason: Any, *, calls: bool) -> Finish | None:
    """Why a choice ended; whoever names the tool to call is told `stop` when it is called."""
    said = FINISHES.get(reason) if isinstance(reason, str) else None
    return "tool_calls" if said == "stop" and calls else said


def stated(used: Usage) -> Json:
    """The usage as this format states it."""
    return {
        "prompt_tokens": used.input_tokens,
        "completion_tokens": used.output_tokens,
        "total_tokens": used.input_tokens + used.output_tokens,
        "prompt_tokens_details": {"cached_tokens": used.cache_read_tokens},
        "completion_tokens_details": {"reasoning_tokens": used.reasoning_tokens},
    }


class Reader(SseReader):
    """Chunks to deltas."""

    def __init__(self) -> None:
        super().__init__()
        self._began = False
        self._calls: dict[tuple[int, int], str] = {}
        """The id of each call by choice and index."""
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
            yield Began(string(chunk.get("id")), string(chunk.get("model")))
        for choice in listed(chunk.get("choices")):
            yield from self._choice(choice)
        if (told := chunk.get("usage")) is not None:
            self.usage = usage.openai(told)
            self.usage_invalid = self.usage is None

    def _ended(self) -> Iterator[Delta]:
        called = {choice for choice, _ in self._calls}
        for choice, reason in self._finishes.items():
            yield Finished(finish(reason, calls=choice in called) or "stop", choice=choice)
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
            yield ThinkingPiece(said.text, choice=at) if thinks else TextPiece(said.text, at)
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
        given, id_ = call.get("index"), string(call.get("id"))
        index = given if type(given) is int else self._index(at, id_)
        if not 0 <= index < _MOST_CALLS:
            raise UnreadableError("A tool call of the provider's stream has no place.")
        if (at, index) not in self._calls:
            self._calls[at, index] = id_
            signature = mapping(mapping(call.get("extra_content")).get("google"))
            yield CallBegan(
                index,
                id_ or f"call_{at}_{index}",
                string(function.get("name")),
                string(signature.get("thought_signature")),
                at,
            )
        if arguments := string(function.get("arguments")):
            yield CallPiece(index, arguments, at)

    def _index(self, at: int, id_: str) -> int:
        known = [index for (choice, index) in self._calls if choice == at]
        last = max(known, default=-1)
        same = last >= 0 and (not id_ or self._calls[at, last] == id_)
        return last if same else last + 1


def _failed(error: Any) -> Failed:
    stated_ = error if isinstance(error, dict) else {"message": error}
    code = stated_.get("code")
    status = code if type(code) is int and 400 <= code < 600 else 502
    return Failed(status, string(stated_.get("message")) or "The provider's stream failed.")


class Writer:
    """Deltas to chunks."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._id, self._model = asked.request_id, asked.model
        self._usage: Usage | None = None
        self._failed = False
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
            case Finished():
                return self._chunk(delta.choice, {}, REASONS[delta.finish])
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
