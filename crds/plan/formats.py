"""The API dialects, which of them translate into each other, and their headers."""

from collections.abc import Mapping
from typing import Literal

_Sound = Literal["OpenAISpeech", "OpenAITranscription", "OpenAIAudioTranslation"]
Format = Literal[
    "OpenAIChat",
    "OpenAIResponses",
    "OpenAIEmbeddings",
    "AnthropicMessages",
    "GeminiContent",
    "GeminiEmbeddings",
    "BedrockConverse",
    "AnthropicTokenCount",
    "OpenAICompletions",
    "OpenAIModerations",
    "OpenAIImages",
    _Sound,
    "Rerank",
]
FAMILIES: tuple[tuple[Format, ...], ...] = (
    ("OpenAIChat", "AnthropicMessages", "GeminiContent", "BedrockConverse", "OpenAIResponses"),
    ("OpenAIEmbeddings", "GeminiEmbeddings"),
)
"""Formats that translate into each other, the preferred first; others go to who speaks them."""
_OPENAI: tuple[Format, ...] = ("OpenAIChat", "OpenAIResponses", "OpenAIEmbeddings")
_OPENAI += ("OpenAICompletions", "OpenAIModerations", "OpenAIImages")
_OPENAI += ("OpenAISpeech", "OpenAITranscription", "OpenAIAudioTranslation")
_ANTHROPIC: tuple[Format, ...] = ("AnthropicMessages", "AnthropicTokenCount")
FORMAT_HEADERS: Mapping[Format, tuple[str, ...]] = {
    **dict.fromkeys(_OPENAI, ("openai-beta",)),
    **dict.fromkeys(_ANTHROPIC, ("anthropic-version", "anthropic-beta")),
}
"""Headers in which callers of a format say more; none names an account."""
