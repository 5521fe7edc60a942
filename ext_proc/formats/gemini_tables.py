"""Gemini's generateContent as tables: which of its fields are text, ids, data and references.

Sources: `models.generateContent` of the Gemini API reference, the same of Vertex AI, and the types
of the google-genai SDK.
"""

# ruff: noqa: D102 -- what `read` and `fields` do is said once, in Rule

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from crds.plan import Origin
from ext_proc.formats.protobuf import Message, camel
from ext_proc.formats.rules import Data, Json, Numbers, Path, Prose, Reference, Rule, Token, Url
from ext_proc.formats.shapes import Each
from ext_proc.formats.texts import Found

ROLES: dict[str, Origin] = {"user": "User", "model": "Assistant", "function": "ToolResults"}


def _blob(kind: str, *, strict: bool) -> Message:
    rules: dict[str, Rule] = {"mimeType": Token(), "data": Data(kind), "displayName": Prose()}
    return Message(rules, strict=strict)


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes, of the kind that their media type says."""

    strict: bool

    def read(self, found: Found, owner: Any, key: Any, origin: Origin) -> None:
        value = owner[key]
        media_type = ""
        if isinstance(value, dict):
            media_type = str(value.get("mimeType") or value.get("mime_type"))
        head = media_type.partition("/")[0].lower()
        kind = head if head in ("image", "audio") else "file"
        _blob(kind, strict=self.strict).read(found, owner, key, origin)

    def fields(self, path: Path) -> Iterator[tuple[Path, str]]:
        yield from _blob("file", strict=self.strict).fields(path)


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a content; the model's thoughts are reasoning, unknown kinds are recorded."""

    message: Message

    def read(self, found: Found, owner: Any, key: Any, origin: Origin) -> None:
        value = owner[key]
        if isinstance(value, dict):
            if value and not any(camel(name) in self.message.rules for name in value):
                found.unscanned["unknown"] += 1
            if value.get("thought") is True and origin == "Assistant":
                origin = "Reasoning"
        self.message.read(found, owner, key, origin)

    def fields(self, path: Path) -> Iterator[tuple[Path, str]]:
        yield from self.message.fields(path)


@dataclass(frozen=True, slots=True)
class Spelled:
    """The tokens of an answer and their alternatives, each kind read as one text."""

    def read(self, found: Found, owner: Any, key: Any, origin: Origin) -> None:
        value = owner[key]
        if value is None:
            return
        spelled = _spell(value)
        if spelled is None:
            found.anything(owner, key, origin)
        elif spelled:
            found.derived(owner, key, spelled, origin)

    def fields(self, path: Path) -> Iterator[tuple[Path, str]]:
        yield path, "text, tokens joined; dropped where a text is changed"


_CANDIDATE_KEYS = frozenset({"token", "tokenId", "logProbability"})
_RESULT_KEYS = frozenset({"topCandidates", "chosenCandidates", "logProbabilitySum"})


def _spell(value: Any) -> str | None:
    """Join tokens, and their alternatives by rank; None where the shape is not known."""
    if not isinstance(value, dict) or not _RESULT_KEYS.issuperset(value):
        return None
    chosen, tops = value.get("chosenCandidates") or [], value.get("topCandidates") or []
    if not isinstance(chosen, list) or not isinstance(tops, list):
        return None
    ranks: dict[int, list[str]] = {-1: []}
    steps: list[tuple[int, Any]] = [(-1, each) for each in chosen]
    for top in tops:
        listed = top.get("candidates") if isinstance(top, dict) and len(top) == 1 else None
        if not isinstance(listed, list):
            return None
        steps += enumerate(listed)
    for rank, each in steps:
        if not isinstance(each, dict) or not _CANDIDATE_KEYS.issuperset(each):
            return None
        token = each.get("token")
        if not isinstance(token, str):
            return None
        ranks.setdefault(rank, []).append(token)
    return "\n".join("".join(rank) for rank in ranks.values())


def _part(*, strict: bool) -> Part:
    file = Message(
        {"mimeType": Token(), "fileUri": Url("file"), "displayName": Prose()}, strict=strict
    )
    media: dict[str, Rule] = {"inlineData": Blob(strict), "fileData": file}
    call: dict[str, Rule] = {"id": Token(), "name": Prose(), "args": Json()}
    answer: dict[str, Rule] = {
        "id": Token(),
        "name": Prose(),
        "response": Json(),
        "parts": Each(Message(media, strict=strict)),
        "scheduling": Token(),
        "willContinue": Token(),
    }
    code: dict[str, Rule] = {"id": Token(), "language": Token(), "code": Prose()}
    ran: dict[str, Rule] = {"id": Token(), "outcome": Token(), "output": Prose()}
    rules: dict[str, Rule] = {
        "text": Prose(),
        "thought": Token(),
        "thoughtSignature": Data(),
        **media,
        "functionCall": Message(call, origin="ToolCalls", strict=strict),
        "functionResponse": Message(answer, origin="ToolResults", strict=strict),
        "executableCode": Message(code, origin="ToolCalls", strict=strict),
        "codeExecutionResult": Message(ran, origin="ToolResults", strict=strict),
        "videoMetadata": Numbers(),
        "mediaResolution": Numbers(),
        "partMetadata": Json(),
    }
    return Part(Message(rules, strict=strict))


