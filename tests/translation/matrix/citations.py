"""Citations in the words of each format: an answer that rests on two pages of the web, whole and
streamed, and a document that is to be cited, where it can be asked.
"""

from collections.abc import Mapping
from typing import Any

from crds.plan import Format
from tests.translation.matrix import (
    anthropic_messages,
    bedrock_converse,
    gemini_content,
    openai_chat,
    openai_responses,
)
from tests.translation.matrix.features import BETWEEN, CITED, GRASS, PDF, SKY, pieces
from tests.translation.matrix.fixtures import Json, sse


def _span(page: tuple[str, str, str]) -> dict[str, int]:
    start = CITED.index(page[0])
    return {"start_index": start, "end_index": start + len(page[0])}


def _page(page: tuple[str, str, str]) -> Json:
    return {"url": page[1], "title": page[2], **_span(page)}


CHAT = [{"type": "url_citation", "url_citation": _page(each)} for each in (GRASS, SKY)]
RESPONSES = [{"type": "url_citation", **_page(each)} for each in (GRASS, SKY)]


def _responses() -> tuple[Json, bytes]:
    """The item of a message, and its stream with events of annotations before the text ends."""
    item = openai_responses.message(CITED)
    item["content"][0]["annotations"] = RESPONSES
    events = []
    for each in openai_responses.events([item], "completed", openai_responses.usage()):
        if each["type"] == "response.output_text.done":
            at = {key: each[key] for key in ("item_id", "output_index", "content_index")}
            added = {"type": "response.output_text.annotation.added", **at}
            events += [
                {**added, "annotation_index": number, "annotation": annotation}
                for number, annotation in enumerate(RESPONSES)
            ]
        events.append(each)
    raw = sse(*openai_responses.numbered(iter(events)), named=True)
    return openai_responses.answer(item), raw


def anthropic(page: tuple[str, str, str]) -> Json:
    _, url, title = page
    cited = {"cited_text": f"About {title}.", "encrypted_index": "Eo8B"}
    return {"type": "web_search_result_location", "url": url, "title": title, **cited}


def _anthropic() -> tuple[Json, bytes]:
    said = ((GRASS[0], GRASS), (BETWEEN, None), (SKY[0], SKY), (".", None))
    blocks = [
        {"type": "text", "text": text, "citations": [anthropic(page)] if page else None}
        for text, page in said
    ]
    streamed = [
        anthropic_messages.block(
            number,
            {"type": "text", "text": ""} | ({"citations": []} if page else {}),
            *([("citations_delta", "citation", anthropic(page))] if page else []),
            *(("text_delta", "text", piece) for piece in pieces(text)),
        )
        for number, (text, page) in enumerate(said)
    ]
    return anthropic_messages.answer(*blocks), anthropic_messages.stream(*streamed)


def _gemini() -> tuple[Json, bytes]:
    """Bytes are counted; numbers that are nought are left out."""
    supports: list[Json] = []
    for number, (words, _, _) in enumerate((GRASS, SKY)):
        start = CITED.encode().index(words.encode())
        segment: Json = {"startIndex": start} if start else {}
        segment |= {"endIndex": start + len(words), "text": words}
        supports.append(
            {
                "segment": segment,
                "groundingChunkIndices": [number],
                "confidenceScores": [0.9],
            }
        )
    metadata = {
        "groundingChunks": [{"web": {"uri": url, "title": t}} for _, url, t in (GRASS, SKY)],
        "groundingSupports": supports,
        "webSearchQueries": ["grass and sky"],
    }
    whole = gemini_content.answer({"text": CITED})
    whole["candidates"][0]["groundingMetadata"] = metadata
    *before, last = [gemini_content.answer({"text": p}, finish=None) for p in pieces(CITED)]
    last["candidates"][0] |= {"groundingMetadata": metadata, "finishReason": "STOP"}
    return whole, sse(*before, last)


def _bedrock() -> tuple[Json, bytes]:
    def citation(page: tuple[str, str, str]) -> Json:
        domain = page[1].split("/")[2]
        return {"title": page[2], "location": {"web": {"url": page[1], "domain": domain}}}

    def cited(page: tuple[str, str, str]) -> Json:
        said = {"content": [{"text": page[0]}], "citations": [citation(page)]}
        return {"citationsContent": said}

    whole = bedrock_converse.answer(cited(GRASS), {"text": BETWEEN}, cited(SKY), {"text": "."})
    deltas: list[list[Json]] = [
        [*({"text": piece} for piece in pieces(GRASS[0])), {"citation": citation(GRASS)}],
        [{"text": BETWEEN}],
        [{"text": SKY[0]}, {"citation": citation(SKY)}],
        [{"text": "."}],
    ]
    blocks = (bedrock_converse.block(at, None, *each) for at, each in enumerate(deltas))
    return whole, bedrock_converse.stream(*blocks)


def _chat() -> tuple[Json, bytes]:
    said = [{"content": each} for each in pieces(CITED)]
    whole = openai_chat.answer(CITED, annotations=CHAT)
    return whole, openai_chat.stream(*said, {"annotations": CHAT})


ANSWERS: Mapping[Format, tuple[Json, bytes]] = {
    "OpenAIChat": _chat(),
    "OpenAIResponses": _responses(),
    "AnthropicMessages": _anthropic(),
    "GeminiContent": _gemini(),
    "BedrockConverse": _bedrock(),
}
"""The whole answer, and the stream."""
_ASKED: Any = {"citations": {"enabled": True}}
REQUESTS: Mapping[Format, Json] = {
    "AnthropicMessages": anthropic_messages.looks_at(
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": PDF},
            **_ASKED,
        },
        "Sum it up.",
    ),
    "BedrockConverse": bedrock_converse.ask(
        bedrock_converse.user(
            {"text": "Sum it up."},
            {"document": {"format": "pdf", "name": "r", "source": {"bytes": PDF}, **_ASKED}},
        )
    ),
}
"""Where a document can be asked to be cited."""
BLOCKS: tuple[Format, ...] = ("AnthropicMessages", "BedrockConverse")
"""Formats whose citations stand by blocks of words."""
