"""OpenAI's older `POST /v1/completions`, as JSON and as a stream."""

from typing import Any

from dragoman.mock_provider import answer, saying
from dragoman.mock_provider.answer import Answer, Event, Json
from dragoman.mock_provider.chat import CREATED, usage_of
from dragoman.mock_provider.saying import Question, Saying


def question(body: Json, speaker: str) -> Question:
    """The request in the words of `saying`."""
    texts = _texts(body.get("prompt"))
    return Question(
        model=str(body.get("model")),
        speaker=speaker,
        texts=texts,
        last_user=texts[-1] if texts else "",
        tool_result=None,
        tools=(),
        tool_choice="none",
    )


def _texts(prompt: Any) -> tuple[str, ...]:
    given = prompt if isinstance(prompt, list) else [prompt]
    return tuple(each for each in given if isinstance(each, str))


def respond(body: Json, asked: Question, said: Saying, token: str) -> Answer:
    """One choice; `token` makes its identifier unique to the request."""
    base = {
        "id": f"cmpl-{token}",
        "object": "text_completion",
        "created": CREATED,
        "model": asked.model,
    }
    used = usage_of(saying.count(asked, said))
    if not body.get("stream"):
        return Answer({**base, "choices": [_choice("".join(said.text), "stop")], "usage": used})
    events = [Event({**base, "choices": [_choice(piece, None)]}) for piece in said.text]
    events.append(Event({**base, "choices": [_choice("", "stop")]}))
    options = body.get("stream_options")
    if isinstance(options, dict) and options.get("include_usage"):
        events.append(Event({**base, "choices": [], "usage": used}))
    return answer.stream([*events, Event("[DONE]")])


def _choice(text: str, finish: str | None) -> Json:
    return {"text": text, "index": 0, "logprobs": None, "finish_reason": finish}
