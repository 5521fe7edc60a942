"""Foreign: reasoning that another provider signed, on its way to a provider of the caller's format.

A caller brings back what its last answers held, whoever gave them. Between formats the writers keep
apart what is whose; a body that needs no translation is looked through here, if it holds a mark of
ours at all, and what its provider would refuse is taken out. Nothing else of it changes.
"""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from crds.plan import Format
from ext_proc.translation.anthropic_parts import FOREIGN_SIGNED
from ext_proc.translation.bedrock_carried import MARKED
from ext_proc.translation.neutral import Loss
from ext_proc.translation.responses_reasoning import SEAL, is_ours
from ext_proc.translation.values import listed, string

Json = dict[str, Any]


def present(format_: Format, body: bytes) -> bool:
    """Tell whether a body of a format may hold what another provider signed."""
    return any(mark in body for mark in _MARKS.get(format_, ()))


def remove(format_: Format, document: Json) -> tuple[Loss, ...]:
    """Take it out of a document; name where it stood."""
    losses = []
    for where, owner, key in _LISTS[format_](document):
        kept = [each for each in owner[key] if not _is_foreign(each)]
        if len(kept) < len(owner[key]):
            losses.append(Loss(f"{where}.reasoning" if where else "reasoning"))
            owner[key] = kept
    return tuple(losses)


def _is_foreign(part: Any) -> bool:
    if not isinstance(part, dict):
        return False
    match part.get("reasoningContent"):
        case {"reasoningText": {"signature": str(signature)}}:
            return signature.startswith(FOREIGN_SIGNED)
        case {"redactedContent": str(content)}:
            return content.startswith(MARKED)
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


_MARKS: Mapping[Format, tuple[bytes, ...]] = MappingProxyType(
    {
        "OpenAIResponses": (f'"{SEAL}'.encode(),),
        "AnthropicMessages": tuple(f'"{mark}'.encode() for mark in FOREIGN_SIGNED),
        "AnthropicTokenCount": tuple(f'"{mark}'.encode() for mark in FOREIGN_SIGNED),
        "BedrockConverse": tuple(f'"{mark}'.encode() for mark in (*FOREIGN_SIGNED, MARKED)),
    }
)
_LISTS: Mapping[Format, Callable[[Json], Iterator[tuple[str, Json, str]]]] = MappingProxyType(
    {
        "OpenAIResponses": _input,
        "AnthropicMessages": _turns,
        "AnthropicTokenCount": _turns,
        "BedrockConverse": _turns,
    }
)
"""Where each format has its reasoning: the place, and the list."""
