"""The table of codecs: what can be read into neutral values and written from them."""

from collections.abc import Mapping
from types import MappingProxyType

from crds.plan import Format
from ext_proc.translation import (
    anthropic_messages,
    bedrock,
    gemini,
    openai_chat,
    openai_responses,
)
from ext_proc.translation.codec import Codec

CODECS: Mapping[Format, Codec] = MappingProxyType(
    {
        "OpenAIChat": openai_chat.CODEC,
        "AnthropicMessages": anthropic_messages.CODEC,
        "GeminiContent": gemini.CODEC,
        "BedrockConverse": bedrock.CODEC,
        "OpenAIResponses": openai_responses.CODEC,
    }
)
