"""The catalogue of models: prices and context lengths, as packaged with genai-prices.

It is as old as that package; a newer one takes its place without a change here.
"""

from functools import lru_cache

from genai_prices import data_snapshot
from genai_prices.types import ModelInfo

from crds.plan import TargetPlan

_PACKAGED = {
    "OpenAI": "openai",
    "AzureOpenAI": "azure",
    "Anthropic": "anthropic",
    "Gemini": "google",
    "VertexAI": "google",
    "Bedrock": "aws",
    "Cohere": "cohere",
    "Mistral": "mistral",
}
_LONGEST_NAME = 100
"""Names beyond it are looked up nowhere: the packaged rules match them with unbounded effort."""


def load() -> None:
    """Read the catalogue now, not under the first request."""
    data_snapshot.get_snapshot()


@lru_cache(maxsize=1024)
def find(provider: str, model: str) -> ModelInfo | None:
    """What is known of a provider's model."""
    known = _PACKAGED.get(provider)
    if known is None or len(model) > _LONGEST_NAME:
        return None
    try:
        return data_snapshot.get_snapshot().find_provider_model(model, None, known, None)[1]
    except LookupError:
        return None


def known_as(provider: str, name: str) -> str | None:
    """Return the catalogue's own name of a model, if it has one."""
    model = find(provider, name)
    return model.id if model is not None else None


def context_tokens(target: TargetPlan, asked: str) -> int | None:
    """How much a target's model can hold: what its AIBackend says, then the catalogue."""
    name = target.model or asked
    if (own := target.contexts.get(name)) is not None:
        return own
    model = find(target.provider, name)
    return model.context_window if model is not None else None
