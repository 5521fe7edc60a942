"""Usage as providers state it, checked: counts that cannot be are no usage at all.

All readers return the neutral `Usage`, in which cached tokens are part of the input and reasoning
is part of the output. OpenAI counts them so; Anthropic and Bedrock count what was read from and
written to the cache apart from the other input, and Gemini counts thoughts apart from candidates
and the results of its own tools apart from the prompt, so they are added here.
"""

from collections.abc import Mapping
from typing import Any

from ext_proc.call import Usage

_MOST = 1_000_000_000
_LONGEST = 20
"""Characters of a number in a header: more than `_MOST` has."""


def openai(stated: Any) -> Usage | None:
    """Read `usage` of chat completions and embeddings."""
    if not isinstance(stated, Mapping):
        return None
    read = _count(_part(stated, "prompt_tokens_details"), "cached_tokens")
    reasoning = _count(_part(stated, "completion_tokens_details"), "reasoning_tokens")
    given, written = _count(stated, "prompt_tokens"), _count(stated, "completion_tokens")
    if given is None or written is None or read is None or reasoning is None:
        return None
    if "prompt_tokens" not in stated or read > given or reasoning > written:
        return None
    return Usage(
        input_tokens=given,
        output_tokens=written,
        cache_read_tokens=read,
        reasoning_tokens=reasoning,
    )


def responses(stated: Any) -> Usage | None:
    """Read `usage` of OpenAI's responses."""
    if not isinstance(stated, Mapping):
        return None
    details = _part(stated, "input_tokens_details")
    read, stored = _count(details, "cached_tokens"), _count(details, "cache_write_tokens")
    reasoning = _count(_part(stated, "output_tokens_details"), "reasoning_tokens")
    given, written = _count(stated, "input_tokens"), _count(stated, "output_tokens")
    if given is None or written is None or reasoning is None or read is None or stored is None:
        return None
    if "input_tokens" not in stated or "output_tokens" not in stated:
        return None
    if read + stored > given or reasoning > written:
        return None
    return Usage(given, written, read, stored, reasoning)


def anthropic(stated: Any) -> Usage | None:
    """Read `usage` of messages; of a stream, that of `message_start` and `message_delta` merged."""
    if not isinstance(stated, Mapping):
        return None
    given, written = _count(stated, "input_tokens"), _count(stated, "output_tokens")
    read = _count(stated, "cache_read_input_tokens")
    stored = _count(stated, "cache_creation_input_tokens")
    thought = _count(_part(stated, "output_tokens_details"), "thinking_tokens")
    if given is None or written is None or read is None or stored is None or thought is None:
        return None
    if "input_tokens" not in stated or "output_tokens" not in stated or thought > written:
        return None
    return Usage(
        input_tokens=given + read + stored,
        output_tokens=written,
        cache_read_tokens=read,
        cache_write_tokens=stored,
        reasoning_tokens=thought,
    )


def gemini(stated: Any) -> Usage | None:
    """Read `usageMetadata` of generateContent; of a stream, the last one."""
    if not isinstance(stated, Mapping) or "promptTokenCount" not in stated:
        return None
    given, written = _count(stated, "promptTokenCount"), _count(stated, "candidatesTokenCount")
    read, thought = _count(stated, "cachedContentTokenCount"), _count(stated, "thoughtsTokenCount")
    tools = _count(stated, "toolUsePromptTokenCount")
    if given is None or written is None or read is None or thought is None or tools is None:
        return None
    if read > given:
        return None
    return Usage(
        input_tokens=given + tools,
        output_tokens=written + thought,
        cache_read_tokens=read,
        reasoning_tokens=thought,
    )


def bedrock(stated: Any) -> Usage | None:
    """Read `usage` of Converse."""
    if not isinstance(stated, Mapping):
        return None
    given, written = _count(stated, "inputTokens"), _count(stated, "outputTokens")
    read = _count(stated, "cacheReadInputTokens")
    stored = _count(stated, "cacheWriteInputTokens")
    if given is None or written is None or read is None or stored is None:
        return None
    if "inputTokens" not in stated or "outputTokens" not in stated:
        return None
    return Usage(
        input_tokens=given + read + stored,
        output_tokens=written,
        cache_read_tokens=read,
        cache_write_tokens=stored,
    )


def media(stated: Any) -> Usage | None:
    """Read `usage` of images, speech and transcripts; they name the input that is no text."""
    if not isinstance(stated, Mapping) or "input_tokens" not in stated:
        return None
    given, written = _count(stated, "input_tokens"), _count(stated, "output_tokens")
    details = _part(stated, "input_tokens_details") or _part(stated, "input_token_details")
    images, sound = _count(details, "image_tokens"), _count(details, "audio_tokens")
    if given is None or written is None or images is None or sound is None:
        return None
    if images + sound > given:
        return None
    return Usage(input_tokens=given, output_tokens=written, media_tokens=images + sound)


def rerank(stated: Any) -> Usage | None:
    """Read `usage` of Jina and vLLM, or `meta.tokens` of Cohere."""
    if not isinstance(stated, Mapping):
        return None
    named = [name for name in _RANKED if name in stated]
    given, written = _count(stated, named[0]) if named else None, _count(stated, "output_tokens")
    if given is None or written is None:
        return None
    return Usage(input_tokens=given, output_tokens=written)


def inputs(count: Any) -> Usage | None:
    """Read a count of what was given, where nothing is written."""
    given = _count({"": count}, "")
    return None if count is None or given is None else Usage(input_tokens=given)


def header(stated: str | None) -> Usage | None:
    """Read a header that counts what was given."""
    if stated is None or not (stated.isascii() and stated.isdigit()):
        return None
    return inputs(int(stated[:_LONGEST]))


_RANKED = ("input_tokens", "total_tokens", "prompt_tokens")


def _part(stated: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = stated.get(name)
    return part if isinstance(part, Mapping) else {}


def _count(stated: Mapping[str, Any], name: str) -> int | None:
    """Return a count, 0 if it is not stated, None if it cannot be."""
    count = stated.get(name)
    if count is None:
        return 0
    if isinstance(count, bool) or not isinstance(count, int) or not 0 <= count <= _MOST:
        return None
    return count
