"""What a format has no words for, in one table: why, and where its provider says so.

A row holds for callers that speak the format, and for providers that are asked in it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from crds.plan import Format


@dataclass(frozen=True)
class Cannot:
    """Why, by whose documentation; and whether the request is refused (else it goes without)."""

    why: str
    source: str
    refused: bool = False


_UNCITED = Cannot(
    "OpenAI's formats cite what their own tools found, not the files of a request",
    "OpenAI API reference, Chat completions and Responses: input files",
)
CANNOT: Mapping[tuple[Format, str], Cannot] = {
    ("BedrockConverse", "image link"): Cannot(
        "Converse takes pictures as bytes or from S3, not by an address",
        "Amazon Bedrock API Reference, ImageSource",
        refused=True,
    ),
    ("OpenAIChat", "cited file"): _UNCITED,
    ("OpenAIResponses", "cited file"): _UNCITED,
    ("GeminiContent", "cited file"): Cannot(
        "generateContent cites what its own tools found, not the files of a request",
        "Gemini API, Content: Part",
    ),
}


@dataclass(frozen=True)
class Apart:
    """Something smaller than a row that goes missing, named in `x-dragoman-dropped` if it was said."""

    what: str
    source: str


APART = (
    Apart(
        "places in documents, to callers of OpenAI's formats: an annotation names a page of the web"
        " or a file that is stored at OpenAI",
        "OpenAI API reference, Chat completions and Responses: annotations",
    ),
    Apart(
        "the number of a cited document, to callers of GeminiContent, who get its title, the page"
        " and the words",
        "Gemini API, GroundingMetadata",
    ),
    Apart(
        "which words of a streamed answer rest on what, from OpenAI's formats and GeminiContent to"
        " callers of AnthropicMessages and BedrockConverse: all of the block that was sent by then",
        "Anthropic API, Streaming messages; Amazon Bedrock API Reference, ContentBlockDelta",
    ),
    Apart(
        "citations of earlier answers, to a provider: only those of documents are shown again, to"
        " Anthropic and to Claude on Bedrock",
        "OpenAI API reference, Gemini API: messages of the assistant; Anthropic API, Citations",
    ),
    Apart(
        "stop sequences, at a provider asked in OpenAIResponses", "OpenAI API reference, Responses"
    ),
    Apart(
        "the count of reasoning tokens, to and from BedrockConverse",
        "Amazon Bedrock API Reference, TokenUsage",
    ),
    Apart(
        "the signature of Gemini's tool calls, for callers of AnthropicMessages: a Gemini that"
        " insists on one gets what Google names for calls without",
        "Gemini API, Thought signatures",
    ),
    Apart(
        "how closely a picture is to be looked at, at providers other than OpenAI's",
        "OpenAI API reference, Chat completions",
    ),
    Apart(
        "names of documents that are words, at a provider asked in OpenAIChat, and of all in"
        " GeminiContent",
        "Gemini API, Blob",
    ),
    Apart("how long a cache is to last", "Anthropic API reference, Messages"),
    Apart(
        "reasoning that nothing proves, back to a provider of OpenAIChat",
        "OpenAI API reference, Chat completions",
    ),
)
