"""The connection loop: receive, record, answer, deliver; and the table of endpoints."""

import asyncio
import hashlib
import json
import ssl
from collections.abc import Callable
from dataclasses import dataclass

from dragoman.mock_provider import (
    chat,
    completions,
    contents,
    converse,
    delivery,
    dialects,
    embeddings,
    faults,
    judgements,
    media,
    messages,
    models,
    responses,
    saying,
)
from dragoman.mock_provider.answer import Answer, Json
from dragoman.mock_provider.dialects import Dialect
from dragoman.mock_provider.faults import Case, Chosen
from dragoman.mock_provider.saying import Question, Saying
from dragoman.mock_provider.wire import Cut, Inbox, Received, receive

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
MODELS = "/v1/models"
GOOGLE_MODELS = "/v1beta/models"
SPEECH = ("/v1/audio/transcriptions", "/v1/audio/translations")
IMAGES = ("/v1/images/edits", "/v1/images/variations")
FORMS = (*SPEECH, *IMAGES)


@dataclass(frozen=True, slots=True)
class Talk:
    """An endpoint where a model says something."""

    question: Callable[[Json, str], Question]
    respond: Callable[[Json, Question, Saying, str], Answer]


TALKS = {
    "/v1/chat/completions": Talk(chat.question, chat.respond),
    "/v1/responses": Talk(responses.question, responses.respond),
    "/v1/completions": Talk(completions.question, completions.respond),
    "/v1/messages": Talk(messages.question, messages.respond),
    contents.ENDPOINT: Talk(contents.question, contents.respond),
    converse.ENDPOINT: Talk(converse.question, converse.respond),
}
ANSWERS: dict[str, Callable[[Json], Answer]] = {
    "/v1/embeddings": embeddings.respond,
    "/v1/moderations": judgements.moderate,
    "/v1/images/generations": media.draw,
    "/v1/audio/speech": media.speak,
    **dict.fromkeys(SPEECH, media.listen),
    **dict.fromkeys(IMAGES, media.edit),
    "/v1/rerank": judgements.rank,
    "/v2/rerank": judgements.rank,
    "/v1/messages/count_tokens": judgements.count,
}
"""Endpoints that need no more than the body."""
METHODS = {**dict.fromkeys([*TALKS, *ANSWERS], "POST"), MODELS: "GET"}


@dataclass(frozen=True, slots=True)
class Provider:
    """One instance: whom it tells, what it demands, how it fails."""

    recorder: Callable[[Received], None] | None
    require_key: str
    fault: Callable[[], str]


async def serve(
    host: str,
    port: int,
    *,
    recorder: Callable[[Received], None] | None = None,
    tls: ssl.SSLContext | None = None,
    fault: str | Callable[[], str] = "",
    require_key: str = "",
) -> asyncio.Server:
    """Listen, port 0 being any free one.

    `recorder` is told of every request, also of those cut short, before it is answered. `fault` is
    the name of a fault, or a function asked for one at every request ("" for none).
    """
    named = fault if callable(fault) else lambda: fault
    provider = Provider(recorder, require_key, named)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await _converse(provider, Inbox(reader), writer)
        except (Cut, OSError, asyncio.CancelledError):
            pass  # the client or we went away; asyncio logs a cancelled handler as a failure
        finally:
            writer.close()

    return await asyncio.start_server(connected, host, port, ssl=tls, backlog=4096)


async def _converse(provider: Provider, inbox: Inbox, writer: asyncio.StreamWriter) -> None:
    while request := await receive(inbox, lambda: writer.write(CONTINUE)):
        if provider.recorder:
            provider.recorder(request)
        dialect = dialects.of(request)
        token = hashlib.sha256(request.body).hexdigest()[:24]
        headers = {dialect.request_id: f"req_{token}"}
        last = not request.complete or "close" in request.header("connection").lower()
        if last:
            headers["connection"] = "close"
        reply = respond(provider, request, dialect, token)
        if not await delivery.deliver(reply, inbox, writer, headers) or last:
            return


def respond(provider: Provider, request: Received, dialect: Dialect, token: str) -> Answer:
    """The answer to a request, faults included."""
    key = dialect.key(request)
    path = request.path.partition("?")[0].replace(GOOGLE_MODELS, MODELS)
    called = converse.named(path) or contents.named(path)
    endpoint = _endpoint(path, called)
    if status := _refused(provider, request, endpoint, key):
        return dialects.refusal(dialect, status, key)
    body = _body(request)
    if body is None:
        return dialects.refusal(dialect, 400)
    if called is not None:
        model, method = called
        stream = method.startswith("stream") or method.endswith("stream")
        body |= {"model": model, "method": method, "stream": stream}
    names, speaker = faults.split_model(str(body.get("model", "")))
    asked = (provider.fault(), request.header("x-mock-fault"), *names)
    chosen = [faults.parse(name) for name in asked if name]
    if None in chosen:
        return dialects.refusal(dialect, 400, message="The mock provider has no such fault.")
    known = [choice for choice in chosen if choice]
    if endpoint in TALKS:
        reply = _talk(TALKS[endpoint], body, speaker, known, token)
    elif endpoint in ANSWERS:
        reply = ANSWERS[endpoint](body)
    else:
        reply = models.respond(dialect, path.removeprefix(MODELS).removeprefix("/"))
    for choice in known:
        reply = choice.fault.change(reply, Case(dialect, key, choice.argument))
    return reply


def _endpoint(path: str, called: tuple[str, str] | None) -> str:
    if called is not None:
        return converse.ENDPOINT if converse.named(path) else contents.ENDPOINT
    return MODELS if path.startswith(f"{MODELS}/") else path


def _refused(provider: Provider, request: Received, endpoint: str, key: str) -> int:
    """The status of a request that is not even looked into; 0 for one that is."""
    if not request.complete:
        return 400
    if endpoint not in METHODS:
        return 404
    if request.method != METHODS[endpoint]:
        return 405
    return 401 if provider.require_key and key != provider.require_key else 0


def _body(request: Received) -> Json | None:
    if request.method == "GET":
        return {}
    if request.path.partition("?")[0] in FORMS:
        return media.form(request)
    try:
        body = json.loads(request.body)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def _talk(talk: Talk, body: Json, speaker: str, chosen: list[Chosen], token: str) -> Answer:
    question = talk.question(body, speaker)
    said = saying.say(question)
    for choice in chosen:
        said = choice.fault.saying(said)
    return talk.respond(body, question, said, token)
