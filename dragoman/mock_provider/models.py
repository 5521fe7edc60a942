"""`GET /v1/models` and `GET /v1/models/NAME`, in the shape of the provider that is asked."""

from dragoman.mock_provider import dialects
from dragoman.mock_provider.answer import Answer, Json
from dragoman.mock_provider.dialects import ANTHROPIC, GOOGLE, Dialect

OPENAI_MODELS = ("echo", "gpt-4o", "gpt-4o-mini", "reason-1", "text-embedding-3-small")
GOOGLE_MODELS = ("echo", "gemini-2.5-flash", "reason-1")
ANTHROPIC_MODELS = ("echo", "claude-sonnet-4-5", "reason-1")


def respond(dialect: Dialect, name: str) -> Answer:
    """The list, or one model of it."""
    if dialect is GOOGLE:
        return _google(name)
    models = _anthropic() if dialect is ANTHROPIC else _openai()
    if name:
        found = [model for model in models if model["id"] == name]
        return Answer(found[0]) if found else dialects.refusal(dialect, 404)
    if dialect is ANTHROPIC:
        ends = {"first_id": models[0]["id"], "last_id": models[-1]["id"]}
        return Answer({"data": models, "has_more": False, **ends})
    return Answer({"object": "list", "data": models})


def _google(name: str) -> Answer:
    models: list[Json] = [{"name": f"models/{each}", "displayName": each} for each in GOOGLE_MODELS]
    if not name:
        return Answer({"models": models})
    found = [model for model in models if model["displayName"] == name]
    return Answer(found[0]) if found else dialects.refusal(GOOGLE, 404)


def _openai() -> list[Json]:
    return [
        {"id": name, "object": "model", "created": 1_700_000_000, "owned_by": "dragoman"}
        for name in OPENAI_MODELS
    ]


def _anthropic() -> list[Json]:
    return [
        {"id": name, "type": "model", "display_name": name, "created_at": "2024-01-01T00:00:00Z"}
        for name in ANTHROPIC_MODELS
    ]
