"""The coverage table: each field of each format, in each kind of body, and how it is read.

Made from the formats' own tables, so that it cannot say more than they do; the tests plant a
marker in each field it names. `python -m ext_proc.formats.coverage FILE` writes it, and with
`--check` only compares.
"""

import sys
from collections.abc import Iterator
from pathlib import Path as File

from crds.plan import Format
from ext_proc.formats import (
    anthropic_tables,
    anthropic_tokens,
    bedrock_tables,
    gemini_embed_content,
    gemini_embeddings,
    gemini_inspected,
    gemini_tables,
    gemini_tokens,
    openai_completions,
    openai_embeddings,
    openai_image_edits,
    openai_images,
    openai_moderations,
    openai_speech,
    openai_tables,
    openai_transcription,
    rerank,
    responses_tables,
)
from ext_proc.formats.protobuf import Message
from ext_proc.formats.rules import Path
from ext_proc.formats.shapes import Object

Row = tuple[Path, str]
BODIES: dict[tuple[Format, str], Object | Message] = {
    ("OpenAIChat", "request"): openai_tables.REQUEST,
    ("OpenAIChat", "response"): openai_tables.RESPONSE,
    ("OpenAIChat", "stream"): openai_tables.CHUNK,
    ("OpenAIResponses", "request"): responses_tables.REQUEST,
    ("OpenAIResponses", "response"): responses_tables.RESPONSE,
    ("OpenAIResponses", "stream"): responses_tables.EVENT,
    ("OpenAIEmbeddings", "request"): openai_embeddings.REQUEST,
    ("OpenAIEmbeddings", "response"): openai_embeddings.RESPONSE,
    ("AnthropicMessages", "request"): anthropic_tables.REQUEST,
    ("AnthropicMessages", "response"): anthropic_tables.RESPONSE,
    ("AnthropicMessages", "stream"): anthropic_tables.EVENT,
    ("GeminiContent", "request"): gemini_tables.REQUEST,
    ("GeminiContent", "response"): gemini_tables.RESPONSE,
    ("GeminiContent", "stream"): gemini_tables.RESPONSE,
    ("BedrockConverse", "request"): bedrock_tables.REQUEST,
    ("BedrockConverse", "response"): bedrock_tables.RESPONSE,
    ("BedrockConverse", "stream"): Object(bedrock_tables.EVENTS),
    ("GeminiEmbeddings", "request"): gemini_embeddings.REQUEST,
    ("GeminiEmbeddings", "response"): gemini_embeddings.RESPONSE,
    ("GeminiEmbedContent", "request"): gemini_embed_content.REQUEST,
    ("GeminiEmbedContent", "response"): gemini_embed_content.RESPONSE,
    ("GeminiTokenCount", "response"): gemini_tokens.RESPONSE,
    ("AnthropicTokenCount", "response"): anthropic_tokens.RESPONSE,
    ("OpenAICompletions", "request"): openai_completions.REQUEST,
    ("OpenAICompletions", "response"): openai_completions.RESPONSE,
    ("OpenAICompletions", "stream"): openai_completions.RESPONSE,
    ("OpenAIModerations", "request"): openai_moderations.REQUEST,
    ("OpenAIModerations", "response"): openai_moderations.RESPONSE,
    ("OpenAIImages", "request"): openai_images.REQUEST,
    ("OpenAIImages", "response"): openai_images.RESPONSE,
    ("OpenAIImages", "stream"): openai_images.EVENT,
    ("OpenAIImageEdits", "request"): openai_image_edits.EDIT,
    ("OpenAIImageVariations", "request"): openai_image_edits.VARIATION,
    ("OpenAISpeech", "request"): openai_speech.REQUEST,
    ("OpenAISpeech", "stream"): openai_speech.EVENT,
    ("OpenAITranscription", "request"): openai_transcription.REQUEST,
    ("OpenAITranscription", "response"): openai_transcription.RESPONSE,
    ("OpenAITranscription", "stream"): openai_transcription.EVENT,
    ("Rerank", "request"): rerank.REQUEST,
    ("Rerank", "response"): rerank.RESPONSE,
}
_DELTA: Path = ("choices", "[]", "delta")
_HOW = {
    "token": "token",
    "name": "text, whole",
    "data": "data",
    "json": "text in pieces, escapes undone",
    "text": "text in pieces",
}
_PIECES: dict[Path, str] = {
    (*gemini_inspected.PART, "text"): "text in pieces",
    (*gemini_inspected.PART, "*"): "text in pieces, with its key",
    ("choices", "[]", "text"): "text in pieces",
}
_AS_ANSWERED: dict[Format, dict[str, str]] = {
    "AnthropicMessages": {
        "message": "as the response",
        "content_block": "as `content[]` of the response",
    },
    "OpenAIResponses": {
        "response": "as the response",
        "item": "as `output[]` of the response",
        "part": "as a part of an item of the response",
    },
}
_INTRODUCTION = """# What is scanned

Generated from the format tables by `python -m ext_proc.formats.coverage docs/coverage.md`; the
tests plant a marker in every field below and look for it. `*` stands for any field the table does
not name, `type=*` for any type of part.

- **text**: guards read it. A string that is JSON is read without its escapes.
- **text in pieces**: guards read it as one text, however the stream cuts it.
- **token**: an id, an enumeration or a number. Whatever does not look like one is text.
- **numbers**, **signature**, **data**: not text. Whatever else stands there is.
- **recorded as unscanned**: no guard can read it; the request's record names the kind, and
  `unscanned: Block` refuses it.
- Anthropic streams: a block's initial `text` or `thinking` is the first piece of its text.
- Bedrock streams: the names stand in the headers of the messages.
- Streams of responses: where a text that came in pieces is repeated whole, its pieces stand as they
  were released.
- OpenAI streams under inspection carry no `logprobs`, since they would spell what is held back;
  nor do Gemini's carry `logprobsResult`.
- Requests of AnthropicTokenCount are read as those of AnthropicMessages, and those of
  GeminiTokenCount, and of the `generateContentRequest` in them, as those of GeminiContent;
  OpenAIAudioTranslation is read as OpenAITranscription, answers and streams of OpenAIImageEdits and
  OpenAIImageVariations as those of OpenAIImages. Requests with files are forms. A format with no
  table for streams has none.
- An answer of sound (OpenAISpeech) passes unread, also where responses are guarded. A call that is
  answered with sound or images is recorded for it when it is asked (`audio_answer`,
  `image_answer`), so that `unscanned: Block` refuses it.
- Plain text and subtitles that OpenAITranscription answers with are one text.
- Gemini's fields may be written in snake_case as well (`inline_data`), but not in both spellings.
"""


