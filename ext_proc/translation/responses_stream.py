"""Streams of a provider that speaks OpenAI's Responses format → deltas.

An item whose pieces came is not read again when it is done; one that came without pieces is read
then. `encrypted_content` counts only in the finished item.
"""

from collections.abc import Callable, Iterator
from typing import Any

from ext_proc.formats import errors, sse, strict, usage
from ext_proc.translation import openai_citations
from ext_proc.translation.citations import CitationPiece
from ext_proc.translation.cited import moved
from ext_proc.translation.codec import Json, UnreadableError
from ext_proc.translation.neutral import (
    Began,
    CallBegan,
    CallPiece,
    Delta,
    Failed,
    Finished,
    Part,
    Refusal,
    RefusalPiece,
    Text,
    TextPiece,
    Thinking,
    ThinkingPiece,
    ToolCall,
    Used,
)
from ext_proc.translation.responses_answer import finish, read_call, read_item, token
from ext_proc.translation.sse_reader import CUT, SseReader

_MOST_ITEMS = 4096
_STATUSES = {"rate_limit_exceeded": 429, "invalid_prompt": 400, "server_error": 500}
_PIECES: dict[str, str] = {
    "response.output_text.delta": "text",
    "response.refusal.delta": "refusal",
    "response.reasoning_summary_text.delta": "summary",
    "response.reasoning_text.delta": "reasoning",
    "response.function_call_arguments.delta": "arguments",
}


