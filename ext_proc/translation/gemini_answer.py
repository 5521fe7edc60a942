"""Gemini's answers, both ways: candidates, why they ended, and usage.

Source: `GenerateContentResponse` of the Gemini API reference. Thoughts are counted apart from
candidates there. A prompt that was blocked has no candidates.
"""

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from ext_proc.call import Usage
from ext_proc.formats import strict, usage
from ext_proc.translation import call_ids, cited, gemini_grounding, gemini_parts
from ext_proc.translation.call_ids import NameCall
from ext_proc.translation.cited import Held
from ext_proc.translation.codec import Asked, UnreadableError
from ext_proc.translation.gemini_fields import known
from ext_proc.translation.neutral import (
    Choice,
    Finish,
    Json,
    Media,
    Part,
    Refusal,
    Response,
    Text,
    Thinking,
    ToolCall,
)

MOST_CHOICES = 128
_FILTERED = (
    "SAFETY",
    "RECITATION",
    "LANGUAGE",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "IMAGE_SAFETY",
    "IMAGE_PROHIBITED_CONTENT",
    "IMAGE_RECITATION",
    "MODEL_ARMOR",
)
_READ: dict[str, Finish] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    **dict.fromkeys(_FILTERED, "content_filter"),
}
_BROKEN = frozenset(
    {"MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS"}
    | {"MISSING_THOUGHT_SIGNATURE", "MALFORMED_RESPONSE"}
)
"""The model failed, and there is no answer."""
_WRITTEN: dict[Finish, str] = {
    "stop": "STOP",
    "stop_sequence": "STOP",
    "tool_calls": "STOP",
    "length": "MAX_TOKENS",
    "content_filter": "SAFETY",
    "refusal": "PROHIBITED_CONTENT",
}
CITED = frozenset({"groundingMetadata", "citationMetadata"})
MALFORMED = "MALFORMED_FUNCTION_CALL"
_NO_ANSWER = "The provider's answer is not a list of candidates."
_FAILED = "The model's answer cannot be used: {}."


def finish(reason: Any, *, calls: bool) -> Finish:
    """Why a candidate ended. Raise UnreadableError where the model failed."""
    if isinstance(reason, str) and reason in _BROKEN:
        raise UnreadableError(_FAILED.format(reason))
    said = _READ.get(reason, "stop") if isinstance(reason, str) else "stop"
    return "tool_calls" if said == "stop" and calls else said


def read(document: Json) -> Response:
    """Read a whole answer. Raise UnreadableError."""
    named = known(document) or {}
    stated = named.get("usageMetadata")
    used = usage.gemini(known(stated))
    return Response(
        id=string(named, "responseId"),
        model=string(named, "modelVersion"),
        choices=_choices(named),
        usage=used,
        usage_invalid=stated is not None and used is None,
    )


def _choices(named: Json) -> tuple[Choice, ...]:
    name_call = namer(named)
    candidates = candidates_of(named)
    if candidates:
        return tuple(_choice(n, candidate, name_call) for n, candidate in candidates)
    if blocked(named):
        return (Choice((), "content_filter"),)
    raise UnreadableError(_NO_ANSWER)


def _choice(index: int, candidate: Json, name_call: NameCall) -> Choice:
    parts = gemini_parts.Parts()

    def call_id(name: str, given: str) -> str:
        return given or name_call(index, parts.calls, name)

    raw = parts_of(candidate)
    for part in raw:
        gemini_parts.read(part, parts, call_id)
    why = finish(candidate.get("finishReason"), calls=parts.calls > 0)
    return Choice(_cited(candidate, parts.read(), raw), why)


def _cited(candidate: Json, parts: tuple[Part, ...], raw: list[Any]) -> tuple[Part, ...]:
    if CITED.isdisjoint(candidate):
        return parts
    said = [string(each, "text") if _is_spoken(each) else "" for each in raw]
    begins = [0, *accumulate(len(each.encode(errors="replace")) for each in said)]
    count = gemini_grounding.Count("".join(each.text for each in parts if isinstance(each, Text)))
    found = gemini_grounding.read(candidate, count, begins[:-1], Held())
    return cited.attached(parts, found)


