"""What is judged, ranked or counted: OpenAI's moderations, rerank, Anthropic's count of tokens."""

from typing import Any

from dragoman.mock_provider.answer import Answer, Json

CATEGORIES = ("harassment", "hate", "illicit", "self-harm", "sexual", "violence")


def moderate(body: Json) -> Answer:
    """One result for each text, or for all parts; nothing is ever flagged, but `violence` is."""
    given = body.get("input")
    apart = given if isinstance(given, list) and isinstance(given[0], str) else [given]
    results = [_result("violence" in str(each)) for each in apart]
    return Answer({"id": "modr-mock", "model": str(body.get("model")), "results": results})


def _result(flagged: bool) -> Json:  # noqa: FBT001 -- it is what the result is about
    flags = {name: flagged and name == "violence" for name in CATEGORIES}
    return {
        "flagged": flagged,
        "categories": flags,
        "category_scores": {name: float(flag) for name, flag in flags.items()},
        "category_applied_input_types": {name: ["text"] for name in CATEGORIES},
    }


def rank(body: Json) -> Answer:
    """The longest document first, each with its text."""
    texts = [_text(each) for each in body.get("documents") or ()]
    order = sorted(range(len(texts)), key=lambda index: (-len(texts[index]), index))
    results = [
        {"index": index, "relevance_score": 1 / (place + 1), "document": {"text": texts[index]}}
        for place, index in enumerate(order)
    ]
    words = sum(len(text.split()) for text in [str(body.get("query")), *texts])
    return Answer({"id": "rerank-mock", "results": results, "usage": {"total_tokens": words}})


def _text(document: Any) -> str:
    return str(document.get("text")) if isinstance(document, dict) else str(document)


def count(body: Json) -> Answer:
    """Words of the messages and the system prompt, as JSON has them."""
    words = len(f"{body.get('system') or ''} {body.get('messages')}".split())
    return Answer({"input_tokens": words})
