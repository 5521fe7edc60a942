"""Gemini's paths: which name a model and what is asked of it.

    /v1beta/models/{model}:generateContent                                  Gemini API, also /v1
    /v1beta1/projects/{p}/locations/{l}/publishers/google/models/{model}:…  Vertex AI, also /v1

A stream is asked for by the method and comes as events only with `alt=sse`, as the SDKs send it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import parse_qsl, unquote

import re2

from crds.plan import Format

_LONGEST_MODEL = 256
_PREFIX = re2.compile(
    r"/v1(?:beta)?/models/"
    r"|/v1(?:beta1)?/(?:projects/[^/?#%]+/locations/[^/?#%]+/)?publishers/google/models/"
)
_METHODS: Mapping[str, Format] = MappingProxyType(
    {
        "generateContent": "GeminiContent",
        "streamGenerateContent": "GeminiContent",
        "batchEmbedContents": "GeminiEmbeddings",
        "embedContent": "GeminiEmbedContent",
        "countTokens": "GeminiTokenCount",
    }
)
_SPELLED = tuple(f":{method.casefold()}" for method in _METHODS)
MODELS = "/v1beta/models"


@dataclass(frozen=True, slots=True)
class Named:
    """What a path asks for."""

    model: str
    method: str

    @property
    def format(self) -> Format:
        """What is spoken there."""
        return _METHODS[self.method]

    @property
    def stream(self) -> bool:
        """Whether the answer is a stream."""
        return self.method.startswith("stream")


def read(path: str) -> Named | None:
    """Read a path without its query; None: it is not one of these."""
    prefix = _PREFIX.match(path)
    if prefix is None:
        return None
    raw, colon, method = path[prefix.end() :].rpartition(":")
    if not colon or method not in _METHODS:
        return None
    model = model_of(raw)
    return Named(model, method) if model else None


def resembles(spelled: str) -> bool:
    """Whether a path, decoded and in small letters, is one of these but for its model."""
    return _PREFIX.match(spelled) is not None and spelled.endswith(_SPELLED)


def model_of(raw: str) -> str:
    """The model that a path names; empty: there is none that can be."""
    segments = raw.split("/")
    model = unquote(raw, errors="replace")
    if any(segment in ("", ".", "..") for segment in segments) or "\ufffd" in model:
        return ""
    fits = len(model) <= _LONGEST_MODEL and model.isprintable() and model.strip()
    return model if fits else ""


def is_ours(path: str) -> bool:
    """Whether only callers of this format use such a path, served or not."""
    known = _PREFIX.match(path) is not None and ":" in path
    return known or path.startswith(("/v1beta/", "/v1beta1/"))


def asks_for_events(query: str) -> bool:
    """Whether a query says `alt=sse`."""
    return ("alt", "sse") in parse_qsl(query)
