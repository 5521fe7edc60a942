"""Providers: whose API an AIBackend speaks, and what some of them must be told besides."""

from typing import Annotated, Literal

from pydantic import StringConstraints

from crds.meta import Label, Model

Provider = Literal[
    "OpenAI",
    "AzureOpenAI",
    "Anthropic",
    "Gemini",
    "VertexAI",
    "Bedrock",
    "HuggingFace",
    "Cohere",
    "Mistral",
    "OpenAICompatible",
]
OPENAI_LIKE: tuple[Provider, ...] = ("OpenAI", "AzureOpenAI", "OpenAICompatible")
"""Providers of which some accounts offer the responses API."""
NAMELESS: tuple[Provider, ...] = ("AzureOpenAI", "OpenAICompatible")
"""Providers without a hostname that serves everyone."""
PROJECT = r"^[a-z][-a-z0-9.:]*[a-z0-9]$"
API_VERSION = r"^(v1|[0-9]{4}-[0-9]{2}-[0-9]{2}(-preview)?)$"


class OpenAIOptions(Model):
    """How an OpenAI-like API is called."""

    api: Literal["ChatCompletions", "Responses"]
    """The only API it is called by. Without it OpenAI and Azure's `v1` offer both, and others chat
    completions. Embeddings are offered with either."""


class AzureOptions(Model):
    """How Azure's OpenAI deployments are called."""

    api_version: Annotated[str, StringConstraints(max_length=20, pattern=API_VERSION)] = "v1"
    """`v1` has the deployment in the body (`/openai/v1`). A dated version, such as `2024-10-21`,
    has it in the path (`/openai/deployments/…`)."""


class AWSOptions(Model):
    """Where in AWS the models are."""

    region: Label
    """Names the endpoint and the scope of signatures: `us-east-1`."""

    @property
    def domain(self) -> str:
        """Where the region's endpoints are; China's are elsewhere."""
        return "amazonaws.com.cn" if self.region.startswith("cn-") else "amazonaws.com"


class GCPOptions(Model):
    """Where in Google Cloud the models are, and whose they are."""

    project: Annotated[str, StringConstraints(min_length=2, max_length=63, pattern=PROJECT)]
    """The project's id."""
    location: Label
    """A region such as `europe-west1`, a multi-region `us` or `eu`, or `global`."""
    publisher: Literal["Google", "Anthropic"] = "Google"
    """Whose models: `Google` is asked as Gemini, `Anthropic` as Claude. For both, use two
    AIBackends."""
