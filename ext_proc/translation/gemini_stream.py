"""Streams of Gemini, both ways: events that are each an answer with the next parts.

There is no last event: a stream is complete when its candidates have said why they ended. A call
comes whole, so a writer keeps its pieces until the candidate ends. Usage grows from event to event.
Source: `models.streamGenerateContent` of the Gemini API reference, with `alt=sse`.
"""

from collections.abc import Iterable, Iterator

from ext_proc.call import Reject, Usage
from ext_proc.formats import errors, sse, strict, usage
from ext_proc.translation import gemini_answer, gemini_grounding, gemini_parts
from ext_proc.translation.citations import Citation, CitationPiece
from ext_proc.translation.cited import Held, moved, spanning
from ext_proc.translation.codec import Asked, UnreadableError
from ext_proc.translation.gemini_fields import known
from ext_proc.translation.neutral import (
    Began,
    CallBegan,
    CallPiece,
    Delta,
    Failed,
    Finish,
    Finished,
    Json,
    Part,
    RefusalPiece,
    Text,
    TextPiece,
    Thinking,
    ThinkingPiece,
    ToolCall,
    Used,
)
from ext_proc.translation.sse_reader import CUT

_MOST_READ = 256 * 1024 * 1024
_MOST_ARGUMENTS = 16 * 1024 * 1024
_NOT_JSON = "An event of the provider's stream is not JSON."
_FAILED = "The provider failed in the middle of its answer."


class Reader:
    """A provider's stream."""

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self.usage_invalid = False
        self._events = sse.Events()
        self._name_call = gemini_answer.namer({})
        self._began = False
        self._over = False
        self._calls: dict[int, int] = {}
        """How many calls each candidate has made."""
        self._reasons: dict[int, str | None] = {}
        self._said = gemini_grounding.Said()
        self._held = Held()
        self._cites: set[CitationPiece] = set()
        self._read = 0
        """How many characters were looked through for citations."""

    def feed(self, data: bytes) -> Iterable[Delta]:
        """Take what arrived. Raise UnreadableError."""
        try:
            events = self._events.push(data)
        except sse.EventTooLargeError:
            raise UnreadableError("One event of the provider's stream is too large.") from None
        for event in events:
            yield from self._event(event)

    def end(self) -> Iterable[Delta]:
        """The provider ended. Raise UnreadableError."""
        for event in self._events.finish():
            yield from self._event(event)
        if self._over:
            return
        if not self._reasons or None in self._reasons.values():
            raise UnreadableError(CUT)
        for index, reason in sorted(self._reasons.items()):
            calls = self._calls.get(index, 0) > 0
            yield Finished(gemini_answer.finish(reason, calls=calls), choice=index)
        if self.usage is not None:
            yield Used(self.usage)

    def _event(self, event: sse.Event) -> Iterator[Delta]:
        data = data_of(event)
        if data is None or self._over:
            return
        try:
            named = known(strict.loads(data)) or {}
        except strict.InvalidJsonError:
            raise UnreadableError(_NOT_JSON) from None
        if "error" in named:
            self._over = True
            yield failed(named["error"])
            return
        if not self._began:
            self._began = True
            self._name_call = gemini_answer.namer(named)
            id_, model = named.get("responseId"), named.get("modelVersion")
            yield Began(
                id_ if isinstance(id_, str) else "", model if isinstance(model, str) else ""
            )
        self._note(named)
        candidates = gemini_answer.candidates_of(named)
        if not candidates and gemini_answer.blocked(named):
            self._reasons[0] = "SAFETY"
        for index, candidate in candidates:
            yield from self._candidate(index, candidate)

    def _note(self, named: Json) -> None:
        stated = named.get("usageMetadata")
        if stated is not None:
            self.usage = usage.gemini(known(stated))
            self.usage_invalid = self.usage is None

    def _candidate(self, index: int, candidate: Json) -> Iterator[Delta]:
        self._reasons.setdefault(index, None)

        def call_id(name: str, given: str) -> str:
            return given or self._name_call(index, self._calls.get(index, 0), name)

        for said in gemini_answer.parts_of(candidate):
            parts = gemini_parts.Parts()
            gemini_parts.read(said, parts, call_id)
            for part in parts.read():
                yield from self._part(index, part)
        yield from self._cited(index, candidate)
        reason = candidate.get("finishReason")
        if isinstance(reason, str):
            self._reasons[index] = reason

    def _cited(self, index: int, candidate: Json) -> Iterator[Delta]:
        """Say what the words so far rest on; an event may repeat what one before it said."""
        if gemini_answer.CITED.isdisjoint(candidate) or self._read > _MOST_READ:
            return
        text = self._said.text(index)
        count = gemini_grounding.Count(text)
        for each in gemini_grounding.read(candidate, count, (), self._held) if text else ():
            piece = CitationPiece(moved(each, 0, len(text)), index)
            if piece not in self._cites:
                self._cites.add(piece)
                yield piece
        self._read += len(text) * (1 + count.searched)

    def _part(self, index: int, part: Part) -> Iterator[Delta]:
        match part:
            case Text():
                self._said.add(index, part.text)
                yield TextPiece(part.text, index)
            case Thinking():
                yield ThinkingPiece(part.text, part.signature, part.redacted, index)
            case ToolCall():
                position = self._calls.get(index, 0)
                self._calls[index] = position + 1
                yield CallBegan(position, part.id, part.name, part.signature, index)
                yield CallPiece(position, part.arguments or "{}", index)
            case _:
                raise UnreadableError("The provider's stream holds more than text and calls.")


