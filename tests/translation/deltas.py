"""Deltas of a whole answer, a character at a time."""

from ext_proc.translation.neutral import (
    Began,
    CallBegan,
    CallPiece,
    Finished,
    Refusal,
    RefusalPiece,
    Text,
    TextPiece,
    Thinking,
    ThinkingPiece,
    ToolCall,
    Used,
)


def pieces(response):
    """The stream that says what the answer says."""
    yield Began(response.id, response.model)
    calls = 0
    for part in response.choices[0].parts:
        match part:
            case Text(text):
                yield from (TextPiece(character) for character in text)
            case Refusal(text):
                yield from (RefusalPiece(character) for character in text)
            case Thinking(text, signature, redacted):
                yield from (ThinkingPiece(character) for character in text)
                if signature or redacted:
                    yield ThinkingPiece(signature=signature, redacted=redacted)
            case ToolCall(call_id, name, arguments, signature):
                yield CallBegan(calls, call_id, name, signature)
                yield from (CallPiece(calls, character) for character in arguments)
                calls += 1
    yield Finished(response.choices[0].finish)
    if response.usage:
        yield Used(response.usage)
