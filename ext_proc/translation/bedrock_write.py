"""A Converse request, written from neutral values.

Bedrock wants turns that alternate, results of tools first in the turn after their calls, no text
that is blank, and reasoning only as its own models signed it. Source: `Converse` of the Amazon
Bedrock Runtime API reference.
"""

from collections.abc import Iterable
from dataclasses import replace
from itertools import chain
from string import ascii_letters, digits

from ext_proc.translation import bedrock_citations, bedrock_models, bedrock_tools, call_ids, cited
from ext_proc.translation.bedrock_carried import is_blob, is_native
from ext_proc.translation.bedrock_media import Documents
from ext_proc.translation.bedrock_media import write as write_media
from ext_proc.translation.codec import Json, UnspeakableError, Written
from ext_proc.translation.losses import beside_media, lost
from ext_proc.translation.neutral import (
    Loss,
    Media,
    Part,
    Refusal,
    Request,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from ext_proc.translation.values import as_object, as_text

_CACHE_POINT: Json = {"cachePoint": {"type": "default"}}
_ID = f"{ascii_letters}{digits}_.:-"
_LONGEST_ID = 64
_HOTTEST = 1
"""Of temperatures."""


def write_request(request: Request) -> Written:
    """Write a request. Raise UnspeakableError."""
    turns = _Turns(request.model)
    for message in request.messages:
        turns.add(message.role, message.parts, message.where or "messages")
    document: Json = {"messages": turns.written()}
    if not document["messages"]:
        raise UnspeakableError("messages", "say nothing")
    if system := [block for part in request.system for block in turns.words(part)]:
        document["system"] = system
    losses = [*turns.lost, *_inference(request, document), *bedrock_tools.write(request, document)]
    losses += _uncited(request)
    losses += _output(request, document)
    losses += bedrock_models.write(request, document)
    losses += lost(request, "frequency_penalty", "presence_penalty", "seed", "user")
    losses += beside_media(request, "detail")
    if request.choices > 1:
        losses.append(Loss(request.said.get("choices", "choices"), essential=True))
    return Written(document, tuple(losses))


def _inference(request: Request, document: Json) -> tuple[Loss, ...]:
    hot = request.temperature is not None and float(as_text(request.temperature)) > _HOTTEST
    stated = {
        "maxTokens": request.max_tokens,
        "temperature": _HOTTEST if hot else request.temperature,
        "topP": request.top_p,
        "stopSequences": [each for each in request.stop if each] or None,
    }
    config = {name: value for name, value in stated.items() if value is not None}
    if config:
        document["inferenceConfig"] = config
    return (Loss(request.said.get("temperature", "temperature")),) if hot else ()


def _output(request: Request, document: Json) -> tuple[Loss, ...]:
    output = request.output
    if output is None:
        return ()
    if output.schema is None:
        return lost(request, "output")
    schema: Json = {"schema": as_text(output.schema), "name": output.name}
    if output.description:
        schema["description"] = output.description
    wanted = {"type": "json_schema", "structure": {"jsonSchema": schema}}
    document["outputConfig"] = {"textFormat": wanted}
    return ()


def _uncited(request: Request) -> Iterable[Loss]:
    """What is not cited; earlier citations are shown again if they are of documents."""
    if not bedrock_models.cites(request.model):
        return cited.lost(request)
    return chain.from_iterable(
        cited.unshown(request, message, lambda citation: citation.is_documents)
        for message in request.messages
    )


class _Turns:
    """The messages, as far as they are written."""

    def __init__(self, model: str) -> None:
        self._caches = bedrock_models.caches(model, "messages")
        self._cites = bedrock_models.cites(model)
        self.lost: list[Loss] = []
        self._turns: list[tuple[str, list[list[Json]]]] = []
        """Role, and blocks with the cache point that belongs to each."""
        self._documents = Documents()

    def add(self, role: str, parts: tuple[Part, ...], where: str) -> None:
        """Write one turn; one that says nothing is none."""
        groups = [blocks for part in parts if (blocks := self._part(part, where))]
        if self._turns and self._turns[-1][0] == role:
            self._turns[-1][1].extend(groups)
        elif groups:
            self._turns.append((role, groups))

    def written(self) -> list[Json]:
        """The messages; results of tools come first in their turn."""
        return [
            {"role": role, "content": [block for group in _sorted(groups) for block in group]}
            for role, groups in self._turns
        ]

    def words(self, part: Text) -> list[Json]:
        """Write words; blank ones are refused, so they are left out."""
        if not part.text.strip():
            return []
        known = tuple(each for each in part.citations if self._cites and each.is_documents)
        said = bedrock_citations.write_text(replace(part, citations=known))
        return [*said, *self._point(cached=part.cached)]

    def _point(self, *, cached: bool) -> list[Json]:
        return [_CACHE_POINT] if cached and self._caches else []

    def _part(self, part: Part, where: str) -> list[Json]:
        match part:
            case Text():
                return self.words(part)
            case Refusal(text):
                return self.words(Text(text))
            case Media():
                return self._media(part, where)
            case Thinking():
                return self._thinking(part, where)
            case ToolCall():
                return [call(part), *self._point(cached=part.cached)]
            case ToolResult():
                return [self._result(part, where), *self._point(cached=part.cached)]

    def _media(self, media: Media, where: str) -> list[Json]:
        asked = media if self._cites else replace(media, cites="")
        block = write_media(asked, self._documents)
        if block is None:
            self.lost.append(Loss(f"{where}.content", essential=True))
            return []
        return [block, *self._point(cached=media.cached)]

    def _thinking(self, thinking: Thinking, where: str) -> list[Json]:
        """Write reasoning that one of Bedrock's models can take again; other is not missed."""
        if thinking.redacted and is_blob(thinking.redacted):
            return [{"reasoningContent": {"redactedContent": thinking.redacted}}]
        if is_native(thinking.signature):
            return [reasoning(thinking)]
        self.lost.append(Loss(f"{where}.reasoning"))
        return []

    def _result(self, result: ToolResult, where: str) -> Json:
        content: list[Json] = []
        for part in result.parts:
            if isinstance(part, Media) and part.kind == "audio":
                self.lost.append(Loss(f"{where}.content", essential=True))
            else:
                blocks = self._part(part, where)
                content += [block for block in blocks if block != _CACHE_POINT]
        block: Json = {"toolUseId": tool_id(result.id), "content": content}
        if result.is_error:
            block["status"] = "error"
        return {"toolResult": block}


def _sorted(groups: list[list[Json]]) -> list[list[Json]]:
    return sorted(groups, key=lambda group: "toolResult" not in group[0])


def reasoning(thinking: Thinking) -> Json:
    """Write reasoning in words."""
    words = {"text": thinking.text}
    if thinking.signature:
        words["signature"] = thinking.signature
    return {"reasoningContent": {"reasoningText": words}}


def call(part: ToolCall) -> Json:
    """Write a call of a tool."""
    named = {"toolUseId": tool_id(part.id), "name": part.name}
    return {"toolUse": {**named, "input": as_object(part.arguments)}}


def tool_id(stated: str) -> str:
    """An id of Bedrock's characters: the stated one, or always the same other one."""
    return call_ids.spelled(stated, _ID, _LONGEST_ID, "tooluse_")
