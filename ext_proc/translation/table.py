"""The table of codecs: what can be read into neutral values and written from them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from crds.plan import Format
from ext_proc.translation import (
    anthropic_messages,
    bedrock,
    bedrock_embeddings,
    gemini,
    gemini_embeddings,
    openai_chat,
    openai_embeddings,
    openai_responses,
    vertex_embeddings,
)
from ext_proc.translation.codec import Codec, Provided

CODECS: Mapping[Format, Codec[Any, Any]] = MappingProxyType(
    {
        "OpenAIChat": openai_chat.CODEC,
        "OpenAIEmbeddings": openai_embeddings.CODEC,
        "GeminiEmbeddings": gemini_embeddings.BATCH,
        "GeminiEmbedContent": gemini_embeddings.ONE,
        "AnthropicMessages": anthropic_messages.CODEC,
        "GeminiContent": gemini.CODEC,
        "BedrockConverse": bedrock.CODEC,
        "OpenAIResponses": openai_responses.CODEC,
    }
)
PROVIDED: Mapping[Format, Provided[Any, Any]] = MappingProxyType(
    {
        **CODECS,
        "VertexEmbeddings": vertex_embeddings.CODEC,
        "TitanEmbeddings": bedrock_embeddings.TITAN,
        "CohereEmbeddings": bedrock_embeddings.COHERE,
    }
)
"""And what can only be written for providers, and read from them."""
