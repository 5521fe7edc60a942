"""Deltas → the events of a stream in OpenAI's Responses format.

Words are one item until something else is said; tool calls stay open to the end, because their
pieces may come mixed. Finished texts are repeated whole, as the format wants it, so what was said
is kept, within a bound.
"""

from collections.abc import Callable
from typing import Any

from ext_proc.call import Reject, Usage
from ext_proc.formats import errors, sse, strict
from ext_proc.translation import openai_citations
from ext_proc.translation.citations import CitationPiece
from ext_proc.translation.cited import Held
from ext_proc.translation.cited_stream import Block
from ext_proc.translation.codec import Asked, Json, UnreadableError
from ext_proc.translation.neutral import (
    Began,
    CallBegan,
    CallPiece,
    Delta,
    Failed,
    Finish,
    Finished,
    Refusal,
    RefusalPiece,
    Text,
    TextPiece,
    ThinkingPiece,
    ToolCall,
    Used,
)
from ext_proc.translation.responses_answer import (
    call,
    ending,
    envelope,
    identify,
    message,
    reasoning,
    spoken,
)
from ext_proc.translation.responses_open import Call, Thought, Words
from ext_proc.translation.responses_reasoning import Sealed

_MOST_SAID = 32 * 1024 * 1024
_MOST_ITEMS = 4096


