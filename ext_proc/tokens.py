"""Token counts of texts, for what no provider counted.

Exact for the vocabularies packaged with toktok; for other models the newest of them gives an
estimate. Message framing is not counted, so usage made from these counts is marked estimated.
"""

from collections.abc import Iterable
from functools import cache

import toktok

# The longest matching prefix decides. https://github.com/openai/tiktoken/blob/main/tiktoken/model.py
_ENCODINGS = {
    "gpt-3.5": "cl100k_base",
    "gpt-35": "cl100k_base",
    "gpt-4": "cl100k_base",
    "gpt-4o": "o200k_base",
    "gpt-4.1": "o200k_base",
    "gpt-4.5": "o200k_base",
    "gpt-5": "o200k_base",
    "gpt-oss": "o200k_harmony",
    "chatgpt": "o200k_base",
    "o1": "o200k_base",
    "o3": "o200k_base",
    "o4": "o200k_base",
    "text-embedding": "cl100k_base",
    "qwen3": "qwen3.5",
}
_OTHERS = "o200k_base"


def encoding(model: str) -> str:
    """Return the vocabulary of a model; a `vendor/` before its name does not matter."""
    name = model.rpartition("/")[2].lower()
    known = [prefix for prefix in _ENCODINGS if name.startswith(prefix)]
    return _ENCODINGS[max(known, key=len)] if known else _OTHERS


@cache
def _vocabulary(name: str) -> toktok._Tokenizer:
    # The public batch_count starts a thread per call, which costs six times the counting itself.
    return toktok._encoding(name)  # noqa: SLF001 - the version is pinned for it


def count(texts: Iterable[str], model: str) -> int:
    """Count the tokens of some texts, each on its own."""
    return sum(counts(texts, model))


def counts(texts: Iterable[str], model: str) -> list[int]:
    """The tokens of each text; those of empty ones are left out."""
    vocabulary = _vocabulary(encoding(model))
    return [vocabulary.count(text) for text in texts if text]


def load() -> None:
    """Read the vocabularies now, not under the first request."""
    for name in {*_ENCODINGS.values(), _OTHERS}:
        _vocabulary(name)
