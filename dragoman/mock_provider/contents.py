"""Google's `POST …/models/MODEL:generateContent`, its stream, `:countTokens` and embeddings."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from dragoman.mock_provider import answer, embeddings, saying
from dragoman.mock_provider.answer import Answer, Event, Json
from dragoman.mock_provider.saying import MAX_CHOICES, Question, Saying, Tool, text_of

ENDPOINT = "generateContent"
SIGNATURE = "bW9jaw=="
_EMBEDDED = {
    "embedContent": embeddings.one_content,
    "batchEmbedContents": embeddings.contents,
    "predict": embeddings.predict,
}
_METHODS = (ENDPOINT, "streamGenerateContent", "countTokens", *_EMBEDDED)


def named(path: str) -> tuple[str, str] | None:
    """Model and method of a path that has them."""
    before, _, rest = path.partition("/models/")
    model, colon, method = rest.rpartition(":")
    if not colon or method not in _METHODS or not before.startswith("/v1"):
        return None
    return unquote(model), method


def question(body: Json, speaker: str) -> Question:
    """The request in the words of `saying`."""
    body = body | (body.get("generateContentRequest") or {})
    contents = [c for c in body.get("contents") or () if isinstance(c, dict)]
    users = [text_of(c.get("parts")) for c in contents if c.get("role") != "model"]
    last = contents[-1].get("parts") if contents else None
    results = [str(r.get("response")) for r in _each(last, "functionResponse")]
    number = (body.get("generationConfig") or {}).get("candidateCount")
    return Question(
        model=str(body.get("model")),
        speaker=speaker,
        texts=(
            text_of((body.get("systemInstruction") or {}).get("parts")),
            *(text_of(c.get("parts")) for c in contents),
        ),
        last_user=next((text for text in reversed(users) if text), ""),
        tool_result="\n".join(results) if results else None,
        tools=tuple(_tools(body.get("tools"))),
        tool_choice=_choice(body.get("toolConfig")),
        choices=min(MAX_CHOICES, number) if isinstance(number, int) and number > 0 else 1,
    )


def _each(parts: Any, name: str) -> list[Json]:
    listed = [p for p in parts if isinstance(p, dict)] if isinstance(parts, list) else []
    return [part[name] for part in listed if isinstance(part.get(name), dict)]


def _tools(tools: Any) -> Iterator[Tool]:
    for tool in tools if isinstance(tools, list) else ():
        for declared in tool.get("functionDeclarations") or ():
            schema = declared.get("parametersJsonSchema") or declared.get("parameters_json_schema")
            yield Tool(str(declared.get("name")), schema or _lower(declared.get("parameters")))


def _lower(schema: Any) -> Any:
    """A schema with its types in small letters."""
    if isinstance(schema, list):
        return [_lower(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: value.lower() if name == "type" and isinstance(value, str) else _lower(value)
        for name, value in schema.items()
    }


def _choice(config: Any) -> str:
    match config:
        case {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": [str(name)]}}:
            return name
        case {"functionCallingConfig": {"mode": "ANY"}}:
            return "required"
        case {"functionCallingConfig": {"mode": "NONE"}}:
            return "none"
    return "auto"


def respond(body: Json, asked: Question, said: Saying, token: str) -> Answer:
    """The answer; `token` makes its identifiers unique to the request."""
    usage = saying.count(asked, said)
    if body.get("method") == "countTokens":
        return Answer({"totalTokens": usage.input})
    if embed := _EMBEDDED.get(str(body.get("method"))):
        return embed(body)
    frame: Json = {
        "usageMetadata": _usage(usage),
        "modelVersion": asked.model,
        "responseId": token,
    }
    if body.get("stream"):
        return answer.stream([Event(step | frame) for step in _steps(asked, said)])
    (whole,) = _numbered([_part(thought=True, text="".join(said.thoughts)), *_spoken(said)], asked)
    return Answer(whole | frame)


def _spoken(said: Saying) -> list[Json]:
    if said.call:
        call = {"name": said.call.name, "args": said.call.arguments}
        return [{"functionCall": call, "thoughtSignature": SIGNATURE}]
    return [{"text": "".join(said.text)}]


def _part(text: str, *, thought: bool = False) -> Json:
    return {"text": text, "thought": True} if thought else {"text": text}


def _steps(asked: Question, said: Saying) -> Iterator[Json]:
    pieces = [_part(piece, thought=True) for piece in said.thoughts]
    pieces += _spoken(said) if said.call else [_part(piece) for piece in said.text]
    for n, piece in enumerate(pieces, 1):
        yield from _numbered([piece], asked, last=n == len(pieces))


def _numbered(parts: list[Json], asked: Question, *, last: bool = True) -> Iterator[Json]:
    content = {"parts": [part for part in parts if part.get("text") != ""], "role": "model"}
    ends = {"finishReason": "STOP"} if last else {}
    yield {
        "candidates": [
            {"content": content, **ends, "index": index} for index in range(asked.choices)
        ]
    }


def _usage(usage: saying.Usage) -> Json:
    return {
        "promptTokenCount": usage.input,
        "cachedContentTokenCount": usage.cached,
        "candidatesTokenCount": usage.output - usage.thoughts,
        "thoughtsTokenCount": usage.thoughts,
        "totalTokenCount": usage.input + usage.output,
    }