class Writer:
    """One stream."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._ids = identify(asked, "", "")
        self._sequence = 0
        self._said = 0
        self._began = False
        self._over = False
        self._output: dict[int, Json] = {}
        """Finished items, by position."""
        self._positions = 0
        self._words: Words | None = None
        self._thought: Thought | None = None
        self._block = Block()
        self._held = Held()
        self._calls: dict[int, Call] = {}
        self._finish: Finish | None = None
        self._usage: Usage | None = None
        self._saying: dict[type[Delta], Callable[[Any], bytes]] = {
            Began: self._start,
            TextPiece: lambda piece: self._say(Text, piece.text),
            RefusalPiece: lambda piece: self._say(Refusal, piece.text),
            ThinkingPiece: self._think,
            CitationPiece: self._cite,
            CallBegan: self._call,
            CallPiece: self._argue,
            Finished: self._note_finish,
            Used: self._note_usage,
            Failed: self._fail,
        }

    def write(self, delta: Delta) -> bytes:
        """Say one thing. Raise UnreadableError for a stream that is too long."""
        if self._over or getattr(delta, "choice", None):
            return b""
        written: bytes = self._saying[type(delta)](delta)
        return written

    def end(self) -> bytes:
        """Close what is open, and say the whole answer."""
        if self._over:
            return b""
        self._over = True
        rest = self._begin() + self._close_spoken()
        rest += b"".join(self._close_call(each) for each in self._calls.values())
        how = ending(self._finish)
        output = [item for _, item in sorted(self._output.items())]
        response = envelope(self._ids, self._asked, how, output, self._usage)
        return rest + self._event(f"response.{how['status']}", response=response)

    def _start(self, began: Began) -> bytes:
        if not self._began:
            self._ids = identify(self._asked, began.id, began.model)
        return self._begin()

    def _note_finish(self, finished: Finished) -> bytes:
        self._finish = finished.finish
        return b""

    def _note_usage(self, used: Used) -> bytes:
        self._usage = used.usage
        return b""

    def _begin(self) -> bytes:
        if self._began:
            return b""
        self._began = True
        how = {"status": "in_progress", "incomplete_details": None}
        response = envelope(self._ids, self._asked, how, [], None)
        created = self._event("response.created", response=response)
        return created + self._event("response.in_progress", response=response)

    def _event(self, kind: str, **fields: Any) -> bytes:
        event = {"type": kind, "sequence_number": self._sequence, **fields}
        self._sequence += 1
        return sse.encode(strict.dumps(event), kind)

    def _keep(self, pieces: list[str], piece: str) -> None:
        self._count(piece)
        pieces.append(piece)

    def _count(self, *kept: str) -> None:
        self._said += sum(map(len, kept))
        if self._said > _MOST_SAID:
            raise UnreadableError("The provider's stream is too long.")

    def _place(self, prefix: str) -> tuple[int, str]:
        position = self._positions
        self._positions += 1
        if position >= _MOST_ITEMS:
            raise UnreadableError("The provider's stream has too many items.")
        return position, self._ids.item(prefix, position)

    def _added(self, position: int, item: Json) -> bytes:
        return self._event("response.output_item.added", output_index=position, item=item)

    def _done(self, position: int, item: Json) -> bytes:
        self._output[position] = item
        return self._event("response.output_item.done", output_index=position, item=item)

    def _say(self, kind: type[Text | Refusal], text: str) -> bytes:
        opened = self._begin() + self._close_thought()
        words = self._words
        if words is None:
            words = self._words = Words(*self._place("msg"))
            opened += self._added(words.position, message(words.item_id, [], "in_progress"))
        if words.kind is not kind:
            opened += self._close_part(words)
            words.kind = kind
            self._block.begin()
            opened += self._part("response.content_part.added", words, part=spoken(kind("")))
        self._keep(words.pieces, text)
        self._block.say(text if kind is Text else "")
        name, logprobs = _NAMES[kind]
        return opened + self._part(f"response.{name}.delta", words, delta=text, **logprobs)

    def _cite(self, piece: CitationPiece) -> bytes:
        """Annotate the part that is open; to one that is complete nothing can be added."""
        words, cited = self._words, self._block.within(piece.citation)
        written = openai_citations.write([cited] if cited is not None else [])
        if words is None or words.kind is not Text or not written:
            return b""
        self._held.hold(piece.citation)
        numbered = {"annotation_index": len(words.annotations), "annotation": written[0]}
        words.annotations += written
        return self._part("response.output_text.annotation.added", words, **numbered)

    def _part(self, kind: str, words: Words, **fields: Any) -> bytes:
        place = {"output_index": words.position, "content_index": len(words.content)}
        return self._event(kind, item_id=words.item_id, **place, **fields)

    def _close_part(self, words: Words) -> bytes:
        if words.kind is None:
            return b""
        text = "".join(words.pieces)
        part = spoken(words.kind(text))
        if words.annotations:
            part["annotations"], words.annotations = words.annotations, []
        name, logprobs = _NAMES[words.kind]
        said = {_FIELDS[words.kind]: text}
        done = self._part(f"response.{name}.done", words, **said, **logprobs)
        done += self._part("response.content_part.done", words, part=part)
        words.content.append(part)
        words.kind, words.pieces = None, []
        return done

    def _close_spoken(self) -> bytes:
        """Close the message or the reasoning that is open."""
        closed, words = self._close_thought(), self._words
        if words is not None:
            closed += self._close_part(words)
            item = message(words.item_id, words.content, "completed")
            closed += self._done(words.position, item)
            self._words = None
        return closed

    def _think(self, piece: ThinkingPiece) -> bytes:
        """Go on thinking; what signs the thought ends it."""
        written = self._begin()
        if self._words is not None:
            written += self._close_spoken()
        thought = self._thought
        if thought is None:
            thought = self._thought = Thought(*self._place("rs"))
            written += self._added(thought.position, reasoning(thought.item_id, "", None))
        if piece.text:
            if not thought.pieces:
                empty = {"type": "summary_text", "text": ""}
                written += self._summary("part.added", thought, part=empty)
            self._keep(thought.pieces, piece.text)
            written += self._summary("text.delta", thought, delta=piece.text)
        if piece.signature or piece.redacted:
            self._count(piece.signature, piece.redacted)
            written += self._close_thought(Sealed(piece.signature, piece.redacted))
        return written

    def _summary(self, kind: str, thought: Thought, **fields: Any) -> bytes:
        place = {"output_index": thought.position, "summary_index": 0}
        named = f"response.reasoning_summary_{kind}"
        return self._event(named, item_id=thought.item_id, **place, **fields)

    def _close_thought(self, sealed: Sealed = Sealed()) -> bytes:  # noqa: B008 -- frozen
        thought, self._thought = self._thought, None
        if thought is None:
            return b""
        text, closed = "".join(thought.pieces), b""
        if text:
            closed += self._summary("text.done", thought, text=text)
            part = {"type": "summary_text", "text": text}
            closed += self._summary("part.done", thought, part=part)
        return closed + self._done(thought.position, reasoning(thought.item_id, text, sealed))

    def _call(self, began: CallBegan) -> bytes:
        """Begin a call; what its provider signed with it goes before."""
        self._count(began.id, began.name, began.signature)
        opened = self._begin() + self._close_spoken()
        if began.signature:
            position, item_id = self._place("rs")
            sealed = Sealed(began.signature, call=began.id)
            opened += self._added(position, reasoning(item_id, "", None))
            opened += self._done(position, reasoning(item_id, "", sealed))
        called = self._calls[began.index] = Call(began, *self._place("fc"))
        item = call(called.item_id, ToolCall(began.id, began.name, ""), "in_progress")
        return opened + self._added(called.position, item)

    def _argue(self, piece: CallPiece) -> bytes:
        called = self._calls[piece.index]
        self._keep(called.pieces, piece.arguments)
        return self._event(
            "response.function_call_arguments.delta",
            item_id=called.item_id,
            output_index=called.position,
            delta=piece.arguments,
        )

    def _close_call(self, called: Call) -> bytes:
        began, arguments = called.began, "".join(called.pieces)
        item = call(called.item_id, ToolCall(began.id, began.name, arguments), "completed")
        done = self._event(
            "response.function_call_arguments.done",
            item_id=called.item_id,
            output_index=called.position,
            name=began.name,
            arguments=arguments,
        )
        return done + self._done(called.position, item)

    def _fail(self, failed: Failed) -> bytes:
        self._over = True
        reject = Reject(failed.status, "provider_error", failed.message)
        return errors.responses_event(reject, self._asked.request_id, self._sequence)


_NAMES: dict[type[Text | Refusal], tuple[str, Json]] = {
    Text: ("output_text", {"logprobs": []}),
    Refusal: ("refusal", {}),
}
_FIELDS: dict[type[Text | Refusal], str] = {Text: "text", Refusal: "refusal"}
