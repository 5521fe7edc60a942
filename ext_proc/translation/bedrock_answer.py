"""Answers of Converse, read and written.

Bedrock states neither an id nor the model, and counts cached tokens apart from the others. Source:
`Converse` of the Amazon Bedrock Runtime API reference, and prompt caching in the user guide.
"""

from collections.abc import Mapping
from typing import Any

from ext_proc.call import Usage
from ext_proc.formats import usage
from ext_proc.translation import bedrock_blocks, bedrock_citations
from ext_proc.translation.bedrock_carried import carry
from ext_proc.translation.bedrock_media import Documents
from ext_proc.translation.bedrock_media import write as write_media
from ext_proc.translation.bedrock_write import call, reasoning
from ext_proc.translation.codec import Asked, Json, UnreadableError, UnspeakableError
from ext_proc.translation.neutral import (
    Choice,
    Finish,
    Media,
    Part,
    Refusal,
    Response,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)

FINISHES: Mapping[str, Finish] = {
    "end_turn": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "stop_sequence": "stop_sequence",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
}
"""Any other (`malformed_model_output`) is an end of which others have no word."""
REASONS: Mapping[Finish, str] = {
    "stop": "end_turn",
    "stop_sequence": "stop_sequence",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "content_filtered",
    "refusal": "content_filtered",
}
UNREADABLE = "The provider's answer is not what Converse answers."
NO_METRICS = {"latencyMs": 0}
"""The field must be there, and what another provider took is not known."""


def finish_of(reason: Any) -> Finish:
    """What an answer's end is in neutral words."""
    if not isinstance(reason, str):
        raise UnreadableError(UNREADABLE)
    return FINISHES.get(reason, "stop")


def sequence_of(stated: Json) -> str | None:
    """The stop sequence, where the caller asked for it among the model's own fields."""
    additional = stated.get("additionalModelResponseFields")
    sequence = additional.get("stop_sequence") if isinstance(additional, dict) else None
    return sequence if isinstance(sequence, str) else None


def read_response(document: Json) -> Response:
    """Read an answer. Raise UnreadableError."""
    output = document.get("output")
    message = output.get("message") if isinstance(output, dict) else None
    if not isinstance(message, dict):
        raise UnreadableError(UNREADABLE)
    try:
        blocks = bedrock_blocks.read(message.get("content"), "content")
    except UnspeakableError:
        raise UnreadableError(UNREADABLE) from None
    stated = document.get("usage")
    used = usage.bedrock(stated)
    finish = finish_of(document.get("stopReason"))
    choice = Choice(tuple(blocks.parts), finish, sequence_of(document))
    return Response("", "", (choice,), used, stated is not None and used is None)


def write_response(response: Response, _: Asked) -> Json:
    """Write an answer."""
    choice = next(iter(response.choices), Choice((), None))
    documents = Documents()
    content = [block for part in choice.parts for block in _blocks(part, documents)]
    document: Json = {
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": REASONS[choice.finish or "stop"],
        "metrics": NO_METRICS,
    }
    if response.usage is not None:
        document["usage"] = write_usage(response.usage)
    if choice.stop_sequence is not None:
        document["additionalModelResponseFields"] = {"stop_sequence": choice.stop_sequence}
    return document


def _blocks(part: Part, documents: Documents) -> list[Json]:
    match part:
        case Text():
            return list(bedrock_citations.write_text(part))
        case Refusal(text):
            return [{"text": text}] if text else []
        case Thinking(redacted=redacted) if redacted:
            return [opaque(carry("redacted", redacted))]
        case Thinking():
            return [reasoning(part)]
        case ToolCall(signature=signature):
            return [*([opaque(carry("call", signature))] if signature else []), call(part)]
        case Media():
            block = write_media(part, documents)
            return [block] if block is not None else []
        case ToolResult():
            return []


def opaque(content: str) -> Json:
    """Write what only its provider can read."""
    return {"reasoningContent": {"redactedContent": content}}


def write_usage(used: Usage) -> Json:
    """Write token counts; the total has all of them."""
    cached = used.cache_read_tokens + used.cache_write_tokens
    return {
        "inputTokens": used.input_tokens - cached,
        "outputTokens": used.output_tokens,
        "totalTokens": used.input_tokens + used.output_tokens,
        "cacheReadInputTokens": used.cache_read_tokens,
        "cacheWriteInputTokens": used.cache_write_tokens,
    }
