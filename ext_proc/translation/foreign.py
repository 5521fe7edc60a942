"""Foreign: reasoning that another provider signed, on its way to a provider of the caller's format.

A caller brings back what its last answers held, whoever gave them. Between formats the writers keep
apart what is whose; a body that needs no translation is looked through here, if it holds a mark of
ours at all, and what its provider would refuse is taken out. Nothing else of it changes.
"""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from crds.plan import Format
from ext_proc.formats import strict
from ext_proc.translation.anthropic_parts import FOREIGN_SIGNED
from ext_proc.translation.bedrock_carried import MARKED
from ext_proc.translation.neutral import Loss
from ext_proc.translation.responses_reasoning import SEAL, is_ours
from ext_proc.translation.values import listed, string

Json = dict[str, Any]


def present(format_: Format, body: bytes) -> bool:
    """Tell whether a body of a format may hold what another provider signed."""
    return any(mark in body for mark in _MARKS.get(format_, ()))


def without(format_: Format, document: Json) -> tuple[Json, tuple[Loss, ...]]:
    """The document without it, which stays as it is: another target may have signed it."""
    if format_ not in _MARKS or not present(format_, body := strict.dumps(document)):
        return document, ()
    own = strict.loads(body)
    return own, remove(format_, own)


def remove(format_: Format, document: Json) -> tuple[Loss, ...]:
    """Take it out of a document; name where it stood."""
    losses = []
    for where, owner, key in _LISTS[format_](document):
        kept = [each for each in map(_unsigned, owner[key]) if each != {} and not _is_foreign(each)]
        if kept != owner[key]:
            losses.append(Loss(f"{where}.reasoning" if where else "reasoning"))
            owner[key] = kept
    return tuple(losses)


def _unsigned(part: Any) -> Any:
    """A part of Gemini's that is no thought stays, but for another's signature."""
    if not isinstance(part, dict) or part.get("thought") is True:
        return part
    return {
        name: value
        for name, value in part.items()
        if name not in _THOUGHT_SIGNATURE or not string(value).startswith(MARKED)
    }


def _is_foreign(part: Any) -> bool:
    if not isinstance(part, dict):
        return False
    match part.get("reasoningContent"):
        case {"reasoningText": {"signature": str(signature)}}:
            return signature.startswith(FOREIGN_SIGNED)
        case {"redactedContent": str(content)}:
            return content.startswith(MARKED)
    if any(string(part.get(name)).startswith(MARKED) for name in _THOUGHT_SIGNATURE):
        return True
    match part.get("type"):
        case "reasoning":
            return is_ours(part.get("encrypted_content"))
        case "thinking":
            return string(part.get("signature")).startswith(FOREIGN_SIGNED)
        case "redacted_thinking":
            return string(part.get("data")).startswith(FOREIGN_SIGNED)
    return False


def _input(document: Json) -> Iterator[tuple[str, Json, str]]:
    if isinstance(document.get("input"), list):
        yield "", document, "input"


def _turns(document: Json) -> Iterator[tuple[str, Json, str]]:
    for position, message in enumerate(listed(document.get("messages"))):
        if isinstance(message.get("content"), list):
            yield f"messages[{position}]", message, "content"


def _contents(document: Json) -> Iterator[tuple[str, Json, str]]:
    for position, content in enumerate(listed(document.get("contents"))):
        if isinstance(content.get("parts"), list):
            yield f"contents[{position}]", content, "parts"


_THOUGHT_SIGNATURE = ("thoughtSignature", "thought_signature")
_MARKS: Mapping[Format, tuple[bytes, ...]] = MappingProxyType(
    {
        "OpenAIResponses": (f'"{SEAL}'.encode(),),
        "AnthropicMessages": tuple(f'"{mark}'.encode() for mark in FOREIGN_SIGNED),
        "AnthropicTokenCount": tuple(f'"{mark}'.encode() for mark in FOREIGN_SIGNED),
        "BedrockConverse": tuple(f'"{mark}'.encode() for mark in (*FOREIGN_SIGNED, MARKED)),
        "GeminiContent": (f'"{MARKED}'.encode(),),
    }
)
_LISTS: Mapping[Format, Callable[[Json], Iterator[tuple[str, Json, str]]]] = MappingProxyType(
    {
        "OpenAIResponses": _input,
        "AnthropicMessages": _turns,
        "AnthropicTokenCount": _turns,
        "BedrockConverse": _turns,
        "GeminiContent": _contents,
    }
)
"""Where each format has its reasoning: the place, and the list."""