def _content(origin: Origin, *, strict: bool = True, roles: bool = True) -> Message:
    rules: dict[str, Rule] = {"role": Token(), "parts": Each(_part(strict=strict))}
    return Message(rules, origin=origin, roles=ROLES if roles else None, strict=strict)


_THRESHOLD: dict[str, Rule] = {"category": Token(), "threshold": Token(), "method": Token()}
_RATING: dict[str, Rule] = {
    "category": Token(),
    "probability": Token(),
    "probabilityScore": Token(),
    "severity": Token(),
    "severityScore": Token(),
    "blocked": Token(),
    "overwrittenThreshold": Token(),
}
_CONFIG: dict[str, Rule] = {
    "temperature": Token(),
    "topP": Token(),
    "topK": Token(),
    "maxOutputTokens": Token(),
    "candidateCount": Token(),
    "seed": Token(),
    "logprobs": Token(),
    "responseLogprobs": Token(),
    "presencePenalty": Token(),
    "frequencyPenalty": Token(),
    "responseMimeType": Token(),
    "mediaResolution": Token(),
    "audioTimestamp": Token(),
    "enableEnhancedCivicAnswers": Token(),
    "stopSequences": Each(Prose()),
    "responseModalities": Each(Token()),
    "responseSchema": Json(),
    "responseJsonSchema": Json(),
    "thinkingConfig": Numbers(),
    "speechConfig": Json(),
}
_TOOL: dict[str, Rule] = {
    "functionDeclarations": Each(Json("ToolDefinitions")),
    "googleSearch": Json("ToolDefinitions", kind="url"),
    "urlContext": Json("ToolDefinitions", kind="url"),
    "retrieval": Json("ToolDefinitions", kind="file_id"),
    "fileSearch": Json("ToolDefinitions", kind="file_id"),
    "mcpServers": Json("ToolDefinitions", kind="mcp"),
}
CONTENT = _content("User")
REQUEST = Message(
    {
        "contents": Each(CONTENT),
        "systemInstruction": _content("System", roles=False),
        "tools": Each(Message(_TOOL, origin="ToolDefinitions")),
        "toolConfig": Json("ToolDefinitions"),
        "generationConfig": Message(_CONFIG),
        "safetySettings": Each(Message(_THRESHOLD)),
        "cachedContent": Reference("conversation"),
        "labels": Json(),
        "serviceTier": Token(),
        "store": Token(),
    }
)
_DETAILS = Each(Numbers())
_STATED: dict[str, Rule] = {
    "promptTokenCount": Token(),
    "candidatesTokenCount": Token(),
    "totalTokenCount": Token(),
    "thoughtsTokenCount": Token(),
    "cachedContentTokenCount": Token(),
    "toolUsePromptTokenCount": Token(),
    "trafficType": Token(),
    "promptTokensDetails": _DETAILS,
    "candidatesTokensDetails": _DETAILS,
    "cacheTokensDetails": _DETAILS,
    "toolUsePromptTokensDetails": _DETAILS,
}
USAGE = Message(_STATED, strict=False)
_RATED = Each(Message(_RATING, strict=False))
_SEGMENT: dict[str, Rule] = {
    **dict.fromkeys(("partIndex", "startIndex", "endIndex"), Token()),
    "text": Prose(),
}
_SUPPORT: dict[str, Rule] = {
    "segment": Message(_SEGMENT, strict=False),
    "groundingChunkIndices": Each(Token()),
    "confidenceScores": Each(Token()),
}
_PAGE = Message({name: Prose() for name in ("uri", "title", "domain", "text")}, strict=False)
_CHUNK: dict[str, Rule] = {"web": _PAGE, "retrievedContext": _PAGE, "maps": _PAGE}
_GROUNDING: dict[str, Rule] = {
    "groundingChunks": Each(Message(_CHUNK, strict=False)),
    "groundingSupports": Each(Message(_SUPPORT, strict=False)),
}
_CITATION: dict[str, Rule] = {
    **dict.fromkeys(("startIndex", "endIndex"), Token()),
    **{name: Prose() for name in ("uri", "title", "license")},
}
_CITATIONS: dict[str, Rule] = {"citations": Each(Message(_CITATION, strict=False))}
_CANDIDATE: dict[str, Rule] = {
    "index": Token(),
    "content": _content("Assistant", strict=False, roles=False),
    "finishReason": Token(),
    "finishMessage": Prose(),
    "tokenCount": Token(),
    "avgLogprobs": Token(),
    "safetyRatings": _RATED,
    "citationMetadata": Message(_CITATIONS, strict=False),
    "groundingMetadata": Message(_GROUNDING, strict=False),
    "urlContextMetadata": Json(),
    "logprobsResult": Spelled(),
}
_FEEDBACK: dict[str, Rule] = {
    "blockReason": Token(),
    "blockReasonMessage": Prose(),
    "safetyRatings": _RATED,
}
RESPONSE = Message(
    {
        "candidates": Each(Message(_CANDIDATE, origin="Assistant", strict=False)),
        "promptFeedback": Message(_FEEDBACK, strict=False),
        "usageMetadata": USAGE,
        "modelVersion": Token(),
        "responseId": Token(),
        "createTime": Token(),
        "error": Json(),
    },
    strict=False,
)
ERROR = Message(
    {"error": Message({"code": Token(), "message": Prose(), "status": Token()}, strict=False)},
    strict=False,
)
