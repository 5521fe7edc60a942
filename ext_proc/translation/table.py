"""The table of codecs: what can be read into neutral values and written from them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from crds.plan import Format
from ext_proc.translation import (
    anthropic_messages,
    bedrock,
    gemini,
    gemini_embeddings,
    openai_chat,
    openai_embeddings,
    openai_responses,
)
from ext_proc.translation.codec import Codec

CODECS: Mapping[Format, Codec[Any, Any]] = MappingProxyType(
    {
        "OpenAIChat": openai_chat.CODEC,
        "OpenAIEmbeddings": openai_embeddings.CODEC,
        "GeminiEmbeddings": gemini_embeddings.CODEC,
        "AnthropicMessages": anthropic_messages.CODEC,
        "GeminiContent": gemini.CODEC,
        "BedrockConverse": bedrock.CODEC,
        "OpenAIResponses": openai_responses.CODEC,
    }
)
