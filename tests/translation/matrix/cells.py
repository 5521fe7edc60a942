"""One cell: a caller's request to a provider, and the provider's answer to the caller.

Requests go the way they go in the guard: decoded by the caller's dialect, prepared for the target
that the controller's table of providers makes of a row; answers by `translation.answers`.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import orjson

from controller.translate.providers import PROVIDERS, Provider
from crds.plan import FAMILIES, Format, QuirksPlan, TargetPlan
from ext_proc import outgoing
from ext_proc.call import Call, Line, Reject, Usage
from ext_proc.formats import errors, strict
from ext_proc.formats.table import DIALECTS
from ext_proc.response import Reading, Whole
from ext_proc.translation.answers import Answer
from ext_proc.translation.citations import Citation, CitationPiece
from ext_proc.translation.cited import counted
from ext_proc.translation.codec import Asked
from ext_proc.translation.neutral import (
    CallBegan,
    CallPiece,
    Delta,
    Failed,
    Finished,
    Part,
    RefusalPiece,
    TextPiece,
    Thinking,
    ThinkingPiece,
    ToolCall,
    ToolResult,
    Used,
)
from ext_proc.translation.table import CODECS
from tests.translation.matrix import (
    anthropic_messages,
    bedrock_converse,
    citations,
    features,
    gemini_content,
    openai_chat,
    openai_responses,
)
from tests.translation.matrix.features import Asks, Says
from tests.translation.matrix.fixtures import Fixtures, Json


def _named(name: str, document: Json | None) -> dict[str, Json]:
    return {name: document} if document is not None else {}


FORMATS: Mapping[Format, Fixtures] = {
    each.format: replace(
        each,
        requests={**each.requests, **_named("cited file", citations.REQUESTS.get(each.format))},
        answers={**each.answers, "cited": citations.ANSWERS[each.format][0]},
        streams={**each.streams, "cited": citations.ANSWERS[each.format][1]},
    )
    for each in (
        openai_chat.FIXTURES,
        openai_responses.FIXTURES,
        anthropic_messages.FIXTURES,
        gemini_content.FIXTURES,
        bedrock_converse.FIXTURES,
    )
}
ASKED = Asked("alias", "req-1", 1_760_000_000)
BUSY = {"AnthropicMessages": 529}
"""Where being overloaded has a status of its own; all others say 503."""


@dataclass(frozen=True)
class Sent:
    """What a provider gets of a request."""

    document: Json
    dropped: tuple[str, ...]


def spoken(provider: Provider) -> Format:
    """The format in which a provider is asked by callers of others."""
    return next(each for each in FAMILIES[0] if each in provider.paths)


ROWS = {name: row for name, row in PROVIDERS.items() if any(f in row.paths for f in FAMILIES[0])}
"""The providers that answer conversations, by their row in the controller's table."""
BY_FORMAT: Mapping[Format, str] = {
    "OpenAIChat": "OpenAI chat",
    "OpenAIResponses": "OpenAI responses",
    "AnthropicMessages": "Anthropic",
    "GeminiContent": "Gemini",
    "BedrockConverse": "Bedrock",
}
"""The provider that stands for each format: the one whose format it is."""
APIS: Mapping[str, Format] = {"OpenAI chat": "OpenAIChat", "OpenAI responses": "OpenAIResponses"}
"""OpenAI speaks both; an AIBackend may have it asked by one of them alone."""


def row(name: str) -> Provider:
    """A provider's row."""
    if name not in APIS:
        return ROWS[name]
    both, only = ROWS["OpenAI"], APIS[name]
    return replace(both, paths={only: both.paths[only]})


def wired(name: str, client: Format) -> Format:
    """The format a provider is asked in by callers of this one."""
    provider = row(name)
    return client if client in provider.paths else spoken(provider)


