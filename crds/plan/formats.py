"""The API dialects, which of them translate into each other, and their headers."""

from collections.abc import Mapping
from typing import Literal

_Sound = Literal["OpenAISpeech", "OpenAITranscription", "OpenAIAudioTranslation"]
CallerFormat = Literal[
    "OpenAIChat",
    "OpenAIResponses",
    "OpenAIEmbeddings",
    "AnthropicMessages",
    "GeminiContent",
    "GeminiEmbeddings",
    "GeminiEmbedContent",
    "GeminiTokenCount",
    "BedrockConverse",
    "AnthropicTokenCount",
    "OpenAICompletions",
    "OpenAIModerations",
    "OpenAIImages",
    "OpenAIImageEdits",
    "OpenAIImageVariations",
    _Sound,
    "Rerank",
]
"""What callers may speak."""
_Asked = Literal["VertexEmbeddings", "TitanEmbeddings", "CohereEmbeddings"]
Format = Literal[CallerFormat, _Asked]
"""And what providers alone speak."""
Unread = Literal["Generic"]
GENERIC: Unread = "Generic"
"""What stands in the place of a format where a request is passed on unread."""
FAMILIES: tuple[tuple[Format, ...], ...] = (
    ("OpenAIChat", "AnthropicMessages", "GeminiContent", "BedrockConverse", "OpenAIResponses"),
    (
        *("OpenAIEmbeddings", "GeminiEmbeddings", "GeminiEmbedContent"),
        *("VertexEmbeddings", "TitanEmbeddings", "CohereEmbeddings"),
    ),
)
"""Formats that translate into each other, the preferred first; others go to who speaks them."""
_OPENAI: tuple[Format, ...] = ("OpenAIChat", "OpenAIResponses", "OpenAIEmbeddings")
_OPENAI += ("OpenAICompletions", "OpenAIModerations")
_OPENAI += ("OpenAIImages", "OpenAIImageEdits", "OpenAIImageVariations")
_OPENAI += ("OpenAISpeech", "OpenAITranscription", "OpenAIAudioTranslation")
_ANTHROPIC: tuple[Format, ...] = ("AnthropicMessages", "AnthropicTokenCount")
FORMAT_HEADERS: Mapping[Format, tuple[str, ...]] = {
    **dict.fromkeys(_OPENAI, ("openai-beta",)),
    **dict.fromkeys(_ANTHROPIC, ("anthropic-version", "anthropic-beta")),
}
"""Headers in which callers of a format say more; none names an account."""