class Reader(SseReader):
    """One stream."""

    def __init__(self) -> None:
        super().__init__()
        self._over = False
        self._began = False
        self._calls: dict[int, int] = {}
        """Numbers of tool calls, by output index."""
        self._came: dict[int, str] = {}
        """What kind of pieces came, by output index."""
        self._words = 0
        """How many characters were said."""
        self._begins: dict[tuple[int, int], int] = {}
        """At which of them each part of an item begins."""
        self._annotated: set[int] = set()
        """Items whose citations came one by one."""
        self._kinds: set[type[Part]] = set()
        self._handlers: dict[str, Callable[[Json], Iterator[Delta]]] = {
            "response.created": self._begin,
            "response.in_progress": self._begin,
            "response.output_item.added": self._added,
            "response.output_item.done": self._done,
            "response.output_text.annotation.added": self._annotation,
            "response.reasoning_summary_part.added": self._next_summary,
            "response.completed": self._end,
            "response.incomplete": self._end,
            "response.failed": self._failed,
            "error": self._failed,
            **dict.fromkeys(_PIECES, self._piece),
        }

    def end(self) -> Iterator[Delta]:
        """The provider ended. Raise UnreadableError."""
        yield from super().end()
        if not self._over:
            raise UnreadableError(CUT)

    def event(self, event: sse.Event) -> Iterator[Delta]:
        """Read one event."""
        if self._over or event.data is None or event.data.strip() == b"[DONE]":
            return
        document = self.document(event.data)
        kind = document.get("type")
        if document.get("error") is not None:
            yield from self._failed(document)
        elif isinstance(kind, str) and (handler := self._handlers.get(kind)):
            if not self._began and "response" not in document:
                yield from self._begin({"response": {}})
            yield from handler(document)

    def _begin(self, event: Json) -> Iterator[Delta]:
        if not self._began:
            self._began = True
            response = _object(event, "response")
            yield Began(token(response.get("id")), token(response.get("model")))

    def _added(self, event: Json) -> Iterator[Delta]:
        item = _object(event, "item")
        if item.get("type") == "function_call":
            yield from self._call(_index(event), item)

    def _call(self, index: int, item: Json) -> Iterator[Delta]:
        if len(self._calls) >= _MOST_ITEMS or index in self._calls:
            raise UnreadableError("A tool call of the provider's stream is out of order.")
        called = read_call(item)
        self._kinds.add(ToolCall)
        number = self._calls[index] = len(self._calls)
        yield CallBegan(number, called.id, called.name)

    def _piece(self, event: Json) -> Iterator[Delta]:
        piece, index = event.get("delta"), _index(event)
        if not isinstance(piece, str):
            raise UnreadableError("A piece of the provider's stream is not text.")
        kind = _PIECES[event["type"]]
        if piece and self._comes(index, kind):
            self._begin_part(index, _number(event))
            yield self._said(kind, index, piece)

    def _begin_part(self, index: int, number: int) -> None:
        self._begins.setdefault((index, number), self._words)
        if len(self._begins) > _MOST_ITEMS:
            raise UnreadableError("The provider's stream has too many parts.")

    def _annotation(self, event: Json) -> Iterator[Delta]:
        index, number = _index(event), _number(event)
        begin = self._begins.get((index, number), self._words)
        if begin < self._words:
            self._annotated.add(index)
            for citation in openai_citations.read([event.get("annotation")]):
                yield CitationPiece(moved(citation, begin, self._words))

    def _comes(self, index: int, kind: str) -> bool:
        """Note that pieces of an item come; its reasoning is read in one of its two forms."""
        if len(self._came) >= _MOST_ITEMS:
            raise UnreadableError("The provider's stream has too many items.")
        return self._came.setdefault(index, kind) == kind or kind not in ("summary", "reasoning")

    def _said(self, kind: str, index: int, piece: str) -> Delta:
        match kind:
            case "text":
                self._kinds.add(Text)
                self._words += len(piece)
                return TextPiece(piece)
            case "refusal":
                self._kinds.add(Refusal)
                return RefusalPiece(piece)
            case "arguments":
                if index not in self._calls:
                    raise UnreadableError("Arguments of the provider's stream belong to no call.")
                return CallPiece(self._calls[index], piece)
        return ThinkingPiece(piece)

    def _next_summary(self, event: Json) -> Iterator[Delta]:
        """Parts of a summary are paragraphs."""
        if self._came.get(_index(event)) == "summary":
            yield ThinkingPiece("\n\n")

    def _done(self, event: Json) -> Iterator[Delta]:
        """Read what of a finished item came in no pieces."""
        index, item = _index(event), _object(event, "item")
        came = index in self._came
        if item.get("type") == "function_call" and index not in self._calls:
            yield from self._call(index, item)
        for number, part in enumerate(read_item(item)):
            match part:
                case Thinking() if came:
                    if marked := part.signature or part.redacted:
                        yield ThinkingPiece(signature=marked)
                case Thinking(text, signature, redacted):
                    yield ThinkingPiece(text, signature, redacted)
                case Text(text, citations=citations):
                    if text and not came:
                        self._begin_part(index, number)
                        yield self._said("text", index, text)
                    begin = self._begins.get((index, number))
                    if index not in self._annotated and begin is not None:
                        until = begin + len(text)
                        yield from (CitationPiece(moved(c, begin, until)) for c in citations)
                case Refusal(text) if text and not came:
                    yield self._said("refusal", index, text)
                case ToolCall() if not came:
                    yield CallPiece(self._calls[index], part.arguments or "{}")
        self._came.setdefault(index, "")
        if len(self._came) > _MOST_ITEMS:
            raise UnreadableError("The provider's stream has too many items.")

    def _end(self, event: Json) -> Iterator[Delta]:
        response = _object(event, "response")
        stated = response.get("usage")
        self.usage = usage.responses(stated)
        self.usage_invalid = stated is not None and self.usage is None
        self._over = True
        yield from self._begin(event)
        status = event["type"].removeprefix("response.")
        yield Finished(finish({**response, "status": status}, self._kinds))
        if self.usage is not None:
            yield Used(self.usage)

    def _failed(self, event: Json) -> Iterator[Delta]:
        self._over = True
        response = event.get("response")
        error = response.get("error") if isinstance(response, dict) else event.get("error")
        stated = error if isinstance(error, dict) else event
        status = _STATUSES.get(token(stated.get("code")), 500)
        body = strict.dumps({"message": token(stated.get("message"))})
        yield Failed(status, errors.openai_provider(400, body)["error"]["message"])


def _object(event: Json, name: str) -> dict[str, Any]:
    value = event.get(name)
    if not isinstance(value, dict):
        raise UnreadableError("An event of the provider's stream is not what it should be.")
    return value


def _number(event: Json) -> int:
    """The number of a part within its item."""
    number = event.get("content_index", 0)
    return number if type(number) is int else 0


def _index(event: Json) -> int:
    index = event.get("output_index")
    if type(index) is not int or index < 0:
        raise UnreadableError("An event of the provider's stream belongs to no item.")
    return index
