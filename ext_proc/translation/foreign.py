"""Foreign: what another provider said, on its way to a provider of the caller's own format.

A caller brings back what its last answers held, whoever gave them. Between formats the writers keep
apart what is whose; a body that needs no translation is looked through here, if it may hold such
words at all. Reasoning that its provider would refuse is taken out, and calls that Gemini did not
make get the stand-in it wants for their signature. Nothing else of it changes.
"""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from crds.plan import Format
from ext_proc.formats import strict
from ext_proc.translation import anthropic_citations, gemini_config, gemini_parts
from ext_proc.translation.anthropic_blocks import FOREIGN_SIGNED
from ext_proc.translation.neutral import Loss
from ext_proc.translation.openai_chat_parts import OURS
from ext_proc.translation.responses_reasoning import SEAL, is_ours
from ext_proc.translation.values import GEMINI_SIGNED, MARKED, listed, mapping, string
from ext_proc.wires import Wire

Json = dict[str, Any]
_Losses = tuple[Loss, ...]


def present(wire: Wire, body: bytes) -> bool:
    """Tell whether a body of a wire's own format may hold what another provider said."""
    marks = _MARKS.get(wire.format, ()) + (_CALLS if _signs(wire) else ())
    return any(mark in body for mark in marks)


def without(wire: Wire, document: Json) -> tuple[Json, _Losses]:
    """The document without it, which stays as it is: another target may have said it."""
    if wire.format not in _MARKS or not present(wire, body := strict.dumps(document)):
        return document, ()
    own = strict.loads(body)
    return own, remove(wire, own)[0]


def remove(wire: Wire, document: Json) -> tuple[_Losses, bool]:
    """Take it out of a document; name where it stood, and tell whether anything changed."""
    losses: list[Loss] = []
    if wire.format == "OpenAIChat":
        losses += _remove_details(document)
    if wire.format in _CITING:
        losses += _remove_citations(document)
    for where, owner, key in _LISTS[wire.format](document):
        kept = [each for each in map(_unsigned, owner[key]) if each != {} and not _is_foreign(each)]
        if kept != owner[key]:
            losses.append(Loss(f"{where}.reasoning" if where else "reasoning"))
            owner[key] = kept
    signed = [gemini_parts.sign(listed(owner[key])) for owner, key in _signable(wire, document)]
    return tuple(losses), bool(losses) or any(signed)


def _signs(wire: Wire) -> bool:
    return wire.format == "GeminiContent" and gemini_config.signs_calls(wire.model)


def _signable(wire: Wire, document: Json) -> list[tuple[Json, str]]:
    """The lists of parts in which a call must be signed."""
    return [(owner, key) for _, owner, key in _contents(document)] if _signs(wire) else []


def _remove_details(document: Json) -> Iterator[Loss]:
    """Of chat completions: what was signed elsewhere, and the words that it signs."""
    for position, message in enumerate(listed(document.get("messages"))):
        details = listed(message.get("reasoning_details"))
        kept = [each for each in details if not _is_ours(each)]
        calls = [each for each in listed(message.get("tool_calls")) if _is_signed(each)]
        for each in calls:
            del each["extra_content"]
        if kept != details:
            message["reasoning_details"] = kept
            for name in () if kept else _THOUGHTS:
                message.pop(name, None)
        if calls or kept != details:
            yield Loss(f"messages[{position}].reasoning")


def _remove_citations(document: Json) -> Iterator[Loss]:
    """Of Anthropic's messages: pages of the web that another provider cites."""
    for where, owner, key in _turns(document):
        texts = [each for each in listed(owner[key]) if isinstance(each.get("citations"), list)]
        for each in texts:
            own = anthropic_citations.own(each["citations"])
            if own != each["citations"]:
                if own:
                    each["citations"] = own
                else:
                    del each["citations"]
                yield Loss(f"{where}.citations")


def _is_ours(detail: Json) -> bool:
    marked = string(detail.get("signature")) or string(detail.get("data"))
    return detail.get("format") == OURS or marked.startswith(FOREIGN_SIGNED)


def _is_signed(call: Json) -> bool:
    google = mapping(mapping(call.get("extra_content")).get("google"))
    return string(google.get("thought_signature")).startswith(GEMINI_SIGNED)


def _unsigned(part: Any) -> Any:
    """A part of Gemini's that is no thought stays, but for another's signature."""
    if not isinstance(part, dict) or part.get("thought") is True:
        return part
    return {
        name: value
        for name, value in part.items()
        if name not in gemini_parts.SIGNATURES or not string(value).startswith(MARKED)
    }


def _is_foreign(part: Any) -> bool:
    if not isinstance(part, dict):
        return False
    match part.get("reasoningContent"):
        case {"reasoningText": {"signature": str(signature)}}:
            return signature.startswith(FOREIGN_SIGNED)
        case {"redactedContent": str(content)}:
            return content.startswith(MARKED)
    if any(string(part.get(name)).startswith(MARKED) for name in gemini_parts.SIGNATURES):
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


def _none(_: Json) -> Iterator[tuple[str, Json, str]]:
    return iter(())


_THOUGHTS = ("reasoning_details", "reasoning_content", "reasoning")
_CALLS = (b'"functionCall"', b'"function_call"')
_CITING: tuple[Format, ...] = ("AnthropicMessages", "AnthropicTokenCount")
_MARKS: Mapping[Format, tuple[bytes, ...]] = MappingProxyType(
    {
        "OpenAIResponses": (f'"{SEAL}'.encode(),),
        **dict.fromkeys(_CITING, tuple(f'"{mark}'.encode() for mark in (*FOREIGN_SIGNED, MARKED))),
        "BedrockConverse": tuple(f'"{mark}'.encode() for mark in (*FOREIGN_SIGNED, MARKED)),
        "GeminiContent": (f'"{MARKED}'.encode(),),
        "OpenAIChat": (
            f'"{OURS}"'.encode(),
            *(f'"{mark}'.encode() for mark in FOREIGN_SIGNED),
        ),
    }
)
_LISTS: Mapping[Format, Callable[[Json], Iterator[tuple[str, Json, str]]]] = MappingProxyType(
    {
        "OpenAIResponses": _input,
        "AnthropicMessages": _turns,
        "AnthropicTokenCount": _turns,
        "BedrockConverse": _turns,
        "GeminiContent": _contents,
        "OpenAIChat": _none,
    }
)
"""Where each format has its reasoning: the place, and the list."""
