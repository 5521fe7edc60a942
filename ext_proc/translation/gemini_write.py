"""A generateContent request, written from neutral values.

Neighbours of one role become one content, as the results of parallel calls must stand together in
the turn after them. Source: `models.generateContent` of the Gemini API reference.
"""

from collections.abc import Mapping

from ext_proc.translation import call_ids, cited, gemini_config, gemini_parts, gemini_tools
from ext_proc.translation.codec import UnspeakableError, Written
from ext_proc.translation.losses import beside_media, lost
from ext_proc.translation.neutral import (
    Json,
    Loss,
    Media,
    Message,
    Part,
    Refusal,
    Request,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from ext_proc.translation.values import as_object

_ROLES = {"user": "user", "assistant": "model"}


def write(request: Request) -> Written:
    """Write a request. Raise UnspeakableError."""
    turns = _Turns(call_ids.named(request), signs=gemini_config.signs_calls(request.model))
    for message in request.messages:
        turns.add(message)
    document: Json = {"contents": turns.written}
    if request.system:
        document["systemInstruction"] = {"parts": [{"text": part.text} for part in request.system]}
    tools, lost_tools = gemini_tools.write(request)
    config, lost_config = gemini_config.write(request)
    document |= tools
    if config:
        document["generationConfig"] = config
    losses = (*turns.lost, *lost_tools, *lost_config, *lost(request, "user"))
    losses += tuple(beside_media(request, "detail", "name"))
    losses += cited.lost(request)
    return Written(document, losses)


class _Turns:
    """The contents, as far as they are written."""

    def __init__(self, names: Mapping[str, str], *, signs: bool) -> None:
        self.written: list[Json] = []
        self.lost: list[Loss] = []
        self._names = names
        self._signs = signs

    def add(self, message: Message) -> None:
        """Write one turn; one that says nothing is none."""
        parts: list[Json] = []
        for part in message.parts:
            written = self._part(part, message.where or "messages", parts)
            if written is not None:
                parts.append(written)
        if self._signs:
            gemini_parts.sign(parts)
        if not parts:
            return
        role = _ROLES[message.role]
        if self.written and self.written[-1]["role"] == role:
            self.written[-1]["parts"] += parts
        else:
            self.written.append({"role": role, "parts": parts})

    def _part(self, part: Part, where: str, before: list[Json]) -> Json | None:
        match part:
            case Text() | Refusal():
                return {"text": part.text} if part.text else None
            case Thinking():
                return self._thought(part, where, before)
            case ToolCall():
                return gemini_parts.call(part, as_object(part.arguments))
            case ToolResult():
                return self._result(part, where)
            case Media():
                return self._media(part, where)

    def _thought(self, said: Thinking, where: str, before: list[Json]) -> Json | None:
        """Write a thought; a signature that stands alone belongs to the text before it."""
        signature = gemini_parts.native(said)
        if said.redacted:
            self.lost.append(Loss(f"{where}.reasoning"))
        if not said.text and not signature:
            return None
        if not said.text and before and set(before[-1]) == {"text"}:
            before[-1]["thoughtSignature"] = signature
            return None
        return gemini_parts.thought(said, signature)

    def _media(self, said: Media, where: str) -> Json | None:
        written = gemini_parts.media(said)
        if written is None:
            self.lost.append(Loss(f"{where}.content", essential=True))
        return written

    def _result(self, result: ToolResult, where: str) -> Json:
        texts = [part.text for part in result.parts if isinstance(part, Text)]
        said = {"error" if result.is_error else "output": "\n".join(texts)}
        media = [self._inline(part, where) for part in result.parts if isinstance(part, Media)]
        response: Json = {"id": result.id} if result.id else {}
        response["name"] = result.name or self._names.get(result.id, "")
        if not response["name"]:
            raise UnspeakableError(where, "answers no tool call of this conversation")
        response["response"] = said
        if any(media):
            response["parts"] = [part for part in media if part]
        return {"functionResponse": response}

    def _inline(self, said: Media, where: str) -> Json | None:
        """Write media within a result, which only bytes can be."""
        written = gemini_parts.media(said)
        if written is None or "inlineData" not in written:
            self.lost.append(Loss(f"{where}.content", essential=True))
            return None
        return written