def rows(name: Format, direction: str) -> Iterator[Row]:
    """Name the fields of one direction of a format, and how each is read."""
    for path, how in BODIES[name, direction].fields(()):
        is_type = path[-1] == "type" and len(path) > 1 and path[-2].startswith("type=")
        apart = direction == "stream" and path[-1] in ("delta", "logprobs", "logprobsResult")
        cleaned = direction == "stream" and path[:2] == ("response", "error")
        if not is_type and not apart and not cleaned:
            yield path, _PIECES.get(path, how) if direction == "stream" else how
    if (name, direction) == ("OpenAIChat", "stream"):
        for place, (_, how) in openai_tables.STREAMED.items():
            yield (*_DELTA, *place), _HOW[how]
        yield (*_DELTA, "*"), "text in pieces, with its key"
    if (name, direction) == ("OpenAIResponses", "stream"):
        for kind, (*_, how) in responses_tables.STREAMED.items():
            yield (f"type={kind}.delta", "delta"), _HOW[how]
        yield ("type=*.delta", "delta"), "text in pieces"
    if (name, direction) == ("OpenAITranscription", "stream"):
        yield ("delta",), "text in pieces"
    if (name, direction) == ("AnthropicMessages", "stream"):
        for kind, (field, _) in anthropic_tables.STREAMED.items():
            pieces = "json" if kind == "input_json_delta" else "text"
            yield ("delta", f"type={kind}", field), _HOW[pieces]
        yield ("delta", "type=signature_delta", "signature"), "signature"
        yield ("delta", "type=*", "*"), "text in pieces, with its key"
        for path, how in anthropic_tables.MESSAGE_DELTA.fields(("delta",)):
            yield path, how
    if (name, direction) == ("BedrockConverse", "stream"):
        yield from _bedrock_deltas()


def _bedrock_deltas() -> Iterator[Row]:
    """Rows of the deltas; results of the provider's own tools come in lists."""
    for place, (_, is_json) in bedrock_tables.PIECES.items():
        yield _bedrock_delta(place), _HOW["json" if is_json else "text"]
    for place, rule in bedrock_tables.WHOLES.items():
        yield from rule.fields(_bedrock_delta(place))
    yield _bedrock_delta(("*",)), "text in pieces, with its key"


def _bedrock_delta(place: Path) -> Path:
    listed = ("[]",) if place[0] == "toolResult" else ()
    return ("contentBlockDelta", "delta", place[0], *listed, *place[1:])


def write(path: Path) -> str:
    """Return a path as people write it."""
    written = ""
    for step in path:
        if step == "[]":
            written += "[]"
        elif step.startswith("type="):
            written += f"({step.removeprefix('type=')})"
        else:
            written += f".{step}" if written else step
    return written


def table() -> str:
    """Return the whole page."""
    parts = [_INTRODUCTION]
    for name, direction in BODIES:
        parts.append(f"\n## {name}, {direction}\n\n| field | read as |\n|---|---|\n")
        for path, how in rows(name, direction):
            if direction == "stream" and path[0] in _AS_ANSWERED.get(name, ()):
                continue
            parts.append(f"| `{write(path)}` | {how} |\n")
        if direction == "stream":
            repeated = _AS_ANSWERED.get(name, {})
            parts += [f"| `{field}` | {how} |\n" for field, how in repeated.items()]
    return "".join(parts)


def main(arguments: list[str]) -> int:
    """Write the page, or tell whether it is up to date."""
    page = File(next(argument for argument in arguments if argument != "--check"))
    if "--check" in arguments:
        return 0 if page.exists() and page.read_text(encoding="utf-8") == table() else 1
    page.write_text(table(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
