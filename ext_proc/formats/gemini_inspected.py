"""Streamed Gemini contents under inspection: events in, events out.

The text of a candidate goes through one scan and its thoughts through another, from the first part
to the last; what is held back goes out in parts of the same kind when the stream ends, before the
event that says why the candidates ended, which waits for it. Calls and all else come whole. Tokens
with their probabilities are dropped, since they would spell what is held back.
"""

from collections.abc import Iterator
from typing import Any

from crds.plan import Origin
from ext_proc.call import Call, Reject
from ext_proc.formats import counted, errors, sse, strict, usage
from ext_proc.formats.codec import BrokenStreamError, Tally
from ext_proc.formats.gemini_tables import ERROR, RESPONSE
from ext_proc.formats.gemini_tables import Part as PartRule
from ext_proc.formats.protobuf import camel
from ext_proc.formats.rules import Path
from ext_proc.formats.scans import Scans
from ext_proc.formats.stated import Stated
from ext_proc.formats.texts import Found
from ext_proc.formats.waiting import Waiting

Json = dict[str, Any]
Place = tuple[int, str, bool]
"""The candidate, the field of its parts, and whether it is thought."""
_MOST_CANDIDATES = 128
_REPEATED = ("modelVersion", "responseId", "createTime")
PART: Path = ("candidates", "[]", "content", "parts", "[]")