def _is_spoken(part: Any) -> bool:
    """Whether a part may be words of the answer."""
    return isinstance(part, dict) and part.get("thought") is not True


def blocked(named: Json) -> bool:
    """Whether the prompt was blocked."""
    return (known(named.get("promptFeedback")) or {}).get("blockReason") is not None


def candidates_of(named: Json) -> list[tuple[int, Json]]:
    """The candidates with their indexes. Raise UnreadableError."""
    listed = named.get("candidates", [])
    if not isinstance(listed, list):
        raise UnreadableError(_NO_ANSWER)
    found = []
    for position, each in enumerate(listed):
        candidate = known(each)
        index = candidate.get("index", position) if candidate is not None else None
        if candidate is None or type(index) is not int or not 0 <= index < MOST_CHOICES:
            raise UnreadableError(_NO_ANSWER)
        found.append((index, candidate))
    return found


def parts_of(candidate: Json) -> list[Any]:
    """What a candidate says. Raise UnreadableError."""
    content = candidate.get("content", {})
    parts = content.get("parts") if isinstance(content, dict) else ""
    if not isinstance(parts, list | None):
        raise UnreadableError("A candidate of the provider's answer has no parts.")
    return parts or []


def namer(named: Json) -> NameCall:
    """How calls without an id are named."""
    return call_ids.namer(string(named, "responseId").encode() or named)


def string(named: Json, name: str) -> str:
    """A string, or nothing where there is none."""
    value = named.get(name)
    return value if isinstance(value, str) else ""


def write(response: Response, asked: Asked) -> Json:
    """Write a whole answer. Raise UnreadableError."""
    candidates = [candidate(n, choice) for n, choice in enumerate(response.choices)]
    document: Json = {"candidates": candidates}
    if response.usage is not None:
        document["usageMetadata"] = write_usage(response.usage)
    return document | envelope(response.id, response.model, asked)


def envelope(id_: str, model: str, asked: Asked) -> Json:
    """What every chunk repeats."""
    return {"modelVersion": model or asked.model, "responseId": id_ or asked.request_id}


def candidate(index: int, choice: Choice) -> Json:
    """Write one candidate."""
    parts, malformed = written(choice.parts)
    reason = reason_of(choice.finish, malformed=malformed)
    return {
        "content": {"parts": parts, "role": "model"},
        **({"finishReason": reason} if reason else {}),
        "index": index,
        **gemini_grounding.written(choice.parts, parts),
    }


def reason_of(finish_: Finish | None, *, malformed: bool) -> str | None:
    """Say why a candidate ended; calls that are no JSON have a reason of their own."""
    if finish_ is None:
        return None
    return MALFORMED if malformed and finish_ != "length" else _WRITTEN[finish_]


def written(parts: Sequence[Part]) -> tuple[list[Json], bool]:
    """Write the parts of an answer; tell whether a call among them cannot be read."""
    out: list[Json] = []
    malformed = False
    for part in parts:
        match part:
            case Text() | Refusal():
                out += [{"text": part.text}] if part.text else []
            case Thinking():
                out.append(gemini_parts.thought(part, gemini_parts.shown(part)))
            case ToolCall():
                arguments = arguments_of(part.arguments)
                malformed = malformed or arguments is None
                out += [gemini_parts.call(part, arguments)] if arguments is not None else []
            case Media():
                media = gemini_parts.media(part)
                out += [media] if media else []
    return out, malformed


def arguments_of(text: str) -> Json | None:
    """The arguments of a call; None: they are no JSON object."""
    try:
        return strict.loads(text.encode()) if text.strip() else {}
    except strict.InvalidJsonError:
        return None


def write_usage(used: Usage) -> Json:
    """Write `usageMetadata`."""
    counts = {
        "promptTokenCount": used.input_tokens,
        "candidatesTokenCount": used.output_tokens - used.reasoning_tokens,
        "totalTokenCount": used.input_tokens + used.output_tokens,
    }
    if used.cache_read_tokens:
        counts["cachedContentTokenCount"] = used.cache_read_tokens
    if used.reasoning_tokens:
        counts["thoughtsTokenCount"] = used.reasoning_tokens
    return counts