def send(client: Format, name: str, document: Json, *, stream: bool) -> Sent | Reject:
    """Bring a caller's request to a provider."""
    provider = row(name)
    speaks = wired(name, client)
    dialect = DIALECTS[client]
    line = Line(FORMATS[client].model, stream)
    call = dialect.decode_request(json.dumps(document).encode(), line)
    assert isinstance(call, Call), call
    target = TargetPlan(
        cluster="c",
        backend="default/b",
        provider=name,
        model=FORMATS[speaks].model,
        paths=dict(provider.paths),
        quirks=provider.quirks,
        weight=1,
        priority=0,
    )
    out = outgoing.prepare(dialect, call, (target,), apart=False, strict=False)
    if isinstance(out, Reject):
        return out
    assert out.wires["c"].format == speaks
    dropped = tuple(loss.field for loss in out.losses["c"])
    return Sent(orjson.loads(out.body), dropped)


def unquirked(document: Json, quirks: QuirksPlan, model: str) -> Json:
    """A document as the format has it, before what one provider wants otherwise."""
    back = {other: name for name, other in quirks.rename.items()}
    kept = {back.get(k, k): v for k, v in document.items() if k not in quirks.set}
    return kept if quirks.model_in_body else {"model": model, **kept}


def read(format_: Format, document: Json, name: str) -> Asks:
    """What a request of a format asks, as our reader finds it."""
    line = Line(FORMATS[format_].model, features.REQUESTS[name].stream)
    decoded = strict.loads(json.dumps(document).encode())
    return features.asked(CODECS[format_].read_request(decoded, line))


UNSAID: Mapping[Format, Mapping[str, Any]] = {
    "OpenAIResponses": {"stop": ()},
}
"""What a format has no field for, wherever it is asked for."""


def expected(format_: Format, name: str) -> Asks:
    """What a request of this name asks in a format."""
    return replace(features.REQUESTS[name], **UNSAID.get(format_, {}))


UNCOUNTED: tuple[Format, ...] = ("BedrockConverse",)
"""Formats whose usage does not count reasoning apart."""


def stated(client: Format, provider: Format, says: Says) -> Says:
    """What a caller should read of an answer: all of it, but for counts that nobody can say."""
    silent = client in UNCOUNTED or provider in UNCOUNTED
    return replace(says, usage=replace(says.usage, reasoning_tokens=0)) if silent else says


def answer(provider: Format, client: Format, document: Json) -> tuple[Json, Usage | None]:
    """A provider's whole answer, as the caller gets it; and its usage."""
    if provider == client:
        return document, CODECS[client].read_response(document).usage
    answering = Answer(provider, client, ASKED)
    body = answering.whole(json.dumps(document).encode())
    assert isinstance(body, bytes), body
    return orjson.loads(body), answering.usage


def stream(provider: Format, client: Format, pieces: Iterable[bytes]) -> tuple[bytes, Usage | None]:
    """A provider's stream, as the caller gets it; and its usage."""
    if provider == client:
        reader, out = CODECS[client].reader(), b""
        for piece in pieces:
            out += piece
            [*reader.feed(piece)]
        return out, reader.usage
    answering = Answer(provider, client, ASKED)
    out = b"".join(map(answering.feed, pieces)) + answering.end()
    assert answering.failed is None, answering.failed
    return out, answering.usage


def whole(format_: Format, document: Json) -> Says:
    """What an answer of a format says, as our reader finds it."""
    response = CODECS[format_].read_response(strict.loads(json.dumps(document).encode()))
    [choice] = response.choices
    parts = [each for part in choice.parts if (each := features.said(part)) is not None]
    cites = cited(parts, counted(choice.parts))
    return Says(joined(parts), choice.finish or "", response.usage or Usage(), cites)


def cited(parts: Iterable[Any], found: Iterable[Citation]) -> tuple[tuple[str, str, str], ...]:
    """What citations say: the words, and the page that these rest on."""
    text = "".join(part for part in parts if isinstance(part, str))
    return tuple((text[each.start : each.end], each.url, each.title) for each in found)


def coarse(client: Format, provider: Format, says: Says) -> Says:
    """Words that are sent, and numbered afterwards, are one block in formats that have such."""
    if client not in citations.BLOCKS or provider in citations.BLOCKS:
        return says
    text = "".join(part for part in says.parts if isinstance(part, str))
    return replace(says, cites=tuple((text, url, title) for _, url, title in says.cites))