class Inspected(Stated):
    """Events whose every text a guard inspects."""

    def __init__(self, tally: Tally, scans: Scans[Place], call: Call) -> None:
        super().__init__(tally, usage.gemini)
        self._scans = scans
        self._json = _asks_for_json(call.document)
        self._envelope: Json = {}
        self._stated: Json = {}
        self._open: set[int] = set()
        self._last: dict[int, Json] = {}
        self._sources: Waiting[int] = Waiting()
        """By candidate; they count the bytes of its words."""

    @property
    def blocked(self) -> bool:
        """A guard blocked."""
        return self._scans.blocked

    def event(self, event: sse.Event) -> bytes:
        """Take one event; return what may go on."""
        data = event.data
        if data is None and event.raw.lstrip()[:1] == b"{":
            data = event.raw
        if data is None:
            return sse.COMMENT
        try:
            document = strict.loads(data)
        except strict.InvalidJsonError:
            raise BrokenStreamError("An event of the provider's stream is not JSON.") from None
        return self._chunk(document) if document.get("error") is None else self._error(data)

    def finish(self) -> bytes:
        """Return what was held back, then how the candidates ended."""
        rest = [self._rest(place, text) for place, text in self._scans.finish(lambda _: True)]
        if self.blocked:
            return b""
        sources = [each for index in self._sources.texts() for each in self._sourced(index)]
        rest += [{"candidates": [each], **self._envelope} for each in sources]
        if self._last:
            ends = [candidate for _, candidate in sorted(self._last.items())]
            rest.append({"candidates": ends, **self._stated, **self._envelope})
            self._last = {}
        return b"".join(sse.encode(strict.dumps(chunk)) for chunk in rest)

    def abort(self, reject: Reject, request_id: str) -> bytes:
        """End every candidate as filtered if a guard blocked; else end with an error."""
        if reject.code != errors.BLOCKED:
            return errors.gemini_stream(reject, request_id)
        ends = [{"index": index, "finishReason": "SAFETY"} for index in sorted(self._open or {0})]
        return sse.encode(strict.dumps({"candidates": ends, **self._envelope}))

    def _chunk(self, chunk: Json) -> bytes:
        self.note(chunk.get("modelVersion"), chunk.get("usageMetadata"))
        candidates = self._candidates(chunk)
        pieces = [
            (index, part, name, part.pop(name))
            for index, candidate in candidates
            for part in _parts(candidate)
            for name in list(part)
            if isinstance(part[name], str) and (name == "text" or camel(name) not in _KNOWN)
        ]
        found = Found()
        RESPONSE.read_object(found, chunk, "Other")
        for text in found.texts:
            if text.origin == "ToolCalls":
                self.tally.add(text.value)
        self._scans.texts(found.texts)
        for index, part, name, value in pieces:
            part[name] = self._piece(index, part, name, value)
        self._envelope |= {name: chunk[name] for name in _REPEATED if name in chunk}
        if "usageMetadata" in chunk:
            self._stated = {"usageMetadata": chunk["usageMetadata"]}
        kept = [candidate for index, candidate in candidates if self._goes_on(index, candidate)]
        if candidates and not kept:
            return b""
        if candidates:
            chunk["candidates"] = kept
        return sse.encode(strict.dumps(chunk))

    def _candidates(self, chunk: Json) -> list[tuple[int, Json]]:
        listed = chunk.get("candidates") or []
        found = []
        for position, candidate in enumerate(listed if isinstance(listed, list) else [None]):
            index = candidate.get("index", position) if isinstance(candidate, dict) else None
            if type(index) is not int or not 0 <= index < _MOST_CANDIDATES:
                raise BrokenStreamError("A candidate of the provider's stream has no index.")
            candidate.pop("logprobsResult", None)
            candidate.pop("logprobs_result", None)
            self._open.add(index)
            found.append((index, candidate))
        return found

    def _piece(self, index: int, part: Json, name: str, value: str) -> str:
        """Inspect the next piece of a text; return what may go on."""
        self.tally.add(value)
        thought = part.get("thought") is True
        origin: Origin = "Reasoning" if thought else "Assistant"
        if name != "text" and self._scans.whole(origin, name) != name:
            raise BrokenStreamError("A guard would change the name of a field.")
        is_json = self._json and not thought and value.lstrip()[:1] in ("", "{", "[")
        return self._scans.push((index, name, thought), origin, value, is_json=is_json)

    def _sourced(self, index: int) -> Iterator[Json]:
        """What the words of a candidate rest on; the last of it goes where it says why it ended."""
        kept = self._sources.take(index)
        for each in kept:
            if self._scans.changed((index, "text", False)):
                counted.drop_grounding(each)
        if kept and index in self._last:
            self._last[index] = {**self._last[index], **kept.pop()}
        yield from ({**each, "index": index} for each in kept)

    def _goes_on(self, index: int, candidate: Json) -> bool:
        """Keep how a candidate ended for the end; tell whether anything of it goes on now."""
        sources = {name: candidate.pop(name) for name in list(candidate) if camel(name) in _CITED}
        if sources:
            self._sources.keep(index, sources)
        if candidate.get("finishReason") is None:
            return not sources or not {"index"}.issuperset(candidate)
        ends = {name: value for name, value in candidate.items() if name != "content"}
        self._last[index] = {**ends, "index": index}
        for name in list(candidate):
            if name not in ("content", "index"):
                del candidate[name]
        return bool(_parts(candidate)) or "content" in candidate

    def _rest(self, place: Place, text: str) -> Json:
        """Return an event with what was held back of one text."""
        index, name, thought = place
        part: Json = {name: text, "thought": True} if thought else {name: text}
        content = {"parts": [part], "role": "model"}
        return {"candidates": [{"content": content, "index": index}], **self._envelope}

    def _error(self, data: bytes) -> bytes:
        """Pass on what is safe of an error the provider reports in its stream."""
        error = errors.gemini_provider(400, data)
        stated = strict.loads(data)["error"]
        code = stated.get("code") if isinstance(stated, dict) else None
        error["error"]["code"] = code if type(code) is int else 500
        found = Found()
        ERROR.read_object(found, error, "Other")
        self._scans.texts(found.texts)
        return self.finish() + sse.encode(strict.dumps(error))


def _parts(candidate: Json) -> list[Json]:
    content = candidate.get("content")
    parts = content.get("parts") if isinstance(content, dict) else None
    return [part for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []


def _asks_for_json(document: Json) -> bool:
    for name in ("generationConfig", "generation_config"):
        config = document.get(name)
        if isinstance(config, dict):
            return "application/json" in (
                config.get("responseMimeType"),
                config.get("response_mime_type"),
            )
    return False


def _known() -> frozenset[str]:
    """The fields of a part that do not come in pieces."""
    candidates: Any = RESPONSE.rules["candidates"]
    content = candidates.rule.rules["content"]
    part: PartRule = content.rules["parts"].rule
    return frozenset(part.message.rules)


_CITED = ("groundingMetadata", "citationMetadata")
_KNOWN = _known()