def data_of(event: sse.Event) -> bytes | None:
    """What an event says; an error may come as bare JSON, without the words of the framing."""
    if event.data is None and event.raw.lstrip()[:1] == b"{":
        return event.raw
    return event.data


_STATUSES = range(400, 600)


def failed(error: object) -> Failed:
    """Read an error within a stream."""
    code = error.get("code") if isinstance(error, dict) else None
    message = error.get("message") if isinstance(error, dict) else None
    status = code if type(code) is int and code in _STATUSES else 500
    return Failed(status, message if isinstance(message, str) and message else _FAILED)


class Writer:
    """A caller's stream."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._envelope = gemini_answer.envelope("", "", asked)
        self._calls: dict[int, dict[int, tuple[CallBegan, list[str]]]] = {}
        """By choice and index: a call is written whole."""
        self._ends: dict[int, Finish] = {}
        self._usage: Usage | None = None
        self._said = gemini_grounding.Said()
        self._cites: dict[int, list[Citation]] = {}
        self._held = Held()
        self._size = 0
        self._over = False

    def write(self, delta: Delta) -> bytes:
        """Say one thing, or keep it for the end. Raise UnreadableError."""
        match delta:
            case Began():
                self._envelope = gemini_answer.envelope(delta.id, delta.model, self._asked)
                return b""
            case CitationPiece(citation):
                self._cites.setdefault(delta.choice, []).append(self._held.hold(citation))
            case TextPiece() | RefusalPiece():
                self._said.add(delta.choice, delta.text if isinstance(delta, TextPiece) else "")
                return self._say(delta.choice, {"text": delta.text}) if delta.text else b""
            case ThinkingPiece():
                thought = Thinking(delta.text, delta.signature, delta.redacted)
                said = gemini_parts.thought(thought, gemini_parts.shown(thought))
                return self._say(delta.choice, said) if thought != Thinking() else b""
            case Failed():
                self._over = True
                return sse.encode(_error(delta))
            case CallBegan() | CallPiece():
                self._keep(delta)
            case Finished():
                self._ends[delta.choice] = delta.finish
            case Used():
                self._usage = delta.usage
        return b""

    def end(self) -> bytes:
        """Say the calls, why the candidates ended, and the usage."""
        if self._over:
            return b""
        last = [self._last(index) for index in sorted({*self._ends, *self._calls, *self._cites})]
        document: Json = {"candidates": last}
        if self._usage is not None:
            document["usageMetadata"] = gemini_answer.write_usage(self._usage)
        return sse.encode(strict.dumps({**document, **self._envelope}))

    def _say(self, choice: int, part: Json) -> bytes:
        candidate = {"content": {"parts": [part], "role": "model"}, "index": choice}
        return sse.encode(strict.dumps({"candidates": [candidate], **self._envelope}))

    def _keep(self, delta: CallBegan | CallPiece) -> None:
        calls = self._calls.setdefault(delta.choice, {})
        if isinstance(delta, CallBegan):
            calls[delta.index] = (delta, [])
            self._size += len(delta.id) + len(delta.name) + len(delta.signature)
        elif delta.index in calls:
            calls[delta.index][1].append(delta.arguments)
            self._size += len(delta.arguments)
        if self._size > _MOST_ARGUMENTS:
            raise UnreadableError("The tool calls of the provider's stream are too large.")

    def _last(self, choice: int) -> Json:
        calls = self._calls.get(choice, {})
        parts, malformed = gemini_answer.written(
            [
                ToolCall(began.id, began.name, "".join(pieces), began.signature)
                for _, (began, pieces) in sorted(calls.items())
            ]
        )
        reason = gemini_answer.reason_of(self._ends.get(choice, "stop"), malformed=malformed)
        return {
            "content": {"parts": parts, "role": "model"},
            "finishReason": reason,
            "index": choice,
            **self._grounding(choice),
        }

    def _grounding(self, choice: int) -> Json:
        grounding, text = gemini_grounding.Grounding(), self._said.text(choice)
        found = self._cites.get(choice, ())
        numbered = found if text else (spanning(each, None, None) for each in found)
        grounding.add(numbered, text)
        return grounding.written()


def _error(delta: Failed) -> bytes:
    return errors.gemini(Reject(delta.status, "provider_error", delta.message), "")