def joined(parts: Iterable[Any]) -> tuple[Any, ...]:
    """Neighbouring texts are one."""
    one: list[Any] = []
    for part in parts:
        before = one[-1] if one else None
        if isinstance(part, str) and isinstance(before, str):
            one[-1] = before + part
        elif part[0] == "thinking" and before is not None and before[0] == "thinking":
            one[-1] = "thinking", before[1] + part[1]
        else:
            one.append(part)
    return tuple(one)


def heard(format_: Format, raw: bytes) -> list[Delta]:
    """What a stream of a format says, as our reader finds it."""
    reader = CODECS[format_].reader()
    return [*reader.feed(raw), *reader.end()]


def streamed(format_: Format, raw: bytes) -> Says:
    """What all of a stream says."""
    return told(heard(format_, raw))


def told(deltas: Iterable[Delta]) -> Says:
    """What deltas say together."""
    parts: list[Any] = []
    calls: dict[int, list[str]] = {}
    finish, usage = "", Usage()
    found: list[Citation] = []
    for delta in deltas:
        match delta:
            case TextPiece(text):
                parts.append(text)
            case ThinkingPiece(text) if text:
                parts.append(("thinking", text))
            case RefusalPiece(text):
                parts.append(("refusal", text))
            case CallBegan(index, id_, name):
                calls[index] = [id_, name, ""]
                parts.append(("call", index))
            case CallPiece(index, arguments):
                calls[index][2] += arguments
            case Finished(finish_):
                finish = finish_
            case Used(used):
                usage = used
            case CitationPiece(citation):
                found.append(citation)
            case Failed():
                raise AssertionError(delta)
    cites = cited(parts, found)
    return Says(joined(_called(each, calls) for each in parts), finish, usage, cites)


def _called(part: Any, calls: Mapping[int, list[str]]) -> Any:
    if part[0] != "call":
        return part
    id_, name, arguments = calls[part[1]]
    return "call", id_, name, json.loads(arguments or "{}")


def failed(provider: Format, client: Format, status: int) -> tuple[int, bytes]:
    """A provider's error, as the caller gets it."""
    answering = Answer(provider, client, ASKED) if provider != client else None
    count: Callable[[str], int] = len
    reader = Whole(Reading(DIALECTS[client], (), count, answering), status)
    assert reader.add(FORMATS[provider].errors[status])
    body = reader.judge()
    assert isinstance(body, bytes), body
    return errors.status(client, status), body


def turns(format_: Format, document: Json) -> list[tuple[str, list[Part]]]:
    """The turns of a request with all that is in them, proofs of thoughts included: those first,
    since some callers' formats have them apart."""
    decoded = strict.loads(json.dumps(document).encode())
    request = CODECS[format_].read_request(decoded, Line(FORMATS[format_].model))
    joined_: list[tuple[str, list[Part]]] = []
    for message in request.messages:
        if not joined_ or joined_[-1][0] != message.role:
            joined_.append((message.role, []))
        joined_[-1][1].extend(_bare(part) for part in message.parts if not _idle(part))
    for _, parts in joined_:
        parts.sort(key=lambda part: not isinstance(part, Thinking))
    return joined_


def _idle(part: Part) -> bool:
    """Thoughts that nothing proves: providers that show such ones do not want them back."""
    return isinstance(part, Thinking) and not (part.signature or part.redacted)


def _bare(part: Part) -> Part:
    match part:
        case ToolCall(arguments=arguments):
            return replace(part, arguments=json.dumps(json.loads(arguments or "{}")))
        case ToolResult():
            return replace(part, name="")
    return part


def unsigned(document: Json) -> Json:
    """Gemini's request without the signatures of calls."""
    text = json.dumps(document).replace("thoughtSignature", "x")
    stripped: Json = json.loads(
        text, object_hook=lambda o: {k: v for k, v in o.items() if k != "x"}
    )
    return stripped
