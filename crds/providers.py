"""Providers: whose API an AIBackend speaks, and what some of them must be told besides."""

from typing import Annotated, ClassVar, Literal

from pydantic import StringConstraints

from crds.meta import HEADER, Label, Model, Rule

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
    "HTTP",
]
OPENAI_LIKE: tuple[Provider, ...] = ("OpenAI", "AzureOpenAI", "OpenAICompatible")
"""Providers of which some accounts offer the responses API."""
NAMELESS: tuple[Provider, ...] = ("AzureOpenAI", "OpenAICompatible", "HTTP")
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


FRAMING: tuple[str, ...] = ("connection", "content-length", "content-type", "host", "te")
FRAMING += ("trailer", "transfer-encoding", "upgrade")
"""Headers that say how a message is read, so none of them can hold a key."""


class HTTPOptions(Model):
    """How a server is reached whose API Dragoman does not read."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            f"!has(self.keyHeader) || (!(self.keyHeader in {list(FRAMING)})"
            " && !self.keyHeader.matches('^x-(dragoman|envoy|forwarded)-'))",
            "keyHeader cannot be a header that frames the message or that gateways set",
            lambda self: (
                self.key_header is None
                or not (
                    self.key_header in FRAMING
                    or self.key_header.startswith(("x-dragoman-", "x-envoy-", "x-forwarded-"))
                )
            ),
            "keyHeader",
        ),
    )

    version: Literal["Auto", "HTTP1", "HTTP2"] = "Auto"
    """`Auto` is what the server prefers over TLS, and HTTP/1.1 in plain text. gRPC in plain text
    needs `HTTP2`; WebSockets at a server that prefers HTTP/2 need `HTTP1`."""
    key_header: (
        Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=HEADER)] | None
    ) = None
    """The header that holds an API key and nothing else, in lower case; `authorization: Bearer …`
    when left out."""
