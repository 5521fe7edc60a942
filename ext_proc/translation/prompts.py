"""Prompts: what a target adds to the system's words, put into a request in the caller's own format.

Done before translation, so that every format's targets read the same. The document given is left
as it is: another target of the same request may have another prompt.
"""

from collections.abc import Callable, Mapping
from typing import Any

from crds.plan import Format, PromptPlan

Json = dict[str, Any]


def apply(document: Json, spoken: Format, prompt: PromptPlan | None) -> Json:
    """The document with the prompt in it; formats without system's words stay as they are."""
    place = _PLACES.get(spoken)
    return document if prompt is None or place is None else place(document, prompt)


def taken(spoken: Format) -> bool:
    """Tell whether a format has system's words."""
    return spoken in _PLACES


def _joined(prompt: PromptPlan, before: list[Json], own: Json) -> list[Json]:
    match prompt.mode:
        case "Replace":
            return [own]
        case "Prepend":
            return [own, *before]
        case "Append":
            return [*before, own]


def _openai_chat(document: Json, prompt: PromptPlan) -> Json:
    """System messages may stand anywhere; ours stands with those at the beginning."""
    messages = document["messages"]
    first = next((n for n, each in enumerate(messages) if not _is_system(each)), len(messages))
    rest = messages[first:]
    if prompt.mode == "Replace":
        rest = [each for each in rest if not _is_system(each)]
    own = {"role": "system", "content": prompt.text}
    return {**document, "messages": [*_joined(prompt, messages[:first], own), *rest]}


def _is_system(message: Json) -> bool:
    return message.get("role") in ("system", "developer")


def _anthropic(document: Json, prompt: PromptPlan) -> Json:
    own = {"type": "text", "text": prompt.text}
    return {**document, "system": _joined(prompt, _blocks(document.get("system"), own), own)}


def _blocks(system: Any, like: Json) -> list[Json]:
    """The system's blocks; a string is one."""
    if isinstance(system, str):
        return [{**like, "text": system}] if system else []
    return list(system) if isinstance(system, list) else []


def _bedrock(document: Json, prompt: PromptPlan) -> Json:
    own = {"text": prompt.text}
    return {**document, "system": _joined(prompt, list(document.get("system") or ()), own)}


def _gemini(document: Json, prompt: PromptPlan) -> Json:
    """The instruction may be spelled both ways, and be a string or a content."""
    name = "system_instruction" if "system_instruction" in document else "systemInstruction"
    given = document.get(name)
    own = {"text": prompt.text}
    parts = given.get("parts") if isinstance(given, dict) else given
    if isinstance(parts, str):
        parts = [{"text": parts}]
    before = parts if isinstance(parts, list) else [parts] if isinstance(parts, dict) else []
    kept = given if isinstance(given, dict) and "parts" in given else {}
    return {**document, name: {**kept, "parts": _joined(prompt, before, own)}}


def _responses(document: Json, prompt: PromptPlan) -> Json:
    given = document.get("instructions")
    before = [{"text": given}] if isinstance(given, str) and given else []
    texts = [each["text"] for each in _joined(prompt, before, {"text": prompt.text})]
    return {**document, "instructions": "\n\n".join(texts)}


_PLACES: Mapping[Format, Callable[[Json, PromptPlan], Json]] = {
    "OpenAIChat": _openai_chat,
    "OpenAIResponses": _responses,
    "AnthropicMessages": _anthropic,
    "AnthropicTokenCount": _anthropic,
    "GeminiContent": _gemini,
    "BedrockConverse": _bedrock,
}
